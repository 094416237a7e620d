#include "reduce/gate_reference.h"

#include "base/gram.h"
#include "base/numerics.h"

namespace distmoe {

GateShares::GateShares(Index q, Index experts, Index reference_experts)
    : own(MatrixXd::Zero(q, experts)),
      expected(MatrixXd::Zero(q, reference_experts)),
      gram(MatrixXd::Zero(reference_experts * (reference_experts - 1) / 2, triangle_size(q))) {}

GateShares& GateShares::operator+=(const GateShares& other) {
  own += other.own;
  expected += other.expected;
  gram += other.gram;
  return *this;
}

GateShares gate_shares(const Block& block, const MatrixXd& alpha, const MatrixXd& reference) {
  GateShares out(block.z.cols(), alpha.cols() + 1, reference.cols() + 1);
  const auto weighted = [&](const MatrixXd& a) {
    MatrixXd p = gates(block.z, a, block.gate_offset).probability.matrix();
    if (block.weight.size() > 0) p.array().colwise() *= block.weight.array();
    return p;
  };
  const MatrixXd mass = weighted(reference);
  out.own = transposed_multiply(block.z, weighted(alpha));
  out.expected = transposed_multiply(block.z, mass);
  out.gram = gate_sums(block.z, gates(block.z, reference, block.gate_offset), mass).gram;
  return out;
}

namespace {

// q x q: the standardised columns as combinations of the columns as they are.
MatrixXd standardising(const ColumnScaling& s) {
  MatrixXd out = s.scale.cwiseInverse().asDiagonal();
  for (Index j = 0; j < out.rows(); ++j) {
    if (s.aliased[static_cast<std::size_t>(j)]) out.row(j).setZero();
    else if (s.intercept >= 0 && j != s.intercept) out(j, s.intercept) = -s.centre(j) / s.scale(j);
  }
  return out;
}

// (K - 1) x (K - 1): one column's gates of a model in terms of those of the same model with its experts in `order`.
MatrixXd order_map(const std::vector<Index>& order) {
  const Index k = static_cast<Index>(order.size());
  MatrixXd map = MatrixXd::Zero(k, k - 1);
  for (Index j = 0; j < k; ++j) {
    const Index from = order[static_cast<std::size_t>(j)];
    if (j + 1 < k) map(from, j) += 1.0;
  }
  const Eigen::RowVectorXd last = map.row(k - 1);
  map.rowwise() -= last;
  return map.topRows(k - 1);
}

}  // namespace

OrderedSums in_order(const SharedGates& shared, const std::vector<Index>& order, const std::vector<Index>& target) {
  const Index q = shared.reference.rows(), k = static_cast<Index>(order.size());
  MatrixXd sent = MatrixXd::Zero(q, k);  // sum of (S4) over all rows
  std::size_t l = 0;
  for (const MatrixXd& own : shared.own) {
    for (Index j = 0; j < own.cols(); ++j) sent.col(target[l++]) += own.col(j);
  }
  MatrixXd all = MatrixXd::Zero(q, k), expected(q, k), from = all;
  all.leftCols(k - 1) = shared.reference;
  for (Index j = 0; j < k; ++j) {
    from.col(j) = all.col(order[static_cast<std::size_t>(j)]);
    expected.col(j) = shared.expected.col(order[static_cast<std::size_t>(j)]);
  }
  const VectorXd last = from.col(k - 1);
  from.colwise() -= last;
  const MatrixXd one = order_map(order);
  MatrixXd back = MatrixXd::Zero(q * (k - 1), q * (k - 1));
  for (Index a = 0; a + 1 < k; ++a) {
    for (Index b = 0; b + 1 < k; ++b) back.block(a * q, b * q, q, q).diagonal().setConstant(one(a, b));
  }
  return {from.leftCols(k - 1), (sent - expected).leftCols(k - 1), back.transpose() * shared.curvature * back,
          shared.total};
}

std::vector<Index> reference_order(const SharedGates& shared, const MatrixXd& plan) {
  const Index k = plan.cols();
  MatrixXd votes = MatrixXd::Zero(k, k);  // of the reference's labels for experts
  bool any = false;
  Index first = 0;
  for (const MatrixXd& own : shared.own) {
    if (own.cols() == k) votes += plan.middleRows(first, k);
    any = any || own.cols() == k;
    first += own.cols();
  }
  if (!any || k == 1 || shared.reference.cols() != k - 1) return {};
  std::vector<Index> order(static_cast<std::size_t>(k));
  for (Index i = 0; i < k; ++i) {
    Index label, expert;
    votes.maxCoeff(&label, &expert);
    order[static_cast<std::size_t>(expert)] = label;
    votes.row(label).setConstant(-1.0);
    votes.col(expert).setConstant(-1.0);
  }
  return order;
}

SoftmaxFit gates_from_sums(const OrderedSums& sums, const HeldSource& points, const ColumnScaling& z_scaling,
                           const GatePrior& prior, int threads) {
  const Index q = prior.centre.rows(), gate_count = prior.centre.cols();
  const MatrixXd from = z_scaling.to_internal(sums.reference), to = standardising(z_scaling), score = to * sums.slope;
  MatrixXd all_rows(q * gate_count, q * gate_count);
  for (Index a = 0; a < gate_count; ++a) {
    for (Index b = 0; b < gate_count; ++b) {
      all_rows.block(a * q, b * q, q, q) = to * sums.curvature.block(a * q, b * q, q, q) * to.transpose();
    }
  }
  // At the points the targets are the reference's own gates.
  const MatrixXd& z = points.shared ? points.x : points.z;
  MatrixXd targets = gates(z, from, points.gate_offset).probability.matrix();
  if (points.weight.size() > 0) targets.array().colwise() *= points.weight.array();
  targets *= sums.total / targets.sum();
  const VectorXd move =
      unpack_blocks(gate_sums(z, targets, points.gate_offset, from, threads).gram, q, gate_count) *
      solve_symmetric(all_rows, Eigen::Map<const VectorXd>(score.data(), score.size())).x;
  const MatrixXd at_points = Eigen::Map<const MatrixXd>(move.data(), q, gate_count);
  return softmax_regression({z, targets, points.gate_offset, prior, &at_points}, prior.centre, threads, true);
}

}  // namespace distmoe
