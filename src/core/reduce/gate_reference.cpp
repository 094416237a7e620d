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

}  // namespace

SoftmaxFit gates_from_reference(const Data& points, Index z_intercept, const MatrixXd& reference,
                                const MatrixXd& slope, const MatrixXd& curvature, double total,
                                const MatrixXd& alpha, double ridge, const Services& services) {
  const Scaling scaling =
      find_scaling(points, false, z_intercept, z_intercept, services);
  const Index q = alpha.rows(), gate_count = alpha.cols();
  const MatrixXd from = scaling.z.to_internal(reference), to = standardising(scaling.z), score = to * slope;
  MatrixXd all_rows(curvature.rows(), curvature.cols());
  for (Index a = 0; a < gate_count; ++a) {
    for (Index b = 0; b < gate_count; ++b) {
      all_rows.block(a * q, b * q, q, q) = to * curvature.block(a * q, b * q, q, q) * to.transpose();
    }
  }
  // At the points the targets are the reference's own gates.
  const HeldSource held{ScaledSource(points, false, &scaling)};
  const MatrixXd& z = held.shared ? held.x : held.z;
  MatrixXd targets = gates(z, from, held.gate_offset).probability.matrix();
  if (held.weight.size() > 0) targets.array().colwise() *= held.weight.array();
  targets *= total / targets.sum();
  const VectorXd move =
      unpack_blocks(gate_sums(z, targets, held.gate_offset, from, services.threads).gram, q, gate_count) *
      solve_symmetric(all_rows, Eigen::Map<const VectorXd>(score.data(), score.size())).x;
  const MatrixXd at_points = Eigen::Map<const MatrixXd>(move.data(), q, gate_count);
  GatePrior prior = gate_prior(scaling.z, gate_count + 1, ridge);
  prior.centre = scaling.z.to_internal(alpha);
  SoftmaxFit fit = softmax_regression({z, targets, held.gate_offset, prior, &at_points}, prior.centre,
                                      services.threads, true);
  fit.alpha = scaling.z.to_user(fit.alpha, &alpha);
  return fit;
}

}  // namespace distmoe
