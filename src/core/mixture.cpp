#include "mixture.h"

namespace distmoe {

ArrayXXd log_gates(const MatrixView& z, const MatrixXd& alpha, const VectorView& gate_offset) {
  const Index k = alpha.cols() + 1;
  ArrayXXd eta = ArrayXXd::Zero(z.rows(), k);
  if (k == 1) return eta;
  eta.leftCols(k - 1).matrix().noalias() = z * alpha;
  if (gate_offset.size() > 0) eta.leftCols(k - 1).colwise() += gate_offset.array();
  const ArrayXd total = log_sum_exp_rows(eta);
  eta.colwise() -= total;
  return eta;
}

MatrixXd linear_predictors(const MatrixView& x, const MatrixXd& beta, const VectorView& offset) {
  MatrixXd eta = x * beta;
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
  e.log_gate = log_gates(block.z, model.alpha, block.gate_offset);
  e.eta = linear_predictors(block.x, model.beta, block.offset);
  e.posterior = e.log_gate + log_densities(model.family, block.y, e.eta, model.dispersion);
  e.log_lik = log_sum_exp_rows(e.posterior);
  e.posterior = (e.posterior.colwise() - e.log_lik).exp();
  return e;
}

}  // namespace distmoe
