// Transport between mixtures: costs, plans at a point, exact transportation problems.
#ifndef DISTMOE_CORE_TRANSPORT_H
#define DISTMOE_CORE_TRANSPORT_H

#include "model.h"

namespace distmoe {

// Exact transportation problem: min sum P_ij cost_ij, row sums `supply`, column sums `demand`
// (equal totals, up to rounding), P >= 0. Successive shortest paths. Returns the value and sets the
// plan. With ones on both sides it is the assignment problem and the plan is a permutation.
double solve_transport(VectorXd supply, VectorXd demand, const MatrixXd& cost, MatrixXd& plan);

enum class PlanKind { exact, pointwise, component };

struct Divergence {
  double value = 0.0;  // weighted mean over the points
  MatrixXd plan;       // L x K, weighted mean of the plan
  MatrixXd cost;       // L x K, weighted mean of gate_from * cost: all mass of l sent to k
};

// Transport divergence of two models at points with weights: T_c (9) for `exact`, R_c (11) for
// `pointwise`, its component-level restriction for `component`.
Divergence divergence(const Model& from, const Model& to, const Block& points, PlanKind plan);

// T_c between all pairs, entry (a, b) from model a to model b: what the middle estimator needs.
MatrixXd pairwise_divergence(const std::vector<Model>& models, const Block& points,
                             const Services& services);

}  // namespace distmoe

#endif
