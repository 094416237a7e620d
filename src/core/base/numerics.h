// Small numerical tools: log-sum-exp, softmax, solves that survive singular systems.
#ifndef DISTMOE_BASE_NUMERICS_H
#define DISTMOE_BASE_NUMERICS_H

#include "base/model.h"

namespace distmoe {

// Memory for a matrix whose columns start where the widest vectors may be loaded from.
class AlignedMatrix {
 public:
  using View = Eigen::Map<MatrixXd, Eigen::Unaligned, Eigen::OuterStride<>>;
  AlignedMatrix(Index rows, Index cols);
  View view() { return View(start_, rows_, cols_, Eigen::OuterStride<>(stride_)); }

 private:
  Index rows_, cols_, stride_;
  VectorXd memory_;
  double* start_;
};

// Turns every row of a into its softmax exp(a_ik) / sum_k exp(a_ik), without overflow. Gives
// log(sum_k exp(a_ik)) of every row. Shares below 1e-100 are given as 0.
ArrayXd softmax_rows(ArrayXXd& a);

// log n! of a whole number.
double log_factorial(double n);

struct Solve {
  VectorXd x;            // solution; of least norm (in the equilibrated system) when a is singular
  bool positive = true;  // no eigenvalue is negative beyond rounding
  Index rank = 0;
};

// Solves a x = b for symmetric a (both triangles given). Directions that a does not determine get 0,
// so that a Newton step leaves them where they are. Where a is not positive its negative eigenvalues
// count by their size: x'b >= 0 always, so x is a direction of ascent for a gradient b.
Solve solve_symmetric(const MatrixXd& a, const VectorXd& b);

// A direction of ascent for a gradient b from the negative Hessian a of an objective: Newton's where a
// is clearly positive definite, else with as much added to its (equilibrated) diagonal as makes it so;
// `positive` tells which. Cheaper than solve_symmetric, which looks at every eigenvalue. Unknowns that
// have no part in a and b stay where they are.
Solve ascent_direction(MatrixXd a, const VectorXd& b);

// A step that is shortened until it leads somewhere: `take` is called with 1, 1/2, 1/4, ..., `most` times at most, and
// says whether it took the step of that length. Was one taken?
template <class Take>
bool take_shortened(int most, Take take) {
  double length = 1.0;
  for (int i = 0; i < most; ++i, length /= 2) {
    if (take(length)) return true;
  }
  return false;
}

// Columns that are linear combinations of earlier ones, from the Gram matrix of all columns.
// A column counts as aliased when less than `tolerance` of its square norm is left. Column j of
// `combination` is set to the coefficients of aliased column j on the others (0 where it is none).
std::vector<bool> aliased_columns(const MatrixXd& gram, MatrixXd& combination,
                                  double tolerance = 1e-10);

// An index drawn with probability proportional to weight (not all zero).
Index draw_index(const VectorXd& weight, const std::function<double()>& uniform);

}  // namespace distmoe

#endif
