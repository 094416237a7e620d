#include "fit/refine.h"

#include "base/numerics.h"
#include "fit/objective.h"

namespace distmoe {

namespace {

// What a Newton step would do: sets gradient, promise and positive, and gives where it leads.
Model newton_proposal(const Model& model, const Information& information, const Penalty& penalty,
                      const RoundOptions& options, const VectorXd& mass, double least, RoundStep& out) {
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

RoundStep propose(const Model& model, const Information& information, const Statistics& sums,
                  const PenaltyRule& rule, const RoundOptions& options) {
  const double unit = sums.weight / static_cast<double>(sums.rows);
  const double least = least_mass(model, unit);
  const Penalty penalty = rule.at(sums.weight);
  RoundStep out;
  out.objective = sums.log_lik - penalty.value(model);
  out.curvature = objective_curvature(model, information.hessian, penalty);
  out.model = newton_proposal(model, information, penalty, options, sums.experts.mass, least, out);
  out.last = out.positive && out.promise <= options.tolerance * unit;
  if (out.positive && (out.last || out.promise <= options.newton_below)) {
    out.kind = StepKind::newton;
    out.model = above_floor(out.model, options.dispersion_floor);
  } else {
    out.model = em_step(model, sums, rule, options.dispersion_floor, least, options.length);
  }
  return out;
}

}  // namespace distmoe
