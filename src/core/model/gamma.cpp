// Gamma experts with log link: mean exp(eta), shape a = 1 / dispersion, variance dispersion mean^2.
//   log phi = a log a - log Gamma(a) - a - log y - a D,  D = y / mean - 1 - log(y / mean), the deviation.
#include "base/special.h"
#include "kernels/kernels.h"
#include "model/family.h"
#include "model/positive_quantiles.h"

namespace distmoe {

namespace {

// Beyond, means are no numbers that one can divide by; no expert of rows gets there.
const double largest_predictor = 600.0;

// r - 1 - log r of r = exp(v).
ArrayXd deviation_of(const ArrayXd& v) {
  return (v.abs() < 1e-4).select(0.5 * v.square() * (1.0 + v / 3.0), v.exp() - 1.0 - v);
}

class Gamma : public Family {
 public:
  bool has_dispersion() const override { return true; }
  bool canonical() const override { return false; }
  bool starts_on_log() const override { return true; }
  double log_shift() const override { return 0.0; }
  bool deviation_is_fit() const override { return true; }

  ArrayXd log_base(const ArrayView& y) const override { return -y.log(); }

  void log_density(const ArrayView& y, Index, const double* eta, double dispersion, Eigen::Ref<ArrayXd> out,
                   double* mean) const override {
    const double a = 1.0 / dispersion, constant = shape_constant(a);
    ArrayXd unused(y.size());
    natural(y.size(), 1, eta, mean, unused.data());
    ArrayXd ratio = y / Eigen::Map<const ArrayXd>(mean, y.size());
    out = ratio;
    kernels().logarithm(out.size(), out.data());
    out = constant - a * (ratio - 1.0 - out);
  }

  ArrayXXd variance(const PredictorView& mean, double) const override { return mean.square(); }

  void to_score(const PredictorView& mean, double, Eigen::Ref<ArrayXXd> gap) const override { gap /= mean; }

  ArrayXXd curvature(const PredictorView& mean, double) const override { return ArrayXXd::Ones(mean.rows(), 1); }

  ArrayXXd observed_curvature(const PredictorView& response, const PredictorView& mean, double) const override {
    return response / mean;
  }

  double expected_fit(const MatrixXd& eta, const MatrixXd& weighted_response, const VectorXd& weight,
                      double) const override {
    return -(weighted_response.array() * (-eta.array()).exp()).sum() - weight.dot(eta.col(0));
  }

  double deviation(const ArrayView& y, const ArrayView& mean, const ArrayView& mass, double) const override {
    const ArrayXd ratio = y / mean;
    return (mass * (ratio - 1.0 - ratio.log())).sum();
  }

  ArrayXd expected_deviation(const ExpertAt& from, const ExpertAt& to) const override {
    return log_minus_digamma(1.0 / from.dispersion) + deviation_of(from.eta.col(0) - to.eta.col(0));
  }

  double best_dispersion(double deviation, double mass, double a, double s2) const override {
    return 1.0 / shape_of(mass, deviation + a * s2, a);
  }

  ArrayXd dispersion_slope(const ArrayView& y, const ArrayView& mean, const ArrayView&,
                           double dispersion) const override {
    const double a = 1.0 / dispersion;
    const ArrayXd ratio = y / mean;
    return a * (ratio - 1.0 - ratio.log() - log_minus_digamma(a));
  }

  ArrayXd dispersion_bend(const ArrayView&, const ArrayView&, const ArrayView& first,
                          double dispersion) const override {
    return first.square() - first - shape_information(1.0 / dispersion);
  }

  double dispersion_information(double dispersion) const override { return shape_information(1.0 / dispersion); }

  ArrayXd divergence(const ExpertAt& from, const ExpertAt& to) const override {
    return divergence_constant(from.dispersion, to.dispersion) +
           deviation_of(from.eta.col(0) - to.eta.col(0)) / to.dispersion;
  }

  double divergence_constant(double dispersion_from, double dispersion_to) const override {
    const double from = 1.0 / dispersion_from, to = 1.0 / dispersion_to;
    return std::max(shape_constant(from) - shape_constant(to) + (to - from) * log_minus_digamma(from), 0.0);
  }

  // a (mean(to) / mean - eta(to)), a the shape of `from`.
  ArrayXXd reverse_response(const ExpertAt& from) const override { return from.mean.inverse(); }

  double reverse_value(const ExpertAt& to, const MatrixXd& response, const VectorXd& weight) const override {
    return (response.array() * to.mean).sum() - weight.dot(to.eta.matrix().col(0));
  }

  ArrayXXd reverse_slope(const ExpertAt& to, const MatrixXd& response, const VectorXd& weight) const override {
    return response.array() * to.mean - weight.array();
  }

  ArrayXXd reverse_curvature(const ExpertAt& to, const MatrixXd& response, const VectorXd&) const override {
    return response.array() * to.mean;
  }

  ArrayXd bhattacharyya(const ExpertAt& from, const ExpertAt& to) const override {
    const double a = 1.0 / from.dispersion, b = 1.0 / to.dispersion, shape = 0.5 * (a + b);
    const double constant = shape_constant(shape) - 0.5 * (shape_constant(a) + shape_constant(b));
    const ArrayXd gap = to.eta.col(0) - from.eta.col(0);
    return (constant + shape * (0.5 * b / shape * gap + log_rate(from, to, gap))).max(0.0);
  }

  Middle middle(const ExpertAt& from, const ExpertAt& to) const override {
    const double shape = 0.5 / from.dispersion + 0.5 / to.dispersion;
    const ArrayXd rate = log_rate(from, to, to.eta.col(0) - from.eta.col(0));
    const ArrayXd eta = from.eta.col(0) - rate;
    return {eta.exp(), log_minus_digamma(shape) + deviation_of(eta - to.eta.col(0))};
  }

  MatrixXd quantiles(const ArrayXXd& share, const ArrayXXd& mean, const VectorXd& dispersion,
                     const VectorXd& probs) const override {
    return positive_quantiles(share, mean, probs,
                              [&](Index k, double, double v) { return gamma_tails(1.0 / dispersion(k), v); });
  }

  void natural(Index n, Index, const double* eta, double* mean, double* potential) const override {
    for (Index i = 0; i < n; ++i) mean[i] = std::max(-largest_predictor, std::min(eta[i], largest_predictor));
    kernels().exponential(n, mean);
    std::fill(potential, potential + n, 0.0);
  }

 private:
  // Log of the mean of `from` over that of the middle, whose rate (shape over mean) is half the sum of theirs.
  static ArrayXd log_rate(const ExpertAt& from, const ExpertAt& to, const ArrayXd& gap) {
    const double share = from.dispersion / (from.dispersion + to.dispersion);  // of the shapes, that of `to`
    return (gap < 0).select(std::log(share) - gap + (1.0 + (1.0 - share) / share * gap.min(0.0).exp()).log(),
                            (share * (-gap.max(0.0)).unaryExpr([](double v) { return std::expm1(v); }))
                                .unaryExpr([](double v) { return std::log1p(v); }));
  }
};

}  // namespace

const Family& gamma_family() {
  static const Gamma gamma;
  return gamma;
}

}  // namespace distmoe
