#include "refine.h"

#include "numerics.h"

namespace distmoe {

double least_mass(const Model& model, double mean_weight) {
  return static_cast<double>(model.beta.rows() * model.parts() + 1) * mean_weight;
}

MatrixXd objective_curvature(const Model& model, const MatrixXd& hessian, const GatePrior& prior) {
  MatrixXd out = -hessian;
  const Index gates = model.alpha.size(), first = model.beta.size();
  if (gates > 0) prior.add_hessian(out.block(first, first, gates, gates));
  return out;
}

VectorXd objective_gradient(const Model& model, const VectorXd& score, const GatePrior& prior) {
  VectorXd out = score;
  const MatrixXd slope = prior.gradient(model.alpha);
  out.segment(model.beta.size(), slope.size()) -= Eigen::Map<const VectorXd>(slope.data(), slope.size());
  return out;
}

Proposal propose(const Model& model, const Information& information, const Statistics& sums,
                 const GatePrior& prior, const RoundOptions& options) {
  const double unit = sums.weight / static_cast<double>(sums.rows);
  const double least = least_mass(model, unit);
  Proposal out;
  out.objective = sums.log_lik - prior.value(model.alpha);
  out.gradient = objective_gradient(model, information.score, prior);
  out.curvature = objective_curvature(model, information.hessian, prior);
  MatrixXd held = out.curvature;
  hold_fixed(model, options.dispersion_floor, sums.experts.mass, least, out.gradient, held);
  const Solve solve = solve_symmetric(held, out.gradient);
  out.promise = 0.5 * solve.x.dot(out.gradient);
  out.positive = solve.positive;
  out.last = solve.positive && out.promise <= options.tolerance * unit;
  if (solve.positive && (out.last || out.promise <= options.newton_below)) {
    out.kind = StepKind::newton;
    out.model = from_vector(model, to_vector(model) + solve.x);
    if (model.family == FamilyKind::gaussian) {
      out.model.dispersion = out.model.dispersion.cwiseMax(options.dispersion_floor);
    }
  } else {
    out.model = em_step(model, sums, prior, options.dispersion_floor, least, options.length);
  }
  return out;
}

}  // namespace distmoe
