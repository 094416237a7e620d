// How a plan spreads the mass of all local models' components over the experts of a model.
#ifndef DISTMOE_REDUCE_COUPLING_H
#define DISTMOE_REDUCE_COUPLING_H

#include <memory>

#include "reduce/component_moments.h"
#include "reduce/cost_sums.h"

namespace distmoe {

class Coupling {
 public:
  // `given`: moments of Gaussian experts from elsewhere, for KL; null: made at the points when first
  // needed.
  Coupling(const Components& components, const Services& services, CostKind kind = CostKind::kl,
           std::unique_ptr<ComponentMoments> given = nullptr)
      : components_(components), services_(services), cost_(cost_of(kind)),
        fast_(kind == CostKind::kl && family_of(components.family()).plain_divergence()),
        moments_(std::move(given)) {}

  const Cost& cost_object() const { return cost_; }
  double longest_step() const { return cost_.longest_step(family_of(components_.family())); }

  Index components() const { return components_.count(); }
  Index parts() const { return components_.parts(); }
  // Component l as an expert of its own.
  MatrixXd beta(Index l) const { return components_.beta.middleCols(l * parts(), parts()); }
  double dispersion(Index l) const { return components_.dispersion(l); }

  // E[ gate_l(x) c(phi_l, phi_k)(x) ], L x K: the cost of sending all of component l to expert k.
  // KL of Gaussian experts: from moments, which are made once and serve any number of models.
  MatrixXd cost(const Model& to) const;
  MatrixXd cost_at_points(const Model& to) const;  // the same as a sum over the points, without moments

  // The pointwise plan (16) at a model.
  Spread spread(const Model& to) const;
  ComponentPlan component_plan(const Model& to) const;

  // The plan that sends component l to target[l], an expert of `to`; of KL without `deviation`.
  Spread spread(const std::vector<Index>& target, const Model& to) const;
  // Its weights alone.
  MatrixXd weights(const std::vector<Index>& target, Index experts) const;
  ComponentPlan component_plan(const std::vector<Index>& target, const MatrixXd& cost) const;
  // Does the update (17) under given targets need moments alone? Then: beta and dispersion that
  // minimise (15), (S8).
  bool updates_from_moments() const { return fast_ && family_of(components_.family()).moments_suffice(); }
  void update_from_moments(Model& to, const std::vector<Index>& target) const;

 private:
  const ComponentMoments& moments() const;
  Spread spread_targets(const std::vector<Index>& target, Index experts, bool masses_only) const;

  const Components& components_;
  const Services& services_;
  const Cost& cost_;
  const bool fast_;  // KL by loops of its own
  // With them no sum over points is left in the component plan's iterations.
  mutable std::unique_ptr<ComponentMoments> moments_;
};

}  // namespace distmoe

#endif
