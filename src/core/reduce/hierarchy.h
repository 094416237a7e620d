// Normal random effects over the sites' models. What a site knows of its parameters u is a quadratic, its
// log-likelihood about a maximum; sites' parameters are normal about the population's, u ~ N(mean, T), where T may
// be singular: what does not vary is common to all. Marginal likelihood, maximised in mean and T: the multivariate
// random-effects meta-analysis, with information matrices that may be singular too.
#ifndef DISTMOE_REDUCE_HIERARCHY_H
#define DISTMOE_REDUCE_HIERARCHY_H

#include "base/model.h"

namespace distmoe {

// slope'u - u'curvature u / 2, the log-likelihood of a site less its value at u = 0. The curvature has no negative
// eigenvalue.
struct SiteQuadratic {
  Eigen::Map<const MatrixXd> curvature;
  Eigen::Map<const VectorXd> slope;
};

struct HierarchyOptions {
  bool reml = false;  // restricted likelihood: the mean is integrated out
  int max_iterations = 500;
  double tolerance = 1e-12;  // stop when a step promises less
  int threads = 1;
};

struct HierarchyFit {
  VectorXd mean;
  MatrixXd covariance;            // T
  MatrixXd mean_covariance;       // of the mean; 0 in directions that no site determines
  MatrixXd effects;               // one column a site: its parameters' posterior mean
  std::vector<double> objective;  // marginal log-likelihood at the start and after every step; never falls
  bool converged = false;
};

// block: of every parameter. -1: common to all sites; parameters of the same block have a covariance, those of
// different blocks are independent. start: T to start from; null: from the sites' information. fixed: T is the start.
HierarchyFit fit_hierarchy(const std::vector<SiteQuadratic>& sites, const std::vector<int>& block,
                           const MatrixXd* start, bool fixed, const HierarchyOptions& options);

// The covariance of one site's parameters given the population: T - T (I + curvature T)^-1 curvature T.
MatrixXd site_covariance(const MatrixXd& curvature, const MatrixXd& covariance);

// R with R R' = a, for a without negative eigenvalues (beyond rounding), one column a dimension that a has.
MatrixXd covariance_root(const MatrixXd& a);

// map' a map, for maps of few entries.
MatrixXd congruent(const MatrixXd& a, const MatrixXd& map);

// The matrix without its negative eigenvalues, after equilibration.
MatrixXd positive_part(const MatrixXd& a);

}  // namespace distmoe

#endif
