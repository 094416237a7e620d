// Experts that raise the likelihood by a small spread or few rows and tell nothing: what a thorough search
// of Gaussian mixtures ends with if it is let.
#ifndef DISTMOE_FIT_DEGENERATE_H
#define DISTMOE_FIT_DEGENERATE_H

#include "fit/penalty.h"

namespace distmoe {

// A standard deviation below this part of the largest expert's is a small one.
const double small_spread = 1.0 / 20.0;
// So small a part of one regression's residual standard deviation, and half of that the prior's: collapsed.
const double collapsed_spread = 1.0 / 10.0, prior_part = 0.5;
// With fewer rows than this for each of its parameters an expert can have a small spread by chance.
const double rows_by_chance = 5.0;
// With still fewer, chance goes for a spread below this part of the largest too.
const double tight_spread = 1.0 / 5.0, few_rows = 3.0;

// Of several experts one is degenerate if
//   its rows (responsibilities, in units of the mean weight) are no more than its parameters and one,
// or, Gaussian, if its variance is at the floor (of one expert too),
//   if the prior makes up half of a variance far below that of one regression: its rows alone would have it
//   collapse, or
//   if its spread is so small and its rows so few that chance explains it (see above).
// A small spread alone is none: many rows that lie close to a line are a finding (the first 15 ms of MASS's
// mcycle, a 25th of the others' spread).
std::vector<bool> degenerate_experts(const Model& model, const VectorXd& mass, double mean_weight,
                                     const VariancePrior& prior, double floor);

}  // namespace distmoe

#endif
