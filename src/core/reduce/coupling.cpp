#include "reduce/coupling.h"

#include "kernels/kernels.h"

namespace distmoe {

namespace {

// The experts of a model at the points of a tile, in memory that serves one tile after another.
class ExpertsAtTile {
 public:
  ExpertsAtTile(const Components& components, const Model& to, const MatrixXd& constants)
      : components_(components), to_(to), constants_(constants) {
    precision_ = (0.5 / to.dispersion.array()).matrix();
  }

  PlanRows rows(const Tile& tile) {
    const Index k = to_.experts();
    if (tile.begins) {
      eta_.resize(tile.height, to_.beta.cols());
      components_.predictors(tile, to_.beta, eta_.data());
      if (tile.mean) {
        mean_.resize(tile.height, to_.beta.cols());
        potential_.resize(tile.height, k);
        components_.natural(tile, k, eta_.data(), mean_.data(), potential_.data());
      }
    }
    return PlanRows{tile.height, tile.count, k, to_.parts(), tile.mass, tile.eta, tile.mean, tile.potential,
                    components_.dispersion.data() + tile.first,
                    constants_.data() + (constants_.size() > 0 ? tile.first * k : 0), eta_.data(),
                    potential_.data(), precision_.data()};
  }

 private:
  const Components& components_;
  const Model& to_;
  const MatrixXd& constants_;
  VectorXd precision_;
  MatrixXd eta_, mean_, potential_;
};

// Weights and responses of a tile's rows, collected over its components.
struct TileSpread {
  MatrixXd weight, response;
  void begin(const Tile& tile, Index experts, Index parts) {
    if (!tile.begins) return;
    weight.setZero(tile.height, experts);
    response.setZero(tile.height, experts * parts);
  }
  void end(const Tile& tile, Spread& out) const {
    if (!tile.ends) return;
    out.weight.middleRows(tile.row, tile.rows) = weight.topRows(tile.rows);
    if (out.response.size() > 0) {
      out.response.middleRows(tile.row, tile.rows) = response.topRows(tile.rows);
    }
  }
};

// Sums of one chunk over the components that it sees, a range of all.
struct ChunkSums {
  Index first;
  MatrixXd to_expert;  // K x components
  VectorXd cost;
  ChunkSums(const Components& components, Index chunk, Index experts)
      : first(components.first_seen(chunk)),
        to_expert(MatrixXd::Zero(experts, components.count_seen(chunk))),
        cost(VectorXd::Zero(to_expert.cols())) {}
};

// plan_components over all points: the sums of `out` are K x L.
void sum_components(const Components& components, const Model& to, bool choose, MatrixXd& out,
                    VectorXd& cost) {
  const MatrixXd constant = divergence_constants(components.dispersion, to);
  std::vector<ExpertsAtTile> experts(static_cast<std::size_t>(components.chunks()),
                                     ExpertsAtTile(components, to, constant));
  std::vector<ChunkSums> sums;
  for (Index c = 0; c < components.chunks(); ++c) sums.emplace_back(components, c, to.experts());
  components.visit([&](Index chunk, const Tile& tile) {
    ChunkSums& mine = sums[static_cast<std::size_t>(chunk)];
    const Index at = tile.first - mine.first;
    kernels().plan_components(experts[static_cast<std::size_t>(chunk)].rows(tile), choose,
                              &mine.to_expert(0, at), &mine.cost(at));
  });
  out = MatrixXd::Zero(to.experts(), components.count());
  cost = VectorXd::Zero(components.count());
  for (const ChunkSums& s : sums) {
    out.middleCols(s.first, s.to_expert.cols()) += s.to_expert;
    cost.segment(s.first, s.cost.size()) += s.cost;
  }
}

Spread empty_spread(const Components& components, Index experts, bool masses_only) {
  Spread out;
  out.weight = MatrixXd::Zero(components.points().rows(), experts);
  if (!masses_only) out.response = MatrixXd::Zero(out.weight.rows(), experts * components.parts());
  out.deviation = VectorXd::Zero(experts);
  return out;
}

}  // namespace

MatrixXd Coupling::cost(const Model& to) const {
  return updates_from_moments() ? moments().cost(to) : cost_at_points(to);
}

MatrixXd Coupling::cost_at_points(const Model& to) const {
  if (!fast_) return expected_costs(components_, cost_, to);
  MatrixXd cost;
  VectorXd none;
  sum_components(components_, to, false, cost, none);
  return cost.transpose() / components_.total;
}

ComponentPlan Coupling::component_plan(const Model& to) const {
  if (!fast_) return pointwise_plan(components_, cost_, to);
  MatrixXd plan;
  ComponentPlan out;
  sum_components(components_, to, true, plan, out.cost);
  out.plan = plan.transpose() / components_.total;
  out.cost /= components_.total;
  return out;
}

const ComponentMoments& Coupling::moments() const {
  if (!moments_) moments_.reset(new ComponentMoments(components_, services_));
  return *moments_;
}

void Coupling::update_from_moments(Model& to, const std::vector<Index>& target) const {
  moments().update(to, target);
}

Spread Coupling::spread(const Model& to) const {
  if (!fast_) return spread_costs(components_, cost_, to, nullptr);
  const Index k_count = to.experts();
  const MatrixXd constant = divergence_constants(components_.dispersion, to);
  Spread out = empty_spread(components_, k_count, false);
  const std::size_t chunks = static_cast<std::size_t>(components_.chunks());
  std::vector<ExpertsAtTile> experts(chunks, ExpertsAtTile(components_, to, constant));
  std::vector<TileSpread> part(chunks);
  VectorXd objective = VectorXd::Zero(components_.chunks());
  MatrixXd deviation = MatrixXd::Zero(k_count, components_.chunks());
  components_.visit([&](Index chunk, const Tile& tile) {
    const std::size_t c = static_cast<std::size_t>(chunk);
    part[c].begin(tile, k_count, parts());
    kernels().plan_spread(experts[c].rows(tile), part[c].weight.data(), part[c].response.data(),
                          &objective(chunk), &deviation(0, chunk));
    part[c].end(tile, out);
  });
  for (Index c = 0; c < components_.chunks(); ++c) {
    out.objective += objective(c) / components_.total;
    out.deviation += deviation.col(c);
  }
  return out;
}

// The masses sent to every expert, and unless `masses_only` what that makes of the components' means.
Spread Coupling::spread_targets(const std::vector<Index>& target, Index experts,
                                bool masses_only) const {
  Spread out = empty_spread(components_, experts, masses_only);
  std::vector<TileSpread> part(static_cast<std::size_t>(components_.chunks()));
  components_.visit([&](Index chunk, const Tile& tile) {
    TileSpread& sums = part[static_cast<std::size_t>(chunk)];
    sums.begin(tile, experts, parts());
    const double* means = tile.mean ? tile.mean : tile.eta;
    for (Index l = 0; l < tile.count; ++l) {
      const Index k = target[static_cast<std::size_t>(tile.first + l)];
      const Eigen::Map<const VectorXd> mass(tile.mass + l * tile.height, tile.height);
      sums.weight.col(k) += mass;  // (S10), (S4)
      if (masses_only) continue;
      const Eigen::Map<const MatrixXd> mean(means + l * parts() * tile.height, tile.height, parts());
      sums.response.middleCols(k * parts(), parts()) += mass.asDiagonal() * mean;
    }
    sums.end(tile, out);
  },
                    masses_only);
  return out;
}

Spread Coupling::spread(const std::vector<Index>& target, const Model& to) const {
  if (!fast_) return spread_costs(components_, cost_, to, &target);
  return spread_targets(target, to.experts(), false);
}

MatrixXd Coupling::weights(const std::vector<Index>& target, Index experts) const {
  return spread_targets(target, experts, true).weight;
}

ComponentPlan Coupling::component_plan(const std::vector<Index>& target, const MatrixXd& cost) const {
  const VectorXd mass = moments_ ? moments_->mass() : component_masses(components_);
  const double total = moments_ ? moments_->total() : components_.total;
  ComponentPlan out{MatrixXd::Zero(components(), cost.cols()), VectorXd::Zero(components())};
  for (Index l = 0; l < components(); ++l) {
    const Index k = target[static_cast<std::size_t>(l)];
    out.plan(l, k) = mass(l) / total;
    out.cost(l) = cost(l, k);
  }
  return out;
}

}  // namespace distmoe
