// The families, a class each.
#include <stdexcept>

#include "base/numerics.h"
#include "kernels/kernels.h"
#include "model/family.h"
#include "model/mixture_quantiles.h"

namespace distmoe {

namespace {

const double log_two_pi = 1.8378770664093454836;

class Gaussian : public Family {
 public:
  bool has_dispersion() const override { return true; }
  bool identity_link() const override { return true; }
  bool location_scale() const override { return true; }
  bool least_squares() const override { return true; }
  bool moments_suffice() const override { return true; }

  void log_density(const ArrayView& y, Index, const double* eta, double dispersion, Eigen::Ref<ArrayXd> out,
                   double*) const override {
    const double constant = -0.5 * (log_two_pi + std::log(dispersion));
    out = constant - (0.5 / dispersion) * (y - Eigen::Map<const ArrayXd>(eta, y.size())).square();
  }

  ArrayXXd variance(const PredictorView& mean, double) const override { return ArrayXXd::Ones(mean.rows(), 1); }

  double deviation(const ArrayView& y, const ArrayView& mean, const ArrayView& mass, double) const override {
    return (((y - mean) * mass) * (y - mean)).sum();
  }

  // What (S8b), corrected, averages: no cross terms of different components.
  ArrayXd expected_deviation(const ExpertAt& from, const ExpertAt& to) const override {
    return from.dispersion + (from.mean.col(0) - to.mean.col(0)).square();
  }

  double best_dispersion(double deviation, double mass, double a, double s2) const override {
    // (S8b), corrected: the sum of W_lk [ dispersion_l + (x'(beta_k - beta_l))^2 ] (of rows: of squared residuals) by
    // that of W_lk. The aggregation knows no prior, a = 0.
    return (deviation + 2.0 * a * s2) / (mass + 2.0 * a);
  }

  ArrayXd dispersion_slope(const ArrayView&, const ArrayView&, const ArrayView& slope,
                           double dispersion) const override {
    return 0.5 * (slope.square() * dispersion - 1.0);
  }

  ArrayXd dispersion_bend(const ArrayView&, const ArrayView&, const ArrayView& first, double) const override {
    return first.square() - first - 0.5;
  }

  double dispersion_information(double) const override { return 0.5; }

  // (S6)
  double divergence_constant(double dispersion_from, double dispersion_to) const override {
    const double ratio = dispersion_from / dispersion_to;
    return 0.5 * (ratio - 1.0 - std::log(ratio));
  }

  // (S6)
  ArrayXd divergence(const ExpertAt& from, const ExpertAt& to) const override {
    const double constant = divergence_constant(from.dispersion, to.dispersion);
    return constant + (from.eta.col(0) - to.eta.col(0)).square() * (0.5 / to.dispersion);
  }

  // (S6)
  double summed_divergence(double mass, double square, double dispersion_from, double dispersion_to) const override {
    return mass * divergence_constant(dispersion_from, dispersion_to) + 0.5 * square / dispersion_to;
  }

  void divergences(const MatrixXd& eta_from, const VectorXd& dispersion_from, const MatrixXd& eta_to,
                   const VectorXd& dispersion_to, ArrayXXd& cost) const override {
    const Index k_count = eta_to.cols();
    cost.resize(eta_to.rows(), eta_from.cols() * k_count);
    for (Index l = 0; l < eta_from.cols(); ++l) {
      for (Index k = 0; k < k_count; ++k) {
        // (S6)
        const double constant = divergence_constant(dispersion_from(l), dispersion_to(k));
        cost.col(l * k_count + k) =
            constant + (eta_from.col(l).array() - eta_to.col(k).array()).square() * (0.5 / dispersion_to(k));
      }
    }
  }

  ArrayXd bhattacharyya(const ExpertAt& from, const ExpertAt& to) const override {
    const double sum = from.dispersion + to.dispersion;
    const double gap = std::sqrt(from.dispersion) - std::sqrt(to.dispersion);
    // log(sum / (2 sd sd)) without loss where the two are nearly equal.
    const double spread = std::log1p(gap * gap / (sum - gap * gap));
    return 0.5 * spread + (from.eta.col(0) - to.eta.col(0)).square() / (4.0 * sum);
  }

  Middle middle(const ExpertAt& from, const ExpertAt& to) const override {
    const double share = to.dispersion / (from.dispersion + to.dispersion);
    const ArrayXd gap = share * (from.eta.col(0) - to.eta.col(0));
    return {to.eta.col(0) + gap, 2.0 * share * from.dispersion + gap.square()};
  }

  MatrixXd quantiles(const ArrayXXd& share, const ArrayXXd& mean, const VectorXd& dispersion,
                     const VectorXd& probs) const override {
    return gaussian_quantiles(share, mean, dispersion.array().sqrt(), probs);
  }

  void natural(Index n, Index, const double* eta, double* mean, double* potential) const override {
    for (Index i = 0; i < n; ++i) {
      mean[i] = eta[i];
      potential[i] = 0.5 * eta[i] * eta[i];
    }
  }
};

class Binomial : public Family {
 public:
  bool logit_of_mean() const override { return true; }

  ArrayXd to_bound(const PredictorView& mean) const override { return mean.col(0).min(1.0 - mean.col(0)); }

  MatrixXd quantiles(const ArrayXXd& share, const ArrayXXd& mean, const VectorXd&,
                     const VectorXd& probs) const override {
    return binomial_quantiles(share, mean, probs);
  }

  ArrayXXd variance(const PredictorView& mean, double) const override { return mean * (1.0 - mean); }

  void natural(Index n, Index, const double* eta, double* mean, double* potential) const override {
    kernels().logistic(n, eta, mean, potential);
  }
};

class Poisson : public Family {
 public:
  bool starts_on_log() const override { return true; }

  ArrayXd to_bound(const PredictorView& mean) const override { return mean.col(0); }

  MatrixXd quantiles(const ArrayXXd& share, const ArrayXXd& mean, const VectorXd&,
                     const VectorXd& probs) const override {
    return poisson_quantiles(share, mean, probs);
  }

  ArrayXd log_base(const ArrayView& y) const override {
    ArrayXd out(y.size());
    for (Index i = 0; i < out.size(); ++i) out(i) = -log_factorial(y(i));
    return out;
  }

  ArrayXXd variance(const PredictorView& mean, double) const override { return mean; }

  void natural(Index n, Index, const double* eta, double* mean, double* potential) const override {
    std::copy(eta, eta + n, mean);
    kernels().exponential(n, mean);
    std::copy(mean, mean + n, potential);
  }
};

// Softmax over C classes, of which the first is the reference with predictor 0.
class Multinomial : public Family {
 public:
  bool ordered() const override { return false; }

  ArrayXd to_bound(const PredictorView& mean) const override {
    return mean.rowwise().minCoeff().min(1.0 - mean.rowwise().sum());
  }

  ArrayXXd response(const ArrayView& y, Index parts) const override {
    ArrayXXd out = ArrayXXd::Zero(y.size(), parts);
    for (Index i = 0; i < out.rows(); ++i) {
      if (y(i) > 0.5) out(i, static_cast<Index>(y(i) + 0.5) - 1) = 1.0;
    }
    return out;
  }

  ArrayXXd variance(const PredictorView& mean, double) const override {
    ArrayXXd out(mean.rows(), pairs_of(mean.cols()));
    Index pair = 0;
    for (Index a = 0; a < mean.cols(); ++a) {
      for (Index b = 0; b < a; ++b) out.col(pair++) = -mean.col(a) * mean.col(b);
      out.col(pair++) = mean.col(a) * (1.0 - mean.col(a));
    }
    return out;
  }

  void natural(Index n, Index parts, const double* eta, double* mean,
               double* potential) const override {
    ArrayXXd all(n, parts + 1);
    all.leftCols(parts) = Eigen::Map<const ArrayXXd>(eta, n, parts);
    all.col(parts).setZero();
    kernels().softmax(n, parts + 1, all.data(), n, potential);
    Eigen::Map<ArrayXXd>(mean, n, parts) = all.leftCols(parts);
  }
};

}  // namespace

const Family& family_of(FamilyKind kind) {
  static const Gaussian gaussian;
  static const Binomial binomial;
  static const Poisson poisson;
  static const Multinomial multinomial;
  switch (kind) {
    case FamilyKind::gaussian: return gaussian;
    case FamilyKind::binomial: return binomial;
    case FamilyKind::poisson: return poisson;
    case FamilyKind::multinomial: return multinomial;
    case FamilyKind::gamma: return gamma_family();
    case FamilyKind::negative_binomial: return negative_binomial_family();
  }
  throw std::invalid_argument("unknown kind of family");
}

}  // namespace distmoe
