#include "model/positive_quantiles.h"

#include <cmath>
#include <limits>

namespace distmoe {

namespace {

const double infinity = std::numeric_limits<double>::infinity();

// The quantile of one row, log y: by Newton's steps for the logarithm of the smaller tail, within a bracket.
double log_quantile(const ArrayXd& share, const ArrayXd& mean, double p, const TailsOf& tails) {
  const bool low = p <= 0.5;
  const double goal = std::log(low ? p : 1.0 - p), sign = low ? 1.0 : -1.0;
  struct Point {
    double gap, slope;  // of the lower tail's logarithm above the goal, or of the upper one's below
  };
  const auto look = [&](double v) {
    double tail = 0.0, density = 0.0;
    for (Index k = 0; k < share.size(); ++k) {
      if (!(share(k) > 0)) continue;
      const GammaTails t = tails(k, mean(k), v - std::log(mean(k)));
      tail += share(k) * (low ? t.lower : t.upper);
      density += share(k) * t.density;
    }
    return Point{sign * (std::log(tail) - goal), density / tail};
  };
  double v = std::log((share * mean).sum()), left = -infinity, right = infinity, width = 1.0;
  for (int i = 0; i < 400; ++i) {
    const Point at = look(v);
    if (at.gap == 0.0) return v;
    (at.gap < 0 ? left : right) = v;
    const double step = -at.gap / at.slope;
    double to = v + step;
    const bool inside = to > left && to < right;
    if (left == -infinity || right == infinity) {
      width *= 2.0;
      if (!inside || !(std::abs(step) < width)) to = v + (at.gap < 0 ? width : -width);
    } else if (!inside || i % 8 == 7) {
      to = left + 0.5 * (right - left);
    } else if (std::abs(step) <= 1e-9) {
      return to;  // Newton's steps square the error
    }
    if (!(std::abs(to - v) > 1e-15 * (1.0 + std::abs(v)))) return to;
    v = to;
  }
  return v;
}

}  // namespace

MatrixXd positive_quantiles(const ArrayXXd& share, const ArrayXXd& mean, const VectorXd& probs, const TailsOf& tails) {
  MatrixXd out(share.rows(), probs.size());
  for (Index i = 0; i < out.rows(); ++i) {
    const ArrayXd own = share.row(i).transpose(), at = mean.row(i).transpose();
    for (Index j = 0; j < probs.size(); ++j) {
      const double p = probs(j);
      out(i, j) = p <= 0 ? 0.0 : p >= 1 ? infinity
                                        : std::exp(log_quantile(own, at, p, tails));
    }
  }
  return out;
}

}  // namespace distmoe
