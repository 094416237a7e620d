// Negative binomial experts with log link: mean m = exp(eta), variance m + d m^2, d = 1 / size the dispersion. y is
// Poisson of mean m u, u a Gamma variable of mean 1 and shape a = 1 / d, and with y known u is Gamma of shape a + y,
// rate a + m. So the dispersion is estimated as that of Gamma experts from what is expected of u, the EM of a missing
// u.
//   log phi = sum_{j < y} log(1 + d j) + y log m - (y + a) log(1 + d m) - log y!
#include <array>

#include "base/special.h"
#include "kernels/kernels.h"
#include "model/count_expectations.h"
#include "model/count_quantiles.h"
#include "model/family.h"

namespace distmoe {

namespace {

// log(1 + v), v >= 0; for v that is not small everywhere by the fast loop.
ArrayXd log_one_plus(const ArrayXd& v, bool small) {
  if (small) return v.unaryExpr([](double x) { return std::log1p(x); });
  ArrayXd out = 1.0 + v;
  kernels().logarithm(out.size(), out.data());
  return out;
}

// Dispersions below which log(1 + d m) is wanted to all digits, being divided by d.
const double small_dispersion = 1e-3;

ArrayXd bend_of(const ArrayView& mean, double dispersion) {
  return log_one_plus(dispersion * mean, dispersion < small_dispersion);
}

// A function of counts: of each small one only once.
template <class Of>
ArrayXd of_counts(const ArrayView& y, Of of) {
  std::array<double, 256> value;
  std::array<bool, 256> known{};
  ArrayXd out(y.size());
  for (Index i = 0; i < y.size(); ++i) {
    const std::size_t at = y(i) < 255.5 ? static_cast<std::size_t>(y(i) + 0.5) : 256;
    if (at > 255) {
      out(i) = of(y(i));
      continue;
    }
    if (!known[at]) value[at] = of(y(i)), known[at] = true;
    out(i) = value[at];
  }
  return out;
}

class NegativeBinomial : public Family {
 public:
  bool has_dispersion() const override { return true; }
  bool canonical() const override { return false; }
  bool collapses() const override { return false; }
  bool has_reverse() const override { return false; }
  bool has_middle() const override { return false; }
  bool starts_on_log() const override { return true; }
  bool deviation_is_hidden() const override { return true; }

  ArrayXd to_bound(const PredictorView& mean) const override { return mean.col(0); }

  ArrayXd log_base(const ArrayView& y) const override {
    return of_counts(y, &count_base);
  }

  void log_density(const ArrayView& y, Index, const double* eta, double dispersion, Eigen::Ref<ArrayXd> out,
                   double* mean) const override {
    ArrayXd unused(y.size());
    natural(y.size(), 1, eta, mean, unused.data());
    const ArrayXd bent = bend_of(Eigen::Map<const ArrayXd>(mean, y.size()), dispersion);
    out = of_counts(y, [&](double v) { return count_rising(v, dispersion); });
    for (Index i = 0; i < y.size(); ++i) out(i) += count_rest(y(i), within(eta[i]), mean[i], bent(i), dispersion);
  }

  ArrayXXd variance(const PredictorView& mean, double dispersion) const override {
    return mean.square() + mean / dispersion;
  }

  void to_score(const PredictorView& mean, double dispersion, Eigen::Ref<ArrayXXd> gap) const override {
    gap *= dispersion / (1.0 + dispersion * mean);
  }

  ArrayXXd curvature(const PredictorView& mean, double dispersion) const override {
    return dispersion * mean / (1.0 + dispersion * mean);
  }

  ArrayXXd observed_curvature(const PredictorView& response, const PredictorView& mean,
                              double dispersion) const override {
    return dispersion * mean * (1.0 + dispersion * response) / (1.0 + dispersion * mean).square();
  }

  double expected_fit(const MatrixXd& eta, const MatrixXd& weighted_response, const VectorXd& weight,
                      double dispersion) const override {
    const ArrayXd at = eta.col(0).array().unaryExpr(&within), bent = bend_of(at.exp(), dispersion);
    return (dispersion * weighted_response.col(0).array() * (at - bent) - weight.array() * bent).sum();
  }

  // E[u - 1 - log u] with y known.
  double deviation(const ArrayView& y, const ArrayView& mean, const ArrayView& mass,
                   double dispersion) const override {
    const double a = 1.0 / dispersion;
    // ratio - 1 - log(ratio) + log(a + y) - psi(a + y)
    const ArrayXd ratio = (1.0 + dispersion * y) / (1.0 + dispersion * mean);
    const ArrayXd gap = of_counts(y, [a](double v) { return log_minus_digamma(a + v); });
    return (mass > 0).select(mass * (ratio - 1.0 - ratio.log() + gap), 0.0).sum();
  }

  ArrayXd expected_deviation(const ExpertAt& from, const ExpertAt& to) const override {
    const double a = 1.0 / to.dispersion;
    const ArrayXd ratio = (a + from.mean.col(0)) / (a + to.mean.col(0));
    return ratio - 1.0 - ratio.log() + expected_log_gap(from.eta.col(0), from.dispersion, a);
  }

  double best_dispersion(double deviation, double mass, double a, double s2) const override {
    return 1.0 / shape_of(mass, deviation + a * s2, a);
  }

  ArrayXd dispersion_slope(const ArrayView& y, const ArrayView& mean, const ArrayView&,
                           double dispersion) const override {
    const double a = 1.0 / dispersion;
    return a * bend_of(mean, dispersion) - (1.0 + dispersion * y) * mean / (1.0 + dispersion * mean) +
           of_counts(y, [&](double v) { return rising_slope(v, dispersion); });
  }

  ArrayXd dispersion_bend(const ArrayView& y, const ArrayView& mean, const ArrayView& first,
                          double dispersion) const override {
    const ArrayXd one = 1.0 + dispersion * mean;
    return first.square() + mean / one - bend_of(mean, dispersion) / dispersion -
           dispersion * mean * (y - mean) / one.square() +
           of_counts(y, [&](double v) { return rising_bend(v, dispersion); });
  }

  ArrayXd score_fade(const ArrayView& mean, double dispersion) const override {
    return dispersion * mean / (1.0 + dispersion * mean);
  }

  // That of u, which tells more than y.
  double dispersion_information(double dispersion) const override { return shape_information(1.0 / dispersion); }

  ArrayXd divergence(const ExpertAt& from, const ExpertAt& to) const override {
    const double a = 1.0 / from.dispersion, b = 1.0 / to.dispersion;
    const ArrayXd m = from.mean.col(0), eta = from.eta.col(0), other = to.eta.col(0);
    const ArrayXd bent = log_one_plus(from.dispersion * m, true);
    const ArrayXd bent_to = log_one_plus(to.dispersion * to.mean.col(0), true);
    const ArrayXd rising = expected_rising_gap(eta, from.dispersion, a, b) + m * std::log(b / a);
    return (rising + m * (eta - bent - other + bent_to) - a * bent + b * bent_to).max(0.0);
  }

  MatrixXd quantiles(const ArrayXXd& share, const ArrayXXd& mean, const VectorXd& dispersion,
                     const VectorXd& probs) const override {
    return negative_binomial_quantiles(share, mean, dispersion, probs);
  }

  void natural(Index n, Index, const double* eta, double* mean, double* potential) const override {
    for (Index i = 0; i < n; ++i) mean[i] = within(eta[i]);
    kernels().exponential(n, mean);
    std::fill(potential, potential + n, 0.0);
  }

 private:
  static double within(double eta) { return std::max(-600.0, std::min(eta, 600.0)); }

  // sum over j < y of d j / (1 + d j): the derivative of that of log(1 + d j) in log d, and its own.
  static double rising_slope(double y, double d) {
    if (y > 10.0) {
      const double a = 1.0 / d;
      return y - a * (std::log1p(y * d) + log_minus_digamma(a) - log_minus_digamma(a + y));
    }
    double sum = 0.0;
    for (double j = 1.0; j < y; j += 1.0) sum += d * j / (1.0 + d * j);
    return sum;
  }

  static double rising_bend(double y, double d) {
    if (y > 10.0) {
      const double a = 1.0 / d, share = a / (a + y);
      return a * (std::log1p(y * d) + log_minus_digamma(a) - log_minus_digamma(a + y)) - share * y -
             shape_information(a) + share * share * shape_information(a + y);
    }
    double sum = 0.0;
    for (double j = 1.0; j < y; j += 1.0) sum += d * j / ((1.0 + d * j) * (1.0 + d * j));
    return sum;
  }
};

}  // namespace

const Family& negative_binomial_family() {
  static const NegativeBinomial negative_binomial;
  return negative_binomial;
}

}  // namespace distmoe
