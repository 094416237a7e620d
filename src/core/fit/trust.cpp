#include "fit/trust.h"

namespace distmoe {

Quadratic::Quadratic(const MatrixXd& curvature, const VectorXd& gradient, const MatrixXd& metric) {
  const Index n = curvature.rows();
  if (n == 0) return;
  // Equilibrated, and with a little added: what the metric does not measure would else be gone any distance.
  const double typical = std::max(metric.diagonal().maxCoeff(), 1e-300);
  scale_ = metric.diagonal().array().max(1e-12 * typical).rsqrt().matrix();
  MatrixXd measure = scale_.asDiagonal() * metric * scale_.asDiagonal();
  measure.diagonal().array() += 1e-6;
  root_.compute(measure);
  MatrixXd seen = scale_.asDiagonal() * curvature * scale_.asDiagonal();
  root_.matrixL().solveInPlace(seen);
  seen.transposeInPlace();
  root_.matrixL().solveInPlace(seen);
  slope_ = root_.matrixL().solve(VectorXd(scale_.asDiagonal() * gradient));
  if (n > 1) {
    tri_.compute(seen);
    diagonal_ = tri_.diagonal();
    beside_ = tri_.subDiagonal();
    slope_ = tri_.matrixQ().adjoint() * slope_;
  } else {
    diagonal_ = seen.diagonal();
  }
  Eigen::SelfAdjointEigenSolver<MatrixXd> eigen;
  eigen.computeFromTridiagonal(diagonal_, beside_, Eigen::EigenvaluesOnly);
  values_ = eigen.eigenvalues();
  cut_ = 1e-10 * values_.cwiseAbs().maxCoeff();
}

VectorXd Quadratic::solve(double shift, const VectorXd& b) const {
  const Index n = b.size();
  VectorXd pivot(n), x = b;
  pivot(0) = diagonal_(0) + shift;
  for (Index i = 1; i < n; ++i) {
    const double share = beside_(i - 1) / pivot(i - 1);
    pivot(i) = std::max(diagonal_(i) + shift - share * beside_(i - 1), 1e-300);
    x(i) -= share * x(i - 1);
  }
  x(n - 1) /= pivot(n - 1);
  for (Index i = n - 1; i-- > 0;) x(i) = (x(i) - beside_(i) * x(i + 1)) / pivot(i);
  return x;
}

TrustStep Quadratic::step(double radius) const {
  TrustStep out;
  const Index n = slope_.size();
  if (n == 0) return out;
  // Directions without curvature are not gone further than a little of it would let them.
  const double low = values_(0) > cut_ ? 0.0 : 2.0 * cut_ - std::min(values_(0), 0.0);
  VectorXd along = solve(low, slope_);
  out.inside = positive() && along.norm() <= radius;
  if (along.norm() > radius) {
    // The length falls as the shift grows.
    double below = low, above = low + slope_.norm() / radius;
    for (int i = 0; i < 100 && above - below > 1e-14 * above; ++i) {
      const double middle = 0.5 * (below + above);
      (solve(middle, slope_).norm() > radius ? below : above) = middle;
    }
    along = solve(above, slope_);
  } else if (!out.inside) {
    // The gradient has next to no part along the most negative eigenvalue: what is left of the length goes there.
    VectorXd v = solve(low, VectorXd::Ones(n)).normalized();
    for (int i = 0; i < 3; ++i) v = solve(low, v).normalized();
    if (v.dot(slope_) < 0) v = -v;
    const double part = along.dot(v);
    along += (std::sqrt(part * part + radius * radius - along.squaredNorm()) - part) * v;
  }
  VectorXd bent = diagonal_.cwiseProduct(along);
  for (Index i = 0; i + 1 < n; ++i) {
    bent(i) += beside_(i) * along(i + 1);
    bent(i + 1) += beside_(i) * along(i);
  }
  out.length = along.norm();
  out.promise = along.dot(slope_) - 0.5 * along.dot(bent);
  if (n > 1) along = tri_.matrixQ() * along;
  out.x = scale_.asDiagonal() * root_.matrixU().solve(along);
  return out;
}

}  // namespace distmoe
