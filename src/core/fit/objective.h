// The objective, log-likelihood less penalty, over all rows of a source: its derivatives at a model.
#ifndef DISTMOE_FIT_OBJECTIVE_H
#define DISTMOE_FIT_OBJECTIVE_H

#include "base/source.h"
#include "fit/penalty.h"
#include "model/information.h"

namespace distmoe {

// Summed over all rows of a source, at `model`.
Information information_at(const Source& source, const Model& model, const Services& services);

// Mass of as many rows of mean weight as an expert has coefficients, and one: with less it can't be
// fitted.
double least_mass(const Model& model, double mean_weight);

// The negative Hessian of log-likelihood less penalty, and its gradient (of what has one: without l1).
MatrixXd objective_curvature(const Model& model, const MatrixXd& hessian, const Penalty& penalty);
VectorXd objective_gradient(const Model& model, const VectorXd& score, const Penalty& penalty);

}  // namespace distmoe

#endif
