#include "reduce/expert_moments.h"

#include <Eigen/QR>

#include "model/mixture.h"

namespace distmoe {

namespace {

// The factor of the rows behind a factor and of some more.
MatrixXd with_rows(const MatrixXd& factor, const MatrixView& rows) {
  MatrixXd stacked(factor.rows() + rows.rows(), factor.cols());
  stacked << factor, rows;
  const Eigen::HouseholderQR<MatrixXd> qr(stacked);
  return qr.matrixQR().topRows(factor.cols()).triangularView<Eigen::Upper>();
}

}  // namespace

ExpertMoments& ExpertMoments::operator+=(const ExpertMoments& other) {
  mass += other.mass;
  for (std::size_t l = 0; l < factor.size(); ++l) factor[l] = with_rows(factor[l], other.factor[l]);
  return *this;
}

ExpertMoments expert_moments(const Block& block, const Model& model) {
  ExpertMoments out(block.x.cols(), model.experts());
  const ArrayXXd gate = gates(block.z, model.alpha, block.gate_offset).probability;
  for (Index l = 0; l < model.experts(); ++l) {
    ArrayXd mass = gate.col(l);
    if (block.weight.size() > 0) mass *= block.weight.array();
    out.mass(l) = mass.sum();
    MatrixXd& factor = out.factor[static_cast<std::size_t>(l)];
    factor = with_rows(factor, mass.sqrt().matrix().asDiagonal() * block.x);
  }
  return out;
}

MatrixXd costs(const ExpertMoments& moments, const Model& model, const Model& to) {
  const Family& family = family_of(model.family);
  MatrixXd out(model.experts(), to.experts());
  for (Index l = 0; l < out.rows(); ++l) {
    const MatrixXd gap =
        moments.factor[static_cast<std::size_t>(l)].triangularView<Eigen::Upper>() *
        (to.beta.colwise() - model.beta.col(l));
    for (Index k = 0; k < out.cols(); ++k) {
      out(l, k) = family.summed_divergence(moments.mass(l), gap.col(k).squaredNorm(), model.dispersion(l),
                                           to.dispersion(k));
    }
  }
  return out;
}

MatrixXd standardised_moments(const ExpertMoments& moments, Index expert, const ColumnScaling& x) {
  const MatrixXd& factor = moments.factor[static_cast<std::size_t>(expert)];
  MatrixXd out = factor;
  for (Index j = 0; j < out.cols(); ++j) {
    if (x.intercept >= 0) out.col(j) -= x.centre(j) * factor.col(x.intercept);
    out.col(j) /= x.scale(j);
    if (x.aliased[static_cast<std::size_t>(j)]) out.col(j).setZero();
  }
  return out.transpose() * out;
}

}  // namespace distmoe
