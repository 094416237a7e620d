#include "mixture.h"

#include "gram.h"

namespace distmoe {

Gates gates(const MatrixView& z, const MatrixXd& alpha, const VectorView& gate_offset) {
  const Index k = alpha.cols() + 1;
  if (k == 1) return Gates{ArrayXXd::Zero(z.rows(), 1), ArrayXXd::Ones(z.rows(), 1)};
  MatrixXd eta(z.rows(), k);
  multiply_into(z, alpha, eta.leftCols(k - 1));
  eta.col(k - 1).setZero();
  if (gate_offset.size() > 0) eta.leftCols(k - 1).colwise() += gate_offset;
  Gates g{eta.array(), eta.array()};
  const ArrayXd total = softmax_rows(g.probability);
  g.log.colwise() -= total;
  return g;
}

MatrixXd linear_predictors(const MatrixView& x, const MatrixXd& beta, const VectorView& offset) {
  MatrixXd eta = multiply(x, beta);
  if (offset.size() > 0) eta.colwise() += offset;
  return eta;
}

MatrixXd expert_means(FamilyKind family, const MatrixXd& eta) {
  const Family& f = family_of(family);
  MatrixXd mean(eta.rows(), eta.cols());
  for (Index k = 0; k < eta.cols(); ++k) mean.col(k) = f.mean(eta.col(k).array()).matrix();
  return mean;
}

ArrayXXd log_densities(FamilyKind family, const VectorView& y, const MatrixXd& eta,
                       const VectorXd& dispersion) {
  const Family& f = family_of(family);
  ArrayXXd out(eta.rows(), eta.cols());
  for (Index k = 0; k < eta.cols(); ++k) {
    out.col(k) = f.log_density(y.array(), eta.col(k).array(), dispersion(k));
  }
  return out;
}

Evaluation evaluate(const Block& block, const Model& model) {
  Evaluation e;
  e.gate = gates(block.z, model.alpha, block.gate_offset);
  e.eta = linear_predictors(block.x, model.beta, block.offset);
  e.posterior = log_densities(model.family, block.y, e.eta, model.dispersion);
  e.posterior += e.gate.log;
  e.log_lik = softmax_rows(e.posterior);
  return e;
}

}  // namespace distmoe
