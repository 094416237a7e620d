// What Gaussian components leave of the support points: costs (S6) and updates (S8) under the component
// plan need them only through one p x p matrix a component.
#ifndef DISTMOE_REDUCE_COMPONENT_MOMENTS_H
#define DISTMOE_REDUCE_COMPONENT_MOMENTS_H

#include "model/experts.h"
#include "reduce/components.h"
#include "reduce/expert_moments.h"

namespace distmoe {

// The part of (S6) that is free of x: components to the experts of a model, K x L. Empty where moments do
// not suffice (see Family).
MatrixXd divergence_constants(const VectorXd& dispersion, const Model& to);

// sum_s v_s gate_l(x_s) of every component.
VectorXd component_masses(const Components& components);

class ComponentMoments {
 public:
  ComponentMoments(const Components& components, const Services& services);
  // Made elsewhere, on all rows of every model's site (one of `given` a model, in their order), instead
  // of at the support points.
  ComponentMoments(const Components& components, const std::vector<ExpertMoments>& given,
                   const ColumnScaling& x, const Services& services);

  const VectorXd& mass() const { return mass_; }
  double total() const { return total_; }  // of all rows' weights
  // E[ gate_l(x) c(phi_l, phi_k)(x) ], L x K.
  MatrixXd cost(const Model& to) const;
  // Beta and dispersion that minimise (15) when component l is sent to target[l], (S8).
  void update(Model& to, const std::vector<Index>& target) const;

 private:
  void make_room();
  double* place(MatrixXd& in, Index l) const;
  ExpertSums sums_to(const Model& to, const std::vector<Index>& target, Index start, Index end) const;
  Index blocks() const { return beta_.cols(); }

  const Components& components_;
  const Services& services_;
  // Eight components a column, side by side as moment_forms wants them.
  MatrixXd moments_;  // 8 triangle_size(p) x L / 8: sum_s v_s gate_l(x_s) x_s x_s', packed
  MatrixXd beta_;     // 8 p x L / 8
  VectorXd mass_;     // L
  double total_;
};

}  // namespace distmoe

#endif
