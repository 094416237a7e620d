// Quantiles of f(y|x): of the mixture, not of its experts one by one.
#ifndef DISTMOE_MODEL_QUANTILES_H
#define DISTMOE_MODEL_QUANTILES_H

#include "base/source.h"

namespace distmoe {

// n x probs. Gaussian experts: the y at which F(y|x) = p; -Inf and Inf for p = 0 and 1. Counts and 0/1:
// the smallest whole number at which F(y|x) >= p (Inf for counts and p = 1). Classes have no order:
// std::invalid_argument.
MatrixXd quantiles(const Source& data, const Model& model, const VectorXd& probs,
                   const Services& services);

// The same of the mean of several models' distributions. All have the same shape.
MatrixXd quantiles(const Source& data, const std::vector<Model>& models, const VectorXd& probs,
                   const Services& services);

}  // namespace distmoe

#endif
