#include "reduce/cost_sums.h"

namespace distmoe {

namespace {

// Components and experts at the points of one tile after another.
class TileExperts {
 public:
  TileExperts(const Components& components, const Model& to) : components_(components), to_model_(to) {}

  void begin(const Tile& tile) {
    if (!tile.begins) return;
    MatrixXd eta(tile.height, to_model_.beta.cols());
    components_.predictors(tile, to_model_.beta, eta.data());
    to_.clear();
    const Index parts = to_model_.parts();
    for (Index k = 0; k < to_model_.experts(); ++k) {
      to_.emplace_back(to_model_.family, eta.middleCols(k * parts, parts).array(),
                       to_model_.dispersion(k));
    }
  }

  const ExpertAt& to(Index k) const { return to_[static_cast<std::size_t>(k)]; }

  ExpertAt from(const Tile& tile, Index l) const {
    const Index parts = components_.parts();
    const Eigen::Map<const ArrayXXd> eta(tile.eta + l * parts * tile.height, tile.height, parts);
    return ExpertAt(components_.family(), eta, components_.dispersion(tile.first + l));
  }

  static Eigen::Map<const ArrayXd> mass(const Tile& tile, Index l) {
    return Eigen::Map<const ArrayXd>(tile.mass + l * tile.height, tile.height);
  }

  // height x K, the costs of a component.
  ArrayXXd costs(const Cost& cost, const ExpertAt& from) const {
    ArrayXXd out(from.eta.rows(), to_model_.experts());
    for (Index k = 0; k < out.cols(); ++k) out.col(k) = cost.value(from, to(k));
    return out;
  }

 private:
  const Components& components_;
  const Model& to_model_;
  std::vector<ExpertAt> to_;
};

// One for each chunk: chunks are visited at the same time.
std::vector<TileExperts> experts_of_chunks(const Components& components, const Model& to) {
  return std::vector<TileExperts>(static_cast<std::size_t>(components.chunks()),
                                  TileExperts(components, to));
}

// Row by row the expert of least cost; ties: the first.
std::vector<Index> cheapest_of_rows(const ArrayXXd& costs) {
  std::vector<Index> out(static_cast<std::size_t>(costs.rows()));
  for (Index s = 0; s < costs.rows(); ++s) costs.row(s).minCoeff(&out[static_cast<std::size_t>(s)]);
  return out;
}

// The sums of one chunk.
struct ChunkSums {
  MatrixXd plan, cost;  // L x K
  VectorXd total;       // L
  ChunkSums(Index l_count, Index k_count)
      : plan(MatrixXd::Zero(l_count, k_count)),
        cost(MatrixXd::Zero(l_count, k_count)),
        total(VectorXd::Zero(l_count)) {}
};

// All chunks' sums, added in the order of the chunks.
template <class See>
ChunkSums sum_chunks(const Components& components, const Model& to, See see) {
  std::vector<TileExperts> experts = experts_of_chunks(components, to);
  std::vector<ChunkSums> sums;
  for (Index c = 0; c < components.chunks(); ++c) {
    sums.emplace_back(components.count_seen(c), to.experts());
  }
  components.visit([&](Index chunk, const Tile& tile) {
    TileExperts& mine = experts[static_cast<std::size_t>(chunk)];
    mine.begin(tile);
    const Index at = tile.first - components.first_seen(chunk);
    for (Index l = 0; l < tile.count; ++l) {
      see(tile, mine, l, at + l, sums[static_cast<std::size_t>(chunk)]);
    }
  });
  ChunkSums all(components.count(), to.experts());
  for (Index c = 0; c < components.chunks(); ++c) {
    const ChunkSums& part = sums[static_cast<std::size_t>(c)];
    const Index first = components.first_seen(c), count = part.total.size();
    all.plan.middleRows(first, count) += part.plan / components.total;
    all.cost.middleRows(first, count) += part.cost / components.total;
    all.total.segment(first, count) += part.total / components.total;
  }
  return all;
}

// Adds what one component asks of expert k at the rows where `mass` is not 0.
void add_pull(const Cost& cost, const ExpertAt& from, const ExpertAt& to, const ArrayXd& mass, Index k,
              Index row, Index rows, Spread& out, double& deviation) {
  const Pull pull = cost.pull(from, to);
  const Index parts = from.eta.cols();
  const ArrayXd weight = mass * pull.weight;
  out.weight.col(k).segment(row, rows) += mass.head(rows).matrix();
  out.pull.col(k).segment(row, rows) += weight.head(rows).matrix();
  out.response.block(row, k * parts, rows, parts) +=
      (pull.response.colwise() * mass).topRows(rows).matrix();
  deviation += (mass * pull.deviation).sum();
}

}  // namespace

MatrixXd expected_costs(const Components& components, const Cost& cost, const Model& to) {
  const auto add = [&](const Tile& tile, const TileExperts& experts, Index l, Index at, ChunkSums& sums) {
    const ArrayXXd costs = experts.costs(cost, experts.from(tile, l));
    sums.cost.row(at) += TileExperts::mass(tile, l).matrix().transpose() * costs.matrix();
  };
  return sum_chunks(components, to, add).cost;
}

ComponentPlan pointwise_plan(const Components& components, const Cost& cost, const Model& to) {
  const auto add = [&](const Tile& tile, const TileExperts& experts, Index l, Index at, ChunkSums& mine) {
    const ArrayXXd costs = experts.costs(cost, experts.from(tile, l));
    const std::vector<Index> best = cheapest_of_rows(costs);
    for (Index s = 0; s < tile.rows; ++s) {
      const Index k = best[static_cast<std::size_t>(s)];
      const double mass = tile.mass[l * tile.height + s];
      mine.plan(at, k) += mass;
      mine.total(at) += mass * costs(s, k);
    }
  };
  const ChunkSums sums = sum_chunks(components, to, add);
  return ComponentPlan{sums.plan, sums.total};
}

Spread spread_costs(const Components& components, const Cost& cost, const Model& to,
                    const std::vector<Index>* target) {
  const Index k_count = to.experts(), rows = components.points().rows();
  Spread out;
  out.weight = out.pull = MatrixXd::Zero(rows, k_count);
  out.response = MatrixXd::Zero(rows, k_count * components.parts());
  std::vector<TileExperts> experts = experts_of_chunks(components, to);
  VectorXd objective = VectorXd::Zero(components.chunks());
  MatrixXd deviation = MatrixXd::Zero(k_count, components.chunks());
  components.visit([&](Index chunk, const Tile& tile) {
    TileExperts& mine = experts[static_cast<std::size_t>(chunk)];
    mine.begin(tile);
    for (Index l = 0; l < tile.count; ++l) {
      const ExpertAt from = mine.from(tile, l);
      const ArrayXd mass = TileExperts::mass(tile, l);
      if (target) {
        const Index k = (*target)[static_cast<std::size_t>(tile.first + l)];
        add_pull(cost, from, mine.to(k), mass, k, tile.row, tile.rows, out, deviation(k, chunk));
        continue;
      }
      const ArrayXXd costs = mine.costs(cost, from);
      const std::vector<Index> best = cheapest_of_rows(costs);
      for (Index k = 0; k < k_count; ++k) {
        ArrayXd part = ArrayXd::Zero(mass.size());
        for (Index s = 0; s < tile.rows; ++s) {
          if (best[static_cast<std::size_t>(s)] == k) part(s) = mass(s);
        }
        if (!(part.maxCoeff() > 0)) continue;
        objective(chunk) += (part * costs.col(k)).sum();
        add_pull(cost, from, mine.to(k), part, k, tile.row, tile.rows, out, deviation(k, chunk));
      }
    }
  });
  out.objective = objective.sum() / components.total;
  out.deviation = deviation.rowwise().sum();
  return out;
}

}  // namespace distmoe
