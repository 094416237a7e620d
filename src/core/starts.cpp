#include "starts.h"

#include <algorithm>

#include "mixture.h"
#include "numerics.h"

namespace distmoe {

namespace {

MatrixXd one_hot(const std::vector<Index>& labels, Index k) {
  MatrixXd r = MatrixXd::Zero(static_cast<Index>(labels.size()), k);
  for (std::size_t i = 0; i < labels.size(); ++i) r(static_cast<Index>(i), labels[i]) = 1.0;
  return r;
}

VectorXd square_distances(const MatrixXd& points, Index to) {
  return (points.rowwise() - points.row(to)).rowwise().squaredNorm();
}

// K rows far from each other: each drawn with probability proportional to its square distance from
// the nearest one drawn before.
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

// Rows near each of K spread-out seeds give K local regressions; then a few passes in which every
// row joins the regression that explains it best.
Model regressions_start(const HeldSource& sample, const MatrixXd& points, FamilyKind family,
                        Index k, const GatePrior& prior, const FitOptions& options,
                        const Services& services) {
  const Index n = sample.rows();
  const Index near = std::min(n, std::max(3 * (sample.x_columns() + 1), n / (5 * k)));
  MatrixXd r = MatrixXd::Zero(n, k);
  const std::vector<Index> seeds = spread_rows(points, k, services);
  for (Index j = 0; j < k; ++j) {
    const VectorXd distance = square_distances(points, seeds[static_cast<std::size_t>(j)]);
    std::vector<double> sorted(distance.data(), distance.data() + n);
    std::nth_element(sorted.begin(), sorted.begin() + (near - 1), sorted.end());
    const double radius = sorted[static_cast<std::size_t>(near - 1)];
    r.col(j) = (distance.array() <= radius).cast<double>().matrix();
  }
  Model model = model_from(sample, family, r, prior, options);
  for (int pass = 0; pass < 8; ++pass) {
    services.interrupt();
    std::vector<Index> labels;
    sample.visit([&](const Block& block) {
      const ArrayXXd fitness =
          log_densities(family, block.y, linear_predictors(block.x, model.beta, block.offset),
                        model.dispersion);
      for (Index i = 0; i < block.rows(); ++i) {
        Index best;
        fitness.row(i).maxCoeff(&best);
        labels.push_back(best);
      }
    });
    model = model_from(sample, family, one_hot(labels, k), prior, options);
  }
  return model;
}

// What k-means looks at: the gates' columns (the experts', where the gates have none), y if asked.
MatrixXd kmeans_points(const HeldSource& sample, bool with_y) {
  const MatrixXd& z = sample.shared || sample.z.cols() <= 1 ? sample.x : sample.z;
  MatrixXd points(z.rows(), z.cols() + (with_y ? 1 : 0));
  points.leftCols(z.cols()) = z;
  if (with_y) points.col(z.cols()) = sample.y;
  return points;
}

}  // namespace

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

std::vector<Index> sample_rows(Index n, Index size, const Services& services) {
  std::vector<Index> rows;
  rows.reserve(static_cast<std::size_t>(size));
  // Selection sampling: each row is taken with the chance that keeps the rest possible.
  for (Index i = 0; i < n && static_cast<Index>(rows.size()) < size; ++i) {
    const double wanted = static_cast<double>(size - static_cast<Index>(rows.size()));
    if (services.uniform() * static_cast<double>(n - i) < wanted) rows.push_back(i);
  }
  return rows;
}

Model model_from(const Source& source, FamilyKind family, const MatrixXd& responsibility,
                 const GatePrior& prior, const FitOptions& options) {
  const Index k = responsibility.cols();
  Model model;
  model.family = family;
  model.beta = MatrixXd::Zero(source.x_columns(), k);
  model.alpha = MatrixXd::Zero(source.z_columns(), k - 1);
  model.dispersion = VectorXd::Ones(k);
  Index at = 0;
  const Statistics sums =
      sum_over(source, Statistics(model.beta.rows(), model.alpha.rows(), k), [&](const Block& b) {
        const MatrixXd r = responsibility.middleRows(at, b.rows());
        at += b.rows();
        return statistics(b, model, r);
      });
  // A part with fewer rows than coefficients gets the least-norm fit and an honest wide variance.
  Model out = em_step(model, sums, prior, options.dispersion_floor, 0.0);
  const double least = static_cast<double>(source.x_columns() + 1);
  for (Index j = 0; j < k; ++j) {
    if (sums.experts.mass(j) * static_cast<double>(sums.rows) <= least * sums.weight) {
      out.dispersion(j) = 1.0;
    }
  }
  return out;
}

StartResult best_start(const HeldSource& sample, FamilyKind family, Index experts,
                       const GatePrior& prior, const FitOptions& fit_options,
                       const StartOptions& options, const Services& services) {
  const double n = static_cast<double>(sample.rows());
  FitOptions quick = fit_options;
  quick.max_iterations = options.short_iterations;
  quick.newton = false;
  std::vector<FitResult> runs;
  StartResult out;
  const int starts = experts == 1 ? 1 : options.starts;  // one expert: every start is the same
  for (int i = 0; i < starts; ++i) {
    const StartKind kind = i == 0   ? StartKind::kmeans_x
                           : i == 1 ? StartKind::kmeans_xy
                                    : StartKind::regressions;
    Model start;
    if (kind == StartKind::regressions) {
      start = regressions_start(sample, kmeans_points(sample, false), family, experts, prior,
                                fit_options, services);
    } else {
      const auto labels =
          kmeans(kmeans_points(sample, kind == StartKind::kmeans_xy), experts, services);
      start = model_from(sample, family, one_hot(labels, experts), prior, fit_options);
    }
    runs.push_back(fit(sample, start, prior, quick, services));
    out.records.push_back({kind, runs.back().objective.back() / n});
  }
  std::vector<std::size_t> order(runs.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return out.records[a].objective > out.records[b].objective;
  });
  FitOptions long_run = fit_options;
  long_run.max_iterations = std::min(fit_options.max_iterations, 100);
  long_run.tolerance = 1e-2;  // far below what the sample itself is worth
  double best = 0.0;
  for (std::size_t i = 0; i < order.size() && static_cast<int>(i) < options.finalists; ++i) {
    const FitResult run = fit(sample, runs[order[i]].model, prior, long_run, services);
    StartRecord& record = out.records[order[i]];
    record.finalist = true;
    record.finished = run.objective.back() / n;
    if (i == 0 || record.finished > best) {
      best = record.finished;
      out.model = run.model;
    }
  }
  return out;
}

}  // namespace distmoe
