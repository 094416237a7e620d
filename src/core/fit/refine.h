// Rounds between sites: from the sites' summed statistics at a model, the step that the centre proposes.
// The same EM and Newton steps as in the local fit; but a model can only be judged by another round, so
// the caller keeps the state between rounds.
#ifndef DISTMOE_FIT_REFINE_H
#define DISTMOE_FIT_REFINE_H

#include "fit/fit.h"
#include "model/information.h"

namespace distmoe {

struct RoundOptions {
  double tolerance = 1e-8;  // as in FitOptions
  double dispersion_floor = 1e-6;
  double newton_below = 0.0;  // Newton steps that promise more than this are not tried
  double length = 1.0;        // of an EM step's Newton parts
};

struct RoundStep {
  Model model;
  StepKind kind = StepKind::em;
  double objective = 0.0;  // at the model from which the step goes
  double promise = 0.0;    // what a Newton step from there promises
  bool positive = false;   // is the negative Hessian positive, so that the promise is worth something?
  bool last = false;       // a Newton step that promises less than the tolerance
  VectorXd gradient;       // of the objective, what is held fixed or stays 0 taken out
  MatrixXd curvature;      // negative Hessian of the objective, without l1
};

RoundStep propose(const Model& model, const Information& information, const Statistics& sums,
                  const PenaltyRule& rule, const RoundOptions& options);

}  // namespace distmoe

#endif
