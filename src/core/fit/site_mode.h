// A site's part of a round of a hierarchy: the maximum of its log-likelihood plus that of a normal prior, and what
// the log-likelihood looks like there. With several experts the log-likelihood has the weak prior on variances that a
// fit has: without it no value is the largest where an expert fits some rows exactly.
#ifndef DISTMOE_FIT_SITE_MODE_H
#define DISTMOE_FIT_SITE_MODE_H

#include "base/source.h"
#include "model/information.h"

namespace distmoe {

// Parameters (as in to_vector()) are mean + root d with d ~ N(0, 1): what has no part in the root is held.
struct NormalPrior {
  VectorXd mean;
  MatrixXd root;
};

struct ModeOptions {
  int max_iterations = 100;
  double tolerance = 1e-8;  // stop when a Newton step promises less (of a row of mean weight)
  double dispersion_floor = 1e-8;
  double residual = 1.0;           // s2 of the prior on several experts' variances, see VariancePrior
  double mean_score_weight = 0.0;  // sites of less (rows) give the mean of the whole score, see SiteMode
};

struct SiteMode {
  VectorXd parameters;
  // Of the log-likelihood there. In what the prior holds the score is its mean over the posterior (normal, by the
  // curvature), which is the derivative of the marginal likelihood in what is common to the sites. With few rows
  // it is so in all parameters: the maximum of the quadratic is then the posterior's mean and not its mode, as the
  // derivatives of Laplace's approximation ask for.
  VectorXd score;
  MatrixXd curvature;  // negative Hessian
  VectorXd mass;       // K, sum of weighted responsibilities
  double log_lik = 0.0, weight = 0.0;
  double objective = 0.0;  // log-likelihood less d'd / 2
  double marginal = 0.0;   // Laplace's: objective - log|1 + root'curvature root| / 2
  double promise = 0.0;
  int iterations = 0;
  bool converged = false;
};

// The better of the ends from the given starts, the first where they are equal.
SiteMode site_mode(const Source& source, const Model& shape, const NormalPrior& prior,
                   const std::vector<VectorXd>& starts, const ModeOptions& options, const Services& services);

}  // namespace distmoe

#endif
