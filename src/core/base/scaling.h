// Standardised columns inside, the user's scale outside.
#ifndef DISTMOE_BASE_SCALING_H
#define DISTMOE_BASE_SCALING_H

#include "base/model.h"

namespace distmoe {

// How the columns of one design matrix are standardised: (x - centre) / scale.
struct ColumnScaling {
  VectorXd centre, scale;
  Index intercept = -1;  // the column of ones, or -1; without it nothing is centred
  // Columns that are constant or combinations of earlier ones are shown as 0, so that no step moves
  // their coefficients. Column j of `combination` holds what such a column is made of.
  std::vector<bool> aliased;
  MatrixXd combination;  // p x p, standardised columns; 0 for columns that stand on their own

  // Coefficients (columns x any number) of the standardised columns from those of the user's, and back. What
  // is said about aliased columns is carried over to the columns they are made of; on the way back they get
  // the coefficients that they have in `kept` (the user's scale; null: 0), and the others make up for it.
  MatrixXd to_internal(const MatrixXd& user) const;
  MatrixXd to_user(const MatrixXd& internal, const MatrixXd* kept = nullptr) const;
  // `value` for every slope; 0 for the intercept and for aliased columns.
  VectorXd slopes(double value) const;
  static ColumnScaling identity(Index columns);
};

struct Scaling {
  ColumnScaling x, z;
  double y_centre = 0.0, y_scale = 1.0;  // (y - offset - centre) / scale, where the family allows it
  // Residual variance of one regression of the standardised y on the experts' columns, all rows; likewise.
  // What variances are compared with, see Penalty.
  double y_residual = 1.0;

  // The same model for standardised and for the user's columns (and y).
  Model to_internal(const Model& user) const;
  Model to_user(const Model& internal, const Model* kept = nullptr) const;
  bool takes_y() const { return y_centre != 0.0 || y_scale != 1.0; }
  // What one row adds to the log-likelihood on going back to the user's scale of y.
  double log_lik_shift() const { return -std::log(y_scale); }
};

// What some rows tell about their columns: moments about their own centres, that is about their means,
// or about 0 where there is no intercept and nothing is centred. Those of two sets of rows add.
struct CentredMoments {
  double weight = 0.0;
  VectorXd mean_x, mean_z, centre_x, centre_z;
  MatrixXd gram_x, gram_z;  // p x p, q x q
  double mean_y = 0.0, centre_y = 0.0, square_y = 0.0;
  VectorXd cross_y;  // p, products of x and y

  CentredMoments& operator+=(const CentredMoments& other);
};

// The standardisation by weighted means and root mean squares of the centred columns, and of y with `takes_y`.
// `x_intercept`, `z_intercept`: the columns of ones, or -1. Sets `aliased` of both designs.
Scaling scaling_from(const CentredMoments& moments, bool takes_y, Index x_intercept, Index z_intercept);

// Sums of one pass over blocks whose columns were already shifted by a first guess of the centres.
struct Moments {
  double weight = 0.0;
  VectorXd sum_x, sum_z;
  MatrixXd gram_x, gram_z;  // packed, 1 x triangle_size
  double sum_y = 0.0, sum_yy = 0.0;
  VectorXd sum_xy;

  Moments(Index p, Index q);
  Moments& operator+=(const Moments& other);
};

// How many numbers sums hold, about: what many of them side by side cost (see sum_over).
inline Index numbers_in(const Moments& sums) { return sums.gram_x.size() + sums.gram_z.size(); }

// `second`: with the second moments; without, they stay 0.
Moments moments(const Block& block, bool second);

}  // namespace distmoe

#endif
