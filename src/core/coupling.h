// How a plan spreads the mass of all local models' components over the experts of a model.
#ifndef DISTMOE_CORE_COUPLING_H
#define DISTMOE_CORE_COUPLING_H

#include <memory>

#include "component_moments.h"

namespace distmoe {

// A plan at a model, as the sums over components that the updates (17) and (S4) need.
struct Spread {
  double objective = 0.0;  // pointwise plan: mean cost over the support, (15)
  MatrixXd weight;         // S x K, v_s sum_l P_lk(x_s): (S10), and the gates' targets (S4)
  MatrixXd response;       // S x K parts, v_s sum_l P_lk(x_s) mean_l(x_s)
  VectorXd deviation;      // K, pointwise plan: sum of v_s P_lk (dispersion_l + (mean_l - mean_k)^2),
                           // (S8b) corrected
};

// The same plan, component by component.
struct ComponentPlan {
  MatrixXd plan;  // L x K, mean mass sent from component l to expert k
  VectorXd cost;  // L, what each component adds to the objective
};

class Coupling {
 public:
  // `given`: moments of Gaussian experts from elsewhere; null: made at the points when first needed.
  Coupling(const Components& components, const Services& services,
           std::unique_ptr<ComponentMoments> given = nullptr)
      : components_(components), services_(services), moments_(std::move(given)) {}

  Index components() const { return components_.count(); }
  Index parts() const { return components_.parts(); }
  // Component l as an expert of its own.
  MatrixXd beta(Index l) const { return components_.beta.middleCols(l * parts(), parts()); }
  double dispersion(Index l) const { return components_.dispersion(l); }

  // E[ gate_l(x) c(phi_l, phi_k)(x) ], L x K: the cost of sending all of component l to expert k.
  // For Gaussian experts from moments, which are made once and serve any number of models.
  MatrixXd cost(const Model& to) const;
  MatrixXd cost_at_points(const Model& to) const;  // the same as a sum over the points, without moments

  // The pointwise plan (16) at a model.
  Spread spread(const Model& to) const;
  ComponentPlan component_plan(const Model& to) const;

  // The plan that sends component l to target[l], one of `experts`. `masses_only`: weights alone.
  Spread spread(const std::vector<Index>& target, Index experts, bool masses_only) const;
  ComponentPlan component_plan(const std::vector<Index>& target, const MatrixXd& cost) const;
  // For Gaussian experts under given targets: beta and dispersion that minimise (15), (S8).
  void update_from_moments(Model& to, const std::vector<Index>& target) const;

 private:
  const ComponentMoments& moments() const;

  const Components& components_;
  const Services& services_;
  // With them no sum over points is left in the component plan's iterations.
  mutable std::unique_ptr<ComponentMoments> moments_;
};

}  // namespace distmoe

#endif
