// Doors to the local fit. Each converts, calls the core and returns a named list.
#include "convert.h"
#include "core/information.h"
#include "core/starts.h"

using namespace distmoe;

namespace {

FitOptions fit_options(const Rcpp::List& o) {
  FitOptions f;
  f.max_iterations = o["max_iterations"];
  f.tolerance = o["tolerance"];
  f.newton = o["newton"];
  f.dispersion_floor = o["dispersion_floor"];
  f.gate_ridge = o["gate_ridge"];
  f.max_reseeds = o["max_reseeds"];
  return f;
}

StartOptions start_options(const Rcpp::List& o) {
  StartOptions s;
  s.starts = o["starts"];
  s.rows = static_cast<Index>(Rcpp::as<double>(o["start_rows"]));
  s.short_iterations = o["short_iterations"];
  s.finalists = o["finalists"];
  return s;
}

const char* name_of(StartKind kind) {
  switch (kind) {
    case StartKind::kmeans_x: return "k-means on x";
    case StartKind::kmeans_xy: return "k-means on (x, y)";
    default: return "k regressions";
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

Rcpp::DataFrame starts_table(const std::vector<StartRecord>& records) {
  std::vector<StartKind> kind;
  std::vector<double> objective, finished;
  for (const StartRecord& r : records) {
    kind.push_back(r.kind);
    objective.push_back(r.objective);
    finished.push_back(r.finalist ? r.finished : NA_REAL);
  }
  return Rcpp::DataFrame::create(Rcpp::_["kind"] = names_of(kind), Rcpp::_["objective"] = objective,
                                 Rcpp::_["finished"] = finished,
                                 Rcpp::_["stringsAsFactors"] = false);
}

GatePrior prior_from(const RData& data, Index experts, const Rcpp::NumericVector& ridge) {
  return GatePrior{Rcpp::as<VectorXd>(ridge), MatrixXd::Zero(data.block().z.cols(), experts - 1)};
}

}  // namespace

// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_aliased(Rcpp::List data, std::string family) {
  const RData r(data);
  const Scaling s = find_scaling(r.data(), family_from_name(family), r.x_intercept, r.z_intercept);
  return Rcpp::List::create(Rcpp::_["x"] = to_logical(s.x.aliased),
                            Rcpp::_["z"] = to_logical(s.z.aliased));
}

// start: a model list, a matrix of responsibilities, or NULL.
// [[Rcpp::export]]
Rcpp::List cpp_fit(Rcpp::List data, std::string family, int experts, SEXP start, Rcpp::List options) {
  const RData r(data);
  const FamilyKind kind = family_from_name(family);
  const FitOptions fit_opts = fit_options(options);
  const StartOptions start_opts = start_options(options);
  const Services services = r_services();
  const Scaling scaling = find_scaling(r.data(), kind, r.x_intercept, r.z_intercept);
  const GatePrior prior = gate_prior(scaling.z, experts, fit_opts.gate_ridge);
  const ScaledSource source(r.data(), takes_offset(kind), &scaling);

  Model from, given;
  std::vector<StartRecord> records;
  int moves = 0;
  Index start_rows = source.rows();
  if (Rf_isNull(start) && experts == 1) {
    // One expert: there is nothing to search for.
    from = model_from(source, kind, MatrixXd::Ones(source.rows(), 1), prior,
                      fit_opts.dispersion_floor);
  } else if (Rf_isNull(start)) {
    // Enough rows for every parameter to be seen by some fifty of them.
    const Index parameters = experts * source.x_columns() + (experts - 1) * source.z_columns();
    if (start_opts.rows > 0) start_rows = std::max(start_opts.rows, 50 * parameters);
    std::vector<Index> rows;
    if (start_rows < source.rows()) rows = sample_rows(source.rows(), start_rows, services);
    else start_rows = source.rows();
    const HeldSource sample(ScaledSource(r.data(), takes_offset(kind), &scaling, rows));
    const StartResult best =
        best_start(sample, kind, experts, prior, fit_opts, start_opts, services);
    from = best.model;
    records = best.records;
    moves = best.moves;
  } else if (Rf_isMatrix(start)) {
    from = model_from(source, kind, Rcpp::as<MatrixXd>(start), prior,
                      fit_opts.dispersion_floor);
  } else {
    given = model_for(r, start);
    from = scaling.to_internal(given);
  }
  const FitResult fit_result = fit(source, from, prior, fit_opts, services);
  const double shift = fit_result.mass.sum() * scaling.log_lik_shift();
  std::vector<double> objective = fit_result.objective;
  for (double& value : objective) value += shift;
  return Rcpp::List::create(
      Rcpp::_["model"] = model_to_list(
          scaling.to_user(fit_result.model, given.experts() > 0 ? &given : nullptr)),
      Rcpp::_["log_lik"] = fit_result.log_lik + shift,
      Rcpp::_["share"] = fit_result.mass / fit_result.mass.sum(),
      Rcpp::_["objective"] = objective, Rcpp::_["steps"] = names_of(fit_result.steps),
      Rcpp::_["converged"] = fit_result.converged(), Rcpp::_["stop"] = name_of(fit_result.stop),
      Rcpp::_["promise"] = fit_result.promise < 0 ? NA_REAL : fit_result.promise,
      Rcpp::_["em_iterations"] = fit_result.em_iterations,
      Rcpp::_["newton_iterations"] = fit_result.newton_iterations,
      Rcpp::_["halvings"] = fit_result.halvings, Rcpp::_["reseeds"] = fit_result.reseeds,
      Rcpp::_["empty"] = to_logical(fit_result.empty),
      Rcpp::_["at_floor"] = to_logical(fit_result.at_floor),
      Rcpp::_["starts"] = starts_table(records), Rcpp::_["start_rows"] = start_rows,
      Rcpp::_["moves"] = moves);
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
      sum_over(source, Statistics(m.beta.rows(), m.alpha.rows(), m.experts()),
               [&](const Block& block) { return statistics(block, m); });
  return model_to_list(em_step(m, sums, prior_from(r, m.experts(), ridge), 0.0, 0.0));
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
                                  Rcpp::NumericVector ridge) {
  const RData r(data);
  const Block b = r.block();
  const SoftmaxFit s = softmax_regression(b.z, targets, b.gate_offset, alpha,
                                          prior_from(r, alpha.cols() + 1, ridge));
  return Rcpp::List::create(Rcpp::_["alpha"] = s.alpha, Rcpp::_["iterations"] = s.iterations,
                            Rcpp::_["converged"] = s.converged);
}
