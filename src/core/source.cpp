#include "source.h"

#include <algorithm>

#include "gram.h"
#include "numerics.h"

namespace distmoe {

ScaledSource::ScaledSource(const Data& data, bool take_offset, const Scaling* scaling,
                           std::vector<Index> rows, Index block_rows)
    : data_(data),
      take_offset_(take_offset),
      scaling_(scaling ? *scaling
                       : Scaling{ColumnScaling::identity(data.x_columns()),
                                 ColumnScaling::identity(data.z_columns())}),
      rows_(std::move(rows)),
      block_rows_(block_rows) {}

Index ScaledSource::rows() const {
  return rows_.empty() ? data_.rows.rows() : static_cast<Index>(rows_.size());
}

void ScaledSource::visit(const std::function<void(const Block&)>& see) const {
  const Block& data = data_.rows;
  const bool shared = data.shares_design() && data_.x_adds_one == data_.z_adds_one;
  const Index most = std::min(block_rows_, rows());
  MatrixXd x(most, x_columns()), z(shared ? 0 : most, z_columns());
  const VectorXd none(0);

  for (Index start = 0; start < rows(); start += block_rows_) {
    const Index b = std::min(block_rows_, rows() - start);
    const auto row = [&](Index i) {
      return rows_.empty() ? start + i : rows_[static_cast<std::size_t>(start + i)];
    };
    const auto gather = [&](const VectorView& from) {
      VectorXd out(from.size() > 0 ? b : 0);
      for (Index i = 0; i < out.size(); ++i) out(i) = from(row(i));
      return out;
    };
    const auto standardise = [&](const MatrixView& from, bool adds_one, const ColumnScaling& s,
                                 MatrixXd& to) {
      const Index first = adds_one ? 1 : 0;
      if (adds_one) to.col(0).head(b).setOnes();
      for (Index j = 0; j < from.cols(); ++j) {
        const double centre = s.centre(j + first), scale = s.scale(j + first);
        if (s.aliased[static_cast<std::size_t>(j + first)]) {
          to.col(j + first).head(b).setZero();
          continue;
        }
        if (rows_.empty()) {
          to.col(j + first).head(b) = (from.col(j).segment(start, b).array() - centre) / scale;
        } else {
          for (Index i = 0; i < b; ++i) to(i, j + first) = (from(row(i), j) - centre) / scale;
        }
      }
    };
    standardise(data.x, data_.x_adds_one, scaling_.x, x);
    if (!shared) standardise(data.z, data_.z_adds_one, scaling_.z, z);
    VectorXd y = gather(data.y), offset = gather(data.offset);
    if (take_offset_ && y.size() > 0) {
      if (offset.size() > 0) y -= offset;
      y = ((y.array() - scaling_.y_centre) / scaling_.y_scale).matrix();
    }
    const VectorXd weight = gather(data.weight), gate_offset = gather(data.gate_offset);
    see(Block{x.topRows(b), shared ? MatrixView(x.topRows(b)) : MatrixView(z.topRows(b)), y, weight,
              take_offset_ ? VectorView(none) : VectorView(offset), gate_offset});
  }
}

HeldSource::HeldSource(const Source& from) : HeldSource(from, {}) {}

HeldSource::HeldSource(const Source& from, std::vector<Index> rows) {
  const bool all = rows.empty();
  std::sort(rows.begin(), rows.end());
  const Index n = all ? from.rows() : static_cast<Index>(rows.size());
  Index seen = 0, at = 0;
  x.resize(n, from.x_columns());
  from.visit([&](const Block& block) {
    shared = block.shares_design();
    if (at == 0) {
      z.resize(shared ? 0 : n, from.z_columns());
      y.resize(block.y.size() > 0 ? n : 0);
      weight.resize(block.weight.size() > 0 ? n : 0);
      offset.resize(block.offset.size() > 0 ? n : 0);
      gate_offset.resize(block.gate_offset.size() > 0 ? n : 0);
    }
    for (Index i = 0; i < block.rows() && at < n; ++i) {
      if (!all && rows[static_cast<std::size_t>(at)] != seen + i) continue;
      x.row(at) = block.x.row(i);
      if (!shared) z.row(at) = block.z.row(i);
      if (y.size() > 0) y(at) = block.y(i);
      if (weight.size() > 0) weight(at) = block.weight(i);
      if (offset.size() > 0) offset(at) = block.offset(i);
      if (gate_offset.size() > 0) gate_offset(at) = block.gate_offset(i);
      ++at;
    }
    seen += block.rows();
  });
}

Block HeldSource::all() const {
  return Block{x, shared ? MatrixView(x) : MatrixView(z), y, weight, offset, gate_offset};
}

void HeldSource::visit(const std::function<void(const Block&)>& see) const {
  const Index step = 2048;
  for (Index start = 0; start < rows(); start += step) {
    const Index b = std::min(step, rows() - start);
    const auto part = [&](const VectorXd& from) {
      return from.size() > 0 ? VectorView(from.segment(start, b)) : VectorView(from);
    };
    see(Block{x.middleRows(start, b),
              shared ? MatrixView(x.middleRows(start, b)) : MatrixView(z.middleRows(start, b)),
              part(y), part(weight), part(offset), part(gate_offset)});
  }
}

namespace {

ColumnScaling column_scaling(const VectorXd& mean, const MatrixXd& packed, double weight,
                             Index intercept) {
  const Index p = mean.size();
  ColumnScaling s = ColumnScaling::identity(p);
  s.intercept = intercept;
  MatrixXd gram = unpack_symmetric(packed, 0, p);
  for (Index j = 0; j < p; ++j) {
    if (j == intercept) continue;
    const double rms = std::sqrt(std::max(gram(j, j) / weight, 0.0));
    if (intercept >= 0) s.centre(j) = mean(j);
    // Below rounding of the column's own size a spread is none: the column is constant.
    if (rms > 1e-12 * std::abs(mean(j)) && rms > 0) {
      s.scale(j) = rms;
    } else {
      gram.row(j).setZero();
      gram.col(j).setZero();
    }
  }
  gram = s.scale.cwiseInverse().asDiagonal() * gram * s.scale.cwiseInverse().asDiagonal();
  s.aliased = aliased_columns(gram, s.combination);
  return s;
}

}  // namespace

Scaling find_scaling(const Data& data, FamilyKind family, Index x_intercept, Index z_intercept) {
  const Index p = data.x_columns();
  const Index q = data.z_columns();
  Scaling scaling{ColumnScaling::identity(p), ColumnScaling::identity(q)};
  const auto pass = [&] {
    return sum_over(ScaledSource(data, takes_offset(family), &scaling), Moments(p, q), moments);
  };
  // Two passes: means first, spreads about them second, so that a large mean costs no digits.
  Moments m = pass();
  const VectorXd mean_x = m.sum_x / m.weight, mean_z = m.sum_z / m.weight;
  const double mean_y = m.sum_y / m.weight;
  const auto centre_at = [](ColumnScaling& s, const VectorXd& mean, Index intercept) {
    if (intercept < 0) return;
    s.centre = mean;
    s.centre(intercept) = 0.0;
  };
  centre_at(scaling.x, mean_x, x_intercept);
  centre_at(scaling.z, mean_z, z_intercept);
  scaling.y_centre = family == FamilyKind::gaussian && x_intercept >= 0 ? mean_y : 0.0;
  m = pass();
  scaling.x = column_scaling(mean_x, m.gram_x, m.weight, x_intercept);
  scaling.z = column_scaling(mean_z, m.gram_z, m.weight, z_intercept);
  if (family == FamilyKind::gaussian) {
    const double rms = std::sqrt(m.sum_yy / m.weight);
    if (rms > 1e-12 * std::abs(mean_y)) scaling.y_scale = rms;
  }
  return scaling;
}

}  // namespace distmoe
