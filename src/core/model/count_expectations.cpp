#include "model/count_expectations.h"

#include <algorithm>
#include <cmath>

namespace distmoe {

namespace {

// Both are integrals of the counts' transform E[exp(-t y)] = (1 + dispersion mean (1 - exp(-t)))^(-1 / dispersion):
//   log Gamma(y + a) / Gamma(a) = int [ y exp(-t) - exp(-a t) (1 - exp(-y t)) / (1 - exp(-t)) ] dt / t,
//   psi(a + y) = int [ exp(-t) / t - exp(-(a + y) t) / (1 - exp(-t)) ] dt, log a likewise with / t.
// As functions of log t they are analytic and vanish at both ends, where the trapezoidal rule is exact to
// exp(-pi^2 / spacing).
const double spacing = 0.3;

struct Nodes {
  ArrayXd t, fall;  // fall: 1 - exp(-t)
  // Where all that is looked at lies between rates of `least` and `most`.
  Nodes(double least, double most) {
    const double first = -std::log(most) - 40.0, last = std::log(45.0 / least);
    const Index n = static_cast<Index>(std::ceil((last - first) / spacing)) + 1;
    t = ArrayXd::LinSpaced(n, first, first + spacing * static_cast<double>(n - 1)).exp();
    fall = t.unaryExpr([](double v) { return -std::expm1(-v); });
  }
};

// The smooth function `of` at every eta: by Chebyshev's interpolation in pieces of 4, where that asks for fewer values.
// Its singularities have imaginary parts of pi, so that 28 points are good to rounding.
template <class Of>
ArrayXd at_predictors(const ArrayXd& eta, Of of) {
  const Index points = 28;
  const double piece = 4.0, low = eta.minCoeff(), high = eta.maxCoeff();
  const double pieces = std::floor((high - low) / piece) + 1.0;
  ArrayXd out(eta.size());
  if (!(pieces * static_cast<double>(points) < static_cast<double>(eta.size()))) {
    for (Index i = 0; i < eta.size(); ++i) out(i) = of(eta(i));
    return out;
  }
  const Index count = static_cast<Index>(pieces);
  const double width = std::max((high - low) / pieces, 1e-8);
  const ArrayXd angle = (ArrayXd::LinSpaced(points, 0.0, static_cast<double>(points - 1)) + 0.5) *
                        (3.14159265358979323846 / static_cast<double>(points));
  ArrayXXd term = ArrayXXd::Zero(points, count);
  for (Index c = 0; c < count; ++c) {
    const double centre = low + (static_cast<double>(c) + 0.5) * width;
    for (Index i = 0; i < points; ++i) {
      const double value = of(centre + 0.5 * width * std::cos(angle(i)));
      for (Index j = 0; j < points; ++j) {
        term(j, c) += value * std::cos(static_cast<double>(j) * angle(i)) * (j == 0 ? 1.0 : 2.0) /
                      static_cast<double>(points);
      }
    }
  }
  for (Index i = 0; i < eta.size(); ++i) {
    const Index c = std::min(static_cast<Index>((eta(i) - low) / width), count - 1);
    const double x = 2.0 * ((eta(i) - low) / width - static_cast<double>(c)) - 1.0;
    double here = 0.0, next = 0.0;  // Clenshaw
    for (Index j = points - 1; j > 0; --j) {
      const double sum = term(j, c) + 2.0 * x * here - next;
      next = here;
      here = sum;
    }
    out(i) = term(0, c) + x * here - next;
  }
  return out;
}

double most_rate(const ArrayXd& eta, double dispersion, double a) {
  const double mean = std::exp(eta.maxCoeff());
  return 1.0 + a + mean * (1.0 + dispersion);
}

}  // namespace

ArrayXd expected_rising_gap(const ArrayXd& eta, double dispersion, double a, double b) {
  if (a == b || eta.size() == 0) return ArrayXd::Zero(eta.size());
  const Nodes at(std::min(a, b), most_rate(eta, dispersion, std::max(a, b)));
  // y exp(-t) is the same in both. exp(-a t) - exp(-b t):
  const double sign = a < b ? spacing : -spacing, gap = std::abs(b - a);
  const ArrayXd weight = sign * (-std::min(a, b) * at.t).exp() *
                         (-gap * at.t).unaryExpr([](double v) { return -std::expm1(v); }) / at.fall;
  const double shape = 1.0 / dispersion;
  return at_predictors(eta, [&](double value) {
    const double rate = dispersion * std::exp(value);
    double sum = 0.0;
    for (Index j = 0; j < weight.size(); ++j) sum += weight(j) * std::expm1(-shape * std::log1p(rate * at.fall(j)));
    return sum;
  });
}

ArrayXd expected_log_gap(const ArrayXd& eta, double dispersion, double a) {
  if (eta.size() == 0) return eta;
  const Nodes at(a, most_rate(eta, dispersion, a));
  const ArrayXd weight = spacing * (-a * at.t).exp(), ratio = at.t / at.fall;  // 1 / (1 - exp(-t)) dt = ratio dt / t
  const double shape = 1.0 / dispersion;
  return at_predictors(eta, [&](double value) {
    const double mean = std::exp(value);
    double sum = 0.0;
    for (Index j = 0; j < weight.size(); ++j) {
      // ratio exp(x) - exp(y), ratio - 1 and x - y tiny for small t.
      const double x = -shape * std::log1p(dispersion * mean * at.fall(j)), y = -mean * at.t(j);
      sum += weight(j) * ((ratio(j) - 1.0) * std::exp(x) + std::exp(x) * -std::expm1(y - x));
    }
    return sum;
  });
}

}  // namespace distmoe
