#include "base/special.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace distmoe {

namespace {

const double half_log_two_pi = 0.91893853320467274178;

// From here on the asymptotic series below are good to rounding.
const double large = 12.0;

// log Gamma(a) - ((a - 1/2) log a - a + log(2 pi) / 2), a large.
double stirling_rest(double a) {
  const double r = 1.0 / a, q = r * r;
  return r * (1.0 / 12 - q * (1.0 / 360 - q * (1.0 / 1260 - q * (1.0 / 1680 - q * (1.0 / 1188 - q * 691.0 / 360360)))));
}

// exp(v) - 1 - v, without loss where v is small.
double exp_rest(double v) {
  if (std::abs(v) > 0.3) return std::expm1(v) - v;
  double term = 0.5 * v * v, sum = term;
  for (int i = 3; i < 20 && std::abs(term) > 1e-18 * sum; ++i) sum += term *= v / i;
  return sum;
}

}  // namespace

double shape_constant(double a) {
  if (a >= large) return 0.5 * std::log(a) - half_log_two_pi - stirling_rest(a);
  double product = 1.0, b = a;
  for (; b < large; b += 1.0) product *= b;
  const double log_gamma = (b - 0.5) * std::log(b) - b + half_log_two_pi + stirling_rest(b) - std::log(product);
  return a * std::log(a) - a - log_gamma;
}

double log_minus_digamma(double a) {
  double sum = 0.0, b = a;
  for (; b < large; b += 1.0) sum += 1.0 / b;
  const double r = 1.0 / b, q = r * r;
  const double b11 = 691.0 / 32760;
  const double rest =
      0.5 * r + q * (1.0 / 12 - q * (1.0 / 120 - q * (1.0 / 252 - q * (1.0 / 240 - q * (1.0 / 132 - q * b11)))));
  return b == a ? rest : rest + sum + std::log(a / b);
}

double shape_information(double a) {
  double sum = 0.0, b = a;
  for (; b < large; b += 1.0) sum += 1.0 / (b * b);
  const double r = 1.0 / b, q = r * r;
  // psi'(b) - 1 / b
  const double rest = q * (0.5 + r * (1.0 / 6 - q * (1.0 / 30 - q * (1.0 / 42 - q * (1.0 / 30 - q * 5.0 / 66)))));
  if (b == a) return a * a * rest;
  return a * a * (rest + r + sum) - a;
}

double shape_of(double mass, double deviation, double prior) {
  if (!(deviation > 0)) return std::numeric_limits<double>::infinity();
  // As a function of log a the left side falls and is convex: Newton's steps rise to the root from where it is not
  // below `deviation`, as it is here, log a - psi(a) being above 1 / (2 a).
  double t = std::log(std::max(0.5 * mass + prior, std::numeric_limits<double>::min()) / deviation);
  for (int i = 0; i < 100; ++i) {
    const double a = std::exp(t);
    const double value = mass * log_minus_digamma(a) + prior / a - deviation;
    const double slope = mass * shape_information(a) / a + prior / a;
    const double step = value / slope;
    t += step;
    if (!(std::abs(step) > 1e-14 * (1.0 + std::abs(t)))) break;
  }
  return std::exp(t);
}

GammaTails gamma_tails(double a, double v) {
  const double density = std::exp(shape_constant(a) - a * exp_rest(v));  // a^a u^a exp(-a u) / Gamma(a), u = exp(v)
  const double x = a * std::exp(v);
  if (x < a + 1.0) {
    double term = 1.0, sum = 1.0;
    for (double n = a + 1.0; term > 1e-17 * sum; n += 1.0) sum += term *= x / n;
    const double lower = std::min(density / a * sum, 1.0);
    return {lower, 1.0 - lower, density};
  }
  if (!(density > 0)) return {1.0, 0.0, 0.0};
  // The continued fraction of the upper tail, by Lentz's method.
  double b = x + 1.0 - a, c = 1e300, d = 1.0 / b, h = d;
  for (double i = 1.0;; i += 1.0) {
    const double n = -i * (i - a);
    b += 2.0;
    d = n * d + b;
    if (std::abs(d) < 1e-300) d = 1e-300;
    c = b + n / c;
    if (std::abs(c) < 1e-300) c = 1e-300;
    d = 1.0 / d;
    const double factor = d * c;
    h *= factor;
    if (!(std::abs(factor - 1.0) > 1e-16)) break;
  }
  const double upper = std::min(density * h, 1.0);
  return {1.0 - upper, upper, density};
}

}  // namespace distmoe
