// Steps within a trust region: where the negative Hessian of an objective is not positive definite, or its
// quadratic not to be believed far away, the best that it promises within a given distance.
#ifndef DISTMOE_FIT_TRUST_H
#define DISTMOE_FIT_TRUST_H

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>

#include "base/numerics.h"

namespace distmoe {

struct TrustStep {
  VectorXd x;
  double promise = 0.0;  // the quadratic's gain on it
  double length = 0.0;   // distance from 0, in the quadratic's measure
  bool inside = false;   // Newton's own step, the whole of it
};

// g's - s'A s / 2, for the gradient g and the negative Hessian A of an objective at s = 0. Distance is the square
// root of s'C s; the metric C has no negative eigenvalue. In coordinates in which C is the unit matrix and A
// tridiagonal any step costs next to nothing.
class Quadratic {
 public:
  Quadratic(const MatrixXd& curvature, const VectorXd& gradient, const MatrixXd& metric);
  // No eigenvalue of C^-1 A is negative beyond rounding, a 1e-10th of the largest.
  bool positive() const { return values_.size() == 0 || values_(0) >= -cut_; }
  // The best step of at most this length (J. J. More, D. C. Sorensen 1983).
  TrustStep step(double radius) const;

 private:
  VectorXd solve(double shift, const VectorXd& b) const;  // (A + shift C)^-1 b, positive definite

  VectorXd scale_;
  Eigen::LLT<MatrixXd> root_;  // of the scaled metric
  Eigen::Tridiagonalization<MatrixXd> tri_;
  VectorXd diagonal_, beside_, values_;  // eigenvalues in rising order
  VectorXd slope_;
  double cut_ = 0.0;
};

}  // namespace distmoe

#endif
