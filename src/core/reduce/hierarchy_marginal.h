// The marginal likelihood of sites' quadratics under normal random effects, see hierarchy.h.
#ifndef DISTMOE_REDUCE_HIERARCHY_MARGINAL_H
#define DISTMOE_REDUCE_HIERARCHY_MARGINAL_H

#include "reduce/hierarchy.h"

namespace distmoe {

// With G = (Lambda + T^-1)^-1 and s = slope - Lambda mean, of a site
//   log marginal = -log|I + T Lambda| / 2 + s'G s / 2 + mean'slope - mean'Lambda mean / 2
//                = -log|I + T Lambda| / 2 + b'G b / 2 + mean'part - mean'W mean / 2,
// W = Lambda - Lambda G Lambda, part = b - Lambda G b, b = slope. Nothing here inverts T.
struct Marginal {
  MatrixXd w;
  VectorXd part, left;  // left: part - W mean, once the mean is known
  double value = 0.0;
};

using Blocks = std::vector<std::vector<Index>>;

class MarginalLikelihood {
 public:
  MarginalLikelihood(const std::vector<SiteQuadratic>& sites, const std::vector<int>& block,
                     const HierarchyOptions& options);

  // The variances that the sites' information has by itself.
  MatrixXd first_guess() const;
  // All that is known at T, with the best mean there; gives the objective.
  double look_at(const MatrixXd& t);
  // At the last T: the objective's derivative in T, and half the sum of the squared entries of W, Fisher's
  // information about the diagonal of T.
  void derivatives(MatrixXd& slope, MatrixXd& fisher) const;
  // The observed information about the diagonal of T, with the best mean at every T; not of restricted likelihood.
  MatrixXd observed() const;
  // Mean over the sites of R'W R for the root of a block: 1 where a site tells all, 0 where nothing.
  MatrixXd told(const std::vector<Index>& block, const MatrixXd& root) const;
  // The posterior mean of a site's parameters.
  VectorXd effect(std::size_t site) const;

  const Blocks& blocks() const { return blocks_; }  // that vary, each by the numbers of its parameters
  bool diagonal() const;
  Index size() const { return size_; }
  const MatrixXd& last() const { return t_; }
  double count() const { return static_cast<double>(sites_.size()); }
  const VectorXd& mean() const { return mean_; }
  MatrixXd mean_covariance() const { return mean_root_ * mean_root_.transpose(); }

 private:
  Marginal marginal(const SiteQuadratic& site) const;

  const std::vector<SiteQuadratic>& sites_;
  const HierarchyOptions& options_;
  const Blocks blocks_;
  const Index size_;
  std::vector<Marginal> marginal_;
  MatrixXd basis_, t_, root_, mean_root_;
  std::vector<Index> alone_;  // where the columns of the root have their one entry, if T is diagonal
  VectorXd mean_, mean_information_;
};

// Rows and columns of a matrix, and the other way.
MatrixXd take(const MatrixXd& from, const std::vector<Index>& at);
void put(MatrixXd& to, const std::vector<Index>& at, const MatrixXd& from);

}  // namespace distmoe

#endif
