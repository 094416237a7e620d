// The state of a fit on its way up: the present model, what the last pass over the rows told of it, the trace.
#ifndef DISTMOE_FIT_ASCENT_H
#define DISTMOE_FIT_ASCENT_H

#include "fit/fit.h"
#include "model/information.h"

namespace distmoe {

struct Ascent {
  const Source& source;
  const PenaltyRule& rule;
  const FitOptions& options;
  const Services& services;
  const Source* sample;  // rows whose Hessian may stand for that of all; null: none, or it served badly
  int sample_failures = 0;
  Penalty penalty;      // of all rows
  FitResult out;        // its model is the present one
  double radius = 0.0;  // of the trust region (trust.h)
  // At the present model.
  double objective = 0.0, log_lik = 0.0, weight = 0.0;
  VectorXd mass;      // K
  VectorXd gradient;  // of the log-likelihood; empty: not known
  Statistics sums;
  bool sums_known = false;

  Ascent(const Source& source, const Model& start, const PenaltyRule& rule, const FitOptions& options,
         const Services& services, const Source* sample);

  // A pass over the rows at any model: with what EM needs; the cheap one, without Gram matrices.
  Statistics statistics_at(const Model& model);
  Score score_at(const Model& model);
  // Makes `model` the present one.
  void move_to(const Model& model, const Score& there);
  void move_to(const Model& model, const Statistics& there);
  // Passes for what is not known at the present model.
  void know_sums();
  void know_gradient();
  // The sums at the present model or one before, on the way here.
  const Statistics& known_sums();
  // The negative Hessian of the objective at the present model. From the sample, if there is one: at
  // a fraction of the cost it is as good up to sampling error, and steps are checked on all rows.
  MatrixXd curvature();
  VectorXd objective_gradient() const;

  void record(StepKind kind);
  double value(const Model& model, double its_log_lik) const { return its_log_lik - penalty.value(model); }
  // The mean case weight: log-likelihoods are measured in it.
  double unit() const { return weight / static_cast<double>(source.rows()); }
  // A step may lose this much of the objective and still count as rounding.
  double rounding() const { return 1e-11 * (unit() + std::abs(objective)); }
  double least_mass() const;
  // One expert's likelihood has one maximum: nothing is gained by EM.
  bool newton_first() const { return options.newton && (sample || out.model.experts() == 1); }
  // Has an expert too few rows left?
  bool lost() const { return out.model.experts() > 1 && mass.minCoeff() <= least_mass(); }
};

// Newton steps until the promise is below the tolerance (newton.cpp). Where the Hessian is not positive definite or
// a full step fails, within a trust region. Leaves out.stop as it is where the objective can't be raised so.
void newton(Ascent& at);

}  // namespace distmoe

#endif
