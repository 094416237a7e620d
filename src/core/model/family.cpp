// What families have in common: those without a dispersion, with canonical link.
#include "model/family.h"

#include <stdexcept>

namespace distmoe {

namespace {

// Both from one exponential.
struct Natural {
  ArrayXXd mean;      // b'(eta)
  ArrayXd potential;  // b(eta)
  Natural(const Family& family, const PredictorView& eta)
      : mean(eta.rows(), eta.cols()), potential(eta.rows()) {
    const ArrayXXd packed = eta;
    family.natural(eta.rows(), eta.cols(), packed.data(), mean.data(), potential.data());
  }
};

}  // namespace

ExpertAt::ExpertAt(FamilyKind which, const PredictorView& predictors, double d)
    : family(which), eta(predictors), mean(eta), dispersion(d) {
  const Family& f = family_of(family);
  if (f.identity_link()) return;
  potential.resize(eta.rows());
  f.natural(eta.rows(), eta.cols(), eta.data(), mean.data(), potential.data());
}

ArrayXXd Family::response(const ArrayView& y, Index) const { return y; }

void Family::log_density(const ArrayView& y, Index parts, const double* eta, double, Eigen::Ref<ArrayXd> out,
                         double* mean) const {
  const Eigen::Map<const ArrayXXd> at(eta, y.size(), parts);
  natural(y.size(), parts, eta, mean, out.data());  // the potential
  if (parts == 1) out = y * at.col(0) - out;
  else out = (response(y, parts) * at).rowwise().sum() - out;
}

ArrayXXd Family::mean(const PredictorView& eta) const {
  return identity_link() ? ArrayXXd(eta) : Natural(*this, eta).mean;
}

// (S12)
ArrayXd Family::divergence(const ExpertAt& from, const ExpertAt& to) const {
  return (to.potential - from.potential - (from.mean * (to.eta - from.eta)).rowwise().sum()).max(0.0);
}

double Family::summed_divergence(double, double, double, double) const {
  throw std::logic_error("divergences that moments do not tell");
}

ArrayXd Family::bhattacharyya(const ExpertAt& from, const ExpertAt& to) const {
  const ExpertAt middle(from.family, 0.5 * (from.eta + to.eta), 1.0);
  return (0.5 * (from.potential + to.potential) - middle.potential).max(0.0);
}

Family::Middle Family::middle(const ExpertAt& from, const ExpertAt& to) const {
  return {ExpertAt(from.family, 0.5 * (from.eta + to.eta), 1.0).mean, ArrayXd::Zero(from.eta.rows())};
}

double Family::expected_fit(const MatrixXd& eta, const MatrixXd& weighted_response, const VectorXd& weight,
                            double) const {
  MatrixXd mean(eta.rows(), eta.cols());
  VectorXd potential(eta.rows());
  natural(eta.rows(), eta.cols(), eta.data(), mean.data(), potential.data());
  return weighted_response.cwiseProduct(eta).sum() - weight.dot(potential);
}

double Family::reverse_value(const ExpertAt& to, const MatrixXd& response, const VectorXd& weight) const {
  const ArrayXXd gap = (to.eta.colwise() * weight.array()) - response.array();
  return (to.mean * gap).sum() - (weight.array() * to.potential).sum();
}

// V (W eta - R), V the variance at eta.
ArrayXXd Family::reverse_slope(const ExpertAt& to, const MatrixXd& response, const VectorXd& weight) const {
  const ArrayXXd gap = (to.eta.colwise() * weight.array()) - response.array(), v = variance(to.mean, to.dispersion);
  ArrayXXd out = ArrayXXd::Zero(gap.rows(), gap.cols());
  for (Index a = 0, pair = 0; a < gap.cols(); ++a) {
    for (Index b = 0; b <= a; ++b, ++pair) {
      out.col(a) += v.col(pair) * gap.col(b);
      if (b < a) out.col(b) += v.col(pair) * gap.col(a);
    }
  }
  return out;
}

// V held.
ArrayXXd Family::reverse_curvature(const ExpertAt& to, const MatrixXd&, const VectorXd& weight) const {
  return variance(to.mean, to.dispersion).colwise() * weight.array();
}

double Family::best_dispersion(double, double, double, double) const {
  throw std::logic_error("a family without a dispersion");
}

ArrayXd Family::dispersion_slope(const ArrayView&, const ArrayView&, const ArrayView&, double) const {
  throw std::logic_error("a family without a dispersion");
}

ArrayXd Family::dispersion_bend(const ArrayView&, const ArrayView&, const ArrayView&, double) const {
  throw std::logic_error("a family without a dispersion");
}

MatrixXd Family::quantiles(const ArrayXXd&, const ArrayXXd&, const VectorXd&, const VectorXd&) const {
  throw std::logic_error("a family without quantiles");
}

// Exponentials and logarithms once an expert, and not once a pair.
void Family::divergences(const MatrixXd& eta_from, const VectorXd& dispersion_from,
                         const MatrixXd& eta_to, const VectorXd& dispersion_to,
                         ArrayXXd& cost) const {
  const Index l_count = dispersion_from.size(), k_count = dispersion_to.size();
  const Index parts = eta_to.cols() / k_count;
  cost.resize(eta_to.rows(), l_count * k_count);
  ArrayXXd potential_to(eta_to.rows(), k_count);
  for (Index k = 0; k < k_count; ++k) {
    potential_to.col(k) = Natural(*this, eta_to.middleCols(k * parts, parts).array()).potential;
  }
  for (Index l = 0; l < l_count; ++l) {
    const auto from = eta_from.middleCols(l * parts, parts).array();
    const Natural at(*this, from);
    for (Index k = 0; k < k_count; ++k) {
      const auto to = eta_to.middleCols(k * parts, parts).array();
      cost.col(l * k_count + k) =
          (potential_to.col(k) - at.potential - (at.mean * (to - from)).rowwise().sum()).max(0.0);
    }
  }
}

}  // namespace distmoe
