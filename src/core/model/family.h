// Families of experts: exponential families with canonical link. The linear predictors eta are the
// natural parameter, so the cost KL of two experts is a Bregman divergence of their means.
//
// An expert has R predictors: 1, or for the multinomial family one for each of the C - 1 classes after
// the first. "Pairs" of them are (0,0), (1,0), (1,1), (2,0), ...: a packed lower triangle.
#ifndef DISTMOE_MODEL_FAMILY_H
#define DISTMOE_MODEL_FAMILY_H

#include "base/model.h"

namespace distmoe {

using ArrayView = Eigen::Ref<const ArrayXd>;
using PredictorView = Eigen::Ref<const ArrayXXd>;  // b x R

class Family {
 public:
  virtual ~Family() = default;
  // Does an expert have a dispersion parameter of its own?
  virtual bool has_dispersion() const { return false; }
  // Does a first Newton step from predictors of 0 go astray where y is large? Then fits begin with
  // least squares on log(y + 1/2).
  virtual bool starts_on_log() const { return false; }
  // What y counts in every predictor's score: y itself, or for classes (numbered from 0) R columns
  // of which that of the class is 1.
  virtual ArrayXXd response(const ArrayView& y, Index parts) const;
  // The part of log phi that no parameter enters.
  virtual ArrayXd log_base(const ArrayView& y) const { return ArrayXd::Zero(y.size()); }
  // log phi(y | eta, dispersion) - log_base(y), row by row, into `out`, and where there is no dispersion
  // the means that natural() gives with it.
  virtual void log_density(const ArrayView& y, Index parts, const double* eta, double dispersion,
                           Eigen::Ref<ArrayXd> out, double* mean) const;
  // E[response | eta], b x R.
  ArrayXXd mean(const PredictorView& eta) const;
  // d mean_i / d eta_j of all pairs, b x R (R + 1) / 2, as a function of the mean.
  virtual ArrayXXd variance(const PredictorView& mean) const = 0;
  // KL( phi(eta_from, dispersion_from) || phi(eta_to, dispersion_to) ), row by row: (S6), (S12), as the
  // Bregman divergence b(to) - b(from) - mean(from)'(to - from) where there is no dispersion.
  virtual ArrayXd divergence(const PredictorView& eta_from, double dispersion_from,
                             const PredictorView& eta_to, double dispersion_to) const;
  // The same for every expert l of one mixture and every expert k of another (K of them): column
  // l K + k of `cost`, which is made to fit. Predictors of the experts side by side.
  virtual void divergences(const MatrixXd& eta_from, const VectorXd& dispersion_from,
                           const MatrixXd& eta_to, const VectorXd& dispersion_to,
                           ArrayXXd& cost) const;
  // b'(eta) (n x parts) and b(eta) (n), the columns of eta and mean n apart.
  virtual void natural(Index n, Index parts, const double* eta, double* mean,
                       double* potential) const = 0;
};

// The one object of each kind.
const Family& family_of(FamilyKind kind);

// Number of pairs of an expert's predictors.
inline Index pairs_of(Index parts) { return parts * (parts + 1) / 2; }

}  // namespace distmoe

#endif
