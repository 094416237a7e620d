// Starts of many kinds: partitions of the rows of a sample, and the models that an M-step makes of them.
// No kind alone finds the maximum of every data set (method: Biernacki et al. 2003, Maitra 2009).
#ifndef DISTMOE_FIT_STARTS_H
#define DISTMOE_FIT_STARTS_H

#include "base/random.h"
#include "fit/growth.h"

namespace distmoe {

enum class StartKind {
  kmeans_x,     // k-means on the gates' columns
  kmeans_xy,    // k-means on these and y
  regressions,  // regressions grown one after the other where those before explain badly (growth.h)
  labels,       // random labels
  subsets,      // regressions on as few random rows as determine them; rows join the best one
  cut_x,        // slices along a random direction of x
  cut_xy,       // slices along a random direction of (x, y)
  tree,         // boxes: cuts along single columns of x, one after the other
  centres,      // nearest of K random rows, in a few random columns of (x, y)
  residuals,    // slices by the residuals of one regression, with their sign or without
  split,        // a model of one expert less, one of them split
  merge,        // a model of one expert more, two of them merged
  shake,        // a maximum of the rows with random weights (moves.h)
  cross,        // experts of two maxima (moves.h)
  move          // a maximum with one expert split and two others merged (moves.h)
};

// What a search stands on.
struct Ground {
  const HeldSource& sample;
  const ExpertKind kind;
  const PenaltyRule& rule;  // of the model that is sought; rule.for_experts() gives those of others
  const double floor;       // least dispersion of a Gaussian expert
};

// What starts are made from, found once for a sample.
struct StartMaterial : Ground {
  StartMaterial(const HeldSource& sample, const ExpertKind& kind, const PenaltyRule& rule, double floor,
                const Services& services);

  MatrixXd x, xy;     // what nearness of rows and direction mean: the gates' columns (the experts', where
                      // the gates have none) without constant ones, and y with them
  MatrixXd residual;  // n x R, of one regression
};

// `size` different row numbers out of 0..n-1, in rising order.
std::vector<Index> sample_rows(Index n, Index size, const Services& services);

// y on the scale on which starts compare it, n x R.
MatrixXd response_points(const HeldSource& sample, const ExpertKind& kind);

// Labels from k regressions on as few random rows as determine them: every row joins the best one, `passes`
// times.
std::vector<Index> regression_labels(const Ground& ground, Index k, int passes, Random& random);

// A random direction: the values of all rows along it.
VectorXd along_direction(const MatrixXd& points, Random& random);

// A start of `experts` experts.
Model make_start(StartKind how, const StartMaterial& material, Index experts, Random& random);

}  // namespace distmoe

#endif
