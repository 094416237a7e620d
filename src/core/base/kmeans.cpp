#include "base/kmeans.h"

#include "base/numerics.h"

namespace distmoe {

VectorXd square_distances(const MatrixXd& points, Index to) {
  return (points.rowwise() - points.row(to)).rowwise().squaredNorm();
}

std::vector<Index> spread_rows(const MatrixXd& points, Index k, const Services& services) {
  VectorXd nearest = VectorXd::Ones(points.rows());
  std::vector<Index> seeds;
  for (Index j = 0; j < k; ++j) {
    if (!(nearest.maxCoeff() > 0)) nearest.setOnes();
    seeds.push_back(draw_index(nearest, services.uniform));
    const VectorXd distance = square_distances(points, seeds.back());
    nearest = j == 0 ? distance : VectorXd(nearest.cwiseMin(distance));
  }
  return seeds;
}

std::vector<Index> kmeans(const MatrixXd& points, Index k, const Services& services,
                          int max_iterations) {
  const Index n = points.rows();
  MatrixXd centres(k, points.cols());
  const std::vector<Index> seeds = spread_rows(points, k, services);
  for (Index j = 0; j < k; ++j) centres.row(j) = points.row(seeds[static_cast<std::size_t>(j)]);
  std::vector<Index> labels(static_cast<std::size_t>(n), -1);
  for (int iteration = 0; iteration < max_iterations; ++iteration) {
    services.interrupt();
    const VectorXd half_norm = 0.5 * centres.rowwise().squaredNorm();
    const MatrixXd score = (points * centres.transpose()).rowwise() - half_norm.transpose();
    bool changed = false;
    MatrixXd sums = MatrixXd::Zero(k, points.cols());
    VectorXd count = VectorXd::Zero(k);
    for (Index i = 0; i < n; ++i) {
      Index best;
      score.row(i).maxCoeff(&best);
      changed = changed || labels[static_cast<std::size_t>(i)] != best;
      labels[static_cast<std::size_t>(i)] = best;
      sums.row(best) += points.row(i);
      count(best) += 1.0;
    }
    if (!changed) break;
    for (Index j = 0; j < k; ++j) {
      if (count(j) > 0) centres.row(j) = sums.row(j) / count(j);
    }
  }
  return labels;
}

}  // namespace distmoe
