// Expectations under negative binomial counts that have no closed form, as functions of the predictor.
#ifndef DISTMOE_MODEL_COUNT_EXPECTATIONS_H
#define DISTMOE_MODEL_COUNT_EXPECTATIONS_H

#include "base/model.h"

namespace distmoe {

// For y of mean exp(eta) and variance mean + dispersion mean^2, row by row, to 1e-11 of their size or better:

// E[ log Gamma(y + a) / Gamma(a) - log Gamma(y + b) / Gamma(b) ].
ArrayXd expected_rising_gap(const ArrayXd& eta, double dispersion, double a, double b);

// E[ log(a + mean) - psi(a + y) ], psi the digamma function.
ArrayXd expected_log_gap(const ArrayXd& eta, double dispersion, double a);

}  // namespace distmoe

#endif
