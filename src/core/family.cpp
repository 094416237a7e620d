#include "family.h"

#include "kernels.h"

namespace distmoe {

namespace {

const double log_two_pi = 1.8378770664093454836;

// Both from one exponential.
struct Logistic {
  ArrayXd mean, softplus;  // 1 / (1 + exp(-a)), log(1 + exp(a))
  explicit Logistic(const ArrayView& a) : mean(a.size()), softplus(a.size()) {
    kernels().logistic(a.size(), a.data(), mean.data(), softplus.data());
  }
};

class Gaussian : public Family {
 public:
  bool has_dispersion() const override { return true; }

  ArrayXd log_density(const ArrayView& y, const ArrayView& eta, double dispersion) const override {
    const double constant = -0.5 * (log_two_pi + std::log(dispersion));
    return constant - (0.5 / dispersion) * (y - eta).square();
  }

  ArrayXd mean(const ArrayView& eta) const override { return eta; }

  ArrayXd variance(const ArrayView& mean) const override { return ArrayXd::Ones(mean.size()); }

  // (S6)
  ArrayXd divergence(const ArrayView& eta_from, double dispersion_from, const ArrayView& eta_to,
                     double dispersion_to) const override {
    const double ratio = dispersion_from / dispersion_to;
    const double constant = 0.5 * (ratio - 1.0 - std::log(ratio));
    return constant + (eta_from - eta_to).square() * (0.5 / dispersion_to);
  }
};

class Binomial : public Family {
 public:
  bool has_dispersion() const override { return false; }

  ArrayXd log_density(const ArrayView& y, const ArrayView& eta, double) const override {
    return y * eta - Logistic(eta).softplus;
  }

  ArrayXd mean(const ArrayView& eta) const override { return Logistic(eta).mean; }

  ArrayXd variance(const ArrayView& mean) const override { return mean * (1.0 - mean); }

  // (S12), as the Bregman divergence b(to) - b(from) - mean(from) (to - from).
  ArrayXd divergence(const ArrayView& eta_from, double, const ArrayView& eta_to,
                     double) const override {
    const Logistic from(eta_from), to(eta_to);
    const ArrayXd gap = to.softplus - from.softplus - from.mean * (eta_to - eta_from);
    return gap.max(0.0);
  }

  // Exponentials and logarithms once an expert, and not once a pair.
  void divergences(const MatrixXd& eta_from, const VectorXd&, const MatrixXd& eta_to,
                   const VectorXd&, ArrayXXd& cost) const override {
    const Index k_count = eta_to.cols();
    cost.resize(eta_to.rows(), eta_from.cols() * k_count);
    ArrayXXd potential_to(eta_to.rows(), k_count);
    for (Index k = 0; k < k_count; ++k) {
      potential_to.col(k) = Logistic(eta_to.col(k).array()).softplus;
    }
    for (Index l = 0; l < eta_from.cols(); ++l) {
      const auto from = eta_from.col(l).array();
      const Logistic at(from);
      for (Index k = 0; k < k_count; ++k) {
        const auto to = eta_to.col(k).array();
        cost.col(l * k_count + k) =
            (potential_to.col(k) - at.softplus - at.mean * (to - from)).max(0.0);
      }
    }
  }
};

}  // namespace

void Family::divergences(const MatrixXd& eta_from, const VectorXd& dispersion_from,
                         const MatrixXd& eta_to, const VectorXd& dispersion_to,
                         ArrayXXd& cost) const {
  const Index k_count = eta_to.cols();
  cost.resize(eta_to.rows(), eta_from.cols() * k_count);
  for (Index l = 0; l < eta_from.cols(); ++l) {
    for (Index k = 0; k < k_count; ++k) {
      cost.col(l * k_count + k) = divergence(eta_from.col(l).array(), dispersion_from(l),
                                             eta_to.col(k).array(), dispersion_to(k));
    }
  }
}

const Family& family_of(FamilyKind kind) {
  static const Gaussian gaussian;
  static const Binomial binomial;
  if (kind == FamilyKind::binomial) return binomial;
  return gaussian;
}

}  // namespace distmoe
