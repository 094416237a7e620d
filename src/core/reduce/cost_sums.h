// Sums over points of costs, plans and pulls (cost.h) for any cost: plain loops over pairs of a
// component and an expert. KL has faster ways (coupling.h, component_moments.h).
#ifndef DISTMOE_REDUCE_COST_SUMS_H
#define DISTMOE_REDUCE_COST_SUMS_H

#include "reduce/components.h"
#include "reduce/cost.h"

namespace distmoe {

// A plan at a model, as the sums over components that the updates (17) and (S4) need.
struct Spread {
  double objective = 0.0;  // pointwise plan: mean cost over the support, (15)
  MatrixXd weight;         // S x K, v_s sum_l P_lk(x_s): (S10), and the gates' targets (S4)
  MatrixXd pull;           // S x K, the same times the cost's weights; empty for KL, where they are 1
  MatrixXd response;       // S x K parts, the same times the cost's responses; KL: mean_l(x_s)
  VectorXd deviation;      // K, sum of v_s P_lk times the cost's deviations; KL, pointwise plan:
                           // dispersion_l + (mean_l - mean_k)^2, (S8b) corrected
};

// The same plan, component by component.
struct ComponentPlan {
  MatrixXd plan;  // L x K, mean mass sent from component l to expert k
  VectorXd cost;  // L, what each component adds to the objective
};

// E[ gate_l(x) c(phi_l, phi_k)(x) ], L x K.
MatrixXd expected_costs(const Components& components, const Cost& cost, const Model& to);

// The pointwise plan (16), component by component.
ComponentPlan pointwise_plan(const Components& components, const Cost& cost, const Model& to);

// The plan that sends component l to target[l]; `target` null: the pointwise plan.
Spread spread_costs(const Components& components, const Cost& cost, const Model& to,
                    const std::vector<Index>* target);

}  // namespace distmoe

#endif
