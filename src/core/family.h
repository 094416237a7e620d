// Families of experts: exponential families with canonical link. The linear predictor eta is the
// natural parameter, so the cost KL of two experts is a Bregman divergence of their means.
#ifndef DISTMOE_CORE_FAMILY_H
#define DISTMOE_CORE_FAMILY_H

#include "model.h"

namespace distmoe {

using ArrayView = Eigen::Ref<const ArrayXd>;

class Family {
 public:
  virtual ~Family() = default;
  // Does an expert have a dispersion parameter of its own?
  virtual bool has_dispersion() const = 0;
  // log phi(y | eta, dispersion), row by row, with all constants.
  virtual ArrayXd log_density(const ArrayView& y, const ArrayView& eta, double dispersion) const = 0;
  // E[y | eta].
  virtual ArrayXd mean(const ArrayView& eta) const = 0;
  // d mean / d eta, as a function of the mean.
  virtual ArrayXd variance(const ArrayView& mean) const = 0;
  // KL( phi(eta_from, dispersion_from) || phi(eta_to, dispersion_to) ), row by row: (S6), (S12).
  virtual ArrayXd divergence(const ArrayView& eta_from, double dispersion_from,
                             const ArrayView& eta_to, double dispersion_to) const = 0;
  // The same for every expert l of one mixture and every expert k of another (K of them): column
  // l K + k of `cost`, which is made to fit.
  virtual void divergences(const MatrixXd& eta_from, const VectorXd& dispersion_from,
                           const MatrixXd& eta_to, const VectorXd& dispersion_to,
                           ArrayXXd& cost) const;
};

// The one object of each kind.
const Family& family_of(FamilyKind kind);

}  // namespace distmoe

#endif
