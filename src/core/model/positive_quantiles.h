// Quantiles of mixtures of positive variables, found on the scale of their logarithms.
#ifndef DISTMOE_MODEL_POSITIVE_QUANTILES_H
#define DISTMOE_MODEL_POSITIVE_QUANTILES_H

#include "base/model.h"
#include "base/special.h"

namespace distmoe {

// Both tails of expert k at `mean` exp(v), and the density of the logarithm there.
using TailsOf = std::function<GammaTails(Index k, double mean, double v)>;

// As Family::quantiles(), of positive means.
MatrixXd positive_quantiles(const ArrayXXd& share, const ArrayXXd& mean, const VectorXd& probs, const TailsOf& tails);

}  // namespace distmoe

#endif
