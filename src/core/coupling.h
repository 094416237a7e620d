// The components of all local models at the support points, and how a plan spreads their mass over
// the experts of a model.
#ifndef DISTMOE_CORE_COUPLING_H
#define DISTMOE_CORE_COUPLING_H

#include "source.h"
#include "transport.h"

namespace distmoe {

// A plan at a model, as the sums over components that the updates (17) and (S4) need.
struct Spread {
  double objective = 0.0;  // mean cost over the support, (15) at the model that made the plan
  MatrixXd plan;           // L x K, mean mass sent from component l to expert k
  VectorXd cost;           // L, what each component adds to the objective
  MatrixXd weight;         // S x K, v_s sum_l P_lk(x_s): (S10), and the gates' targets (S4)
  MatrixXd response;       // S x K, v_s sum_l P_lk(x_s) mean_l(x_s)
  VectorXd deviation;      // K, sum of v_s P_lk (dispersion_l + (mean_l - mean_k)^2); (S8b) corrected
};

class Coupling {
 public:
  // `site` empty: every model at every point, weighted by `lambda` (sum 1). Otherwise the model of
  // each point, in non-decreasing order: only that model is asked there, with weight 1.
  // Gates and linear predictors are kept when they need less than `cache_bytes`.
  Coupling(const HeldSource& points, const std::vector<Model>& models, const VectorXd& lambda,
           const std::vector<Index>& site, double cache_bytes);

  FamilyKind family() const { return family_; }
  Index components() const { return dispersion_.size(); }
  double weight() const { return total_; }
  // Component l as an expert of its own.
  VectorXd beta(Index l) const { return beta_.col(l); }
  double dispersion(Index l) const { return dispersion_(l); }

  // E[ gate_l(x) c(phi_l, phi_k)(x) ], L x K: the cost of sending all of component l to expert k.
  MatrixXd cost(const Model& to) const;
  // The pointwise plan (16) at a model, or the plan that sends component l to target[l].
  Spread spread(const Model& to, const std::vector<Index>* target) const;
  // For Gaussian experts under given targets: beta and dispersion that minimise (15), (S8).
  void update_from_moments(Model& to, const std::vector<Index>& target) const;

 private:
  // Components first..first + count - 1 at points row..row + rows - 1.
  struct Tile {
    Index row, rows, first, count, model_first, models;
    MatrixXd mass, eta;  // rows x count: v_s lambda_m gate_l(x_s), and the linear predictor
  };
  void fill(Tile& tile) const;
  MatrixXd predictors(const Tile& tile, const MatrixXd& beta) const;  // at the tile's points
  void visit(const std::function<void(const Tile&)>& see) const;
  void make_moments() const;

  const HeldSource& points_;
  const std::vector<Model>& models_;
  VectorXd lambda_;
  FamilyKind family_;
  MatrixXd beta_;        // p x L
  VectorXd dispersion_;  // L
  VectorXd point_weight_;
  double total_ = 0.0;
  std::vector<Tile> tiles_;
  bool cached_ = false;
  // Gaussian experts: sum_s v_s gate_l(x_s) x_s x_s', packed, and its total mass. Made when first
  // needed; with them no sum over points is left in the component plan's iterations.
  mutable MatrixXd moments_;  // L x triangle_size(p)
  mutable VectorXd mass_;     // L
};

}  // namespace distmoe

#endif
