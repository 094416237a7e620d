// Score and observed information of the log-likelihood (Louis' identity): what Newton's method needs
// at the end of a fit and what standard errors are made of.
#ifndef DISTMOE_MODEL_INFORMATION_H
#define DISTMOE_MODEL_INFORMATION_H

#include "model/parameters.h"

namespace distmoe {

// The gradient of the log-likelihood, and what else one cheap pass over the rows tells.
struct Score {
  Index rows = 0;
  double weight = 0.0, log_lik = 0.0;
  VectorXd mass;  // K, sum of weighted responsibilities
  VectorXd gradient;

  Score(Index experts, Index parameters)
      : mass(VectorXd::Zero(experts)), gradient(VectorXd::Zero(parameters)) {}
  Score& operator+=(const Score& other);
};

struct Information {
  double weight = 0.0, log_lik = 0.0;
  VectorXd score;    // gradient of the log-likelihood
  MatrixXd hessian;  // its matrix of second derivatives

  explicit Information(Index parameters)
      : score(VectorXd::Zero(parameters)), hessian(MatrixXd::Zero(parameters, parameters)) {}
  Information& operator+=(const Information& other);
};

inline Index numbers_in(const Score& sums) { return sums.gradient.size(); }
inline Index numbers_in(const Information& sums) { return sums.hessian.size(); }

// Sums over the rows of a block, at `model`; blocks add.
Score score(const Block& block, const Model& model);
Information information(const Block& block, const Model& model);
// The rows' scores, without their weights: n x parameters.
MatrixXd row_scores(const Block& block, const Model& model);
// Sum of weight * s s' over the rows' scores s: the meat of the sandwich. A weight counts rows, so it
// enters once, as it does in the Hessian.
MatrixXd score_products(const Block& block, const Model& model);

}  // namespace distmoe

#endif
