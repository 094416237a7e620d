#include "refine.h"

#include "numerics.h"

namespace distmoe {

Information information_at(const Source& source, const Model& model, const Services& services) {
  services.interrupt();
  return sum_over(source, Information(parameter_count(model)), services,
                  [&](const Block& block) { return information(block, model); });
}

double least_mass(const Model& model, double mean_weight) {
  return static_cast<double>(model.beta.rows() * model.parts() + 1) * mean_weight;
}

MatrixXd objective_curvature(const Model& model, const MatrixXd& hessian, const Penalty& penalty) {
  MatrixXd out = -hessian;
  penalty.add_to(model, out);
  return out;
}

VectorXd objective_gradient(const Model& model, const VectorXd& score, const Penalty& penalty) {
  VectorXd out = score;
  penalty.take_from(model, out);
  return out;
}

namespace {

// What a Newton step would do: sets gradient, promise and positive, and gives where it leads.
Model newton_proposal(const Model& model, const Information& information, const Penalty& penalty,
                      const RoundOptions& options, const VectorXd& mass, double least, Proposal& out) {
  if (penalty.sparse()) {
    const ActiveStep step = active_step(model, information.score, -information.hessian, penalty,
                                        options.dispersion_floor, mass, least);
    out.gradient = step.slope;
    out.promise = step.promise;
    out.positive = step.positive;
    return step.at(model, 1.0);
  }
  out.gradient = objective_gradient(model, information.score, penalty);
  MatrixXd held = out.curvature;
  hold_fixed(model, options.dispersion_floor, mass, least, out.gradient, held);
  const Solve solve = solve_symmetric(held, out.gradient);
  out.promise = 0.5 * solve.x.dot(out.gradient);
  out.positive = solve.positive;
  return from_vector(model, to_vector(model) + solve.x);
}

}  // namespace

Proposal propose(const Model& model, const Information& information, const Statistics& sums,
                 const PenaltyRule& rule, const RoundOptions& options) {
  const double unit = sums.weight / static_cast<double>(sums.rows);
  const double least = least_mass(model, unit);
  const Penalty penalty = rule.at(sums.weight);
  Proposal out;
  out.objective = sums.log_lik - penalty.value(model);
  out.curvature = objective_curvature(model, information.hessian, penalty);
  out.model = newton_proposal(model, information, penalty, options, sums.experts.mass, least, out);
  out.last = out.positive && out.promise <= options.tolerance * unit;
  if (out.positive && (out.last || out.promise <= options.newton_below)) {
    out.kind = StepKind::newton;
    if (model.family == FamilyKind::gaussian) {
      out.model.dispersion = out.model.dispersion.cwiseMax(options.dispersion_floor);
    }
  } else {
    out.model = em_step(model, sums, rule, options.dispersion_floor, least, options.length);
  }
  return out;
}

}  // namespace distmoe
