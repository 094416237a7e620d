#include "base/gram.h"

#include "kernels/kernels.h"

namespace distmoe {

void add_weighted_grams(const MatrixView& x, const MatrixView& w, MatrixXd& out) {
  kernels().grams(x.rows(), x.cols(), x.data(), x.outerStride(), w.cols(), w.data(),
                  w.outerStride(), out.data());
}

void add_weighted_cross(const MatrixView& x, const MatrixView& z, const MatrixView& w,
                        MatrixXd& out) {
  kernels().cross(x.rows(), x.cols(), x.data(), x.outerStride(), z.cols(), z.data(),
                  z.outerStride(), w.cols(), w.data(), w.outerStride(), out.data());
}

void multiply_into(const MatrixView& x, const MatrixView& b, Eigen::Ref<MatrixXd> out) {
  kernels().multiply(x.rows(), x.cols(), x.data(), x.outerStride(), b.cols(), b.data(),
                     b.outerStride(), out.data(), out.outerStride());
}

MatrixXd multiply(const MatrixView& x, const MatrixView& b) {
  MatrixXd out(x.rows(), b.cols());
  multiply_into(x, b, out);
  return out;
}

MatrixXd transposed_multiply(const MatrixView& x, const MatrixView& w) {
  MatrixXd out = MatrixXd::Zero(w.cols(), x.cols());
  kernels().cross(x.rows(), x.cols(), x.data(), x.outerStride(), 1, nullptr, 0, w.cols(), w.data(),
                  w.outerStride(), out.data());
  return out.transpose();
}

MatrixXd unpack_symmetric(const MatrixView& packed, Index row, Index p) {
  MatrixXd full(p, p);
  Index column = 0;
  for (Index j = 0; j < p; ++j) {
    for (Index l = j; l < p; ++l) full(j, l) = full(l, j) = packed(row, column++);
  }
  return full;
}

MatrixXd unpack_blocks(const MatrixView& packed, Index p, Index blocks) {
  MatrixXd full(p * blocks, p * blocks);
  Index row = 0;
  for (Index a = 0; a < blocks; ++a) {
    for (Index b = 0; b <= a; ++b) {
      const MatrixXd block = unpack_symmetric(packed, row++, p);
      full.block(a * p, b * p, p, p) = block;
      full.block(b * p, a * p, p, p) = block;
    }
  }
  return full;
}

}  // namespace distmoe
