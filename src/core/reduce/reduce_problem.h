// The reduction's problem on standardised columns: plans at a model, and the update (17).
#ifndef DISTMOE_REDUCE_REDUCE_PROBLEM_H
#define DISTMOE_REDUCE_REDUCE_PROBLEM_H

#include "reduce/coupling.h"
#include "reduce/reduce.h"

namespace distmoe {

struct ReduceProblem {
  Scaling scaling;
  HeldSource points;
  std::vector<Model> models;
  Components components;
  Coupling coupling;
  UpdateKind update;
  double unit;  // of the objective on the user's scale
  int threads;

  ReduceProblem(const LocalModels& locals, CostKind cost, UpdateKind update, double cache_bytes,
                const Services& services);

 private:
  std::unique_ptr<ComponentMoments> given_moments(const LocalModels& locals, CostKind cost,
                                                  const Services& services) const;
  std::vector<Model> internal(const std::vector<Model>& user) const;
};

// The plan at a model: what the majorant (15) is made of.
struct Assigned {
  double objective = 0.0;
  VectorXd mass;              // K, mass that each expert receives
  std::vector<Index> target;  // component plan
  VectorXd cost;              // L, the same
  Spread spread;              // pointwise plan
};

// The expert of least expected cost of every component.
std::vector<Index> cheapest(const MatrixXd& cost);

double objective_at(const Coupling& coupling, const Model& model, PlanKind plan);

Assigned assign(const Coupling& coupling, const Model& model, PlanKind plan);

// Minimises the majorant (or lowers it, see Cost::exact): the update (17). With UpdateKind::closed_form
// (S14), which may raise it.
Model update(const ReduceProblem& problem, const Model& model, Assigned& a);

}  // namespace distmoe

#endif
