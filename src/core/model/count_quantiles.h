// Quantiles of mixtures of negative binomial counts.
#ifndef DISTMOE_MODEL_COUNT_QUANTILES_H
#define DISTMOE_MODEL_COUNT_QUANTILES_H

#include "base/model.h"

namespace distmoe {

// log P(Y = y), Y of mean exp(eta) and variance mean + dispersion mean^2, is the sum of three: what only y enters, what
// y and the dispersion do, and the rest. bent: log(1 + dispersion mean). To few_counts the first is -log y! and the
// second the sum over j < y of log(1 + dispersion j).
const double few_counts = 255.0;
double count_base(double y);
double count_rising(double y, double dispersion);
double count_rest(double y, double eta, double mean, double bent, double dispersion);

// As Family::quantiles().
MatrixXd negative_binomial_quantiles(const ArrayXXd& share, const ArrayXXd& mean, const VectorXd& dispersion,
                                     const VectorXd& probs);

}  // namespace distmoe

#endif
