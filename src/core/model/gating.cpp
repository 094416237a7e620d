#include "model/gating.h"

#include "base/gram.h"
#include "base/parallel.h"
#include "model/mixture.h"

namespace distmoe {

double GatePrior::value(const MatrixXd& alpha) const {
  if (alpha.cols() == 0) return 0.0;
  const MatrixXd a = alpha - centre;
  const double k = static_cast<double>(alpha.cols() + 1);
  const ArrayXd spread = a.rowwise().squaredNorm().array() - a.rowwise().sum().array().square() / k;
  return 0.5 * (ridge.array() * spread).sum();
}

MatrixXd GatePrior::gradient(const MatrixXd& alpha) const {
  if (alpha.cols() == 0) return alpha;
  MatrixXd a = alpha - centre;
  const VectorXd mean = a.rowwise().sum() / static_cast<double>(alpha.cols() + 1);
  a.colwise() -= mean;
  return ridge.asDiagonal() * a;
}

void GatePrior::add_hessian(Eigen::Ref<MatrixXd> hessian) const {
  const Index q = ridge.size();
  const Index gates = centre.cols();
  const double share = 1.0 / static_cast<double>(gates + 1);
  for (Index k = 0; k < gates; ++k) {
    for (Index j = 0; j < gates; ++j) {
      hessian.block(k * q, j * q, q, q).diagonal() += ridge * ((k == j ? 1.0 : 0.0) - share);
    }
  }
}

GatePrior gate_prior(const ColumnScaling& z, Index experts, double ridge) {
  return {z.slopes(ridge), MatrixXd::Zero(z.centre.size(), experts - 1)};
}

GateSums::GateSums(Index q, Index k)
    : score(MatrixXd::Zero(q, k - 1)), gram(MatrixXd::Zero(k * (k - 1) / 2, triangle_size(q))) {}

GateSums& GateSums::operator+=(const GateSums& other) {
  log_lik += other.log_lik;
  score += other.score;
  gram += other.gram;
  return *this;
}

void gate_weights(const ArrayXXd& probability, const MatrixXd& targets, Eigen::Ref<MatrixXd> weight,
                  Eigen::Ref<MatrixXd> residual) {
  const Index gates = probability.cols() - 1;
  ArrayXd mass = targets.col(gates).array();
  for (Index a = 0; a < gates; ++a) mass += targets.col(a).array();
  Index column = 0;
  ArrayXd share(mass.size());
  for (Index a = 0; a < gates; ++a) {
    share = mass * probability.col(a);
    residual.col(a) = targets.col(a) - share.matrix();
    for (Index b = 0; b < a; ++b) {
      weight.col(column++) = (-share * probability.col(b)).matrix();
    }
    weight.col(column++) = (share * (1.0 - probability.col(a))).matrix();
  }
}

namespace {

// (S5). A target of 0 contributes 0 also where log pi is -inf.
double target_log_lik(const Gates& gate, const MatrixXd& targets) {
  return (targets.array() > 0).select(targets.array() * gate.log, 0.0).sum();
}

// gate_sums without the products of columns.
GateSums gate_scores(const MatrixView& z, const Gates& gate, const MatrixXd& targets) {
  const Index k = targets.cols();
  GateSums sums(z.cols(), k);
  if (k == 1) return sums;
  sums.log_lik = target_log_lik(gate, targets);
  const ArrayXd mass = targets.rowwise().sum().array();
  const MatrixXd residual =
      targets.leftCols(k - 1) - (gate.probability.leftCols(k - 1).colwise() * mass).matrix();
  sums.score = transposed_multiply(z, residual);
  return sums;
}

}  // namespace

GateSums gate_sums(const MatrixView& z, const Gates& gate, const MatrixXd& targets) {
  const Index k = targets.cols();
  GateSums sums(z.cols(), k);
  if (k == 1) return sums;
  sums.log_lik = target_log_lik(gate, targets);
  MatrixXd weight(z.rows(), sums.gram.rows()), residual(z.rows(), k - 1);
  gate_weights(gate.probability, targets, weight, residual);
  sums.score = transposed_multiply(z, residual);
  add_weighted_grams(z, weight, sums.gram);
  return sums;
}

MatrixXd gate_step(const MatrixXd& alpha, const GateSums& sums, const GatePrior& prior) {
  const Index q = alpha.rows();
  const Index gates = alpha.cols();
  if (gates == 0) return alpha;
  MatrixXd hessian = unpack_blocks(sums.gram, q, gates);
  prior.add_hessian(hessian);
  MatrixXd score = sums.score - prior.gradient(alpha);
  const VectorXd step = solve_symmetric(hessian, Eigen::Map<VectorXd>(score.data(), score.size())).x;
  return Eigen::Map<const MatrixXd>(step.data(), q, gates);
}

GateSums gate_sums(const MatrixView& z, const MatrixXd& targets, const VectorView& gate_offset,
                   const MatrixXd& alpha, int threads, bool products) {
  return sum_rows(z.rows(), GateSums(z.cols(), targets.cols()), threads, [&](Index start, Index count) {
    const auto rows = z.middleRows(start, count);
    const Gates gate = gates(rows, alpha, some_rows(gate_offset, start, count));
    const MatrixXd target = targets.middleRows(start, count);
    return products ? gate_sums(rows, gate, target) : gate_scores(rows, gate, target);
  });
}

namespace {

// The log-likelihood of gates that know of the offset alone.
double even_log_lik(const MatrixXd& targets, const VectorView& gate_offset) {
  const double experts = static_cast<double>(targets.cols());
  if (gate_offset.size() == 0) return -std::log(experts) * targets.sum();
  const MatrixXd no_column = MatrixXd::Zero(targets.rows(), 1);
  const Gates gate = gates(no_column, MatrixXd::Zero(1, targets.cols() - 1), gate_offset);
  return target_log_lik(gate, targets);
}

}  // namespace

SoftmaxFit softmax_regression(const SoftmaxProblem& problem, MatrixXd alpha, int threads, bool keep_products) {
  const MatrixXd& targets = problem.targets;
  const GatePrior& prior = problem.prior;
  SoftmaxFit fit;
  const auto sums_at = [&](const MatrixXd& a, bool products) {
    GateSums sums = gate_sums(problem.z, targets, problem.gate_offset, a, threads, products);
    if (problem.slope) {
      sums.log_lik += problem.slope->cwiseProduct(a).sum();
      sums.score += *problem.slope;
    }
    return sums;
  };
  GateSums sums = sums_at(alpha, true);
  double objective = sums.log_lik - prior.value(alpha);
  const double scale = targets.sum();
  // Where the start is sure of wrong gates there is no curvature to come back by: even ones are better.
  const MatrixXd even = MatrixXd::Zero(alpha.rows(), alpha.cols());
  if (!(objective >= even_log_lik(targets, problem.gate_offset) - prior.value(even))) {
    alpha = even;
    sums = sums_at(alpha, true);
    objective = sums.log_lik - prior.value(alpha);
  }
  const int max_iterations = 100;
  const double tolerance = 1e-12;
  const double near = 1e-4;
  bool current = true;
  double last_gain = std::numeric_limits<double>::infinity();
  while (alpha.cols() > 0 && !fit.converged && fit.iterations < max_iterations) {
    MatrixXd step = gate_step(alpha, sums, prior);
    const auto promise = [&] { return (step.array() * (sums.score - prior.gradient(alpha)).array()).sum(); };
    double gain = promise();
    if (!current && !(gain <= 0.1 * last_gain)) {
      sums = sums_at(alpha, true);
      current = true;
      step = gate_step(alpha, sums, prior);
      gain = promise();
    }
    ++fit.iterations;
    fit.converged = gain <= tolerance * scale;
    const bool products = !keep_products || gain > near * scale;
    // The last step is below rounding.
    take_shortened(fit.converged ? 1 : 40, [&](double length) {
      const MatrixXd candidate = alpha + length * step;
      GateSums next = sums_at(candidate, products);
      const double value = next.log_lik - prior.value(candidate);
      if (!(value >= objective)) return false;
      alpha = candidate;
      if (!products) next.gram.swap(sums.gram);
      current = products;
      sums = std::move(next);
      objective = value;
      return true;
    });
    last_gain = gain;
  }
  fit.alpha = alpha;
  fit.converged = fit.converged || alpha.cols() == 0;
  return fit;
}

}  // namespace distmoe
