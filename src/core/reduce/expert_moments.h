// What Gaussian experts leave of a model's rows: (S6) and (S8) under the component plan depend on the
// rows only through sum_i w_i pi_l(z_i) x_i x_i', one p x p matrix an expert. Kept as triangular factors
// R_l with R_l'R_l equal to it, and not as the sums, so that columns of large mean cost no digits.
#ifndef DISTMOE_REDUCE_EXPERT_MOMENTS_H
#define DISTMOE_REDUCE_EXPERT_MOMENTS_H

#include "base/source.h"

namespace distmoe {

struct ExpertMoments {
  VectorXd mass;                 // K, sum_i w_i pi_l(z_i)
  std::vector<MatrixXd> factor;  // K, p x p, upper triangular

  ExpertMoments() = default;
  ExpertMoments(Index p, Index experts)
      : mass(VectorXd::Zero(experts)),
        factor(static_cast<std::size_t>(experts), MatrixXd::Zero(p, p)) {}
  ExpertMoments& operator+=(const ExpertMoments& other);
};

inline Index numbers_in(const ExpertMoments& sums) {
  return sums.factor.empty() ? 1 : sums.mass.size() * sums.factor.front().size();
}

// Those of a block of rows; blocks add.
ExpertMoments expert_moments(const Block& block, const Model& model);

// sum_i w_i pi_l(z_i) c(phi_l, phi_k)(x_i), (S6), of the model's experts l to those of another, k.
MatrixXd costs(const ExpertMoments& moments, const Model& model, const Model& to);

// sum_i w_i pi_l(z_i) x_i x_i' with the columns standardised, for expert l.
MatrixXd standardised_moments(const ExpertMoments& moments, Index expert, const ColumnScaling& x);

}  // namespace distmoe

#endif
