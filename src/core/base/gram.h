// The hot kernel: many weighted Gram matrices of one block of rows in one go, and its small
// relatives, all by the kernels of the machine's instruction set (kernels.h).
#ifndef DISTMOE_BASE_GRAM_H
#define DISTMOE_BASE_GRAM_H

#include "base/model.h"

namespace distmoe {

// Number of entries of one triangle of a p x p matrix.
inline Index triangle_size(Index p) { return p * (p + 1) / 2; }

// Packed Gram matrices: out is (weights) x triangle_size(p); entry (w, (j, l)) with l >= j gains
// sum_i W_iw X_ij X_il. Weights may be negative. x is b x p, w is b x (weights).
void add_weighted_grams(const MatrixView& x, const MatrixView& w, MatrixXd& out);

// Packed cross products: out is (weights) x (p q), column-major in (p, q); entry (w, (j, l)) gains
// sum_i W_iw X_ij Z_il.
void add_weighted_cross(const MatrixView& x, const MatrixView& z, const MatrixView& w,
                        MatrixXd& out);

// x b, and x'w, for x with many rows and b, w with few columns.
MatrixXd multiply(const MatrixView& x, const MatrixView& b);
void multiply_into(const MatrixView& x, const MatrixView& b, Eigen::Ref<MatrixXd> out);
MatrixXd transposed_multiply(const MatrixView& x, const MatrixView& w);

// One row of a packed set as a full symmetric matrix.
MatrixXd unpack_symmetric(const MatrixView& packed, Index row, Index p);
// A packed set for the pairs (0, 0), (1, 0), (1, 1), (2, 0), ... of `blocks` things as one matrix of
// blocks x blocks such matrices.
MatrixXd unpack_blocks(const MatrixView& packed, Index p, Index blocks);

}  // namespace distmoe

#endif
