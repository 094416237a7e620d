// Rounds between sites: from the sites' summed statistics at a model, the step that the centre proposes.
// The same EM and Newton steps as in the local fit; but a model can only be judged by another round, so
// the caller keeps the state between rounds.
#ifndef DISTMOE_CORE_REFINE_H
#define DISTMOE_CORE_REFINE_H

#include "fit.h"
#include "information.h"

namespace distmoe {

struct RoundOptions {
  double tolerance = 1e-8;         // as in FitOptions
  double dispersion_floor = 1e-6;
  double newton_below = 0.0;       // Newton steps that promise more than this are not tried
  double length = 1.0;             // of an EM step's Newton parts
};

struct Proposal {
  Model model;
  StepKind kind = StepKind::em;
  double objective = 0.0;  // at the model from which the step goes
  double promise = 0.0;    // what a Newton step from there promises
  bool positive = false;   // is the negative Hessian positive, so that the promise is worth something?
  bool last = false;       // a Newton step that promises less than the tolerance
  VectorXd gradient;       // of the objective, what is held fixed or stays 0 taken out
  MatrixXd curvature;      // negative Hessian of the objective, without l1
};

Proposal propose(const Model& model, const Information& information, const Statistics& sums,
                 const PenaltyRule& rule, const RoundOptions& options);

// Summed over all rows of a source, at `model`.
Information information_at(const Source& source, const Model& model, const Services& services);

// Mass of as many rows of mean weight as an expert has coefficients, and one: with less it can't be
// fitted.
double least_mass(const Model& model, double mean_weight);

// The negative Hessian of log-likelihood less penalty, and its gradient (of what has one: without l1).
MatrixXd objective_curvature(const Model& model, const MatrixXd& hessian, const Penalty& penalty);
VectorXd objective_gradient(const Model& model, const VectorXd& score, const Penalty& penalty);

}  // namespace distmoe

#endif
