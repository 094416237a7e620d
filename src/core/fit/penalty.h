// What is taken off the log-likelihood, in terms of standardised columns: the weak prior on the gates,
// ridge, LASSO and elastic net, and a weak one on the variances of Gaussian experts. No intercept and no
// aliased column is penalised.
#ifndef DISTMOE_FIT_PENALTY_H
#define DISTMOE_FIT_PENALTY_H

#include "base/scaling.h"
#include "model/experts.h"
#include "model/gating.h"

namespace distmoe {

struct PenaltyOptions {
  double gate_ridge = 1e-4, expert_ridge = 0.0;   // precisions of Gaussian priors on the slopes
  double expert_lambda = 0.0, gate_lambda = 0.0;  // elastic net, for one unit of weight (a row)
  double l1_share = 1.0;                          // 1: LASSO; 0: ridge
  double variance_prior = 0.1;                    // a times the weight of the rows, see VariancePrior
};

// a sum_k ( s2 / sigma_k^2 + log(sigma_k^2 / s2) - 1 ): 0 where an expert's variance is s2, that of one
// regression, and infinite where it is 0, so that the objective is bounded. With a of order 1 / n the
// estimates stay consistent and as good: Ciuperca, Ridolfi & Idier (2003); Chen, Tan & Zhang (2008).
struct VariancePrior {
  double a = 0.0, s2 = 1.0;

  bool on(const Model& model) const;
  double value(const Model& model) const;
  // The maximiser of an expert's part of the objective, given the sum of its deviations and its mass.
  double variance(const Family& f, double deviation, double mass) const {
    return f.best_dispersion(deviation, mass, a, s2);
  }
  // What part of a Gaussian expert's the prior makes up, above or below the floor.
  double share(double variance, double mass) const { return 2.0 * a * s2 / (variance * (mass + 2.0 * a)); }
  // Derivatives in log sigma_k^2, K.
  VectorXd gradient(const Model& model) const;
  VectorXd curvature(const Model& model) const;
};

// For one set of rows:
//   experts  sum_j sum_k ( l1_j |b_jk| + ridge_j / 2 b_jk^2 ),
//   gates    sum_j min_c sum_k ( l1_j |a_jk - c| + ridge_j / 2 (a_jk - c)^2 ) over all K gates, a_.K = 0,
// so that no label is special: c is the mean of a column's gates where there is no l1, their median
// where there is no ridge.
struct Penalty {
  GatePrior gates;                   // its ridge; with l1 its centre is 0
  VectorXd gate_l1;                  // q
  VectorXd expert_ridge, expert_l1;  // p
  VariancePrior variances;

  bool sparse_gates() const { return gate_l1.size() > 0 && gate_l1.maxCoeff() > 0; }
  bool on_experts(const Model& model) const {
    return expert_ridge.maxCoeff() > 0 || expert_l1.maxCoeff() > 0 || variances.on(model);
  }
  bool sparse() const { return sparse_gates() || expert_l1.maxCoeff() > 0; }
  double value(const Model& model) const;
  // Derivatives of the part without l1, ordered as in to_vector(): what they take from the gradient of the
  // log-likelihood and add to its negative Hessian.
  void take_from(const Model& model, VectorXd& gradient) const;
  void add_to(const Model& model, MatrixXd& curvature) const;
};

// The penalty for any number of rows: the elastic net grows with their weight, priors on slopes do not,
// and that on variances fades. One expert alone cannot degenerate: its variance is free.
struct PenaltyRule {
  GatePrior prior;
  VectorXd expert_ridge;
  VectorXd expert_lambda, gate_lambda;  // p, q; for one unit of weight
  double l1_share = 1.0;
  double variance_prior = 0.0, s2 = 1.0;

  Penalty at(double weight) const;
  // The same for a model with another number of experts.
  PenaltyRule for_experts(Index experts) const;
};

PenaltyRule penalty_rule(const Scaling& scaling, Index experts, const PenaltyOptions& options);

// The step d that maximises g'd - d'h d / 2 - sum_i l1_i |at_i + d_i|, by coordinate ascent; h is
// symmetric and has no negative eigenvalue. Unknowns without curvature stay where they are.
VectorXd lasso_step(const MatrixXd& h, const VectorXd& g, const VectorXd& at, const VectorXd& l1);

// expert_step and gate_step under a penalty. A Gaussian expert's coefficients are the maximisers at its
// present dispersion, then its dispersion is that at the new coefficients. The gates are given and not the
// step to them, which would lose what is exactly 0 to rounding. The prior on variances does not enter the
// coefficients.
ExpertStep penalised_expert_step(const Model& model, const ExpertSums& sums, const Penalty& penalty,
                                 double floor, double least_mass);
MatrixXd penalised_gates(const MatrixXd& alpha, const GateSums& sums, const Penalty& penalty);

// Newton's step on the objective among the coefficients that are not 0, or that the gradient moves
// away from 0; a coefficient that would change its sign becomes 0.
struct ActiveStep {
  VectorXd from, step, sign;  // coordinates in which the penalty is a sum: all K gates, about their centres
  VectorXd slope;             // of the objective there; 0 for what is 0 and stays so
  bool positive = false;      // is the negative Hessian positive?
  double promise = 0.0;       // gain that the step promises
  Model at(const Model& shape, double length) const;
};

// gradient, curvature: of the log-likelihood (curvature: its negative Hessian), ordered as in
// to_vector(). What hold_fixed() names stays where it is.
ActiveStep active_step(const Model& model, const VectorXd& gradient, const MatrixXd& curvature,
                       const Penalty& penalty, double floor, const VectorXd& mass, double least_mass);

}  // namespace distmoe

#endif
