#include "mixture.h"

#include "gram.h"

namespace distmoe {

namespace {

// z'alpha_k + offset, b x K; 0 for the last gate.
ArrayXXd gate_predictors(const MatrixView& z, const MatrixXd& alpha, const VectorView& gate_offset) {
  const Index k = alpha.cols() + 1;
  MatrixXd eta(z.rows(), k);
  if (k > 1) multiply_into(z, alpha, eta.leftCols(k - 1));
  if (gate_offset.size() > 0) eta.leftCols(k - 1).colwise() += gate_offset;
  eta.col(k - 1).setZero();
  return eta.array();
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
  const Family& f = family_of(family);
  ArrayXXd out(eta.rows(), dispersion.size());
  const Index parts = eta.cols() / out.cols();
  for (Index k = 0; k < out.cols(); ++k) {
    out.col(k) = f.log_density(y.array(), eta.middleCols(k * parts, parts).array(), dispersion(k));
  }
  return out;
}

Evaluation evaluate(const Block& block, const Model& model) {
  Evaluation e;
  e.gate = gate_predictors(block.z, model.alpha, block.gate_offset);
  e.eta = linear_predictors(block.x, model.beta, block.offset);
  e.posterior = log_densities(model.family, block.y, e.eta, model.dispersion);
  e.posterior += e.gate;
  // log f = log sum_k exp(gate predictor_k + log phi_k) - log sum_k exp(gate predictor_k).
  const ArrayXd all_gates = softmax_rows(e.gate);
  e.log_lik = softmax_rows(e.posterior) - all_gates;
  if (!family_of(model.family).has_dispersion()) {
    e.log_lik += family_of(model.family).log_base(block.y.array());
  }
  return e;
}

}  // namespace distmoe
