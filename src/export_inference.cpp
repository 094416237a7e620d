// Doors to information matrices and to the rounds between sites. Models in lists are on the user's
// scale, unless they go with a scaling: then they are on the scale of its standardised columns.
#include "convert.h"
#include "core/fit/degenerate.h"
#include "core/fit/objective.h"
#include "core/fit/refine.h"
#include "core/model/predict.h"
#include "core/model/rows_behind.h"

using namespace distmoe;

namespace {

CentredMoments moments_from_list(const Rcpp::List& l) {
  CentredMoments m;
  m.weight = l["weight"];
  m.mean_x = Rcpp::as<VectorXd>(l["mean_x"]);
  m.mean_z = Rcpp::as<VectorXd>(l["mean_z"]);
  m.centre_x = Rcpp::as<VectorXd>(l["centre_x"]);
  m.centre_z = Rcpp::as<VectorXd>(l["centre_z"]);
  m.gram_x = Rcpp::as<MatrixXd>(l["gram_x"]);
  m.gram_z = Rcpp::as<MatrixXd>(l["gram_z"]);
  m.mean_y = l["mean_y"];
  m.centre_y = l["centre_y"];
  m.square_y = l["square_y"];
  m.cross_y = Rcpp::as<VectorXd>(l["cross_y"]);
  return m;
}

Statistics statistics_from_list(const Model& model, const Rcpp::List& l) {
  Statistics s(model);
  s.rows = static_cast<Index>(Rcpp::as<double>(l["rows"]));
  s.weight = l["weight"];
  s.log_lik = l["log_lik"];
  s.experts.mass = Rcpp::as<VectorXd>(l["mass"]);
  if (l.containsElementNamed("responses")) s.experts.responses = Rcpp::as<VectorXd>(l["responses"]);
  s.experts.score = Rcpp::as<MatrixXd>(l["expert_score"]);
  s.experts.gram = Rcpp::as<MatrixXd>(l["expert_gram"]);
  s.experts.deviation = Rcpp::as<VectorXd>(l["deviation"]);
  s.gates.score = Rcpp::as<MatrixXd>(l["gate_score"]);
  s.gates.gram = Rcpp::as<MatrixXd>(l["gate_gram"]);
  return s;
}

}  // namespace

// Gradient and negative Hessian of log-likelihood less prior on standardised columns, at a model on
// the user's scale; with `meat` the sum of products of the rows' scores. options:
// dispersion_floor, threads, those of penalty_options(). given: the scaling of these rows, or NULL: it is found.
// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_model_information(Rcpp::List data, Rcpp::List model, Rcpp::List options, bool meat,
                                 SEXP given = R_NilValue) {
  const RData r(data);
  const Model user = model_for(r, model);
  const Services services = r_services(Rcpp::as<int>(options["threads"]));
  const Scaling scaling = scaling_for(r, user.family, given, services);
  const ScaledSource source(r.data(), takes_offset(user.family), &scaling);
  const Model m = scaling.to_internal(user);
  const Information info = information_at(source, m, services);
  const Penalty penalty = penalty_rule(scaling, m.experts(), penalty_options(options)).at(info.weight);
  const Score cheap = sum_over(source, Score(m.experts(), parameter_count(m)), services,
                               [&](const Block& block) { return score(block, m); });
  const double least = least_mass(m, info.weight / static_cast<double>(source.rows()));
  const double floor = options["dispersion_floor"];
  std::vector<bool> empty, held;
  for (Index k = 0; k < m.experts(); ++k) {
    empty.push_back(m.experts() > 1 && cheap.mass(k) <= least);
    held.push_back(at_floor(m, k, floor));
  }
  Rcpp::List out = Rcpp::List::create(
      Rcpp::_["curvature"] = objective_curvature(m, info.hessian, penalty),
      Rcpp::_["gradient"] = objective_gradient(m, info.score, penalty),
      Rcpp::_["scaling"] = scaling_to_list(scaling), Rcpp::_["empty"] = to_logical(empty),
      Rcpp::_["at_floor"] = to_logical(held), Rcpp::_["rows"] = static_cast<double>(source.rows()),
      Rcpp::_["weight"] = info.weight);
  if (meat) {
    const Index size = parameter_count(m);
    const MatrixXd sum = sum_over(source, MatrixXd(MatrixXd::Zero(size, size)), services,
                                  [&](const Block& block) { return score_products(block, m); });
    out["meat"] = sum;
  }
  return out;
}

// The scores of the rows of a design at a model on the user's scale, without weights: n x parameters, as in coef() but
// for log dispersions.
// [[Rcpp::export(rng = false)]]
Eigen::MatrixXd cpp_row_scores(Rcpp::List data, Rcpp::List model, int threads) {
  const RData r(data);
  const Model m = model_for(r, model);
  const ScaledSource source(r.data(), false);
  return answer_rows(source, parameter_count(m), r_services(threads),
                     [&](const Block& block) { return row_scores(block, m); });
}

// ---- rounds between sites ----------------------------------------------------------------------

// What a site tells about its columns before the first round.
// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_site_moments(Rcpp::List data, std::string family, int threads) {
  const RData r(data);
  const CentredMoments m = centred_moments(r.data(), takes_offset(family_from_name(family)), r.x_intercept,
                                           r.z_intercept, r_services(threads));
  return Rcpp::List::create(
      Rcpp::_["weight"] = m.weight, Rcpp::_["mean_x"] = m.mean_x, Rcpp::_["mean_z"] = m.mean_z,
      Rcpp::_["centre_x"] = m.centre_x, Rcpp::_["centre_z"] = m.centre_z, Rcpp::_["gram_x"] = m.gram_x,
      Rcpp::_["gram_z"] = m.gram_z, Rcpp::_["cross_y"] = m.cross_y, Rcpp::_["mean_y"] = m.mean_y,
      Rcpp::_["centre_y"] = m.centre_y,
      Rcpp::_["square_y"] = m.square_y);
}

// The standardisation of all sites' rows together; intercepts: 1-based, 0 for none.
// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_pooled_scaling(Rcpp::List moments, std::string family, int x_intercept, int z_intercept) {
  CentredMoments all;
  for (R_xlen_t i = 0; i < moments.size(); ++i) all += moments_from_list(moments[i]);
  return scaling_to_list(scaling_from(all, takes_offset(family_from_name(family)), x_intercept - 1, z_intercept - 1));
}

// Between the scales of a model.
// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_to_internal(Rcpp::List model, Rcpp::List scaling) {
  return model_to_list(scaling_from_list(scaling).to_internal(model_from_list(model)));
}

// `kept`: the model on the user's scale from which undetermined coefficients are taken.
// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_to_user(Rcpp::List model, Rcpp::List scaling, Rcpp::List kept) {
  const Model from = model_from_list(kept);
  return model_to_list(scaling_from_list(scaling).to_user(model_from_list(model), &from));
}

// A site's part of a round: the sums of its rows at a model on standardised columns.
// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_site_sums(Rcpp::List data, Rcpp::List model, Rcpp::List scaling, int threads) {
  const RData r(data);
  const Model m = model_for(r, model);
  const Scaling s = scaling_from_list(scaling);
  const Services services = r_services(threads);
  const ScaledSource source(r.data(), takes_offset(m.family), &s);
  const Statistics sums = sum_over(source, Statistics(m), services,
                                   [&](const Block& block) { return statistics(block, m); });
  const Information info = information_at(source, m, services);
  Rcpp::List out = Rcpp::List::create(
      Rcpp::_["rows"] = static_cast<double>(sums.rows), Rcpp::_["weight"] = sums.weight,
      Rcpp::_["log_lik"] = sums.log_lik, Rcpp::_["score"] = info.score,
      Rcpp::_["hessian"] = info.hessian, Rcpp::_["mass"] = sums.experts.mass,
      Rcpp::_["expert_score"] = sums.experts.score, Rcpp::_["expert_gram"] = sums.experts.gram,
      Rcpp::_["deviation"] = sums.experts.deviation, Rcpp::_["gate_score"] = sums.gates.score,
      Rcpp::_["gate_gram"] = sums.gates.gram);
  if (sums.experts.responses.size() > 0) out["responses"] = sums.experts.responses;
  return out;
}

// The centre's part of a round, from the sites' summed sums. options:
// dispersion_floor, tolerance, newton_below, length, those of penalty_options(). Objectives are on the scale of
// standardised y.
// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_propose(Rcpp::List model, Rcpp::List scaling, Rcpp::List sums, Rcpp::List options) {
  const Model m = model_from_list(model);
  const Statistics s = statistics_from_list(m, sums);
  Information info(parameter_count(m));
  info.weight = s.weight;
  info.log_lik = s.log_lik;
  info.score = Rcpp::as<VectorXd>(sums["score"]);
  info.hessian = Rcpp::as<MatrixXd>(sums["hessian"]);
  const PenaltyRule rule =
      penalty_rule(scaling_from_list(scaling), m.experts(), penalty_options(options));
  const auto number = [&](const char* name) { return Rcpp::as<double>(options[name]); };
  const RoundOptions o{number("tolerance"), number("dispersion_floor"), number("newton_below"),
                       number("length")};
  const RoundStep p = propose(m, info, s, rule, o);
  const double least = least_mass(m, s.weight / static_cast<double>(s.rows));
  std::vector<bool> empty, held;
  for (Index k = 0; k < m.experts(); ++k) {
    empty.push_back(m.experts() > 1 && s.experts.mass(k) <= least);
    held.push_back(at_floor(m, k, o.dispersion_floor));
  }
  return Rcpp::List::create(
      Rcpp::_["model"] = model_to_list(p.model),
      Rcpp::_["step"] = p.kind == StepKind::newton ? "Newton" : "EM",
      Rcpp::_["objective"] = p.objective, Rcpp::_["promise"] = p.promise,
      Rcpp::_["positive"] = p.positive, Rcpp::_["last"] = p.last, Rcpp::_["gradient"] = p.gradient,
      Rcpp::_["curvature"] = p.curvature, Rcpp::_["empty"] = to_logical(empty),
      Rcpp::_["at_floor"] = to_logical(held),
      Rcpp::_["degenerate"] = to_logical(degenerate_experts(
          m, s.experts.mass, s.weight / static_cast<double>(s.rows), rule.at(s.weight).variances, o.dispersion_floor)));
}

// ---- what the disclosure check looks at ----------------------------------------------------------

// How many rows are behind what a design's columns, a model's experts and the classes of y say. `asked`: list of x and
// z, the columns of `asked_leverage`.
// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_rows_behind(Rcpp::List data, Rcpp::List model, Rcpp::List asked, int classes) {
  const RData r(data);
  const Model m = model_for(r, model);
  const ScaledSource source(r.data(), false);
  const RowsBehind found = rows_behind(source, m, Rcpp::as<std::vector<bool>>(asked["x"]),
                                       Rcpp::as<std::vector<bool>>(asked["z"]), classes, r_services(1));
  const auto part = [](const ColumnsBehind& c) {
    return Rcpp::List::create(Rcpp::_["differ"] = c.differ, Rcpp::_["carry"] = c.carry,
                              Rcpp::_["leverage"] = c.leverage, Rcpp::_["asked_leverage"] = c.asked_leverage);
  };
  return Rcpp::List::create(Rcpp::_["rows"] = found.rows, Rcpp::_["effective"] = found.effective,
                            Rcpp::_["x"] = part(found.x), Rcpp::_["z"] = part(found.z),
                            Rcpp::_["experts"] = found.experts, Rcpp::_["classes"] = found.classes);
}
