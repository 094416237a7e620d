// Doors to transport and reduction.
#include "convert.h"
#include "core/base/gram.h"
#include "core/reduce/coupling.h"
#include "core/reduce/gate_reference.h"
#include "core/reduce/reduce.h"
#include "core/reduce/transport.h"

using namespace distmoe;

namespace {

// The points with their columns of ones, in blocks. Not a power of two, so that the columns of a
// block do not compete for the same lines of the cache.
ScaledSource points_of(const RData& r, Index block_rows = 1000) {
  return ScaledSource(r.data(), false, nullptr, {}, block_rows);
}

std::vector<Model> models_for(const RData& data, const Rcpp::List& models) {
  std::vector<Model> out;
  for (R_xlen_t m = 0; m < models.size(); ++m) out.push_back(model_for(data, models[m]));
  return out;
}

// A matrix, or a vector as its only row.
MatrixXd rows_of(const Rcpp::NumericVector& v) {
  if (Rf_isMatrix(v)) return Rcpp::as<MatrixXd>(v);
  return Eigen::Map<const MatrixXd>(v.begin(), 1, v.size());
}

// list(mass = K, factor = p x p x K).
ExpertMoments moments_for(const Model& model, const Rcpp::List& list) {
  const Index p = model.beta.rows(), experts = model.experts();
  ExpertMoments out(p, experts);
  const Rcpp::NumericVector mass = list["mass"], factor = list["factor"];
  if (mass.size() != experts || factor.size() != p * p * experts) {
    throw std::invalid_argument("moments do not have the size of their model");
  }
  for (Index l = 0; l < experts; ++l) {
    out.mass(l) = mass[l];
    out.factor[static_cast<std::size_t>(l)] =
        Eigen::Map<const MatrixXd>(factor.begin() + l * p * p, p, p);
  }
  return out;
}

// list(sites = what cpp_gate_shares() gives of every model, total).
SharedGates gate_shares_for(const std::vector<Model>& models, const Rcpp::List& list) {
  SharedGates out;
  const Rcpp::List sites = list["sites"];
  if (static_cast<std::size_t>(sites.size()) != models.size()) {
    throw std::invalid_argument("sums for gates are needed of every model");
  }
  out.total = list["total"];
  for (std::size_t m = 0; m < models.size(); ++m) {
    const Rcpp::List site = sites[static_cast<R_xlen_t>(m)];
    const MatrixXd expected = Rcpp::as<MatrixXd>(site["expected"]), curvature = Rcpp::as<MatrixXd>(site["curvature"]);
    out.own.push_back(Rcpp::as<MatrixXd>(site["own"]));
    if (m == 0) {
      out.reference = Rcpp::as<MatrixXd>(site["reference"]);
      out.expected = MatrixXd::Zero(expected.rows(), expected.cols());
      out.curvature = MatrixXd::Zero(curvature.rows(), curvature.cols());
    }
    const Index q = out.reference.rows(), gates = out.reference.cols();
    const auto sized = [](const MatrixXd& a, Index rows, Index cols) { return a.rows() == rows && a.cols() == cols; };
    if (q != models[m].alpha.rows() || !sized(out.own.back(), q, models[m].experts()) ||
        !sized(expected, q, gates + 1) || !sized(curvature, q * gates, q * gates)) {
      throw std::invalid_argument("sums for gates do not have the size of their model");
    }
    out.expected += expected;
    out.curvature += curvature;
  }
  return out;
}

// moments, gate_shares: NULL where there are none.
LocalModels locals_from(const RData& data, const Rcpp::List& models, const Rcpp::NumericVector& lambda,
                        const Rcpp::IntegerVector& site, SEXP moments = R_NilValue, SEXP gate_shares = R_NilValue) {
  LocalModels locals{models_for(data, models), rows_of(lambda), data.data(), {}, {}, {}, {}};
  for (int s : site) locals.site.push_back(s - 1);
  if (!Rf_isNull(moments)) {
    const Rcpp::List given(moments);
    for (std::size_t m = 0; m < locals.models.size(); ++m) {
      locals.moments.push_back(moments_for(locals.models[m], given[static_cast<R_xlen_t>(m)]));
    }
  }
  if (!Rf_isNull(gate_shares)) locals.gate_shares = gate_shares_for(locals.models, gate_shares);
  return locals;
}

}  // namespace

// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_transport(Eigen::VectorXd supply, Eigen::VectorXd demand, Eigen::MatrixXd cost) {
  MatrixXd plan;
  const double value = solve_transport(supply, demand, cost, plan);
  return Rcpp::List::create(Rcpp::_["value"] = value, Rcpp::_["plan"] = plan);
}

// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_divergence(Rcpp::List from, Rcpp::List to, Rcpp::List data, std::string plan,
                          std::string cost = "kl") {
  const RData r(data);
  const Divergence d =
      divergence(model_for(r, from), model_for(r, to), points_of(r), plan_from_name(plan),
                 cost_from_name(cost));
  return Rcpp::List::create(Rcpp::_["value"] = d.value, Rcpp::_["plan"] = d.plan,
                            Rcpp::_["cost"] = d.cost);
}

// [[Rcpp::export(rng = false)]]
Eigen::MatrixXd cpp_pairwise_divergence(Rcpp::List models, Rcpp::List data,
                                        std::string cost = "kl") {
  const RData r(data);
  const std::vector<Model> all = models_for(r, models);
  // All models are held at a block, so many models want smaller blocks.
  Index experts = 1;
  for (const Model& m : all) experts += m.experts();
  const Index rows = std::min<Index>(1000, std::max<Index>(50, 4000000 / experts));
  return pairwise_divergence(all, points_of(r, rows), cost_from_name(cost), r_services(1));
}

// K x M: the experts (1-based) of every model in the order of the reference's.
// [[Rcpp::export(rng = false)]]
Rcpp::IntegerMatrix cpp_match_experts(Rcpp::List reference, Rcpp::List models, Rcpp::List data) {
  const RData r(data);
  const Model centre = model_for(r, reference);
  const auto match = match_experts(centre, models_for(r, models), points_of(r), r_services(1));
  Rcpp::IntegerMatrix out(static_cast<int>(centre.experts()), static_cast<int>(match.size()));
  auto to = out.begin();
  for (const std::vector<Index>& order : match) {
    for (Index expert : order) *to++ = static_cast<int>(expert) + 1;
  }
  return out;
}

// What a site's Gaussian experts leave of its rows: list(mass = K, factor = p x p x K).
// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_expert_moments(Rcpp::List data, Rcpp::List model, int threads = 1) {
  const RData r(data);
  const Model m = model_for(r, model);
  const ExpertMoments moments =
      sum_over(points_of(r), ExpertMoments(m.beta.rows(), m.experts()), r_services(threads),
               [&](const Block& block) { return expert_moments(block, m); });
  const int p = static_cast<int>(m.beta.rows()), k = static_cast<int>(m.experts());
  Rcpp::NumericVector factor(Rcpp::Dimension(p, p, k));
  auto to = factor.begin();
  for (const MatrixXd& f : moments.factor) to = std::copy(f.data(), f.data() + f.size(), to);
  return Rcpp::List::create(
      Rcpp::_["mass"] = Rcpp::NumericVector(moments.mass.data(), moments.mass.data() + k),
      Rcpp::_["factor"] = factor);
}

// What a site's gates leave of its rows, beside what the gates of the common start do: see GateShares.
// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_gate_shares(Rcpp::List data, Rcpp::List model, Eigen::MatrixXd reference, int threads = 1) {
  const RData r(data);
  const Model m = model_for(r, model);
  const GateShares zero(m.alpha.rows(), m.experts(), reference.cols() + 1);
  const GateShares shares = sum_over(
      points_of(r), zero, r_services(threads),
      [&](const Block& block) { return gate_shares(block, m.alpha, reference); });
  return Rcpp::List::create(
      Rcpp::_["reference"] = reference, Rcpp::_["own"] = shares.own, Rcpp::_["expected"] = shares.expected,
      Rcpp::_["curvature"] = unpack_blocks(shares.gram, reference.rows(), reference.cols()));
}

// lambda: M, or S x M. site: empty, or the (1-based) model of every point, in rising order. start: a
// model list or NULL. moments: NULL, or those of every model. gate_shares: NULL, or list(sites, total). scaling: of the
// points, or NULL: it is found.
// [[Rcpp::export]]
Rcpp::List cpp_reduce(Rcpp::List models, Rcpp::NumericVector lambda, Rcpp::List data,
                      Rcpp::IntegerVector site, int experts, SEXP start, Rcpp::List options,
                      int threads = 1, SEXP moments = R_NilValue, SEXP gate_shares = R_NilValue,
                      SEXP scaling = R_NilValue) {
  const RData r(data);
  ReduceOptions o;
  o.plan = plan_from_name(Rcpp::as<std::string>(options["plan"]));
  o.max_iterations = options["max_iterations"];
  o.starts = options["starts"];
  o.gate_ridge = options["gate_ridge"];
  if (options.containsElementNamed("cost")) {
    o.cost = cost_from_name(Rcpp::as<std::string>(options["cost"]));
  }
  if (options.containsElementNamed("update") &&
      Rcpp::as<std::string>(options["update"]) == "closed-form") {
    o.update = UpdateKind::closed_form;
  }
  if (options.containsElementNamed("cache_bytes")) o.cache_bytes = options["cache_bytes"];
  if (options.containsElementNamed("tolerance")) o.tolerance = options["tolerance"];
  Model from;
  const bool given = !Rf_isNull(start);
  if (given) from = model_for(r, start);
  const Services services = r_services(threads);
  LocalModels locals = locals_from(r, models, lambda, site, moments, gate_shares);
  locals.scaling = scaling_for(r, locals.models.front().family, scaling, services);
  const ReduceResult result = reduce(locals, experts, given ? &from : nullptr, o, services);
  // 1-based; 0 and less: starts that are no local model.
  Rcpp::IntegerVector run_starts;
  for (Index from : result.run_starts) run_starts.push_back(static_cast<int>(from) + 1);
  return Rcpp::List::create(
      Rcpp::_["model"] = model_to_list(result.model), Rcpp::_["objective"] = result.objective,
      Rcpp::_["converged"] = result.converged, Rcpp::_["gates_converged"] = result.gates_converged,
      Rcpp::_["gates_from_sums"] = result.gates_from_sums,
      Rcpp::_["reseeds"] = result.reseeds, Rcpp::_["rises"] = result.rises,
      Rcpp::_["start"] = result.start + 1, Rcpp::_["run_starts"] = run_starts,
      Rcpp::_["runs"] = result.runs, Rcpp::_["candidates"] = result.candidates,
      Rcpp::_["plan"] = result.plan);
}

// [[Rcpp::export(rng = false)]]
double cpp_reduction_objective(Rcpp::List models, Rcpp::NumericVector lambda, Rcpp::List data,
                               Rcpp::IntegerVector site, Rcpp::List model, std::string plan,
                               int threads = 1, std::string cost = "kl",
                               SEXP moments = R_NilValue, SEXP scaling = R_NilValue) {
  const RData r(data);
  const Services services = r_services(threads);
  LocalModels locals = locals_from(r, models, lambda, site, moments);
  locals.scaling = scaling_for(r, locals.models.front().family, scaling, services);
  return reduction_objective(locals, model_for(r, model), plan_from_name(plan), cost_from_name(cost), services);
}

// Costs (L x K, made in both ways), the pointwise plan at a model, and how it spreads mass, all on the
// columns as they are. For tests.
// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_coupling(Rcpp::List models, Rcpp::NumericVector lambda, Rcpp::List data,
                        Rcpp::IntegerVector site, Rcpp::List model, double cache_bytes,
                        int threads, std::string cost = "kl") {
  const RData r(data);
  const LocalModels locals = locals_from(r, models, lambda, site);
  const Services services = r_services(threads);
  const HeldSource points(ScaledSource(locals.points, takes_offset(locals.models.front().family)));
  const Components components(points, locals.models, locals.lambda, locals.site, cache_bytes,
                              services);
  const Coupling coupling(components, services, cost_from_name(cost));
  const Model to = model_for(r, model);
  const Spread spread = coupling.spread(to);
  const ComponentPlan plan = coupling.component_plan(to);
  return Rcpp::List::create(
      Rcpp::_["cost"] = coupling.cost(to), Rcpp::_["cost_at_points"] = coupling.cost_at_points(to),
      Rcpp::_["objective"] = spread.objective, Rcpp::_["weight"] = spread.weight,
      Rcpp::_["response"] = spread.response, Rcpp::_["deviation"] = spread.deviation,
      Rcpp::_["plan"] = plan.plan, Rcpp::_["plan_cost"] = plan.cost);
}
