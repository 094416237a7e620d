// Quantiles of mixtures of known distributions: of the mixture, not of its parts one by one.
#ifndef DISTMOE_MODEL_MIXTURE_QUANTILES_H
#define DISTMOE_MODEL_MIXTURE_QUANTILES_H

#include "base/model.h"

namespace distmoe {

// Each rows x probs, from the parts' shares and means (rows x K).
// The y at which F(y) = p; -Inf and Inf for p = 0 and 1.
MatrixXd gaussian_quantiles(const ArrayXXd& share, const ArrayXXd& mean, const ArrayXd& sd, const VectorXd& probs);
// The smallest whole number at which F(y) >= p; Inf for p = 1.
MatrixXd poisson_quantiles(const ArrayXXd& share, const ArrayXXd& mean, const VectorXd& probs);
// 0 where P(y = 0) >= p, else 1.
MatrixXd binomial_quantiles(const ArrayXXd& share, const ArrayXXd& mean, const VectorXd& probs);

}  // namespace distmoe

#endif
