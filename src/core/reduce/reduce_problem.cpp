#include "reduce/reduce_problem.h"

#include "model/experts.h"

namespace distmoe {

ReduceProblem::ReduceProblem(const LocalModels& locals, CostKind cost, UpdateKind kind,
                             double cache_bytes, const Services& services)
    : scaling(locals.scaling),
      points(ScaledSource(locals.points, takes_offset(locals.models.front().family), &scaling)),
      models(internal(locals.models)),
      components(points, models, locals.lambda, locals.site, cache_bytes, services),
      coupling(components, services, cost, given_moments(locals, cost, services)),
      update(kind),
      unit(cost_of(cost).unit(scaling.y_scale)),
      threads(services.threads) {
  const FamilyKind family = locals.models.front().family;
  if (!cost_of(cost).suits(family_of(family))) throw std::invalid_argument("a cost that the family has not");
  if (kind == UpdateKind::closed_form &&
      (!family_of(family).logit_of_mean() || cost != CostKind::kl)) {
    throw std::invalid_argument("the closed form (S14) is for logistic experts and KL");
  }
}

std::unique_ptr<ComponentMoments> ReduceProblem::given_moments(const LocalModels& locals, CostKind cost,
                                                               const Services& services) const {
  if (locals.moments.empty()) return nullptr;
  if (cost != CostKind::kl) throw std::invalid_argument("moments are for KL");
  return std::unique_ptr<ComponentMoments>(
      new ComponentMoments(components, locals.moments, scaling.x, services));
}

std::vector<Model> ReduceProblem::internal(const std::vector<Model>& user) const {
  std::vector<Model> out;
  for (const Model& m : user) out.push_back(scaling.to_internal(m));
  return out;
}

std::vector<Index> cheapest(const MatrixXd& cost) {
  std::vector<Index> target(static_cast<std::size_t>(cost.rows()));
  for (Index l = 0; l < cost.rows(); ++l) cost.row(l).minCoeff(&target[static_cast<std::size_t>(l)]);
  return target;
}

double objective_at(const Coupling& coupling, const Model& model, PlanKind plan) {
  if (plan == PlanKind::pointwise) return coupling.spread(model).objective;
  return coupling.cost(model).rowwise().minCoeff().sum();
}

Assigned assign(const Coupling& coupling, const Model& model, PlanKind plan) {
  Assigned a;
  if (plan == PlanKind::pointwise) {
    a.spread = coupling.spread(model);
    a.objective = a.spread.objective;
    a.mass = a.spread.weight.colwise().sum().transpose();
    return a;
  }
  const MatrixXd cost = coupling.cost(model);
  a.target = cheapest(cost);
  a.cost = cost.rowwise().minCoeff();
  a.objective = a.cost.sum();  // (11) under the component plan
  a.mass = VectorXd::Zero(model.experts());
  for (Index k : a.target) a.mass(k) += 1.0;
  return a;
}

Model update(const ReduceProblem& problem, const Model& model, Assigned& a) {
  const Coupling& coupling = problem.coupling;
  const HeldSource& points = problem.points;
  Model next = model;
  if (!a.target.empty() && coupling.updates_from_moments()) {
    coupling.update_from_moments(next, a.target);
    return next;
  }
  if (!a.target.empty()) a.spread = coupling.spread(a.target, model);
  const Spread& s = a.spread;
  if (problem.update == UpdateKind::closed_form) {
    next.beta = regress_logits(model, points.x, points.offset, s.response, s.weight, points.weight);
    return next;
  }
  const MatrixXd& weight = s.pull.size() > 0 ? s.pull : s.weight;
  coupling.cost_object().update(next, points.x, points.offset, {weight, s.response, s.deviation},
                                problem.threads);
  return next;
}

}  // namespace distmoe
