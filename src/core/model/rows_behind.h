// How many rows stand behind what a site tells of its columns: what the disclosure check looks at.
#ifndef DISTMOE_MODEL_ROWS_BEHIND_H
#define DISTMOE_MODEL_ROWS_BEHIND_H

#include "base/source.h"

namespace distmoe {

// Of the columns of one design, over the rows of weight above 0.
struct ColumnsBehind {
  VectorXd differ;  // rows whose value is not about the usual one: outside the fullest 2 of 128 parts of the range
  VectorXd carry;   // (sum u)^2 / sum u^2 with u = w (x - mean)^2: how many rows carry a column's sum of squares
  // The largest of a row, w x'(X'WX)^-1 x, over all columns and over those asked about. 1: some combination of
  // columns is not 0 for that row alone.
  double leverage = 0, asked_leverage = 0;
};

struct RowsBehind {
  double rows = 0;       // of weight above 0
  double effective = 0;  // (sum w)^2 / sum w^2 (Kish)
  ColumnsBehind x, z;    // z is empty where the designs are shared
  VectorXd experts;      // (sum w r)^2 / sum w^2 r, r the responsibilities: of equal weights, the sum of r
  VectorXd classes;      // rows of every class 0, 1, ... of the response
};

// `x_asked`, `z_asked`: the columns of `asked_leverage`. `classes`: how many the response has, 0: it has none.
RowsBehind rows_behind(const Source& source, const Model& model, const std::vector<bool>& x_asked,
                       const std::vector<bool>& z_asked, Index classes, const Services& services);

}  // namespace distmoe

#endif
