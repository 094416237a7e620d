// Doors to hierarchies: normal random effects over the sites' models, and a site's part of a round.
#include "convert.h"
#include "core/fit/site_mode.h"
#include "core/model/quantiles.h"
#include "core/reduce/hierarchy.h"
#include "core/reduce/homogeneity.h"
#include "core/reduce/transport_problem.h"

using namespace distmoe;

namespace {

Rcpp::NumericVector numbers(const VectorXd& v) { return Rcpp::NumericVector(v.data(), v.data() + v.size()); }

}  // namespace

// sites: lists with `curvature` (r x r) and `slope` (r), in memory that stays; block: as in fit_hierarchy(), from 0,
// -1 for what is common; start: T, or NULL. options: reml, fixed, max_iterations, tolerance, threads.
// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_hierarchy(Rcpp::List sites, Rcpp::IntegerVector block, Rcpp::Nullable<Rcpp::NumericMatrix> start,
                         Rcpp::List options) {
  std::vector<Rcpp::NumericMatrix> curvature;
  std::vector<Rcpp::NumericVector> slope;
  std::vector<SiteQuadratic> quadratics;
  const Index size = block.size();
  for (R_xlen_t m = 0; m < sites.size(); ++m) {
    const Rcpp::List site = sites[m];
    curvature.push_back(site["curvature"]);
    slope.push_back(site["slope"]);
    if (curvature.back().nrow() != size || curvature.back().ncol() != size || slope.back().size() != size) {
      throw std::invalid_argument("a site's quadratic has another size");
    }
    quadratics.push_back({Eigen::Map<const MatrixXd>(curvature.back().begin(), size, size),
                          Eigen::Map<const VectorXd>(slope.back().begin(), size)});
  }
  HierarchyOptions o;
  o.reml = options["reml"];
  o.max_iterations = options["max_iterations"];
  o.tolerance = options["tolerance"];
  o.threads = r_services(Rcpp::as<int>(options["threads"])).threads;
  MatrixXd from;
  if (start.isNotNull()) from = Rcpp::as<MatrixXd>(start.get());
  const HierarchyFit fit = fit_hierarchy(quadratics, std::vector<int>(block.begin(), block.end()),
                                         start.isNotNull() ? &from : nullptr, options["fixed"], o);
  return Rcpp::List::create(
      Rcpp::_["mean"] = numbers(fit.mean),
      Rcpp::_["covariance"] = fit.covariance, Rcpp::_["mean_covariance"] = fit.mean_covariance,
      Rcpp::_["effects"] = fit.effects, Rcpp::_["objective"] = fit.objective, Rcpp::_["converged"] = fit.converged);
}

// [[Rcpp::export(rng = false)]]
Rcpp::NumericMatrix cpp_site_covariance(Rcpp::NumericMatrix curvature, Rcpp::NumericMatrix covariance) {
  return Rcpp::wrap(site_covariance(Rcpp::as<MatrixXd>(curvature), Rcpp::as<MatrixXd>(covariance)));
}

// [[Rcpp::export(rng = false)]]
Rcpp::NumericMatrix cpp_congruent(Rcpp::NumericMatrix a, Rcpp::NumericMatrix map) {
  return Rcpp::wrap(congruent(Rcpp::as<MatrixXd>(a), Rcpp::as<MatrixXd>(map)));
}

// [[Rcpp::export(rng = false)]]
Rcpp::NumericMatrix cpp_positive_part(Rcpp::NumericMatrix a) {
  return Rcpp::wrap(positive_part(Rcpp::as<MatrixXd>(a)));
}

// [[Rcpp::export(rng = false)]]
Rcpp::NumericMatrix cpp_covariance_root(Rcpp::NumericMatrix a) {
  return Rcpp::wrap(covariance_root(Rcpp::as<MatrixXd>(a)));
}

// A site's part of a round. shape: a model of its shape; starts: a column a start, the columns' standardisation
// being `scaling`; prior: list(mean, root); options: tolerance, max_iterations, mean_score_weight, threads.
// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_site_mode(Rcpp::List data, Rcpp::List shape, Rcpp::List scaling, Rcpp::List prior,
                         Rcpp::NumericMatrix starts, Rcpp::List options) {
  const RData r(data);
  const Model m = model_for(r, shape);
  const Scaling s = scaling_from_list(scaling);
  const ScaledSource source(r.data(), takes_offset(m.family), &s);
  const NormalPrior normal{Rcpp::as<VectorXd>(prior["mean"]), Rcpp::as<MatrixXd>(prior["root"])};
  ModeOptions o;
  o.tolerance = options["tolerance"];
  o.max_iterations = options["max_iterations"];
  o.mean_score_weight = options["mean_score_weight"];
  o.residual = s.y_residual;
  const MatrixXd all = Rcpp::as<MatrixXd>(starts);
  std::vector<VectorXd> from;
  for (Index j = 0; j < all.cols(); ++j) from.push_back(all.col(j));
  const SiteMode mode = site_mode(source, m, normal, from, o, r_services(Rcpp::as<int>(options["threads"])));
  return Rcpp::List::create(
      Rcpp::_["parameters"] = numbers(mode.parameters),
      Rcpp::_["score"] = numbers(mode.score),
      Rcpp::_["curvature"] = mode.curvature, Rcpp::_["mass"] = numbers(mode.mass),
      Rcpp::_["log_lik"] = mode.log_lik, Rcpp::_["weight"] = mode.weight, Rcpp::_["objective"] = mode.objective,
      Rcpp::_["marginal"] = mode.marginal, Rcpp::_["promise"] = mode.promise,
      Rcpp::_["iterations"] = mode.iterations, Rcpp::_["converged"] = mode.converged,
      Rcpp::_["rows"] = static_cast<double>(source.rows()));
}

// sites: lists with `curvature`, `at`, `size`, `shift` and `weight`, in memory that stays; blocks: a column each with
// place (from 0), size, and the intercept's place within it or -1.
// [[Rcpp::export(rng = false)]]
Rcpp::NumericVector cpp_site_distances(Rcpp::List sites, Rcpp::IntegerMatrix blocks) {
  const auto vector = [](SEXP v) {
    return Eigen::Map<const VectorXd>(REAL(v), static_cast<Index>(Rf_xlength(v)));
  };
  std::vector<SiteEstimate> all;
  std::vector<ParameterBlock> parts;
  for (int b = 0; b < blocks.ncol(); ++b) parts.push_back({blocks(0, b), blocks(1, b), blocks(2, b)});
  const Index size = parts.back().from + parts.back().size;
  for (R_xlen_t m = 0; m < sites.size(); ++m) {
    const Rcpp::List site = sites[m];
    const SEXP curvature = site["curvature"], at = site["at"], scale = site["size"], shift = site["shift"];
    for (SEXP v : {curvature, at, scale, shift}) {
      if (TYPEOF(v) != REALSXP || Rf_xlength(v) != (v == curvature ? size * size : size)) {
        throw std::invalid_argument("a site's estimate has another size");
      }
    }
    all.push_back({Eigen::Map<const MatrixXd>(REAL(curvature), size, size), vector(at), vector(scale), vector(shift),
                   Rcpp::as<double>(site["weight"])});
  }
  return numbers(site_distances(all, parts));
}

// The assignment of least cost: for every row (of a square matrix) its column, from 1.
// [[Rcpp::export(rng = false)]]
Rcpp::IntegerVector cpp_assign(Rcpp::NumericMatrix cost) {
  TransportProblem problem(cost.nrow(), cost.ncol());
  problem.cost = Rcpp::as<MatrixXd>(cost);
  problem.supply.setOnes();
  problem.demand.setOnes();
  problem.solve();
  Rcpp::IntegerVector out(cost.nrow());
  for (Index i = 0; i < cost.nrow(); ++i) {
    Index at = 0;
    problem.plan.row(i).maxCoeff(&at);
    out[i] = static_cast<int>(at) + 1;
  }
  return out;
}

// Quantiles of the mean of several models' distributions, as cpp_quantiles().
// [[Rcpp::export(rng = false)]]
Rcpp::NumericMatrix cpp_mean_quantiles(Rcpp::List data, Rcpp::List models, Rcpp::NumericVector probs, int threads) {
  const RData r(data);
  std::vector<Model> all;
  for (R_xlen_t m = 0; m < models.size(); ++m) all.push_back(model_for(r, models[m]));
  return Rcpp::wrap(quantiles(ScaledSource(r.data(), false), all, Rcpp::as<VectorXd>(probs), r_services(threads)));
}
