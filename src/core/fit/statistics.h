// The spine: statistics(block, model) and +=. Everything an EM step needs is a sum over rows, so
// threads, chunks of a file and rounds between sites are three callers of these two functions.
#ifndef DISTMOE_FIT_STATISTICS_H
#define DISTMOE_FIT_STATISTICS_H

#include "fit/penalty.h"

namespace distmoe {

struct Statistics {
  Index rows = 0;
  double weight = 0.0;   // sum of case weights
  double log_lik = 0.0;  // sum of weight * log f(y|x)
  ExpertSums experts;
  GateSums gates;

  explicit Statistics(const Model& model);  // zero, for a model of this shape
  Statistics& operator+=(const Statistics& other);
};

inline Index numbers_in(const Statistics& sums) {
  return sums.experts.gram.size() + sums.gates.gram.size();
}

// E-step at `model` and the sums that its M-step needs.
Statistics statistics(const Block& block, const Model& model);

// The same sums with given responsibilities (b x K) instead of the model's: how a start made of a
// partition becomes a model. log_lik is still that of `model`.
Statistics statistics(const Block& block, const Model& model, const MatrixXd& responsibility);

// One generalised EM step from the sums at `model`: exact (Gaussian) or one-Newton-step (GLM)
// experts and one joint Newton step of the gates, under the penalty if there is one. `length` < 1
// shortens the Newton parts.
Model em_step(const Model& model, const Statistics& sums, const PenaltyRule& rule, double floor,
              double least_mass, double length = 1.0);

// The negative Hessian of the objective that an M-step maximises, ordered as in to_vector() (parameters.h): the
// information of rows whose experts were known. The curvature of the observed objective is never more. The sums may be
// those of a model nearby: experts count by their present `mass`.
MatrixXd complete_curvature(const Model& model, const Statistics& sums, const VectorXd& mass, const Penalty& penalty);

}  // namespace distmoe

#endif
