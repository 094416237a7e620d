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
  int moves = 8;              // most moves that are taken on a sample (moves.h)
  int carried = 4;            // most maxima of the smallest sample that are taken to a larger one (ladder.h)
};

struct StartRecord {
  StartKind kind;
  double objective;  // after the short run, per row of the sample
  bool finalist = false;
  double finished = 0.0;  // finalists: objective per row at the end of the long run on the sample
};

// Does an expert fit a few rows exactly?
bool spurious(const FitResult& run);
// Is run a better than run b? An expert that fits a few rows exactly makes no run better.
bool better(const FitResult& a, const FitResult& b);

// The options of a short run, and of a run that is finished on a sample, from those for all rows.
FitOptions short_run(const FitOptions& all_rows, const StartOptions& options);
FitOptions run_on_sample(const FitOptions& all_rows);

// Runs `options.starts` starts of K experts on the rows of `sample` as `quick` says and finishes the
// best of them as `finish` says; gives the best, and tells of every start in `records`. All that were
// finished are put into `finished`.
FitResult search_starts(const HeldSource& sample, const ExpertKind& kind, Index experts,
                        const PenaltyRule& rule, const FitOptions& quick, const FitOptions& finish,
                        const StartOptions& options, std::vector<StartRecord>& records,
                        const Services& services, std::vector<FitResult>* finished = nullptr);

// Labels 0..k-1 of the rows of `points` by k-means (k-means++ seeds, Lloyd's iterations).
std::vector<Index> kmeans(const MatrixXd& points, Index k, const Services& services,
                          int max_iterations = 20);

// `size` different row numbers out of 0..n-1, in rising order.
std::vector<Index> sample_rows(Index n, Index size, const Services& services);

}  // namespace distmoe

#endif
