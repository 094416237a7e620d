#include "fit/secants.h"

namespace distmoe {

void Secants::learn(const VectorXd& step, const VectorXd& fall) {
  const double product = step.dot(fall);
  // Without curvature along the step the update would not stay positive definite.
  if (product > 1e-10 * step.norm() * fall.norm()) steps_.push_back({step, fall, product});
}

Solve Secants::direction(const MatrixXd& curvature, const VectorXd& gradient) const {
  VectorXd left = gradient;
  std::vector<double> share(steps_.size());
  for (std::size_t i = steps_.size(); i-- > 0;) {
    share[i] = steps_[i].step.dot(left) / steps_[i].product;
    left -= share[i] * steps_[i].fall;
  }
  Solve out = ascent_direction(curvature, left);
  if (!out.positive) return steps_.empty() ? out : ascent_direction(curvature, gradient);
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    out.x += (share[i] - steps_[i].fall.dot(out.x) / steps_[i].product) * steps_[i].step;
  }
  return out;
}

}  // namespace distmoe
