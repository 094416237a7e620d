#include "starts.h"

#include <algorithm>

namespace distmoe {

namespace {

// What k-means looks at: the gates' columns (the experts', where the gates have none), y if asked.
MatrixXd kmeans_points(const HeldSource& sample, const ExpertKind& kind, bool with_y) {
  const MatrixXd& z = sample.shared || sample.z.cols() <= 1 ? sample.x : sample.z;
  MatrixXd points(z.rows(), z.cols() + (with_y ? kind.parts : 0));
  points.leftCols(z.cols()) = z;
  const Family& f = family_of(kind.family);
  if (with_y && f.starts_on_log()) points.col(z.cols()) = log_of_counts(sample.y);
  else if (with_y) points.rightCols(kind.parts) = f.response(sample.y.array(), kind.parts).matrix();
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

namespace {

Model make_start(StartKind how, const HeldSource& sample, const ExpertKind& kind, Index experts,
                 const PenaltyRule& rule, const FitOptions& options, const Services& services) {
  if (how == StartKind::regressions) {
    return grown_start(sample, kmeans_points(sample, kind, false), kind, experts, rule,
                       options.dispersion_floor, services);
  }
  const auto labels = kmeans(kmeans_points(sample, kind, how == StartKind::kmeans_xy), experts, services);
  return model_from(sample, kind, one_hot(labels, experts), rule, options.dispersion_floor,
                    services);
}

}  // namespace

bool spurious(const FitResult& r) {
  return std::count(r.at_floor.begin(), r.at_floor.end(), true) > 0;
}

bool better(const FitResult& a, const FitResult& b) {
  if (spurious(a) != spurious(b)) return spurious(b);
  return a.objective.back() > b.objective.back();
}

FitOptions short_run(const FitOptions& all_rows, const StartOptions& options) {
  FitOptions out = all_rows;
  out.max_iterations = options.short_iterations;
  out.least_gain = 1e-2;
  out.newton = false;
  return out;
}

FitOptions run_on_sample(const FitOptions& all_rows) {
  FitOptions out = all_rows;
  out.max_iterations = std::min(all_rows.max_iterations, 100);
  out.tolerance = 1e-2;  // far below what the sample itself is worth
  return out;
}

namespace {

// Short runs from all starts, next to each other. Each may draw as many random numbers as its reseeds
// need; they are drawn before, so that no result depends on the number of threads.
std::vector<FitResult> short_runs(const HeldSource& sample, const std::vector<Model>& starts,
                                  const PenaltyRule& rule, const FitOptions& quick,
                                  const Services& services) {
  const std::size_t draws = static_cast<std::size_t>(draws_of_reseed * quick.max_reseeds);
  std::vector<std::vector<double>> drawn(starts.size());
  for (std::vector<double>& d : drawn) {
    while (d.size() < draws) d.push_back(services.uniform());
  }
  std::vector<FitResult> runs(starts.size());
  // Where a pass has blocks for all threads, these work within the runs, one run after the other.
  const bool within = sample.blocks() >= 2 * services.threads;
  services.interrupt();
  in_parallel(static_cast<Index>(starts.size()), within ? 1 : services.threads, [&](Index i) {
    const std::size_t at = static_cast<std::size_t>(i);
    std::size_t used = 0;
    Services own;
    own.threads = within ? services.threads : 1;
    if (within) own.interrupt = services.interrupt;
    own.uniform = [&drawn, at, used]() mutable { return drawn[at].at(used++); };
    runs[at] = fit(sample, starts[at], rule, quick, own);
  });
  return runs;
}

}  // namespace

FitResult search_starts(const HeldSource& sample, const ExpertKind& kind, Index experts,
                        const PenaltyRule& rule, const FitOptions& quick, const FitOptions& finish,
                        const StartOptions& options, std::vector<StartRecord>& records,
                        const Services& services, std::vector<FitResult>* finished) {
  const double n = static_cast<double>(sample.rows());
  const int starts = experts == 1 ? 1 : options.starts;  // one expert: every start is the same
  std::vector<Model> begin;
  for (int i = 0; i < starts; ++i) {
    const StartKind how = i == 0   ? StartKind::kmeans_x
                           : i == 1 ? StartKind::kmeans_xy
                                    : StartKind::regressions;
    begin.push_back(make_start(how, sample, kind, experts, rule, quick, services));
    records.push_back({how, 0.0});
  }
  std::vector<FitResult> runs = short_runs(sample, begin, rule, quick, services);
  for (std::size_t i = 0; i < runs.size(); ++i) records[i].objective = runs[i].objective.back() / n;
  std::vector<std::size_t> order(runs.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return better(runs[a], runs[b]); });
  const int finalists = options.finalists > 0 ? options.finalists : std::max(2, starts / 2);
  FitResult best;
  for (std::size_t i = 0; i < order.size() && static_cast<int>(i) < finalists; ++i) {
    FitOptions enough = finish;
    if (i > 0 && !spurious(best)) enough.worth = best.objective.back();
    const FitResult run = fit(sample, runs[order[i]].model, rule, enough, services);
    StartRecord& record = records[order[i]];
    record.finalist = true;
    record.finished = run.objective.back() / n;
    if (finished) finished->push_back(run);
    if (i == 0 || better(run, best)) best = run;
  }
  return best;
}

}  // namespace distmoe
