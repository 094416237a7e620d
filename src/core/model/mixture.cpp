#include "model/mixture.h"

#include "base/gram.h"
#include "model/units.h"

namespace distmoe {

namespace {

// z'alpha_k + offset, b x K; 0 for the last gate.
ArrayXXd gate_predictors(const MatrixView& z, const MatrixXd& alpha, const VectorView& gate_offset) {
  const Index k = alpha.cols() + 1;
  ArrayXXd eta(z.rows(), k);
  if (k > 1) multiply_into(z, alpha, eta.matrix().leftCols(k - 1));
  if (gate_offset.size() > 0) eta.leftCols(k - 1).colwise() += gate_offset.array();
  eta.col(k - 1).setZero();
  return eta;
}

}  // namespace

Gates gates(const MatrixView& z, const MatrixXd& alpha, const VectorView& gate_offset) {
  Gates g{gate_predictors(z, alpha, gate_offset), ArrayXXd()};
  g.probability = g.log;
  const ArrayXd total = softmax_rows(g.probability);
  g.log.colwise() -= total;
  return g;
}

MatrixXd linear_predictors(const MatrixView& x, const MatrixXd& beta, const VectorView& offset) {
  MatrixXd eta = multiply(x, beta);
  if (offset.size() > 0) eta.colwise() += offset;
  return eta;
}

MatrixXd expert_means(FamilyKind family, const MatrixXd& eta, Index parts) {
  const Family& f = family_of(family);
  MatrixXd mean(eta.rows(), eta.cols());
  for (Index first = 0; first < eta.cols(); first += parts) {
    mean.middleCols(first, parts) = f.mean(eta.middleCols(first, parts).array()).matrix();
  }
  return mean;
}

ArrayXXd log_densities(FamilyKind family, const VectorView& y, const MatrixXd& eta,
                       const VectorXd& dispersion) {
  MatrixXd unused;
  return log_densities(family, y, eta, dispersion, unused);
}

ArrayXXd log_densities(FamilyKind family, const VectorView& y, const MatrixXd& eta,
                       const VectorXd& dispersion, MatrixXd& mean) {
  const Family& f = family_of(family);
  ArrayXXd out(eta.rows(), dispersion.size());
  const Index parts = eta.cols() / out.cols();
  if (!f.identity_link()) mean.resize(eta.rows(), eta.cols());
  for (Index k = 0; k < out.cols(); ++k) {
    const Index first = k * parts * eta.rows();
    f.log_density(y, parts, eta.data() + first, dispersion(k), out.col(k), mean.data() + first);
  }
  return out;
}

namespace {

// Every row gets the sum over its unit.
ArrayXXd unit_sums(const VectorView& unit, const ArrayXXd& of_rows) {
  const MatrixXd sums = sums_of_units(unit, of_rows.matrix());
  ArrayXXd out(of_rows.rows(), of_rows.cols());
  for (Index i = 0; i < unit.size(); ++i) out.row(i) = sums.row(static_cast<Index>(unit(i))).array();
  return out;
}

// Densities of all that is of one expert: of a row's trials, of a unit's rows.
void put_together(const Block& block, ArrayXXd& log_density) {
  if (block.unit.size() > 0) log_density = unit_sums(block.unit, log_density);
  else if (block.trials.size() > 0) log_density.colwise() *= block.trials.array();
}

}  // namespace

ArrayXXd own_log_densities(const Block& block, const Model& model) {
  ArrayXXd out = log_densities(model.family, block.y, linear_predictors(block.x, model.beta, block.offset),
                               model.dispersion);
  put_together(block, out);
  return out;
}

ArrayXd shared_log_densities(const Block& block, FamilyKind family) {
  if (block.unit.size() > 0) {
    const ArrayXd base = family_of(family).log_base(block.y.array());
    return base.size() > 0 ? ArrayXd(unit_sums(block.unit, base).col(0)) : base;
  }
  if (block.trials.size() == 0) return family_of(family).log_base(block.y.array());
  ArrayXd out(block.rows());
  for (Index i = 0; i < out.size(); ++i) {
    const double n = block.trials(i), successes = std::round(n * block.y(i));
    out(i) = log_factorial(n) - log_factorial(successes) - log_factorial(n - successes);
  }
  return out;
}

Evaluation evaluate(const Block& block, const Model& model) {
  Evaluation e;
  e.gate = gate_predictors(block.z, model.alpha, block.gate_offset);
  e.eta = linear_predictors(block.x, model.beta, block.offset);
  e.posterior = log_densities(model.family, block.y, e.eta, model.dispersion, e.own_mean);
  put_together(block, e.posterior);
  e.posterior += e.gate;
  // log f = log sum_k exp(gate predictor_k + log phi_k) - log sum_k exp(gate predictor_k).
  e.log_lik = softmax_rows(e.posterior);  // (1)
  e.log_lik -= softmax_rows(e.gate);
  const ArrayXd base = shared_log_densities(block, model.family);
  if (base.size() > 0) e.log_lik += base;
  if (block.unit.size() > 0) e.log_lik -= (block.trials.array() - 1.0) * block.log_scale;
  return e;
}

}  // namespace distmoe
