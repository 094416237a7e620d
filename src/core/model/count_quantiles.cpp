#include "model/count_quantiles.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/numerics.h"
#include "base/special.h"

namespace distmoe {

namespace {

const double infinity = std::numeric_limits<double>::infinity();

struct Tails {
  double lower, upper;  // P(Y <= y), P(Y > y)
};

// The continued fraction of the incomplete beta integral I_x(a, b), without what stands before it (Lentz's method);
// converges quickly for x below (a + 1) / (a + b + 2).
double beta_fraction(double a, double b, double x) {
  const auto away = [](double v) { return std::abs(v) < 1e-300 ? 1e-300 : v; };
  double c = 1.0, d = 1.0 / away(1.0 - (a + b) * x / (a + 1.0)), h = d;
  for (double m = 1.0; m < 1e7; m += 1.0) {
    const double even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
    d = 1.0 / away(1.0 + even * d);
    c = away(1.0 + even / c);
    h *= d * c;
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
    d = 1.0 / away(1.0 + odd * d);
    c = away(1.0 + odd / c);
    h *= d * c;
    if (!(std::abs(d * c - 1.0) > 1e-15)) break;
  }
  return h;
}

double log_probability(double y, double mean, double dispersion) {
  const double bent = std::log1p(dispersion * mean);
  return count_base(y) + count_rising(y, dispersion) + count_rest(y, std::log(mean), mean, bent, dispersion);
}

// P(Y <= y) = I_p(s, y + 1), s = 1 / dispersion the size, p = 1 / (1 + dispersion mean).
Tails tails_at(double y, double mean, double dispersion) {
  const double s = 1.0 / dispersion, p = 1.0 / (1.0 + dispersion * mean), q = dispersion * mean * p;
  // p^s q^(y + 1) / B(s, y + 1) is s times this:
  const double before = std::exp(log_probability(y, mean, dispersion)) * q *
                        (1.0 + dispersion * y);
  if (p < (s + 1.0) / (s + y + 3.0)) {
    const double lower = std::min(before * beta_fraction(s, y + 1.0, p), 1.0);
    return {lower, 1.0 - lower};
  }
  const double upper = std::min(before * s / (y + 1.0) * beta_fraction(y + 1.0, s, q), 1.0);
  return {1.0 - upper, upper};
}

// The least y with P(Y <= y) >= p: by doubling, then halving.
double row_quantile(const ArrayXd& share, const ArrayXd& mean, const VectorXd& dispersion, double p) {
  const double rounding = 1e-13;
  const auto reached = [&](double y) {
    double lower = 0.0, upper = 0.0;
    for (Index k = 0; k < share.size(); ++k) {
      if (!(share(k) > 0)) continue;
      const Tails t = mean(k) > 0 ? tails_at(y, mean(k), dispersion(k)) : Tails{1.0, 0.0};
      lower += share(k) * t.lower;
      upper += share(k) * t.upper;
    }
    return p <= 0.5 ? lower >= p * (1.0 - rounding) : upper <= (1.0 - p) * (1.0 + rounding);
  };
  if (reached(0.0)) return 0.0;
  double low = 0.0, high = 1.0;
  const double start = std::floor((share * mean).sum());
  if (start > 1.0 && start < 1e15) (reached(start) ? high : low) = start;
  if (high == 1.0) {
    high = std::max(1.0, 2.0 * low);
    while (!reached(high)) {
      low = high;
      high *= 2.0;
      if (high > 1e300) return infinity;
    }
  }
  while (high - low > std::max(1.0, 1e-15 * high)) {
    const double middle = std::floor(low + 0.5 * (high - low));
    (reached(middle) ? high : low) = middle;
  }
  return high;
}

}  // namespace

double count_base(double y) { return y > few_counts ? shape_constant(y) - std::log(y) : -log_factorial(y); }

double count_rising(double y, double dispersion) {
  const double a = 1.0 / dispersion;
  if (y > few_counts) return shape_constant(a) - shape_constant(y + a);
  if (y > 10.0) return (y + a) * std::log1p(y * dispersion) - y + shape_constant(a) - shape_constant(y + a);
  double sum = 0.0;
  for (double j = 1.0; j < y;) {  // by parts whose product is no more than a number
    double product = 1.0;
    for (int i = 0; i < 3 && j < y; ++i, j += 1.0) product *= 1.0 + dispersion * j;
    sum += std::log(product);
  }
  return sum;
}

double count_rest(double y, double eta, double mean, double bent, double dispersion) {
  const double a = 1.0 / dispersion;
  if (y <= few_counts) return (y > 0 ? y * (eta - bent) : 0.0) - a * bent;
  // In a form that keeps its digits where y and the mean are large (as Loader's).
  const double one = 1.0 + dispersion * y, gap = y - mean;
  return -y * std::log1p(gap / (one * mean)) - a * std::log1p(-dispersion * gap / one);
}

MatrixXd negative_binomial_quantiles(const ArrayXXd& share, const ArrayXXd& mean, const VectorXd& dispersion,
                                     const VectorXd& probs) {
  MatrixXd out(share.rows(), probs.size());
  for (Index i = 0; i < out.rows(); ++i) {
    const ArrayXd own = share.row(i).transpose(), at = mean.row(i).transpose();
    for (Index j = 0; j < probs.size(); ++j) {
      const double p = probs(j);
      out(i, j) = p <= 0 ? 0.0 : p >= 1 ? infinity
                                        : row_quantile(own, at, dispersion, p);
    }
  }
  return out;
}

}  // namespace distmoe
