#include "model/units.h"

namespace distmoe {

MatrixXd sums_of_units(const VectorView& unit, const MatrixXd& rows) {
  MatrixXd out = MatrixXd::Zero(static_cast<Index>(unit.maxCoeff()) + 1, rows.cols());
  for (Index i = 0; i < rows.rows(); ++i) out.row(static_cast<Index>(unit(i))) += rows.row(i);
  return out;
}

void add_unit_products(const Block& block, const ParameterLayout& at, const ArrayXd& weight, const ArrayXXd& posterior,
                       const ArrayXXd& slope, const ArrayXXd& dispersion_slope, MatrixXd& hessian) {
  const Index own = at.p * at.parts, width = own + (at.has_dispersion() ? 1 : 0);
  const ArrayXd each = 1.0 / block.trials.array();
  const VectorXd root = sums_of_units(block.unit, weight.matrix()).cwiseSqrt();  // sqrt(c_u)
  const MatrixXd share = sums_of_units(block.unit, (posterior.colwise() * each).matrix());
  std::vector<MatrixXd> moved;  // sqrt(c_u) r_uk s_uk
  for (Index k = 0; k < at.k; ++k) {
    MatrixXd rows(block.rows(), width);
    for (Index i = 0; i < at.parts; ++i) {
      const VectorXd by = (slope.col(k * at.parts + i) * each).matrix();
      for (Index j = 0; j < at.p; ++j) rows.col(i * at.p + j) = block.x.col(j).cwiseProduct(by);
    }
    if (width > own) rows.col(own) = (dispersion_slope.col(k) * each).matrix();
    moved.push_back(root.asDiagonal() * sums_of_units(block.unit, rows));
  }
  const auto add = [&](Index k, Index l, const MatrixXd& m) {
    hessian.block(k * own, l * own, own, own) += m.topLeftCorner(own, own);
    if (width == own) return;
    hessian.block(at.dispersion + k, l * own, 1, own) += m.bottomLeftCorner(1, own);
    hessian(at.dispersion + k, at.dispersion + l) += m(own, own);
    if (k != l) hessian.block(at.dispersion + l, k * own, 1, own) += m.topRightCorner(own, 1).transpose();
  };
  for (Index k = 0; k < at.k; ++k) {
    const VectorXd inverse = (share.col(k).array() > 0).select(share.col(k).array().inverse(), 0.0).matrix();
    const MatrixXd& own_move = moved[static_cast<std::size_t>(k)];
    add(k, k, own_move.transpose() * inverse.asDiagonal() * own_move);
    for (Index l = 0; l <= k; ++l) {
      add(k, l, -own_move.transpose() * moved[static_cast<std::size_t>(l)]);
    }
  }
}

}  // namespace distmoe
