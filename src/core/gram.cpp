#include "gram.h"

namespace distmoe {

namespace {

// Rows worked on at a time: the products of one column with the others stay in the first cache.
const Index tile_rows = 256;

}  // namespace

void add_weighted_grams(const MatrixView& x, const MatrixView& w, MatrixXd& out) {
  const Index p = x.cols();
  MatrixXd product(std::min(tile_rows, x.rows()), p);
  for (Index start = 0; start < x.rows(); start += tile_rows) {
    const Index b = std::min(tile_rows, x.rows() - start);
    const auto weight = w.middleRows(start, b);
    Index column = 0;
    for (Index j = 0; j < p; ++j) {
      auto pair = product.topLeftCorner(b, p - j);
      pair.array() = x.block(start, j, b, p - j).array().colwise() * x.col(j).segment(start, b).array();
      out.middleCols(column, p - j).noalias() += weight.transpose() * pair;
      column += p - j;
    }
  }
}

void add_weighted_cross(const MatrixView& x, const MatrixView& z, const MatrixView& w,
                        MatrixXd& out) {
  const Index p = x.cols();
  MatrixXd product(std::min(tile_rows, x.rows()), p);
  for (Index start = 0; start < x.rows(); start += tile_rows) {
    const Index b = std::min(tile_rows, x.rows() - start);
    const auto weight = w.middleRows(start, b);
    for (Index l = 0; l < z.cols(); ++l) {
      auto pair = product.topRows(b);
      pair.array() = x.middleRows(start, b).array().colwise() * z.col(l).segment(start, b).array();
      out.middleCols(l * p, p).noalias() += weight.transpose() * pair;
    }
  }
}

MatrixXd unpack_symmetric(const MatrixXd& packed, Index row, Index p) {
  MatrixXd full(p, p);
  Index column = 0;
  for (Index j = 0; j < p; ++j) {
    for (Index l = j; l < p; ++l) full(j, l) = full(l, j) = packed(row, column++);
  }
  return full;
}

}  // namespace distmoe
