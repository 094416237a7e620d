// Experts: the sums that a weighted GLM needs, and the Newton step that they give.
// Serves the M-step of EM (weights: responsibilities) and the update (17) of the reduction
// (weights: the transport plan's column sums), which are the same problem.
#ifndef DISTMOE_CORE_EXPERTS_H
#define DISTMOE_CORE_EXPERTS_H

#include "family.h"

namespace distmoe {

// Sums over rows at given coefficients. Sums of two blocks add.
struct ExpertSums {
  VectorXd mass;       // K, sum of weights
  MatrixXd score;      // p x K, sum of weight (y - mean) x
  MatrixXd gram;       // K x triangle_size(p), packed sum of weight variance(mean) x x'
  VectorXd deviation;  // K, sum of weight (y - mean)^2; 0 where the family has no dispersion

  ExpertSums(Index p, Index k);
  ExpertSums& operator+=(const ExpertSums& other);
};

// weight: b x K; weighted_response: b x K, weight times y (in the reduction: the sum of weighted
// local means). `deviation` is left at 0 for the caller, who alone knows the spread within a weight.
ExpertSums expert_sums(FamilyKind family, const MatrixView& x, const MatrixXd& eta,
                       const MatrixXd& weighted_response, const MatrixXd& weight);

struct ExpertStep {
  MatrixXd delta;       // p x K, to be added to beta; 0 in directions the data do not determine
  VectorXd dispersion;  // K, at beta + delta (Gaussian: exact); the old one where there is none
};

// Newton step of every expert. For Gaussian experts it is the exact weighted least squares fit and
// the variance is (S8b) as corrected: sum of weight (y - x'beta)^2 / mass, never below `floor`.
// Experts whose mass is not above `least_mass` are left as they are.
ExpertStep expert_step(const Model& model, const ExpertSums& sums, double floor, double least_mass);

// The update (17) of every expert to convergence, at points x with weights and weighted responses
// (S x K): least squares (S8a) for Gaussian experts, weighted logistic regression (S15) for binomial
// ones. Sets `dispersion` from `deviation` (at model.beta) where the family has one.
MatrixXd fit_experts(const Model& model, const MatrixView& x, const VectorView& offset,
                     const MatrixXd& weighted_response, const MatrixXd& weight,
                     const VectorXd& deviation, VectorXd& dispersion, int threads = 1);

}  // namespace distmoe

#endif
