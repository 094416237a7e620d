// Steps within a trust region: where the negative Hessian of an objective is not positive definite, or its
// quadratic not to be believed far away, the best that it promises within a given distance.
#ifndef DISTMOE_CORE_TRUST_H
#define DISTMOE_CORE_TRUST_H

#include "numerics.h"

namespace distmoe {

struct TrustStep {
  VectorXd x;
  double promise = 0.0;   // the quadratic's gain on it
  double length = 0.0;    // distance from 0, in the quadratic's measure
  bool inside = false;    // Newton's own step, the whole of it
};

// g's - s'A s / 2, for the gradient g and the negative Hessian A of an objective at s = 0. Distance is the square root
// of s'C s; the metric C has no negative eigenvalue. Directions in which A is 0 to rounding (eigenvalues of
// C^-1 A a 1e-10th of the largest) are not gone.
class Quadratic {
 public:
  Quadratic(const MatrixXd& curvature, const VectorXd& gradient, const MatrixXd& metric);
  // No eigenvalue is negative beyond rounding.
  bool positive() const { return positive_; }
  // The best step of at most this length (J. J. More, D. C. Sorensen 1983, by eigenvalues).
  TrustStep step(double radius) const;

 private:
  VectorXd values_, slope_;  // eigenvalues in rising order; gradient along their vectors
  MatrixXd vectors_;         // s = vectors_ * (coordinates in which the metric is the sum of squares)
  bool positive_ = true;
};

}  // namespace distmoe

#endif
