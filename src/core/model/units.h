// Units (Block::unit): rows that are of one expert together, such as those of a patient.
#ifndef DISTMOE_MODEL_UNITS_H
#define DISTMOE_MODEL_UNITS_H

#include "model/parameters.h"

namespace distmoe {

// Sums over the rows of every unit: a row a unit, in the order of their numbers.
MatrixXd sums_of_units(const VectorView& unit, const MatrixXd& rows);

// Adds to a Hessian of the log-likelihood what products of gradients with each other are of it, of experts and
// dispersions: sum_u c_u ( sum_k r_uk s_uk s_uk' - S_u S_u' ), s_uk the sum of the gradients of log phi_k over the
// rows of unit u, S_u = sum_k r_uk s_uk, c_u the unit's case weight. Given of every row its weight (c_u over the unit's
// rows), posteriors, and these times the derivatives in predictors and log dispersions, times the unit's rows (see
// Derivatives in information.cpp). The lower triangle alone.
void add_unit_products(const Block& block, const ParameterLayout& at, const ArrayXd& weight, const ArrayXXd& posterior,
                       const ArrayXXd& slope, const ArrayXXd& dispersion_slope, MatrixXd& hessian);

}  // namespace distmoe

#endif
