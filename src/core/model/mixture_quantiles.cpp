#include "model/mixture_quantiles.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "base/numerics.h"
#include "kernels/kernels.h"

namespace distmoe {

namespace {

const double infinity = std::numeric_limits<double>::infinity();

// Experts with less than this share of p move no digit of a p-quantile.
const double negligible = 1e-18;

// What rounding may take from a sum of probabilities that equals p.
double almost(double p) { return p * (1.0 - 64.0 * std::numeric_limits<double>::epsilon()); }

// Phi(z) = p.
double normal_quantile(double p) {
  if (p > 0.5) return -normal_quantile(1.0 - p);
  // From below the root, where log Phi is concave: Newton's steps on it rise, and never beyond.
  double z = -std::sqrt(-2.0 * std::log(2.0 * p)) - 0.1;
  for (int i = 0; i < 100; ++i) {
    double density, below;
    kernels().normal(1, &z, &density, &below);
    if (!(below > 0)) return z;  // p of 1e-308 or so
    const double step = -std::log(below / p) * below / density;
    z += step;
    if (std::abs(step) <= 1e-9) break;
  }
  return z;
}

// Phi(z) = r to three digits, r <= 1/2 (Abramowitz and Stegun, 26.2.23).
double rough_normal_quantile(double r) {
  const double t = std::sqrt(-2.0 * std::log(r));
  const double above = 2.515517 + t * (0.802853 + t * 0.010328);
  const double below = 1.0 + t * (1.432788 + t * (0.189269 + t * 0.001308));
  return above / below - t;
}

// The search for one row's quantile, between `low` and `high`.
struct Search {
  Index row;
  double low, high, at, last, before_last, tolerance;
};

// The distribution function, the density and its derivative.
struct Curve {
  double F = 0.0, f = 0.0, slope = 0.0;
};

// Halley's step for log F(y) = log p, or bisection where that leaves the bracket or is slow. True when
// the quantile is found.
bool improve(Search& s, const Curve& c, double p) {
  if (c.F == p) return true;
  (c.F < p ? s.low : s.high) = s.at;
  const double rate = c.f / c.F;  // of log F
  double step = -std::log(c.F / p) / rate;
  const double bend = 1.0 + 0.5 * step * (c.slope / c.f - rate);
  if (bend > 0.2) step /= bend;
  const double to = s.at + step;
  const bool trusted = to >= s.low && to <= s.high && std::abs(step) <= 0.5 * s.before_last;
  if (trusted) {
    s.at = to;
  } else {
    const double middle = s.low + 0.5 * (s.high - s.low);
    step = middle - s.at;
    s.at = middle;
  }
  s.before_last = s.last;
  s.last = std::abs(step);
  const double rounding = std::numeric_limits<double>::epsilon() *
                          std::max(std::abs(s.low), std::abs(s.high));
  // Halley's steps cube the error: after a tiny one nothing is left of it.
  return (trusted && s.last <= s.tolerance) || !(s.high - s.low > 2.0 * rounding);
}

// Where the quantile lies if the experts lie apart: among those of expert k, at the share of k that the
// experts to the left leave of p. `order`: room for the experts' numbers.
double guess(Index row, const ArrayXXd& share, const ArrayXXd& mean, const ArrayXd& sd, double p,
             std::vector<Index>& order) {
  for (Index k = 0; k < sd.size(); ++k) {
    std::size_t at = static_cast<std::size_t>(k);
    for (; at > 0 && mean(row, order[at - 1]) > mean(row, k); --at) order[at] = order[at - 1];
    order[at] = k;
  }
  double left = 0.0;
  for (Index k : order) {
    const double part = (p - left) / share(row, k);
    left += share(row, k);
    if (left < p) continue;
    const double z = part <= 0.5 ? rough_normal_quantile(std::max(part, 1e-300))
                                 : -rough_normal_quantile(std::max(1.0 - part, 0.1));
    return mean(row, k) + z * sd(k);
  }
  return infinity;
}

// Between the least and the largest of the experts' own quantiles lies the mixture's.
Search bracket(Index row, const ArrayXXd& share, const ArrayXXd& mean, const ArrayXd& sd, double p,
               double z) {
  Search s{row, infinity, -infinity, 0.0, 0.0, 0.0, infinity};
  for (Index k = 0; k < sd.size(); ++k) {
    if (share(row, k) <= negligible * p) continue;
    const double own = mean(row, k) + z * sd(k);
    s.low = std::min(s.low, own);
    s.high = std::max(s.high, own);
    s.tolerance = std::min(s.tolerance, 1e-6 * sd(k));
  }
  s.last = s.before_last = s.high - s.low;
  return s;
}

// p <= 1/2, where F is small and keeps its digits. All rows go on together, so that the distribution
// functions are worked out for many at a time.
ArrayXd lower_quantiles(const ArrayXXd& share, const ArrayXXd& mean, const ArrayXd& sd, double p) {
  const Index k_count = sd.size();
  const double z = normal_quantile(p);
  ArrayXd out(share.rows());
  std::vector<Search> open;
  std::vector<Index> order(static_cast<std::size_t>(k_count));
  for (Index i = 0; i < share.rows(); ++i) {
    Search s = bracket(i, share, mean, sd, p, z);
    out(i) = s.low;
    if (!(s.high > s.low)) continue;
    s.at = guess(i, share, mean, sd, p, order);
    if (!(s.at > s.low && s.at < s.high)) s.at = s.low + 0.5 * (s.high - s.low);
    open.push_back(s);
  }
  ArrayXXd at(static_cast<Index>(open.size()), k_count), density(at), below(at);
  while (!open.empty()) {
    const Index count = static_cast<Index>(open.size());
    for (Index k = 0; k < k_count; ++k) {
      for (Index j = 0; j < count; ++j) {
        const Search& s = open[static_cast<std::size_t>(j)];
        at(j, k) = (s.at - mean(s.row, k)) / sd(k);
      }
      kernels().normal(count, at.col(k).data(), density.col(k).data(), below.col(k).data());
    }
    std::size_t kept = 0;
    for (Index j = 0; j < count; ++j) {
      Search s = open[static_cast<std::size_t>(j)];
      Curve c;
      for (Index k = 0; k < k_count; ++k) {
        const double height = share(s.row, k) * density(j, k) / sd(k);
        c.F += share(s.row, k) * below(j, k);
        c.f += height;
        c.slope -= height * at(j, k) / sd(k);
      }
      const bool found = improve(s, c, p);
      if (found) out(s.row) = s.at;
      else open[kept++] = s;
    }
    open.resize(kept);
  }
  return out;
}

ArrayXd gaussian_quantile(const ArrayXXd& share, const ArrayXXd& mean, const ArrayXd& sd, double p) {
  if (p <= 0 || p >= 1) return ArrayXd::Constant(share.rows(), p <= 0 ? -infinity : infinity);
  if (p <= 0.5) return lower_quantiles(share, mean, sd, p);
  return -lower_quantiles(share, -mean, sd, 1.0 - p);
}

// log P(Y = j), Y Poisson, in the form that keeps its digits where j and the mean are large (Loader).
double log_poisson(double j, double mean) {
  if (j == 0) return -mean;
  if (j < 16) return j * std::log(mean) - mean - log_factorial(j);
  const double inverse = 1.0 / j;
  const double stirling = inverse * (1.0 / 12 - inverse * inverse * (1.0 / 360 - inverse * inverse / 1260));
  const double gap = (mean - j) * inverse;
  return j * (std::log1p(gap) - gap) - 0.5 * std::log(2.0 * 3.14159265358979323846 * j) - stirling;
}

// Experts with larger means are taken for Gaussian where the quantile lies among theirs: whole numbers
// so large that one more or less does not matter, and too many to be added up.
const double largest_counted_mean = 1e7;

// Adds up the probabilities of 0, 1, 2, ... at one row, from where an expert's first matter, until they
// reach p. `order`: the probabilities' numbers, ascending.
void poisson_row(const ArrayXd& share, const ArrayXd& mean, const VectorXd& probs,
                 const std::vector<Index>& order, Eigen::Ref<Eigen::RowVectorXd> out) {
  const Index k_count = share.size();
  std::size_t next = 0;
  const auto p_of = [&](std::size_t o) { return probs(order[o]); };
  for (; next < order.size() && p_of(next) <= 0; ++next) out(order[next]) = 0.0;
  if (next == order.size()) return;
  // P(Y <= mean - t) <= exp(-t^2 / (2 mean)): below `first` lies less than negligible * p.
  const double depth = -2.0 * std::log(negligible * p_of(next));
  ArrayXd first(k_count), mass = ArrayXd::Zero(k_count);
  for (Index k = 0; k < k_count; ++k) {
    const bool counts = share(k) > 0 && mean(k) <= largest_counted_mean;
    first(k) = counts ? std::max(0.0, std::floor(mean(k) - std::sqrt(depth * mean(k)))) : infinity;
  }
  double F = 0.0, last = 0.0;
  for (double j = first.minCoeff(); j < infinity && next < order.size() && p_of(next) < 1;) {
    double added = 0.0, to_come = infinity;
    bool rising = false;
    for (Index k = 0; k < k_count; ++k) {
      if (j < first(k)) {
        to_come = std::min(to_come, first(k));
        continue;
      }
      mass(k) = j == first(k) ? share(k) * std::exp(log_poisson(j, mean(k))) : mass(k) * mean(k) / j;
      added += mass(k);
      rising = rising || j < mean(k);
    }
    F += added;
    for (; next < order.size() && F >= almost(p_of(next)); ++next) out(order[next]) = j;
    // Between experts, and behind the last, nothing is left to add.
    const bool gap = !rising && added <= negligible * F;
    last = j;
    j = gap ? to_come : j + 1.0;
  }
  const bool all_counted = mean.maxCoeff() <= largest_counted_mean;
  const ArrayXd sd = mean.max(1.0).sqrt();
  for (; next < order.size(); ++next) {
    double& q = out(order[next]);
    if (p_of(next) >= 1) q = infinity;
    else if (all_counted) q = last;  // p differs from 1 by less than the sum's rounding
    else q = std::ceil(gaussian_quantile(share.transpose(), mean.transpose(), sd, p_of(next))(0));
  }
}

}  // namespace

MatrixXd gaussian_quantiles(const ArrayXXd& share, const ArrayXXd& mean, const ArrayXd& sd, const VectorXd& probs) {
  MatrixXd out(share.rows(), probs.size());
  for (Index j = 0; j < probs.size(); ++j) out.col(j) = gaussian_quantile(share, mean, sd, probs(j)).matrix();
  return out;
}

MatrixXd poisson_quantiles(const ArrayXXd& share, const ArrayXXd& mean, const VectorXd& probs) {
  std::vector<Index> order(static_cast<std::size_t>(probs.size()));
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](Index a, Index b) { return probs(a) < probs(b); });
  MatrixXd out(share.rows(), probs.size());
  Eigen::RowVectorXd row(probs.size());
  for (Index i = 0; i < share.rows(); ++i) {
    poisson_row(share.row(i).transpose(), mean.row(i).transpose(), probs, order, row);
    out.row(i) = row;
  }
  return out;
}

MatrixXd binomial_quantiles(const ArrayXXd& share, const ArrayXXd& mean, const VectorXd& probs) {
  const ArrayXd zero = (share * (1.0 - mean)).rowwise().sum();
  MatrixXd out(share.rows(), probs.size());
  for (Index j = 0; j < probs.size(); ++j) {
    out.col(j) = (zero < almost(probs(j))).cast<double>().matrix();
  }
  return out;
}

}  // namespace distmoe
