// All parameters of a model in one vector, and which of them are free.
#ifndef DISTMOE_MODEL_PARAMETERS_H
#define DISTMOE_MODEL_PARAMETERS_H

#include "base/model.h"

namespace distmoe {

// Their order: beta of expert 1 (predictor by predictor), ..., K, alpha of gate 1, ...,
// K - 1, then (families with a dispersion) log dispersion of expert 1, ..., K.
Index parameter_count(const Model& model);
VectorXd to_vector(const Model& model);
Model from_vector(const Model& shape, const VectorXd& parameters);

// Where each kind of parameter starts in the vector.
struct ParameterLayout {
  Index p, q, k, parts, width, gate, dispersion, size;
  explicit ParameterLayout(const Model& model);
  bool has_dispersion() const { return size > dispersion; }
};

// Is the dispersion of expert k held at its floor?
bool at_floor(const Model& model, Index k, double floor);
// The model with its dispersions raised to it.
Model above_floor(Model model, double floor);
// What is no free parameter is taken out of the gradient and the negative Hessian: a dispersion at its
// floor that wants to fall, and an expert (of several) whose mass, that of its rows, is no more than
// `least_mass`, as in EM. Gives their numbers.
std::vector<Index> hold_fixed(const Model& model, double floor, const VectorXd& mass, double least_mass,
                              VectorXd& gradient, MatrixXd& curvature);

}  // namespace distmoe

#endif
