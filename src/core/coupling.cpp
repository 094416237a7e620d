#include "coupling.h"

#include "experts.h"
#include "gram.h"
#include "mixture.h"

namespace distmoe {

namespace {

const Index tile_rows = 512;

}  // namespace

Coupling::Coupling(const HeldSource& points, const std::vector<Model>& models,
                   const VectorXd& lambda, const std::vector<Index>& site, double cache_bytes)
    : points_(points), models_(models), lambda_(lambda), family_(models.front().family) {
  const Index model_count = static_cast<Index>(models.size());
  std::vector<Index> first(1, 0);
  for (const Model& m : models) first.push_back(first.back() + m.experts());
  beta_.resize(points.x.cols(), first.back());
  dispersion_.resize(first.back());
  for (Index m = 0; m < model_count; ++m) {
    const Model& model = models[static_cast<std::size_t>(m)];
    beta_.middleCols(first[static_cast<std::size_t>(m)], model.experts()) = model.beta;
    dispersion_.segment(first[static_cast<std::size_t>(m)], model.experts()) = model.dispersion;
  }
  point_weight_ = points.weight.size() > 0 ? points.weight : VectorXd::Ones(points.rows());
  total_ = point_weight_.sum();

  double bytes = 0.0;
  const auto add_tiles = [&](Index row, Index end, Index model, Index count) {
    const Index from = first[static_cast<std::size_t>(model)];
    const Index to = first[static_cast<std::size_t>(model + count)];
    for (; row < end; row += tile_rows) {
      const Index rows = std::min(tile_rows, end - row);
      tiles_.push_back({row, rows, from, to - from, model, count, MatrixXd(), MatrixXd()});
      bytes += 16.0 * static_cast<double>(rows) * static_cast<double>(to - from);
    }
  };
  if (site.empty()) {
    add_tiles(0, points.rows(), 0, model_count);
  } else {
    lambda_ = VectorXd::Ones(model_count);
    for (std::size_t start = 0, end; start < site.size(); start = end) {
      for (end = start; end < site.size() && site[end] == site[start];) ++end;
      add_tiles(static_cast<Index>(start), static_cast<Index>(end), site[start], 1);
    }
  }
  cached_ = bytes <= cache_bytes;
  if (cached_) {
    for (Tile& tile : tiles_) fill(tile);
  }
}

void Coupling::fill(Tile& tile) const {
  const auto part = [&](const VectorXd& v) {
    return v.size() > 0 ? VectorView(v.segment(tile.row, tile.rows)) : VectorView(v);
  };
  const MatrixXd& z = points_.shared ? points_.x : points_.z;
  tile.mass.resize(tile.rows, tile.count);
  Index column = 0;
  for (Index m = tile.model_first; m < tile.model_first + tile.models; ++m) {
    const Model& model = models_[static_cast<std::size_t>(m)];
    tile.mass.middleCols(column, model.experts()) =
        (gates(z.middleRows(tile.row, tile.rows), model.alpha, part(points_.gate_offset)).probability *
         lambda_(m)).matrix();
    column += model.experts();
  }
  tile.mass = point_weight_.segment(tile.row, tile.rows).asDiagonal() * tile.mass;
  tile.eta = predictors(tile, beta_.middleCols(tile.first, tile.count));
}

MatrixXd Coupling::predictors(const Tile& tile, const MatrixXd& beta) const {
  const VectorXd none(0);
  return linear_predictors(points_.x.middleRows(tile.row, tile.rows), beta,
                           points_.offset.size() > 0
                               ? VectorView(points_.offset.segment(tile.row, tile.rows))
                               : VectorView(none));
}

void Coupling::visit(const std::function<void(const Tile&)>& see) const {
  for (const Tile& tile : tiles_) {
    if (cached_) {
      see(tile);
      continue;
    }
    Tile filled = tile;
    fill(filled);
    see(filled);
  }
}

void Coupling::make_moments() const {
  if (moments_.size() > 0) return;
  moments_ = MatrixXd::Zero(components(), triangle_size(beta_.rows()));
  mass_ = VectorXd::Zero(components());
  visit([&](const Tile& tile) {
    MatrixXd part = MatrixXd::Zero(tile.count, moments_.cols());
    add_weighted_grams(points_.x.middleRows(tile.row, tile.rows), tile.mass, part);
    moments_.middleRows(tile.first, tile.count) += part;
    mass_.segment(tile.first, tile.count) += tile.mass.colwise().sum().transpose();
  });
}

MatrixXd Coupling::cost(const Model& to) const {
  const Family& f = family_of(family_);
  const Index k_count = to.experts();
  MatrixXd cost = MatrixXd::Zero(components(), k_count);
  if (family_ != FamilyKind::gaussian) {
    visit([&](const Tile& tile) {
      const MatrixXd eta = predictors(tile, to.beta);
      for (Index l = 0; l < tile.count; ++l) {
        for (Index k = 0; k < k_count; ++k) {
          const ArrayXd c = f.divergence(tile.eta.col(l).array(), dispersion_(tile.first + l),
                                         eta.col(k).array(), to.dispersion(k));
          cost(tile.first + l, k) += (tile.mass.col(l).array() * c).sum();
        }
      }
    });
    return cost / total_;
  }
  // (S6) summed over the points: the only sums over points are the moments.
  make_moments();
  for (Index l = 0; l < components(); ++l) {
    const MatrixXd moment = unpack_symmetric(moments_, l, beta_.rows());
    for (Index k = 0; k < k_count; ++k) {
      const VectorXd gap = to.beta.col(k) - beta_.col(l);
      const double ratio = dispersion_(l) / to.dispersion(k);
      cost(l, k) = 0.5 * (mass_(l) * (ratio - 1.0 - std::log(ratio)) +
                          gap.dot(moment * gap) / to.dispersion(k));
    }
  }
  return cost / total_;
}

Spread Coupling::spread(const Model& to, const std::vector<Index>* target) const {
  const Family& f = family_of(family_);
  const Index k_count = to.experts();
  Spread out;
  out.plan = MatrixXd::Zero(components(), k_count);
  out.cost = VectorXd::Zero(components());
  out.weight = MatrixXd::Zero(points_.rows(), k_count);
  out.response = out.weight;
  out.deviation = VectorXd::Zero(k_count);
  visit([&](const Tile& tile) {
    const MatrixXd eta = predictors(tile, to.beta);
    const MatrixXd mean_to = expert_means(family_, eta);
    ArrayXXd cost(tile.rows, k_count);
    for (Index l = 0; l < tile.count; ++l) {
      const Index component = tile.first + l;
      const ArrayXd mean = f.mean(tile.eta.col(l).array());
      for (Index k = 0; k < k_count; ++k) {
        if (target && (*target)[static_cast<std::size_t>(component)] != k) continue;
        cost.col(k) = f.divergence(tile.eta.col(l).array(), dispersion_(component),
                                   eta.col(k).array(), to.dispersion(k));
      }
      for (Index s = 0; s < tile.rows; ++s) {
        Index k;
        if (target) k = (*target)[static_cast<std::size_t>(component)];
        else cost.row(s).minCoeff(&k);
        const double mass = tile.mass(s, l);
        const double gap = mean(s) - mean_to(s, k);
        out.plan(component, k) += mass;
        out.cost(component) += mass * cost(s, k);
        out.weight(tile.row + s, k) += mass;
        out.response(tile.row + s, k) += mass * mean(s);
        out.deviation(k) += mass * (dispersion_(component) + gap * gap);
      }
    }
  });
  out.plan /= total_;
  out.cost /= total_;
  out.objective = out.cost.sum();
  return out;
}

void Coupling::update_from_moments(Model& to, const std::vector<Index>& target) const {
  make_moments();
  ExpertSums sums(beta_.rows(), to.experts());
  for (Index l = 0; l < components(); ++l) {
    const Index k = target[static_cast<std::size_t>(l)];
    const VectorXd gap = beta_.col(l) - to.beta.col(k);
    const VectorXd moved = unpack_symmetric(moments_, l, beta_.rows()) * gap;
    sums.mass(k) += mass_(l);
    sums.gram.row(k) += moments_.row(l);
    sums.score.col(k) += moved;
    sums.deviation(k) += mass_(l) * dispersion_(l) + gap.dot(moved);
  }
  const ExpertStep step = expert_step(to, sums, 0.0, 0.0);
  to.beta += step.delta;
  to.dispersion = step.dispersion;
}

}  // namespace distmoe
