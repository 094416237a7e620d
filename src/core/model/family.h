// Families of experts: exponential families (with a dispersion: exponential dispersion models), most of them with
// canonical link. The linear predictors eta are then the natural parameter, and the cost KL of two experts is a Bregman
// divergence of their means. A family with a dispersion has one predictor an expert.
//
// An expert has R predictors: 1, or for the multinomial family one for each of the C - 1 classes after
// the first. "Pairs" of them are (0,0), (1,0), (1,1), (2,0), ...: a packed lower triangle.
#ifndef DISTMOE_MODEL_FAMILY_H
#define DISTMOE_MODEL_FAMILY_H

#include "base/model.h"

namespace distmoe {

enum class FamilyKind : int { gaussian,
                              binomial,
                              poisson,
                              multinomial,
                              gamma,
                              negative_binomial };

using ArrayView = Eigen::Ref<const ArrayXd>;
using PredictorView = Eigen::Ref<const ArrayXXd>;  // b x R

// One expert at some rows: all that a divergence or a cost looks at.
struct ExpertAt {
  FamilyKind family;
  ArrayXXd eta, mean;  // b x R
  ArrayXd potential;   // b, b(eta); empty where the mean is the predictor
  double dispersion;

  ExpertAt(FamilyKind family, const PredictorView& eta, double dispersion);
};

// What families differ in. All else in the core asks here, and nowhere which family it is; of a family that
// says no more than it must, the defaults are those of one without a dispersion.
class Family {
 public:
  virtual ~Family() = default;
  // Does an expert have a dispersion parameter of its own?
  virtual bool has_dispersion() const { return false; }
  // Is the mean the predictor? Then natural() is never asked.
  virtual bool identity_link() const { return false; }
  // Are the predictors the natural parameter?
  virtual bool canonical() const { return true; }
  // Does the density grow without bounds as the dispersion goes to 0?
  virtual bool collapses() const { return has_dispersion(); }
  // Costs other than KL: can divergences be turned round, and have two experts a middle?
  virtual bool has_reverse() const { return true; }
  virtual bool has_middle() const { return true; }
  // May y be shifted and scaled, and the coefficients with it? Then it is standardised, and an offset is taken
  // off it once and for all.
  virtual bool location_scale() const { return false; }
  // Are the family's regressions least squares, so that one Newton step is exact?
  virtual bool least_squares() const { return false; }
  // Is the divergence of two experts divergence_constant() and a multiple of (x'b)^2, so that of the rows sums of
  // x x' suffice?
  virtual bool moments_suffice() const { return false; }
  // Is the mean one probability and the predictor its logit? Then there is the closed form (S14).
  virtual bool logit_of_mean() const { return false; }
  // Has y an order, and with it quantiles?
  virtual bool ordered() const { return true; }
  // Does a first Newton step from predictors of 0 go astray where y is large? Then fits begin with
  // least squares on the logarithms of y and a bit,
  virtual bool starts_on_log() const { return false; }
  // which is
  virtual double log_shift() const { return 0.5; }
  // What y counts in every predictor's score: y itself, or for classes (numbered from 0) R columns
  // of which that of the class is 1.
  virtual ArrayXXd response(const ArrayView& y, Index parts) const;
  // The part of log phi that no parameter enters.
  // Empty where there is none.
  virtual ArrayXd log_base(const ArrayView&) const { return ArrayXd(); }
  // log phi(y | eta, dispersion) - log_base(y), row by row, into `out`, and where the mean is not the predictor
  // the means that natural() gives with it.
  virtual void log_density(const ArrayView& y, Index parts, const double* eta, double dispersion,
                           Eigen::Ref<ArrayXd> out, double* mean) const;
  // E[response | eta], b x R.
  ArrayXXd mean(const PredictorView& eta) const;
  // Var(response) in units of the dispersion (on which it may yet depend), of all pairs, b x R (R + 1) / 2, as a
  // function of the mean.
  virtual ArrayXXd variance(const PredictorView& mean, double dispersion) const = 0;
  // How far means are from where the predictors become infinite; empty where they can't.
  virtual ArrayXd to_bound(const PredictorView&) const { return ArrayXd(); }

  // Derivatives of log phi in the predictors, all times the dispersion (on which they may yet depend). The first: of
  // (response - mean) times any weight, what it is of the same weight. Nothing is to be done where the link is
  // canonical.
  virtual void to_score(const PredictorView&, double, Eigen::Ref<ArrayXXd>) const {}
  // Minus the second one of all pairs: its expectation, which is the variance where the link is canonical; as it is.
  virtual ArrayXXd curvature(const PredictorView& mean, double dispersion) const { return variance(mean, dispersion); }
  virtual ArrayXXd observed_curvature(const PredictorView&, const PredictorView& mean, double dispersion) const {
    return curvature(mean, dispersion);
  }
  // sum of w log phi in terms of the predictors (b x R), given sums of weighted responses (b x R) and of weights (b),
  // for families of which the regressions are no least squares: minus (S13). Times the dispersion too.
  virtual double expected_fit(const MatrixXd& eta, const MatrixXd& weighted_response, const VectorXd& weight,
                              double dispersion) const;

  // ---- of families with a dispersion ----
  // What an expert's dispersion is estimated from, summed with weights `mass`; of Gaussian ones (y - mean)^2.
  virtual double deviation(const ArrayView&, const ArrayView&, const ArrayView&, double) const { return 0.0; }
  // Does it fall by as much as expected_fit() rises, of families of which the regressions are no least squares?
  virtual bool deviation_is_fit() const { return false; }
  // Is it of variables that are not seen, so that best_dispersion() is a step of EM and not the maximiser?
  virtual bool deviation_is_hidden() const { return false; }
  // Its expectation under `from`, about `to`, row by row.
  virtual ArrayXd expected_deviation(const ExpertAt& from, const ExpertAt&) const {
    return ArrayXd::Zero(from.eta.rows());
  }
  // The dispersion d that maximises the sum of w log phi - a (s2 / d + log(d / s2)), given the sum of
  // the deviations and that of the weights; of Gaussian experts (S8b).
  virtual double best_dispersion(double deviation, double mass, double a, double s2) const;
  // d log phi / d log d, row by row, given d log phi / d predictor, `slope`; and its derivative plus its square, given
  // it.
  virtual ArrayXd dispersion_slope(const ArrayView& y, const ArrayView& mean, const ArrayView& slope,
                                   double dispersion) const;
  virtual ArrayXd dispersion_bend(const ArrayView& y, const ArrayView& mean, const ArrayView& first,
                                  double dispersion) const;
  // The part of itself that d log phi / d predictor loses with a rise of log d; empty: all of it.
  virtual ArrayXd score_fade(const ArrayView&, double) const { return ArrayXd(); }
  // The expectation of minus the second derivative of log phi in log d, or a bound of it.
  virtual double dispersion_information(double) const { return 0.0; }

  // ---- of two experts ----
  // Is KL as simple as the fast loops know it: that of potentials, or of constants and squared gaps?
  bool plain_divergence() const { return !has_dispersion() || moments_suffice(); }
  // KL(from || to), row by row: (S6), (S12), as the Bregman divergence b(to) - b(from) - mean(from)'(to - from)
  // where there is no dispersion.
  virtual ArrayXd divergence(const ExpertAt& from, const ExpertAt& to) const;
  // What it is where the predictors are equal.
  virtual double divergence_constant(double, double) const { return 0.0; }
  // Its sum over rows with weights that sum to `mass`, if the weighted squares of the differences of the predictors
  // sum to `square`; for families of which moments_suffice().
  virtual double summed_divergence(double mass, double square, double dispersion_from, double dispersion_to) const;
  // The divergence of every expert l of one mixture and every expert k of another (K of them), where it is plain:
  // column l K + k of `cost`, which is made to fit. Predictors of the experts side by side.
  virtual void divergences(const MatrixXd& eta_from, const VectorXd& dispersion_from,
                           const MatrixXd& eta_to, const VectorXd& dispersion_to,
                           ArrayXXd& cost) const;
  // KL(to || from) as a function of the predictors of `to`, up to a constant and times the precision of `from`: what
  // an expert tells of itself (b x R), and of sums of it and of weights (precisions) the value, the slope and the
  // curvature (of all pairs), which may be that of Gauss and Newton.
  virtual ArrayXXd reverse_response(const ExpertAt& from) const { return from.eta; }
  virtual double reverse_value(const ExpertAt& to, const MatrixXd& response, const VectorXd& weight) const;
  virtual ArrayXXd reverse_slope(const ExpertAt& to, const MatrixXd& response, const VectorXd& weight) const;
  virtual ArrayXXd reverse_curvature(const ExpertAt& to, const MatrixXd& response, const VectorXd& weight) const;
  // -log BC, BC the Bhattacharyya coefficient, the integral of the root of both densities: b(mid) - (b(from) + b(to))
  // / 2, mid half way between the natural parameters.
  virtual ArrayXd bhattacharyya(const ExpertAt& from, const ExpertAt& to) const;
  // Of the expert half way between the natural parameters, whose density is that root over BC: its mean, and the
  // expected deviation about `to` (0 where there is no dispersion).
  struct Middle {
    ArrayXXd mean;
    ArrayXd deviation;
  };
  virtual Middle middle(const ExpertAt& from, const ExpertAt& to) const;
  // Quantiles of a mixture of the family's experts, rows x probs, given the experts' shares and means
  // (rows x K); for families that are ordered().
  virtual MatrixXd quantiles(const ArrayXXd& share, const ArrayXXd& mean, const VectorXd& dispersion,
                             const VectorXd& probs) const;
  // b'(eta) (n x parts) and b(eta) (n), the columns of eta and mean n apart.
  virtual void natural(Index n, Index parts, const double* eta, double* mean,
                       double* potential) const = 0;
};

// The one object of each kind.
const Family& family_of(FamilyKind kind);

// Those with files of their own.
const Family& gamma_family();
const Family& negative_binomial_family();

// One of which least_squares().
const FamilyKind least_squares_family = FamilyKind::gaussian;

// Does the family let an offset be taken off y, and y be standardised?
inline bool takes_offset(FamilyKind kind) { return family_of(kind).location_scale(); }

// Number of pairs of an expert's predictors.
inline Index pairs_of(Index parts) { return parts * (parts + 1) / 2; }

}  // namespace distmoe

#endif
