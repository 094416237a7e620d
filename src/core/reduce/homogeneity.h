// Are the sites' estimates those of one model? Cochran's Q with information matrices.
#ifndef DISTMOE_REDUCE_HOMOGENEITY_H
#define DISTMOE_REDUCE_HOMOGENEITY_H

#include "base/model.h"

namespace distmoe {

// A site's estimate in coordinates that all share, its information in the site's own: own = map common, where the map
// is its diagonal `size` and, in the row of a block's intercept, `shift`.
struct SiteEstimate {
  Eigen::Map<const MatrixXd> curvature;
  Eigen::Map<const VectorXd> at, size, shift;
  double weight = 1.0;  // of its information
};

// Neighbouring parameters, of one expert's or gate's columns; intercept: place within it, or -1.
struct ParameterBlock {
  Index from, size, intercept;
};

// Of every site (estimate - mean)' information (estimate - mean), the mean being that which makes their sum least;
// empty where all sites together do not determine the mean.
VectorXd site_distances(const std::vector<SiteEstimate>& sites, const std::vector<ParameterBlock>& blocks);

}  // namespace distmoe

#endif
