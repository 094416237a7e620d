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

// slope: own - expected of all sites, q x (K - 1); curvature: the negative Hessian behind `gram`,
// (q (K - 1))^2; total: the sum of all rows' weights. All at the columns of `points` as they are, as are
// reference and alpha, the gates about which the weak prior lies. `converged` of the fit tells whether
// alpha may be used.
SoftmaxFit gates_from_reference(const Data& points, Index z_intercept, const MatrixXd& reference,
                                const MatrixXd& slope, const MatrixXd& curvature, double total,
                                const MatrixXd& alpha, double ridge, const Services& services);

}  // namespace distmoe

#endif
