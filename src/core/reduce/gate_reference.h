// Gates from sums over all rows of all sites. In the gates' score equations under the component plan,
//   sum_i z_i ( own_k(z_i) - pi_k(z_i; alpha) ) = 0,
// own_k being what the site of row i sends to expert k, the first part is a sum that sites can send. The
// second one, F(alpha), is known at gates that all sites share, those of their common start, with its
// derivative J there. How it goes on from there is taken from the points, whose own sum is F_s, with J_s:
//   F(alpha) = F(start) + J J_s^-1 ( F_s(alpha) - F_s(start) ),
// exact to first order, and the score of a concave function.
#ifndef DISTMOE_REDUCE_GATE_REFERENCE_H
#define DISTMOE_REDUCE_GATE_REFERENCE_H

#include "base/source.h"
#include "model/gating.h"

namespace distmoe {

// Of one site's rows, at the columns as they are.
struct GateShares {
  MatrixXd own;       // q x K, sum_i w_i pi_k(z_i) z_i of the site's own gates
  MatrixXd expected;  // q x K', the same at the reference
  MatrixXd gram;      // packed as in GateSums, at the reference

  GateShares(Index q, Index experts, Index reference_experts);
  GateShares& operator+=(const GateShares& other);
};

inline Index numbers_in(const GateShares& sums) { return sums.gram.size(); }

// reference: q x (K' - 1).
GateShares gate_shares(const Block& block, const MatrixXd& alpha, const MatrixXd& reference);

// What all sites tell: their GateShares at one reference, of the columns as they are.
struct SharedGates {
  MatrixXd reference;            // q x (K' - 1)
  std::vector<MatrixXd> own;     // of every model, q x its experts
  MatrixXd expected, curvature;  // of all sites: q x K', and the negative Hessian behind `gram`, (q (K' - 1))^2
  double total = 0.0;            // sum of all rows' weights
};

// How the experts of a plan (L x K, components by experts) lie in the order of the reference's: the reference's gate
// order[k] plays the part of expert k. The models with K experts, which have kept its labels, tell; any order gives
// the right sums, a good one makes what the points add small. Empty where there is no such model.
std::vector<Index> reference_order(const SharedGates& shared, const MatrixXd& plan);

// These sums in the order of a plan's experts, component l being sent to target[l].
struct OrderedSums {
  MatrixXd reference, slope, curvature;  // slope: own - expected, q x (K - 1)
  double total;
};
OrderedSums in_order(const SharedGates& shared, const std::vector<Index>& order, const std::vector<Index>& target);

// The experts' gates from all rows, on columns standardised as `z` says, as the points' are. `converged` tells whether
// they may be used.
SoftmaxFit gates_from_sums(const OrderedSums& sums, const HeldSource& points, const ColumnScaling& z,
                           const GatePrior& prior, int threads);

}  // namespace distmoe

#endif
