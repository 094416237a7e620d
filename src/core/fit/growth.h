// Regressions grown from neighbourhoods and settled by reassigning rows: the material of starts.
#ifndef DISTMOE_FIT_GROWTH_H
#define DISTMOE_FIT_GROWTH_H

#include "base/source.h"
#include "fit/statistics.h"

namespace distmoe {

// A model from responsibilities of all rows of a source (rows x K, or one row for all): one M-step from nothing. floor:
// least dispersion of a Gaussian expert.
Model model_from(const Source& source, const ExpertKind& kind, const MatrixXd& responsibility,
                 const PenaltyRule& rule, double floor, const Services& services);

// log(y + 1/2) (Family::log_shift): counts on the scale of their predictor, 0 included.
VectorXd log_response(FamilyKind family, const VectorView& y);

// Labels as responsibilities, n x k.
MatrixXd one_hot(const std::vector<Index>& labels, Index k);

// log phi_k(y | x) of all rows, n x K: how well each expert alone explains each row.
ArrayXXd fitness(const HeldSource& sample, const Model& model);

// A few passes in which every row joins the regression that explains it best.
Model settle(const HeldSource& sample, const ExpertKind& kind, ArrayXXd explained, int passes,
             const PenaltyRule& rule, double floor, const Services& services);

// k regressions grown one after the other, each from a row that those before explain badly.
// points: what nearness of rows means, n x anything.
Model grown_start(const HeldSource& sample, const MatrixXd& points, const ExpertKind& kind, Index k,
                  const PenaltyRule& rule, double floor, const Services& services);

// Random numbers that one call of grow_on_worst_rows takes.
const int draws_of_reseed = 10;

// One regression on rows that `model` explains worst: the one, of `draws` grown there, that would
// raise their log density most.
Model grow_on_worst_rows(const Source& source, const Model& model, const PenaltyRule& rule, double floor,
                         const Services& services, int draws = draws_of_reseed);

// Puts `one` (a single expert) in the place of an expert that lost its rows. Its gate becomes the mean
// of the others': neutral, until rows have moved to it.
void replace_expert(Model& model, Index lost, const Model& one);

// Index of the largest value of every row.
std::vector<Index> best_columns(const ArrayXXd& value);

}  // namespace distmoe

#endif
