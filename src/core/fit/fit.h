// The local fit: generalised EM with safeguards, Newton's method on the log-likelihood to finish.
#ifndef DISTMOE_FIT_FIT_H
#define DISTMOE_FIT_FIT_H

#include <limits>

#include "base/source.h"
#include "fit/statistics.h"

namespace distmoe {

struct FitOptions {
  int max_iterations = 500;  // EM iterations on the given rows
  double tolerance = 1e-8;   // stop when a Newton step promises less than this log-likelihood
                             // (of a row of mean weight)
  // An EM iteration that gains less (of a row of mean weight) ends the run, not converged.
  double least_gain = -std::numeric_limits<double>::infinity();
  bool newton = true;              // finish by Newton's method
  double dispersion_floor = 1e-6;  // of the variance of y about its mean; Gaussian experts
  int max_reseeds = 5;             // how often experts that lost their rows are re-seeded
  // A run that will not come to this objective is worth nothing: it may end early, not converged.
  double worth = -std::numeric_limits<double>::infinity();
};

// trusted: within a trust region (trust.h)
enum class StepKind {
  start,
  em,
  newton,
  trusted,
  reseed,
  restore
};
enum class StopReason {
  newton,
  small_gain,
  iteration_limit
};

struct FitResult {
  Model model;                    // on the scale of the source
  double log_lik = 0.0;           // at `model`, scale of the source
  VectorXd mass;                  // K, sum of weighted responsibilities at `model`
  double mean_weight = 1.0;       // mean case weight
  std::vector<double> objective;  // log-likelihood - penalty: at the start, then after each step
  std::vector<StepKind> steps;    // what led to each objective; it falls only at a reseed, and
                                  // a reseed that led nowhere better is undone (restore)
  StopReason stop = StopReason::iteration_limit;
  double promise = -1.0;  // gain promised by one more Newton step (-1: not known)
  int em_iterations = 0, newton_iterations = 0, halvings = 0, reseeds = 0;
  double passes = 0.0;           // over the rows, of any kind; a Hessian of a sample counts by its share
  int hessians = 0;              // those passes among them that made a Hessian (some three times as dear)
  std::vector<bool> empty;       // K, too few rows left to move the expert
  std::vector<bool> at_floor;    // K, dispersion held at its floor
  std::vector<bool> degenerate;  // K, see degenerate.h

  bool converged() const { return stop != StopReason::iteration_limit; }
};

// Improves `start` on the rows of `source`. The objective rises at every step up to rounding. Newton steps begin
// where EM gains little (newton.cpp): by a Hessian that serves for several of them, and where that is not positive
// definite within a trust region, which leaves saddle points and long ridges. Where
// `start` is the optimum of a random `sample` of the rows, the fit begins with Newton steps whose
// Hessian is the sample's: each costs one cheap pass over the rows.
FitResult fit(const Source& source, const Model& start, const PenaltyRule& rule,
              const FitOptions& options, const Services& services, const Source* sample = nullptr);

}  // namespace distmoe

#endif
