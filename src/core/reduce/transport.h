// Transport between mixtures: costs, plans, divergences, and the matching of experts. Points pass
// block by block, so memory does not grow with their number.
#ifndef DISTMOE_REDUCE_TRANSPORT_H
#define DISTMOE_REDUCE_TRANSPORT_H

#include "base/source.h"
#include "reduce/options.h"
#include "reduce/transport_problem.h"

namespace distmoe {

struct Divergence {
  double value = 0.0;  // weighted mean over the points
  MatrixXd plan;       // L x K, weighted mean of the plan
  MatrixXd cost;       // L x K, weighted mean of gate_from * cost: all mass of l sent to k
};

// Transport divergence of two models at points with weights: T_c (9) for `exact`, R_c (11) for
// `pointwise`, its component-level restriction for `component`.
Divergence divergence(const Model& from, const Model& to, const Source& points, PlanKind plan,
                      CostKind cost = CostKind::kl);

// T_c between all pairs, entry (a, b) from model a to model b: what the middle estimator needs.
// All models' gates and predictors at one block are held at a time.
MatrixXd pairwise_divergence(const std::vector<Model>& models, const Source& points, CostKind cost,
                             const Services& services);

// The experts of every model in the order of the reference's (as many): optimal matching on the
// expected KL of sending each reference expert to each of the model's. Element [m][k] is the
// expert of model m that plays the part of the reference's k.
std::vector<std::vector<Index>> match_experts(const Model& reference,
                                              const std::vector<Model>& models,
                                              const Source& points, const Services& services);

}  // namespace distmoe

#endif
