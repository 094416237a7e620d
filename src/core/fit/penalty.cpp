#include "fit/penalty.h"

#include <algorithm>

#include "base/gram.h"
#include "base/numerics.h"
#include "model/parameters.h"

namespace distmoe {

namespace {

// The c that minimises sum_k l1 |a_k - c| + ridge / 2 (a_k - c)^2. Without ridge any median does: the
// middle value that more gates share, so that as many differences as can be are 0.
double centre_of(std::vector<double> a, double l1, double ridge) {
  std::sort(a.begin(), a.end());
  const std::size_t k = a.size();
  if (!(ridge > 0)) {
    const double low = a[(k - 1) / 2], high = a[k / 2];
    return std::count(a.begin(), a.end(), high) > std::count(a.begin(), a.end(), low) ? high : low;
  }
  double sum = 0.0;
  for (double v : a) sum += v;
  const double n = static_cast<double>(k);
  for (std::size_t below = 0; below <= k; ++below) {
    // Between the values number `below` - 1 and `below`, then at the value number `below`.
    const double balance = l1 * (2.0 * static_cast<double>(below) - n);
    const double c = (sum - balance / ridge) / n;
    const bool above_left = below == 0 || c >= a[below - 1];
    if (above_left && (below == k || c <= a[below])) return c;
    if (below < k && balance + ridge * (n * a[below] - sum) <= 0 &&
        balance + 2.0 * l1 + ridge * (n * a[below] - sum) >= 0) {
      return a[below];
    }
  }
  return sum / n;
}

// All K gates about each column's centre, q x K. Gates without a penalty keep K at 0.
MatrixXd centred_gates(const MatrixXd& alpha, const Penalty& penalty) {
  MatrixXd a = MatrixXd::Zero(alpha.rows(), alpha.cols() + 1);
  a.leftCols(alpha.cols()) = alpha;
  for (Index j = 0; j < a.rows(); ++j) {
    const double l1 = penalty.gate_l1(j), ridge = penalty.gates.ridge(j);
    if (!(l1 > 0) && !(ridge > 0)) continue;
    std::vector<double> values;
    for (Index k = 0; k < a.cols(); ++k) values.push_back(a(j, k));
    a.row(j).array() -= centre_of(values, l1, ridge);
  }
  return a;
}

// alpha_k = a_k - a_K, for all gates' coefficients stacked: q (K - 1) x q K.
MatrixXd gate_map(Index q, Index k) {
  MatrixXd map = MatrixXd::Zero(q * (k - 1), q * k);
  map.leftCols(q * (k - 1)).setIdentity();
  for (Index g = 0; g + 1 < k; ++g) map.block(g * q, (k - 1) * q, q, q) = -MatrixXd::Identity(q, q);
  return map;
}

VectorXd stacked(const MatrixXd& m) { return Eigen::Map<const VectorXd>(m.data(), m.size()); }

// One value a column for every coefficient of `copies` predictors or gates.
VectorXd repeated(const VectorXd& v, Index copies) { return v.replicate(copies, 1); }

double soft(double value, double by) {
  if (value > by) return value - by;
  return value < -by ? value + by : 0.0;
}

}  // namespace

bool VariancePrior::on(const Model& model) const { return a > 0 && family_of(model.family).has_dispersion(); }

double VariancePrior::value(const Model& model) const {
  if (!on(model)) return 0.0;
  const ArrayXd ratio = model.dispersion.array() / s2;
  return a * (ratio.inverse() + ratio.log() - 1.0).sum();
}

VectorXd VariancePrior::gradient(const Model& model) const {
  return (a * (1.0 - s2 * model.dispersion.array().inverse())).matrix();
}

VectorXd VariancePrior::curvature(const Model& model) const {
  return (a * s2 * model.dispersion.array().inverse()).matrix();
}

double Penalty::value(const Model& model) const {
  double out = variances.value(model) +
               0.5 * (expert_ridge.array() * model.beta.rowwise().squaredNorm().array()).sum() +
               (expert_l1.array() * model.beta.cwiseAbs().rowwise().sum().array()).sum();
  if (!sparse_gates() || model.alpha.cols() == 0) return out + gates.value(model.alpha);
  const MatrixXd a = centred_gates(model.alpha, *this);
  for (Index j = 0; j < a.rows(); ++j) {
    out += gate_l1(j) * a.row(j).cwiseAbs().sum() + 0.5 * gates.ridge(j) * a.row(j).squaredNorm();
  }
  return out;
}

void Penalty::take_from(const Model& model, VectorXd& gradient) const {
  gradient.head(model.beta.size()) -= stacked(expert_ridge.asDiagonal() * model.beta);
  gradient.segment(model.beta.size(), model.alpha.size()) -= stacked(gates.gradient(model.alpha));
  if (variances.on(model)) gradient.tail(model.experts()) -= variances.gradient(model);
}

void Penalty::add_to(const Model& model, MatrixXd& curvature) const {
  const Index first = model.beta.size(), size = model.alpha.size();
  curvature.diagonal().head(first) += repeated(expert_ridge, model.beta.cols());
  if (size > 0) gates.add_hessian(curvature.block(first, first, size, size));
  if (variances.on(model)) curvature.diagonal().tail(model.experts()) += variances.curvature(model);
}

Penalty PenaltyRule::at(double weight) const {
  Penalty out{prior, l1_share * weight * gate_lambda,
              expert_ridge + (1.0 - l1_share) * weight * expert_lambda,
              l1_share * weight * expert_lambda, VariancePrior()};
  out.gates.ridge += (1.0 - l1_share) * weight * gate_lambda;
  const bool several = prior.centre.cols() > 0;
  if (several && weight > 0) out.variances = {variance_prior / weight, s2};
  return out;
}

PenaltyRule PenaltyRule::for_experts(Index experts) const {
  PenaltyRule out = *this;
  out.prior.centre = MatrixXd::Zero(prior.ridge.size(), experts - 1);
  return out;
}

PenaltyRule penalty_rule(const Scaling& scaling, Index experts, const PenaltyOptions& options) {
  return {gate_prior(scaling.z, experts, options.gate_ridge), scaling.x.slopes(options.expert_ridge),
          scaling.x.slopes(options.expert_lambda), scaling.z.slopes(options.gate_lambda),
          options.l1_share, options.variance_prior, scaling.y_residual};
}

VectorXd lasso_step(const MatrixXd& h, const VectorXd& g, const VectorXd& at, const VectorXd& l1) {
  const Index n = g.size();
  VectorXd step = VectorXd::Zero(n), left = g;
  const double grain = 1e-10 * (1.0 + at.cwiseAbs().maxCoeff());
  for (int sweep = 0; sweep < 1000; ++sweep) {
    double moved = 0.0;
    for (Index i = 0; i < n; ++i) {
      const double size = h(i, i);
      if (!(size > 0)) continue;
      const double to = soft(at(i) + step(i) + left(i) / size, l1(i) / size) - at(i);
      const double change = to - step(i);
      if (change == 0.0) continue;
      // Exactly the negative of `at` where the coefficient becomes 0.
      step(i) = to;
      left -= change * h.col(i);
      moved = std::max(moved, std::abs(change));
    }
    if (moved <= grain) break;
  }
  return step;
}

ExpertStep penalised_expert_step(const Model& model, const ExpertSums& sums, const Penalty& penalty,
                                 double floor, double least_mass) {
  const Index parts = model.parts(), pairs = pairs_of(parts), p = model.beta.rows();
  const Family& f = family_of(model.family);
  const VectorXd ridge = repeated(penalty.expert_ridge, parts), l1 = repeated(penalty.expert_l1, parts);
  ExpertStep step{MatrixXd::Zero(p, model.beta.cols()), model.dispersion};
  for (Index k = 0; k < model.experts(); ++k) {
    if (!(sums.mass(k) > least_mass)) continue;
    const double precision = 1.0 / model.dispersion(k);
    const MatrixXd gram = unpack_blocks(sums.gram.middleRows(k * pairs, pairs), p, parts);
    const VectorXd at = stacked(model.beta.middleCols(k * parts, parts));
    const VectorXd score = stacked(sums.score.middleCols(k * parts, parts));
    MatrixXd hessian = precision * gram;
    hessian.diagonal() += ridge;
    const VectorXd slope = precision * score - ridge.cwiseProduct(at);
    const VectorXd delta = l1.maxCoeff() > 0 ? lasso_step(hessian, slope, at, l1)
                                             : solve_symmetric(hessian, slope).x;
    step.delta.middleCols(k * parts, parts) = Eigen::Map<const MatrixXd>(delta.data(), p, parts);
    if (!f.has_dispersion()) continue;
    double deviation = sums.deviation(k);
    if (f.least_squares()) deviation = deviation - 2.0 * delta.dot(score) + delta.dot(gram * delta);
    step.dispersion(k) = std::max(penalty.variances.variance(f, std::max(deviation, 0.0), sums.count(k)), floor);
  }
  return step;
}

MatrixXd penalised_gates(const MatrixXd& alpha, const GateSums& sums, const Penalty& penalty) {
  const Index q = alpha.rows(), k = alpha.cols() + 1;
  if (!penalty.sparse_gates() || k == 1) return alpha + gate_step(alpha, sums, penalty.gates);
  const MatrixXd map = gate_map(q, k);
  const VectorXd at = stacked(centred_gates(alpha, penalty));
  const VectorXd ridge = repeated(penalty.gates.ridge, k), l1 = repeated(penalty.gate_l1, k);
  MatrixXd hessian = map.transpose() * unpack_blocks(sums.gram, q, k - 1) * map;
  hessian.diagonal() += ridge;
  const VectorXd slope = map.transpose() * stacked(sums.score) - ridge.cwiseProduct(at);
  for (Index j = 0; j < q; ++j) {
    // Without a penalty the last gate is the reference: it does not move.
    const Index last = (k - 1) * q + j;
    if (!(l1(last) > 0) && !(ridge(last) > 0)) hessian(last, last) = 0.0;
  }
  const VectorXd to = at + lasso_step(hessian, slope, at, l1);
  const VectorXd there = map * to;
  return Eigen::Map<const MatrixXd>(there.data(), q, k - 1);
}

namespace {

// From the coordinates of an ActiveStep to those of to_vector().
MatrixXd coordinate_map(const Model& m, Index parameters) {
  const Index b = m.beta.size(), q = m.alpha.rows(), k = m.experts(), gates = m.alpha.size();
  const Index rest = parameters - b - gates;
  MatrixXd map = MatrixXd::Zero(parameters, b + q * k + rest);
  map.topLeftCorner(b, b).setIdentity();
  map.block(b, b, gates, q * k) = gate_map(q, k);
  map.bottomRightCorner(rest, rest).setIdentity();
  return map;
}

}  // namespace

ActiveStep active_step(const Model& model, const VectorXd& gradient, const MatrixXd& curvature,
                       const Penalty& penalty, double floor, const VectorXd& mass, double least_mass) {
  const Index b = model.beta.size(), q = model.alpha.rows(), k = model.experts();
  const MatrixXd map = coordinate_map(model, gradient.size());
  const Index size = map.cols(), last_gate = b + q * (k - 1);
  VectorXd g = gradient;
  MatrixXd a = curvature;
  if (penalty.variances.on(model)) {
    g.tail(k) -= penalty.variances.gradient(model);
    a.diagonal().tail(k) += penalty.variances.curvature(model);
  }
  const std::vector<Index> fixed = hold_fixed(model, floor, mass, least_mass, g, a);

  ActiveStep out;
  out.from = VectorXd::Zero(size);
  out.from.head(b) = stacked(model.beta);
  out.from.segment(b, q * k) = stacked(centred_gates(model.alpha, penalty));
  const Index rest = size - b - q * k;
  if (rest > 0) out.from.tail(rest) = to_vector(model).tail(rest);
  VectorXd ridge = VectorXd::Zero(size), l1 = ridge;
  ridge.head(b) = repeated(penalty.expert_ridge, model.beta.cols());
  l1.head(b) = repeated(penalty.expert_l1, model.beta.cols());
  ridge.segment(b, q * k) = repeated(penalty.gates.ridge, k);
  l1.segment(b, q * k) = repeated(penalty.gate_l1, k);

  MatrixXd h = map.transpose() * a * map;
  h.diagonal() += ridge;
  const VectorXd pull = map.transpose() * g - ridge.cwiseProduct(out.from);
  std::vector<bool> held(static_cast<std::size_t>(size), false);
  for (Index i : fixed) held[static_cast<std::size_t>(i < b ? i : i + q)] = true;
  for (Index i = last_gate; i < last_gate + q; ++i) {
    held[static_cast<std::size_t>(i)] = !(l1(i) > 0) && !(ridge(i) > 0);
  }
  std::vector<Index> active;
  out.sign = out.slope = out.step = VectorXd::Zero(size);
  for (Index i = 0; i < size; ++i) {
    if (held[static_cast<std::size_t>(i)] || h(i, i) == 0) continue;
    if (l1(i) > 0) out.sign(i) = out.from(i) > 0 ? 1.0 : out.from(i) < 0 ? -1.0
                                                     : pull(i) > l1(i)   ? 1.0
                                                     : pull(i) < -l1(i)  ? -1.0
                                                                         : 0.0;
    if (l1(i) > 0 && out.sign(i) == 0) continue;
    out.slope(i) = pull(i) - l1(i) * out.sign(i);
    active.push_back(i);
  }
  const Index count = static_cast<Index>(active.size());
  MatrixXd some(count, count);
  VectorXd slope(count);
  for (Index i = 0; i < count; ++i) {
    const Index at = active[static_cast<std::size_t>(i)];
    slope(i) = out.slope(at);
    for (Index j = 0; j < count; ++j) some(i, j) = h(at, active[static_cast<std::size_t>(j)]);
  }
  const Solve solve = solve_symmetric(some, slope);
  for (Index i = 0; i < count; ++i) out.step(active[static_cast<std::size_t>(i)]) = solve.x(i);
  out.positive = solve.positive;
  out.promise = 0.5 * solve.x.dot(slope);
  return out;
}

Model ActiveStep::at(const Model& shape, double length) const {
  VectorXd to = from + length * step;
  for (Index i = 0; i < to.size(); ++i) {
    if (to(i) * sign(i) < 0) to(i) = 0.0;
  }
  const MatrixXd map = coordinate_map(shape, parameter_count(shape));
  return from_vector(shape, map * to);
}

}  // namespace distmoe
