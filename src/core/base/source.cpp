#include "base/source.h"

#include <algorithm>

#include "base/gram.h"
#include "base/numerics.h"
#include "kernels/kernels.h"

namespace distmoe {

ScaledSource::ScaledSource(const Data& data, bool take_offset, const Scaling* scaling,
                           std::vector<Index> rows, Index block_rows)
    : data_(data),
      take_offset_(take_offset),
      scaling_(scaling ? *scaling
                       : Scaling{ColumnScaling::identity(data.x_columns()),
                                 ColumnScaling::identity(data.z_columns())}),
      rows_(std::move(rows)),
      block_rows_(data.rows.unit.size() > 0 ? std::max<Index>(1, this->rows()) : block_rows) {}

Index ScaledSource::rows() const {
  return rows_.empty() ? data_.count() : static_cast<Index>(rows_.size());
}

void Source::show_block(Index index, const std::function<void(const Block&)>& see) const {
  const Index start = index * block_rows();
  show(start, std::min(block_rows(), rows() - start), see);
}

void Source::visit(const std::function<void(const Block&)>& see) const {
  for (Index i = 0; i < blocks(); ++i) show_block(i, see);
}

VectorXd ScaledSource::gather(const VectorView& from, Index start, Index count) const {
  if (from.size() > 0 && rows_.empty()) return from.segment(start, count);
  VectorXd out(from.size() > 0 ? count : 0);
  for (Index i = 0; i < out.size(); ++i) out(i) = from(row(start + i));
  return out;
}

void ScaledSource::standardise(const MatrixView& from, bool adds_one, const ColumnScaling& s,
                               Index start, Index count, Eigen::Ref<MatrixXd> to) const {
  const Index first = adds_one ? 1 : 0;
  if (adds_one) to.col(0).setOnes();
  for (Index j = 0; j < from.cols(); ++j) {
    auto column = to.col(j + first);
    if (s.aliased[static_cast<std::size_t>(j + first)]) {
      column.setZero();
      continue;
    }
    const double centre = s.centre(j + first), factor = 1.0 / s.scale(j + first);
    if (rows_.empty()) {
      kernels().standardise(count, from.col(j).data() + start, centre, factor, column.data());
    } else {
      for (Index i = 0; i < count; ++i) column(i) = (from(row(start + i), j) - centre) * factor;
    }
  }
}

void ScaledSource::show(Index start, Index count,
                        const std::function<void(const Block&)>& see) const {
  if (!data_.reader) return show_part(data_, start, start, count, see);
  data_.reader->read(start, count, [&](const Data& part) { show_part(part, 0, start, count, see); });
}

void ScaledSource::show_part(const Data& from, Index start, Index first, Index count,
                             const std::function<void(const Block&)>& see) const {
  const Block& data = from.rows;
  const bool shared = data.shares_design() && from.x_adds_one == from.z_adds_one;
  AlignedMatrix x_memory(count, x_columns()), z_memory(shared ? 0 : count, z_columns());
  auto x = x_memory.view(), z = z_memory.view();
  standardise(data.x, from.x_adds_one, scaling_.x, start, count, x);
  if (!shared) standardise(data.z, from.z_adds_one, scaling_.z, start, count, z);
  VectorXd y = gather(data.y, start, count), offset = gather(data.offset, start, count);
  if (take_offset_ && y.size() > 0) {
    if (offset.size() > 0) y -= offset;
    y = ((y.array() - scaling_.y_centre) * (1.0 / scaling_.y_scale)).matrix();
  }
  const VectorXd weight = gather(data.weight, start, count), none(0);
  const VectorXd gate_offset = gather(data.gate_offset, start, count), trials = gather(data.trials, start, count);
  const VectorXd unit = gather(data.unit, start, count);
  see(Block{x, shared ? MatrixView(x) : MatrixView(z), y, weight,
            take_offset_ ? VectorView(none) : VectorView(offset), gate_offset, trials, unit, first,
            take_offset_ ? std::log(scaling_.y_scale) : 0.0});
}

HeldSource::HeldSource(const Source& from) : HeldSource(from, {}) {}

HeldSource::HeldSource(const Source& from, std::vector<Index> rows) {
  const bool all = rows.empty();
  std::sort(rows.begin(), rows.end());
  const Index n = all ? from.rows() : static_cast<Index>(rows.size());
  Index at = 0;
  std::vector<Index> picked;  // rows of a block
  const auto keep = [&](const auto& column, auto&& to) {
    for (std::size_t i = 0; i < picked.size(); ++i) {
      to(at + static_cast<Index>(i)) = column(picked[i]);
    }
  };
  x.resize(n, from.x_columns());
  from.visit([&](const Block& block) {
    shared = block.shares_design();
    log_scale = block.log_scale;
    if (at == 0) {
      z.resize(shared ? 0 : n, from.z_columns());
      y.resize(block.y.size() > 0 ? n : 0);
      weight.resize(block.weight.size() > 0 ? n : 0);
      offset.resize(block.offset.size() > 0 ? n : 0);
      gate_offset.resize(block.gate_offset.size() > 0 ? n : 0);
      trials.resize(block.trials.size() > 0 ? n : 0);
      unit.resize(block.unit.size() > 0 ? n : 0);
    }
    picked.clear();
    for (Index i = 0; i < block.rows(); ++i) {
      const std::size_t next = static_cast<std::size_t>(at) + picked.size();
      if (all || (next < rows.size() && rows[next] == block.first + i)) picked.push_back(i);
    }
    for (Index j = 0; j < x.cols(); ++j) keep(block.x.col(j), x.col(j));
    for (Index j = 0; j < z.cols() && !shared; ++j) keep(block.z.col(j), z.col(j));
    if (y.size() > 0) keep(block.y, y);
    if (weight.size() > 0) keep(block.weight, weight);
    if (offset.size() > 0) keep(block.offset, offset);
    if (gate_offset.size() > 0) keep(block.gate_offset, gate_offset);
    if (trials.size() > 0) keep(block.trials, trials);
    if (unit.size() > 0) keep(block.unit, unit);
    at += static_cast<Index>(picked.size());
  });
}

Block HeldSource::all() const {
  return Block{x, shared ? MatrixView(x) : MatrixView(z), y, weight, offset, gate_offset, trials, unit, 0, log_scale};
}

void HeldSource::show(Index start, Index count,
                      const std::function<void(const Block&)>& see) const {
  const auto part = [&](const VectorXd& from) { return some_rows(from, start, count); };
  see(Block{x.middleRows(start, count),
            shared ? MatrixView(x.middleRows(start, count)) : MatrixView(z.middleRows(start, count)),
            part(y), part(weight), part(offset), part(gate_offset), part(trials), part(unit), start, log_scale});
}

void HeldSource::leave_out(const std::vector<bool>& x_columns, const std::vector<bool>& z_columns) {
  put_back();
  was_shared_ = shared;
  if (shared && x_columns != z_columns) {
    z = x;
    shared = false;
  }
  const auto take = [&](MatrixXd& from, bool of_x, const std::vector<bool>& columns) {
    for (Index j = 0; j < from.cols(); ++j) {
      if (!columns[static_cast<std::size_t>(j)]) continue;
      aside_.push_back({of_x, j, from.col(j)});
      from.col(j).setZero();
    }
  };
  take(x, true, x_columns);
  if (!shared) take(z, false, z_columns);
}

void HeldSource::put_back() {
  for (const Aside& a : aside_) (a.of_x ? x : z).col(a.column) = a.values;
  aside_.clear();
  if (was_shared_ && !shared) {
    z.resize(0, z.cols());
    shared = true;
  }
}

CentredMoments centred_moments(const Data& data, bool takes_y, Index x_intercept, Index z_intercept,
                               const Services& services) {
  const Index p = data.x_columns();
  const Index q = data.z_columns();
  Scaling scaling{ColumnScaling::identity(p), ColumnScaling::identity(q)};
  const auto pass = [&](bool second) {
    return sum_over(ScaledSource(data, takes_y, &scaling), Moments(p, q), services,
                    [&](const Block& block) { return moments(block, second); });
  };
  // Two passes: means first, spreads about them second, so that a large mean costs no digits.
  Moments m = pass(false);
  CentredMoments out;
  out.weight = m.weight;
  out.mean_x = m.sum_x / m.weight;
  out.mean_z = m.sum_z / m.weight;
  out.mean_y = m.sum_y / m.weight;
  const auto centre_at = [](ColumnScaling& s, const VectorXd& mean, Index intercept) {
    if (intercept < 0) return;
    s.centre = mean;
    s.centre(intercept) = 0.0;
  };
  centre_at(scaling.x, out.mean_x, x_intercept);
  centre_at(scaling.z, out.mean_z, z_intercept);
  scaling.y_centre = takes_y && x_intercept >= 0 ? out.mean_y : 0.0;
  m = pass(true);
  out.centre_x = scaling.x.centre;
  out.centre_z = scaling.z.centre;
  out.centre_y = scaling.y_centre;
  out.gram_x = unpack_symmetric(m.gram_x, 0, p);
  out.gram_z = unpack_symmetric(m.gram_z, 0, q);
  out.square_y = m.sum_yy;
  out.cross_y = m.sum_xy;
  return out;
}

Scaling find_scaling(const Data& data, bool takes_y, Index x_intercept, Index z_intercept,
                     const Services& services) {
  return scaling_from(centred_moments(data, takes_y, x_intercept, z_intercept, services), takes_y,
                      x_intercept, z_intercept);
}

}  // namespace distmoe
