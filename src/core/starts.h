// Starts: partitions of a sample of the rows, refined by short runs; the best is worth finishing.
#ifndef DISTMOE_CORE_STARTS_H
#define DISTMOE_CORE_STARTS_H

#include "fit.h"
#include "growth.h"

namespace distmoe {

enum class StartKind { kmeans_x, kmeans_xy, regressions };

struct StartOptions {
  int starts = 5;
  Index rows = 10000;         // starts work on a random sample of this many rows (0: on all rows)
  int short_iterations = 15;  // EM iterations of a short run
  int finalists = 0;          // short runs that are finished on the sample (0: half of them, two at least)
  int moves = 8;              // most split-and-drop moves that are taken
};

struct StartRecord {
  StartKind kind;
  double objective;  // after the short run, per row of the sample
  bool finalist = false;
  double finished = 0.0;  // finalists: objective per row at the end of the long run on the sample
};

struct StartResult {
  Model model;    // the best one, scale of the source
  int moves = 0;  // split-and-drop moves that led to a better model
  std::vector<StartRecord> records;
};

// Runs `options.starts` starts of K experts on the rows of `sample`.
StartResult best_start(const HeldSource& sample, const ExpertKind& kind, Index experts,
                       const PenaltyRule& rule, const FitOptions& fit_options,
                       const StartOptions& options, const Services& services);

// Labels 0..k-1 of the rows of `points` by k-means (k-means++ seeds, Lloyd's iterations).
std::vector<Index> kmeans(const MatrixXd& points, Index k, const Services& services,
                          int max_iterations = 20);

// `size` different row numbers out of 0..n-1, in rising order.
std::vector<Index> sample_rows(Index n, Index size, const Services& services);

}  // namespace distmoe

#endif
