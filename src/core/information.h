// Score and observed information of the log-likelihood (Louis' identity): what Newton's method needs
// at the end of a fit and what standard errors are made of.
#ifndef DISTMOE_CORE_INFORMATION_H
#define DISTMOE_CORE_INFORMATION_H

#include "model.h"

namespace distmoe {

// The order of all parameters in one vector: beta of expert 1, ..., K, alpha of gate 1, ..., K - 1,
// then (families with a dispersion) log dispersion of expert 1, ..., K.
Index parameter_count(const Model& model);
VectorXd to_vector(const Model& model);
Model from_vector(const Model& shape, const VectorXd& parameters);

struct Information {
  double log_lik = 0.0;
  VectorXd score;    // gradient of the log-likelihood
  MatrixXd hessian;  // its matrix of second derivatives

  explicit Information(Index parameters)
      : score(VectorXd::Zero(parameters)), hessian(MatrixXd::Zero(parameters, parameters)) {}
  Information& operator+=(const Information& other);
};

// Sums over the rows of a block, at `model`; blocks add.
Information information(const Block& block, const Model& model);

}  // namespace distmoe

#endif
