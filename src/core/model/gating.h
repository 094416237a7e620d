// Gates: softmax regression with fractional targets, all gates in one joint Newton step.
#ifndef DISTMOE_MODEL_GATING_H
#define DISTMOE_MODEL_GATING_H

#include "base/scaling.h"
#include "model/mixture.h"

namespace distmoe {

// A weak Gaussian prior that keeps separable gates finite. It is symmetric in the labels:
//   1/2 sum_j ridge_j sum_k (a_jk - mean_k a_j.)^2 over all K gates, a = alpha - centre, a_.K = 0.
struct GatePrior {
  VectorXd ridge;   // q, one precision a column (0: none)
  MatrixXd centre;  // q x (K - 1)

  double value(const MatrixXd& alpha) const;
  MatrixXd gradient(const MatrixXd& alpha) const;        // q x (K - 1)
  void add_hessian(Eigen::Ref<MatrixXd> hessian) const;  // (q (K - 1))^2, gates stacked
};

// The same precision for every slope: none on the intercept and on aliased columns, whose coefficients
// therefore stay where the start has them.
GatePrior gate_prior(const ColumnScaling& z, Index experts, double ridge);

// Sums over rows at given gates. Sums of two blocks add.
struct GateSums {
  double log_lik = 0.0;  // sum_i sum_k target_ik log pi_ik, (S5); set by gate_sums
  MatrixXd score;        // q x (K - 1), sum of (target - row mass * pi) z
  MatrixXd gram;         // K (K - 1) / 2 x triangle_size(q), packed blocks (k, j <= k) of the
                         // negative Hessian, sum of row mass * pi_k (delta_kj - pi_j) z z'
  GateSums(Index q, Index k);
  GateSums& operator+=(const GateSums& other);
};

// What a row counts in the sums, given targets (b x K, weights included; a row's mass is their sum):
// `weight` (b x K (K - 1) / 2) of z z' in the packed blocks, `residual` (b x (K - 1)) of z in the score.
void gate_weights(const ArrayXXd& probability, const MatrixXd& targets, Eigen::Ref<MatrixXd> weight,
                  Eigen::Ref<MatrixXd> residual);

GateSums gate_sums(const MatrixView& z, const Gates& gate, const MatrixXd& targets);

// The same at gates alpha, on many rows: added in the order of the rows whatever the number of threads.
// products = false: gram stays 0, at a twentieth of the cost.
GateSums gate_sums(const MatrixView& z, const MatrixXd& targets, const VectorView& gate_offset,
                   const MatrixXd& alpha, int threads, bool products = true);

// Newton step on sum target log pi - prior; to be added to alpha.
MatrixXd gate_step(const MatrixXd& alpha, const GateSums& sums, const GatePrior& prior);

struct SoftmaxFit {
  MatrixXd alpha;
  int iterations = 0;
  bool converged = false;
};

// What a softmax regression is of. It refers to what it is made from.
struct SoftmaxProblem {
  MatrixView z;             // n x q
  const MatrixXd& targets;  // n x K, weights included
  VectorView gate_offset;   // n or 0
  const GatePrior& prior;
  const MatrixXd* slope = nullptr;  // q x (K - 1), what other rows add to the score whatever the gates are
};

// Weighted softmax regression to convergence from gates alpha, (S5). The penalised objective never falls. Sums of
// products of columns cost twenty times what the score does. keep_products: near the end, where they hardly change,
// those of an earlier step serve as long as every step gains a tenth of the last or less.
SoftmaxFit softmax_regression(const SoftmaxProblem& problem, MatrixXd alpha, int threads = 1,
                              bool keep_products = false);

}  // namespace distmoe

#endif
