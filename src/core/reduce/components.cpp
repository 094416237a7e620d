#include "reduce/components.h"

#include "kernels/kernels.h"
#include "model/family.h"

namespace distmoe {

namespace {

const Index tile_rows = 16;  // a tile's columns lie close together: read in one stream
const Index tile_components = 128;
const Index vector_rows = 8;  // doubles of the longest vector
const Index most_chunks = 32;
const Index moment_rows = 2048;      // long columns for sums by component,
const Index moment_components = 20;  // few of them, so that they stay in the cache

Index whole_vectors(Index rows) { return (rows + vector_rows - 1) / vector_rows * vector_rows; }

}  // namespace

Components::Components(const HeldSource& points, const std::vector<Model>& models,
                       const MatrixXd& lambda, const std::vector<Index>& site, double cache_bytes,
                       const Services& services)
    : points_(points),
      z_(points.shared ? points.x : points.z),
      services_(services),
      family_(models.front().family),
      parts_(models.front().parts()),
      fields_(family_of(family_).identity_link() ? 2 : 2 + 2 * parts_) {
  const Index count = static_cast<Index>(models.size());
  first_.push_back(0);
  for (const Model& m : models) first_.push_back(first_.back() + m.experts());
  beta.resize(points.x.cols(), first_.back() * parts_);
  dispersion.resize(first_.back());
  alpha_ = MatrixXd::Zero(z_.cols(), first_.back());
  for (Index m = 0; m < count; ++m) {
    const Model& model = models[static_cast<std::size_t>(m)];
    beta.middleCols(first(m) * parts_, model.beta.cols()) = model.beta;
    dispersion.segment(first(m), model.experts()) = model.dispersion;
    alpha_.middleCols(first(m), model.experts() - 1) = model.alpha;
  }
  if (site.empty()) lambda_ = lambda;
  point_weight_ = points.weight.size() > 0 ? points.weight : VectorXd::Ones(points.rows());
  total = point_weight_.sum();
  offset_.push_back(0);
  if (site.empty()) add_run({0, points.rows(), 0, count});
  for (std::size_t start = 0, end; start < site.size(); start = end) {
    for (end = start; end < site.size() && site[end] == site[start];) ++end;
    add_run({static_cast<Index>(start), static_cast<Index>(end - start), site[start], 1});
  }
  deal_out();
  keeps_ = 8.0 * static_cast<double>(offset_.back()) <= cache_bytes;
}

Index Components::group_end(Index model, Index end, Index most) const {
  Index next = model + 1;
  while (next < end && first(next + 1) - first(model) <= most) ++next;
  return next;
}

void Components::add_run(const Run& run) {
  runs_.push_back(run);
  const Index width = first(run.model + run.models) - first(run.model);
  for (Index row = run.row, end = run.row + run.rows; row < end; row += tile_rows) {
    const Index rows = std::min(tile_rows, end - row), height = whole_vectors(rows);
    rows_.push_back({row, rows, run.model, run.models});
    offset_.push_back(offset_.back() + height * width * fields_);
    for (Index m = run.model, next; m < run.model + run.models; m = next) {
      next = group_end(m, run.model + run.models, tile_components);
      widest_ = std::max(widest_, height * fields_ * (first(next) - first(m)));
    }
  }
}

// Chunks of about the same work.
void Components::deal_out() {
  const std::size_t chunks = std::min<std::size_t>(most_chunks, rows_.size());
  const double share = static_cast<double>(offset_.back()) / static_cast<double>(chunks);
  chunk_.push_back(0);
  for (std::size_t i = 1; i < rows_.size() && chunk_.size() < chunks; ++i) {
    if (static_cast<double>(offset_[i]) >= share * static_cast<double>(chunk_.size())) {
      chunk_.push_back(i);
    }
  }
  chunk_.push_back(rows_.size());
}

Index Components::count_seen(Index chunk) const {
  const Run& last = rows_[chunk_[static_cast<std::size_t>(chunk) + 1] - 1];
  return first(last.model + last.models) - first_seen(chunk);
}

void Components::predictors(const Tile& tile, const MatrixView& b, double* out) const {
  kernels().multiply(tile.rows, b.rows(), points_.x.data() + tile.row, points_.x.outerStride(),
                     b.cols(), b.data(), b.outerStride(), out, tile.height);
  Eigen::Map<MatrixXd> eta(out, tile.height, b.cols());
  if (points_.offset.size() > 0) {
    eta.topRows(tile.rows).colwise() += points_.offset.segment(tile.row, tile.rows);
  }
  if (tile.rows < tile.height) eta.bottomRows(tile.height - tile.rows).setZero();
}

void Components::fill_masses(const Run& part, Index height, double* out) const {
  const Index begin = first(part.model), count = first(part.model + part.models) - begin;
  kernels().multiply(part.rows, z_.cols(), z_.data() + part.row, z_.outerStride(), count,
                     alpha_.data() + begin * z_.cols(), z_.cols(), out, height);
  Eigen::Map<MatrixXd> mass(out, height, count);
  VectorXd total_log(part.rows);
  for (Index m = part.model; m < part.model + part.models; ++m) {
    const Index at = first(m) - begin, experts = first(m + 1) - first(m);
    if (points_.gate_offset.size() > 0) {
      mass.block(0, at, part.rows, experts - 1).colwise() +=
          points_.gate_offset.segment(part.row, part.rows);
    }
    kernels().softmax(part.rows, experts, out + at * height, height, total_log.data());
  }
  const ArrayXd point = point_weight_.segment(part.row, part.rows).array();
  ArrayXd weight = point;
  for (Index m = part.model; m < part.model + part.models; ++m) {
    if (lambda_.rows() > 1) weight = point * lambda_.col(m).segment(part.row, part.rows).array();
    else if (lambda_.rows() == 1) weight = point * lambda_(0, m);
    for (Index l = first(m) - begin; l < first(m + 1) - begin; ++l) {
      mass.col(l).head(part.rows).array() *= weight;  // (6)
    }
  }
  if (part.rows < height) mass.bottomRows(height - part.rows).setZero();
}

void Components::fill(const Run& part, bool masses_only, Tile& tile, double* buffer) const {
  const Index size = tile.height * tile.count;
  fill_masses(part, tile.height, buffer);
  if (masses_only) return;
  double *eta = buffer + size, *mean = eta + parts_ * size, *potential = mean + parts_ * size;
  predictors(tile, beta.middleCols(tile.first * parts_, tile.count * parts_), eta);
  if (!family_of(family_).identity_link()) natural(tile, tile.count, eta, mean, potential);
}

void Components::natural(const Tile& tile, Index count, const double* eta, double* mean,
                         double* potential) const {
  const Family& family = family_of(family_);
  // Families of one predictor work value by value.
  const Index pieces = parts_ == 1 ? 1 : count, rows = tile.height * count / pieces;
  for (Index i = 0; i < pieces; ++i) {
    family.natural(rows, parts_, eta + i * rows * parts_, mean + i * rows * parts_,
                   potential + i * rows);
  }
}

// keep: where the tiles of the chunk go, one after another; null: they are made and forgotten.
void Components::visit_chunk(Index chunk, bool masses_only, double* keep,
                             const std::function<void(Index, const Tile&)>& see) const {
  const bool made = !keep && cache_.size() > 0;
  VectorXd memory(keep || made ? 0 : widest_);
  const std::size_t start = chunk_[static_cast<std::size_t>(chunk)];
  const std::size_t end = chunk_[static_cast<std::size_t>(chunk) + 1];
  for (std::size_t i = start; i < end; ++i) {
    const Run& rows = rows_[i];
    const Index last = rows.model + rows.models;
    double* at = keep ? keep + offset_[i] : made ? cache_.data() + offset_[i]
                                                 : memory.data();
    for (Index m = rows.model, next; m < last; m = next) {
      next = group_end(m, last, tile_components);
      Tile tile{rows.row, rows.rows, whole_vectors(rows.rows), first(m), first(next) - first(m),
                at, nullptr, nullptr, nullptr, m == rows.model, next == last};
      if (!made) fill({rows.row, rows.rows, m, next - m}, masses_only, tile, at);
      const Index size = tile.height * tile.count;
      if (made || !masses_only) tile.eta = at + size;
      if (tile.eta && !family_of(family_).identity_link()) {
        tile.mean = tile.eta + parts_ * size;
        tile.potential = tile.mean + parts_ * size;
      }
      if (see) see(chunk, tile);
      if (keep || made) at += fields_ * size;
    }
  }
}

void Components::visit(const std::function<void(Index, const Tile&)>& see, bool masses_only) const {
  services_.interrupt();
  if (keeps_ && !masses_only && cache_.size() == 0) {
    VectorXd made(offset_.back());
    in_parallel(chunks(), services_.threads,
                [&](Index chunk) { visit_chunk(chunk, false, made.data(), nullptr); });
    cache_.swap(made);
  }
  in_parallel(chunks(), services_.threads,
              [&](Index chunk) { visit_chunk(chunk, masses_only, nullptr, see); });
}

void Components::visit_masses(
    const std::function<void(Index, Index, const MatrixXd&)>& see) const {
  services_.interrupt();
  std::vector<Run> pieces;
  for (const Run& run : runs_) {
    for (Index m = run.model, next; m < run.model + run.models; m = next) {
      next = group_end(m, run.model + run.models, moment_components);
      pieces.push_back({run.row, run.rows, m, next - m});
    }
  }
  in_parallel(static_cast<Index>(pieces.size()), services_.threads, [&](Index i) {
    Run part = pieces[static_cast<std::size_t>(i)];
    const Index end = part.row + part.rows, begin = first(part.model);
    MatrixXd mass;
    for (; part.row < end; part.row += part.rows) {
      part.rows = std::min(moment_rows, end - part.row);
      mass.resize(part.rows, first(part.model + part.models) - begin);
      fill_masses(part, part.rows, mass.data());
      see(begin, part.row, mass);
    }
  });
}

}  // namespace distmoe
