#include "fit/ascent.h"

#include "fit/objective.h"

namespace distmoe {

Ascent::Ascent(const Source& rows, const Model& start, const PenaltyRule& penalties, const FitOptions& opts,
               const Services& caller, const Source* part)
    : source(rows), rule(penalties), options(opts), services(caller), sample(part), sums(start) {
  out.model = start;
  // With what is needed first.
  const auto begin = [&](const auto& there) {
    penalty = rule.at(there.weight);
    move_to(start, there);
  };
  if (newton_first()) begin(score_at(start));
  else begin(statistics_at(start));
  if (penalty.sparse()) sample = nullptr;
  record(StepKind::start);
}

Statistics Ascent::statistics_at(const Model& model) {
  services.interrupt();
  ++out.passes;
  return sum_over(source, Statistics(model), services, [&](const Block& block) { return statistics(block, model); });
}

Score Ascent::score_at(const Model& model) {
  services.interrupt();
  ++out.passes;
  return sum_over(source, Score(model.experts(), parameter_count(model)), services,
                  [&](const Block& block) { return score(block, model); });
}

void Ascent::move_to(const Model& model, const Score& there) {
  out.model = model;
  gradient = there.gradient;
  mass = there.mass;
  weight = there.weight;
  log_lik = there.log_lik;
  objective = value(model, log_lik);
  sums_known = false;
}

void Ascent::move_to(const Model& model, const Statistics& there) {
  out.model = model;
  gradient.resize(0);
  mass = there.experts.mass;
  weight = there.weight;
  log_lik = there.log_lik;
  objective = value(model, log_lik);
  sums = there;
  sums_known = true;
}

void Ascent::know_sums() {
  if (!sums_known) move_to(out.model, statistics_at(out.model));
}

void Ascent::know_gradient() {
  if (gradient.size() == 0) move_to(out.model, score_at(out.model));
}

const Statistics& Ascent::known_sums() {
  if (sums.rows == 0) sums = statistics_at(out.model);
  return sums;
}

MatrixXd Ascent::curvature() {
  const Source& rows = sample ? *sample : source;
  out.passes += static_cast<double>(rows.rows()) / static_cast<double>(source.rows());
  if (!sample) ++out.hessians;
  const Information info = information_at(rows, out.model, services);
  const double share = sample ? weight / info.weight : 1.0;
  return objective_curvature(out.model, share * info.hessian, penalty);
}

VectorXd Ascent::objective_gradient() const { return distmoe::objective_gradient(out.model, gradient, penalty); }

double Ascent::least_mass() const { return distmoe::least_mass(out.model, unit()); }

void Ascent::record(StepKind kind) {
  out.objective.push_back(objective);
  out.steps.push_back(kind);
}

}  // namespace distmoe
