// Separation: coefficients that run to infinity. Of experts of classes and counts, where their rows' fitted
// probabilities (rates) are numerically 0 or 1 in some direction of the columns; of gates, where experts' regions do
// not overlap, so that the gates become steps.
#ifndef DISTMOE_FIT_SEPARATION_H
#define DISTMOE_FIT_SEPARATION_H

#include "base/source.h"

namespace distmoe {

// For every expert, which columns' coefficients run to infinity (the intercept's only where no slope's does
// so); empty where there is no separation at all. `intercept`: the column of ones, or -1.
//
// An expert's rows r_i have the information G = sum r_i x_i v_i x_i' about its coefficients, v the variance
// at the fitted mean. A direction d is separated where the rows tell nothing of it though they vary
// along it: d'Gd is less than a thousandth of what one row of variance 1 would tell at the rows' own mean
// square, d' (sum r_i x_i x_i') d / sum r_i. In a fit that converged it is a millionth or less, without
// separation a tenth or more. Costs a pass as cheap as a score's, and one of Gram matrices where that has seen
// probabilities near 0 or 1.
std::vector<std::vector<bool>> separated_columns(const Source& source, const Model& model, Index intercept,
                                                 const Services& services);

// The same of the gates, each against that of the expert with the largest share. The information is
// sum w_i (diag(g_i) - g_i g_i') x z_i z_i', g the gates' probabilities of all experts that have rows but one,
// whose gate is 0. In a fit whose gates are steps, held by the weak prior on gates alone, it is under 0.02 of a row,
// in others a tenth or more. Looks at some 20,000 rows first: what they determine, all rows do.
std::vector<std::vector<bool>> separated_gates(const Source& source, const Model& model, Index intercept,
                                               const Services& services);

}  // namespace distmoe

#endif
