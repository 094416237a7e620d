// Experts: the sums that a weighted GLM needs, and the Newton step that they give.
// Serves the M-step of EM (weights: responsibilities) and the update (17) of the reduction
// (weights: the transport plan's column sums), which are the same problem.
#ifndef DISTMOE_MODEL_EXPERTS_H
#define DISTMOE_MODEL_EXPERTS_H

#include "model/family.h"

namespace distmoe {

// Sums over rows at given coefficients. Sums of two blocks add.
struct ExpertSums {
  VectorXd mass;       // K, sum of weights
  VectorXd responses;  // K, the same of responses, where a row (a unit) has several (Block::trials); else empty
  MatrixXd score;      // p x K R, sum of weight (response - mean) x, or Family::to_score() of it
  MatrixXd gram;       // K R (R + 1) / 2 x triangle_size(p), packed sums of weight curvature(mean) x x'
                       // for the pairs of each expert's predictors
  VectorXd deviation;  // K, see Family::deviation(); 0 where the family has no dispersion

  ExpertSums(Index p, Index k, Index parts);
  double count(Index k) const { return responses.size() > 0 ? responses(k) : mass(k); }
  ExpertSums& operator+=(const ExpertSums& other);
};

// weight: b x K; weighted_response: b x K R, weight times response (in the reduction: the sum of
// weighted local means). `deviation` is left at 0 for the caller, who alone knows the spread within a weight.
ExpertSums expert_sums(FamilyKind family, const MatrixView& x, const MatrixXd& eta, const VectorXd& dispersion,
                       const MatrixXd& weighted_response, const MatrixXd& weight);

struct ExpertStep {
  MatrixXd delta;       // p x K R, to be added to beta; 0 in directions the data do not determine
  VectorXd dispersion;  // K, at beta + delta (Gaussian: exact); the old one where there is none
};

// Newton step of every expert. For Gaussian experts it is the exact weighted least squares fit, and their variance
// that at the new coefficients; other dispersions are those at the old ones. Never below `floor`.
// Experts whose mass is not above `least_mass` are left as they are.
ExpertStep expert_step(const Model& model, const ExpertSums& sums, double floor, double least_mass);

// Expert k alone.
Model model_of_expert(const Model& model, Index k);

// One expert's coefficients by steps of Newton's kind from the sums here, each halved until `take` takes the
// coefficients that it leads to. Ends where a step promises nothing, or none is taken.
MatrixXd fit_by_halved_steps(Model one, const std::function<ExpertSums()>& sums,
                             const std::function<bool(const MatrixXd& beta)>& take);

// The update (17) of every expert to convergence, at points x with weights and weighted responses
// (S x K, S x K R): least squares (S8a) for Gaussian experts, for the others a weighted regression of
// their family, (S15) for binomial ones. Sets `dispersion` from `deviation` (at model.beta) where the family has one.
MatrixXd fit_experts(const Model& model, const MatrixView& x, const VectorView& offset,
                     const MatrixXd& weighted_response, const MatrixXd& weight,
                     const VectorXd& deviation, VectorXd& dispersion, int threads = 1);

// (S14) for logistic experts: least squares of the logits of the mean responses on x, weighted by
// `point_weight` (empty: ones) and not by `weight`. Not the minimiser of (S13), which is (S15).
MatrixXd regress_logits(const Model& model, const MatrixView& x, const VectorView& offset,
                        const MatrixXd& weighted_response, const MatrixXd& weight,
                        const VectorView& point_weight);

}  // namespace distmoe

#endif
