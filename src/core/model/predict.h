// What a model says about rows: gates, experts' means, responses, densities, posteriors.
#ifndef DISTMOE_MODEL_PREDICT_H
#define DISTMOE_MODEL_PREDICT_H

#include "base/source.h"

namespace distmoe {

enum class PredictKind {
  response,    // n x R, E[response | x] = sum_k pi_k mean_k (see Family::response)
  expert,      // n x K R, E[response | x, expert k]
  gate,        // n x K, pi_k(z)
  posterior,   // n x K, P(expert k | x, y); needs y
  log_density  // n x 1, log f(y | x); needs y
};

// What `answers` says of every block, one under the other: n x columns. Beside the result, memory does
// not grow with n.
MatrixXd answer_rows(const Source& data, Index columns, const Services& services,
                     const std::function<MatrixXd(const Block&)>& answers);

MatrixXd predict(const Source& data, const Model& model, PredictKind kind,
                 const Services& services);

}  // namespace distmoe

#endif
