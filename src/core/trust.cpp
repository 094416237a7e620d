#include "trust.h"

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>

namespace distmoe {

Quadratic::Quadratic(const MatrixXd& curvature, const VectorXd& gradient, const MatrixXd& metric) {
  const Index n = curvature.rows();
  if (n == 0) return;
  // Equilibrated, and with a little added: what the metric does not measure would else be gone any distance.
  const double typical = std::max(metric.diagonal().maxCoeff(), 1e-300);
  const VectorXd scale = metric.diagonal().array().max(1e-12 * typical).rsqrt().matrix();
  MatrixXd measure = scale.asDiagonal() * metric * scale.asDiagonal();
  measure.diagonal().array() += 1e-6;
  const Eigen::LLT<MatrixXd> root(measure);
  MatrixXd seen = scale.asDiagonal() * curvature * scale.asDiagonal();
  root.matrixL().solveInPlace(seen);
  seen.transposeInPlace();
  root.matrixL().solveInPlace(seen);
  const Eigen::SelfAdjointEigenSolver<MatrixXd> eigen(seen);
  values_ = eigen.eigenvalues();
  vectors_ = eigen.eigenvectors();
  root.matrixU().solveInPlace(vectors_);
  vectors_ = scale.asDiagonal() * vectors_;
  slope_ = vectors_.transpose() * gradient;
  const double cut = 1e-10 * values_.cwiseAbs().maxCoeff();
  for (Index i = 0; i < n; ++i) {
    if (values_(i) < -cut) positive_ = false;
    else if (values_(i) <= cut) values_(i) = slope_(i) = 0.0;
  }
}

TrustStep Quadratic::step(double radius) const {
  const Index n = values_.size();
  VectorXd along(n);
  // The step for a shift of the eigenvalues; its length falls as the shift grows.
  const auto length_at = [&](double shift) {
    for (Index i = 0; i < n; ++i) along(i) = slope_(i) == 0 ? 0.0 : slope_(i) / (values_(i) + shift);
    return along.norm();
  };
  TrustStep out;
  out.inside = positive_ && length_at(0.0) <= radius;
  if (!out.inside && n > 0) {
    double low = positive_ ? 0.0 : -values_(0) * (1.0 + 1e-12);
    if (positive_ || length_at(low) > radius) {
      double high = low + slope_.norm() / radius;
      for (int i = 0; i < 200 && high - low > 1e-12 * high; ++i) {
        const double middle = 0.5 * (low + high);
        (length_at(middle) > radius ? low : high) = middle;
      }
      length_at(high);
    } else {
      // The gradient has next to no part along the most negative eigenvalue: what is left of the length goes there.
      along(0) = 0.0;
      const double left = std::sqrt(std::max(0.0, radius * radius - along.squaredNorm()));
      Index largest;
      vectors_.col(0).cwiseAbs().maxCoeff(&largest);
      along(0) = (slope_(0) != 0 ? slope_(0) : vectors_(largest, 0)) > 0 ? left : -left;
    }
  }
  out.length = along.norm();
  out.promise = along.dot(slope_) - 0.5 * along.dot(values_.cwiseProduct(along));
  out.x = vectors_ * along;
  return out;
}

}  // namespace distmoe
