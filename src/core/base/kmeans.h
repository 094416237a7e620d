// Points near and far: square distances, seeds far from each other, k-means.
#ifndef DISTMOE_BASE_KMEANS_H
#define DISTMOE_BASE_KMEANS_H

#include "base/model.h"

namespace distmoe {

// Of all rows to one of them.
VectorXd square_distances(const MatrixXd& points, Index to);

// k rows far from each other: each drawn with probability proportional to its square distance from
// the nearest one drawn before.
std::vector<Index> spread_rows(const MatrixXd& points, Index k, const Services& services);

// Labels 0..k-1 of the rows of `points` by k-means (k-means++ seeds, Lloyd's iterations).
std::vector<Index> kmeans(const MatrixXd& points, Index k, const Services& services,
                          int max_iterations = 20);

}  // namespace distmoe

#endif
