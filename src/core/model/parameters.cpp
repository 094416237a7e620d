#include "model/parameters.h"

#include "model/family.h"

namespace distmoe {

ParameterLayout::ParameterLayout(const Model& m)
    : p(m.beta.rows()), q(m.alpha.rows()), k(m.experts()), parts(m.parts()), width(k * parts),
      gate(p * width), dispersion(gate + q * (k - 1)),
      size(dispersion + (family_of(m.family).has_dispersion() ? k : 0)) {}

Index parameter_count(const Model& model) { return ParameterLayout(model).size; }

VectorXd to_vector(const Model& model) {
  const ParameterLayout at(model);
  VectorXd v(at.size);
  v.head(at.gate) = Eigen::Map<const VectorXd>(model.beta.data(), at.gate);
  v.segment(at.gate, at.q * (at.k - 1)) =
      Eigen::Map<const VectorXd>(model.alpha.data(), at.q * (at.k - 1));
  if (at.has_dispersion()) v.tail(at.k) = model.dispersion.array().log().matrix();
  return v;
}

Model from_vector(const Model& shape, const VectorXd& parameters) {
  const ParameterLayout at(shape);
  Model m = shape;
  m.beta = Eigen::Map<const MatrixXd>(parameters.data(), at.p, at.width);
  m.alpha = Eigen::Map<const MatrixXd>(parameters.data() + at.gate, at.q, at.k - 1);
  if (at.has_dispersion()) m.dispersion = parameters.tail(at.k).array().exp().matrix();
  return m;
}

bool at_floor(const Model& model, Index k, double floor) {
  return family_of(model.family).has_dispersion() && model.dispersion(k) <= floor * 1.000001;
}

Model above_floor(Model model, double floor) {
  if (family_of(model.family).has_dispersion()) model.dispersion = model.dispersion.cwiseMax(floor);
  return model;
}

std::vector<Index> hold_fixed(const Model& model, double floor, const VectorXd& mass, double least_mass,
                              VectorXd& gradient, MatrixXd& curvature) {
  const ParameterLayout at(model);
  std::vector<Index> fixed;
  for (Index k = 0; k < at.k; ++k) {
    const bool lost = at.k > 1 && mass(k) <= least_mass;
    const Index size = at.p * at.parts;
    for (Index j = 0; lost && j < size; ++j) fixed.push_back(k * size + j);
    const Index dispersion = at.dispersion + k;
    if (!family_of(model.family).has_dispersion()) continue;
    if (lost || (at_floor(model, k, floor) && gradient(dispersion) <= 0)) fixed.push_back(dispersion);
  }
  for (Index j : fixed) {
    gradient(j) = 0.0;
    curvature.row(j).setZero();
    curvature.col(j).setZero();
    curvature(j, j) = 1.0;
  }
  return fixed;
}

}  // namespace distmoe
