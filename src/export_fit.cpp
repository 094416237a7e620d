// Doors to the local fit. Each converts, calls the core and returns a named list.
#include "convert.h"
#include "core/fit/driver.h"
#include "core/fit/separation.h"
#include "core/fit/trust.h"
#include "core/model/information.h"

using namespace distmoe;

namespace {

FitOptions fit_options(const Rcpp::List& o) {
  FitOptions f;
  f.max_iterations = o["max_iterations"];
  f.tolerance = o["tolerance"];
  f.newton = o["newton"];
  f.dispersion_floor = o["dispersion_floor"];
  f.max_reseeds = o["max_reseeds"];
  return f;
}

StartOptions start_options(const Rcpp::List& o) {
  StartOptions s;
  s.starts = o["starts"];
  s.rows = static_cast<Index>(Rcpp::as<double>(o["start_rows"]));
  return s;
}

const char* name_of(StartKind kind) {
  switch (kind) {
    case StartKind::kmeans_x: return "k-means on x";
    case StartKind::kmeans_xy: return "k-means on (x, y)";
    case StartKind::regressions: return "grown regressions";
    case StartKind::labels: return "random labels";
    case StartKind::subsets: return "random subsets";
    case StartKind::cut_x: return "slices of x";
    case StartKind::cut_xy: return "slices of (x, y)";
    case StartKind::tree: return "boxes";
    case StartKind::centres: return "random centres";
    case StartKind::residuals: return "residuals";
    case StartKind::split: return "split of K - 1";
    case StartKind::merge: return "merge of K + 1";
    case StartKind::shake: return "shake";
    case StartKind::cross: return "cross";
    default: return "move";
  }
}

const char* name_of(SearchStop stop) {
  switch (stop) {
    case SearchStop::often_enough: return "reached often enough";
    case SearchStop::most_effort: return "most effort";
    default: return "fixed number of starts";
  }
}

const char* name_of(StopReason stop) {
  switch (stop) {
    case StopReason::newton: return "newton";
    case StopReason::small_gain: return "small gain";
    default: return "iteration limit";
  }
}

const char* name_of(StepKind step) {
  switch (step) {
    case StepKind::em: return "EM";
    case StepKind::newton: return "Newton";
    case StepKind::trusted: return "trust region";
    case StepKind::reseed: return "re-seed";
    case StepKind::restore: return "restore";
    default: return "start";
  }
}

template <class Kind>
Rcpp::CharacterVector names_of(const std::vector<Kind>& kinds) {
  Rcpp::CharacterVector out(kinds.size());
  for (std::size_t i = 0; i < kinds.size(); ++i) out[i] = name_of(kinds[i]);
  return out;
}

// "k-means on x 2, move 1": how often from which kinds.
std::string count_kinds(const std::vector<StartKind>& kinds) {
  std::vector<std::pair<std::string, int>> counts;
  for (StartKind kind : kinds) {
    const std::string name = name_of(kind);
    auto at = std::find_if(counts.begin(), counts.end(), [&](const auto& c) { return c.first == name; });
    if (at == counts.end()) counts.emplace_back(name, 1);
    else ++at->second;
  }
  std::string out;
  for (const auto& c : counts) out += (out.empty() ? "" : ", ") + c.first + " " + std::to_string(c.second);
  return out;
}

// `shift`: what one unit of weight adds to log-likelihoods on the user's scale.
Rcpp::List search_to_list(const Search& search, double shift) {
  std::vector<double> objective, log_lik;
  std::vector<int> reached;
  std::vector<std::string> kinds;
  std::vector<bool> degenerate;
  for (const Maximum& m : search.maxima) {
    const double add = shift * m.fit.mass.sum();
    objective.push_back(m.fit.objective.back() + add);
    log_lik.push_back(m.fit.log_lik + add);
    reached.push_back(m.reached);
    kinds.push_back(count_kinds(m.kinds));
    degenerate.push_back(spurious(m.fit));
  }
  std::vector<double> ends = search.ends;
  for (double& end : ends) end += shift * search.maxima.front().fit.mass.sum();
  return Rcpp::List::create(
      Rcpp::_["runs"] = search.runs, Rcpp::_["reached"] = search.maxima.front().reached,
      Rcpp::_["rounds"] = search.rounds, Rcpp::_["ended_best"] = search.reached, Rcpp::_["ends"] = ends,
      Rcpp::_["stop"] = name_of(search.stop), Rcpp::_["rows"] = static_cast<double>(search.rows),
      Rcpp::_["maxima"] = Rcpp::DataFrame::create(
          Rcpp::_["objective"] = objective, Rcpp::_["log_lik"] = log_lik, Rcpp::_["reached"] = reached,
          Rcpp::_["kinds"] = kinds, Rcpp::_["degenerate"] = to_logical(degenerate),
          Rcpp::_["stringsAsFactors"] = false));
}

Rcpp::List aliased_columns_of(const Scaling& scaling) {
  return Rcpp::List::create(Rcpp::_["x"] = to_logical(scaling.x.aliased),
                            Rcpp::_["z"] = to_logical(scaling.z.aliased));
}

// `given`: the start on the user's scale, or null.
Rcpp::List fit_to_list(const DrivenFit& driven, const Scaling& scaling, const Model* given,
                       const Rcpp::List& aliased) {
  const FitResult& f = driven.fit;
  const double shift = f.mass.sum() * scaling.log_lik_shift();
  std::vector<double> objective = f.objective;
  for (double& value : objective) value += shift;
  Rcpp::List out = Rcpp::List::create(
      Rcpp::_["model"] = model_to_list(scaling.to_user(f.model, given)),
      Rcpp::_["log_lik"] = f.log_lik + shift, Rcpp::_["share"] = f.mass / f.mass.sum(),
      Rcpp::_["objective"] = objective, Rcpp::_["steps"] = names_of(f.steps),
      Rcpp::_["converged"] = f.converged(), Rcpp::_["stop"] = name_of(f.stop),
      Rcpp::_["promise"] = f.promise < 0 ? NA_REAL : f.promise,
      Rcpp::_["em_iterations"] = f.em_iterations,
      Rcpp::_["newton_iterations"] = f.newton_iterations, Rcpp::_["halvings"] = f.halvings,
      Rcpp::_["reseeds"] = f.reseeds, Rcpp::_["empty"] = to_logical(f.empty),
      Rcpp::_["at_floor"] = to_logical(f.at_floor));
  if (driven.search.runs > 0) out["search"] = search_to_list(driven.search, scaling.log_lik_shift());
  out["passes"] = f.passes;
  out["hessians"] = f.hessians;
  out["degenerate"] = to_logical(f.degenerate);
  out["aliased"] = aliased;
  return out;
}

// One precision a column, for tests.
GatePrior prior_from(const RData& data, Index experts, const Rcpp::NumericVector& ridge) {
  return GatePrior{Rcpp::as<VectorXd>(ridge), MatrixXd::Zero(data.block().z.cols(), experts - 1)};
}

}  // namespace

// How the columns of some data are standardised.
// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_scaling(Rcpp::List data, std::string family, int threads = 1) {
  const RData r(data);
  return scaling_to_list(scaling_for(r, family_from_name(family), R_NilValue, r_services(threads)));
}

// parts: predictors of an expert. start: a model list, a matrix of responsibilities, or NULL; without it
// the search starts from the models of the list `neighbours` too. Where columns are aliased and options
// say that they may not be, nothing is fitted and only `aliased` comes back.
// [[Rcpp::export]]
Rcpp::List cpp_fit(Rcpp::List data, std::string family, int parts, int experts, SEXP start,
                   Rcpp::List options, Rcpp::List neighbours) {
  const RData r(data);
  const ExpertKind kind{family_from_name(family), parts};
  const FitOptions fit_opts = fit_options(options);
  const Services services = r_services(Rcpp::as<int>(options["threads"]));
  const Scaling scaling = scaling_for(r, kind.family, R_NilValue, services);
  const Rcpp::List aliased = aliased_columns_of(scaling);
  const auto any = [](const std::vector<bool>& v) { return std::count(v.begin(), v.end(), true) > 0; };
  if (!Rcpp::as<bool>(options["singular_ok"]) && (any(scaling.x.aliased) || any(scaling.z.aliased))) {
    return Rcpp::List::create(Rcpp::_["aliased"] = aliased);
  }
  const PenaltyRule rule = penalty_rule(scaling, experts, penalty_options(options));
  const ScaledSource source(r.data(), takes_offset(kind.family), &scaling);
  DrivenFit driven;
  Model given;
  if (Rf_isNull(start) && experts > 1) {
    StartOptions start_opts = start_options(options);
    for (SEXP model : neighbours) {
      start_opts.neighbours.push_back(scaling.to_internal(model_for(r, Rcpp::List(model))));
    }
    driven = fit_from_starts(r.data(), scaling, kind, experts, rule, fit_opts, start_opts, services);
  } else {
    Model from;
    if (Rf_isNull(start) || Rf_isMatrix(start)) {
      // One expert: there is nothing to search for.
      const MatrixXd responsibility = Rf_isNull(start) ? MatrixXd::Ones(1, 1)
                                                       : Rcpp::as<MatrixXd>(start);
      from = model_from(source, kind, responsibility, rule, fit_opts.dispersion_floor, services);
    } else {
      given = model_for(r, start);
      from = scaling.to_internal(given);
    }
    driven.fit = fit(source, from, rule, fit_opts, services);
  }
  Rcpp::List out = fit_to_list(driven, scaling, given.experts() > 0 ? &given : nullptr, aliased);
  Rcpp::List separated;
  for (const auto& columns : separated_columns(source, driven.fit.model, scaling.x.intercept, services)) {
    separated.push_back(to_logical(columns));
  }
  out["separated"] = separated;
  Rcpp::List steps;
  for (const auto& columns : separated_gates(source, driven.fit.model, scaling.z.intercept, services)) {
    steps.push_back(to_logical(columns));
  }
  out["separated_gates"] = steps;
  out["scaling"] = scaling_to_list(scaling);
  return out;
}

// The sums of one E-step on the user's scale, for tests of the spine.
// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_statistics(Rcpp::List data, Rcpp::List model) {
  const RData r(data);
  const Statistics s = statistics(r.block(), model_for(r, model));
  return Rcpp::List::create(
      Rcpp::_["log_lik"] = s.log_lik, Rcpp::_["weight"] = s.weight,
      Rcpp::_["mass"] = s.experts.mass, Rcpp::_["expert_score"] = s.experts.score,
      Rcpp::_["expert_gram"] = s.experts.gram, Rcpp::_["deviation"] = s.experts.deviation,
      Rcpp::_["gate_score"] = s.gates.score, Rcpp::_["gate_gram"] = s.gates.gram);
}

// One EM step on the user's scale, nothing standardised; rows in blocks of `block_rows`.
// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_em_step(Rcpp::List data, Rcpp::List model, Rcpp::NumericVector ridge,
                       int block_rows) {
  const RData r(data);
  const Model m = model_for(r, model);
  const ScaledSource source(r.data(), takes_offset(m.family), nullptr, {}, block_rows);
  const Statistics sums =
      sum_over(source, Statistics(m), r_services(1),
               [&](const Block& block) { return statistics(block, m); });
  PenaltyOptions no_priors;
  no_priors.variance_prior = 0.0;
  PenaltyRule rule = penalty_rule(Scaling{ColumnScaling::identity(m.beta.rows()),
                                          ColumnScaling::identity(m.alpha.rows())},
                                  m.experts(), no_priors);
  rule.prior = prior_from(r, m.experts(), ridge);
  return model_to_list(em_step(m, sums, rule, 0.0, 0.0));
}

// Score and Hessian of the log-likelihood, parameters ordered as in coef() with log dispersions.
// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_information(Rcpp::List data, Rcpp::List model) {
  const RData r(data);
  const Information info = information(r.block(), model_for(r, model));
  return Rcpp::List::create(Rcpp::_["log_lik"] = info.log_lik, Rcpp::_["score"] = info.score,
                            Rcpp::_["hessian"] = info.hessian);
}

// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_softmax_regression(Rcpp::List data, Eigen::MatrixXd targets, Eigen::MatrixXd alpha,
                                  Rcpp::NumericVector ridge, bool keep_products = false) {
  const RData r(data);
  const Block b = r.block();
  const GatePrior prior = prior_from(r, alpha.cols() + 1, ridge);
  const SoftmaxFit s = softmax_regression({b.z, targets, b.gate_offset, prior}, alpha, 1, keep_products);
  return Rcpp::List::create(Rcpp::_["alpha"] = s.alpha, Rcpp::_["iterations"] = s.iterations,
                            Rcpp::_["converged"] = s.converged);
}

// The trust region's step, for tests.
// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_trust_step(Eigen::MatrixXd curvature, Eigen::VectorXd gradient, Eigen::MatrixXd metric, double radius) {
  const Quadratic quadratic(curvature, gradient, metric);
  const TrustStep step = quadratic.step(radius);
  return Rcpp::List::create(Rcpp::_["x"] = step.x, Rcpp::_["promise"] = step.promise, Rcpp::_["inside"] = step.inside,
                            Rcpp::_["positive"] = quadratic.positive());
}
