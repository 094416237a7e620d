// Quantiles of mixtures of negative binomial counts.
#ifndef DISTMOE_MODEL_COUNT_QUANTILES_H
#define DISTMOE_MODEL_COUNT_QUANTILES_H

#include "base/model.h"

namespace distmoe {

// log P(Y = y), Y of mean exp(eta) and variance mean + dispersion mean^2, is the sum of these: of what only y enters,
// and of the rest.
double count_base(double y);
double log_negative_binomial(double y, double eta, double dispersion);

// As Family::quantiles().
MatrixXd negative_binomial_quantiles(const ArrayXXd& share, const ArrayXXd& mean, const VectorXd& dispersion,
                                     const VectorXd& probs);

}  // namespace distmoe

#endif
