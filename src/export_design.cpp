// Doors for the road from data to matrices: scans that allocate nothing, columns put side by side.
#include <Rcpp.h>

#include <algorithm>
#include <cmath>

namespace {

// Calls see(value) for n values of a numeric vector from `first` on, NA of an integer as NaN.
template <class See>
void for_each_value(SEXP x, R_xlen_t first, R_xlen_t n, See see) {
  if (TYPEOF(x) == REALSXP) {
    const double* v = REAL(x) + first;
    for (R_xlen_t i = 0; i < n; ++i) see(v[i]);
  } else if (TYPEOF(x) == INTSXP) {
    const int* v = INTEGER(x) + first;
    for (R_xlen_t i = 0; i < n; ++i) see(v[i] == NA_INTEGER ? NA_REAL : v[i]);
  } else {
    Rcpp::stop("a numeric vector is needed");
  }
}

// Mean and standard deviation of the finite values; the second pass corrects the first.
void describe(SEXP x, R_xlen_t first, R_xlen_t n, double* mean, double* sd) {
  double count = 0, sum = 0, gap = 0, square = 0;
  for_each_value(x, first, n, [&](double v) {
    const bool finite = std::isfinite(v);
    count += finite;
    sum += finite ? v : 0;
  });
  const double centre = sum / count;
  for_each_value(x, first, n, [&](double v) {
    const double d = std::isfinite(v) ? v - centre : 0;
    gap += d;
    square += d * d;
  });
  *mean = centre + gap / count;
  *sd = count > 1 ? std::sqrt(std::max(0.0, square - gap * gap / count) / (count - 1)) : 0;
}

}  // namespace

// Position (from 1, or 0 for none) of the first value that is missing, not finite or too large for
// its square, and the number of such values.
// [[Rcpp::export(rng = false)]]
Rcpp::NumericVector cpp_first_bad(SEXP x) {
  R_xlen_t at = 0, first = 0, count = 0;
  for_each_value(x, 0, Rf_xlength(x), [&](double v) {
    ++at;
    if (!(std::fabs(v) <= 1e150) && ++count == 1) first = at;
  });
  return Rcpp::NumericVector::create(static_cast<double>(first), static_cast<double>(count));
}

// Rows: mean and standard deviation of the finite values; columns as in x (one for a vector).
// [[Rcpp::export(rng = false)]]
Rcpp::NumericMatrix cpp_describe(SEXP x) {
  const bool matrix = Rf_isMatrix(x);
  const int columns = matrix ? Rf_ncols(x) : 1;
  const R_xlen_t rows = matrix ? Rf_nrows(x) : Rf_xlength(x);
  Rcpp::NumericMatrix out(2, columns);
  for (int j = 0; j < columns; ++j) describe(x, j * rows, rows, &out(0, j), &out(1, j));
  return out;
}

// A matrix of numeric vectors of `rows` values, after a column of ones if asked for.
// [[Rcpp::export(rng = false)]]
Rcpp::NumericMatrix cpp_columns(Rcpp::List columns, int rows, bool intercept) {
  Rcpp::NumericMatrix out(Rcpp::no_init(rows, columns.size() + intercept));
  double* to = out.begin();
  if (intercept) to = std::fill_n(to, rows, 1.0);
  for (R_xlen_t j = 0; j < columns.size(); ++j) {
    SEXP column = columns[j];
    if (Rf_xlength(column) != rows) Rcpp::stop("columns of different lengths");
    for_each_value(column, 0, rows, [&](double v) { *to++ = v; });
  }
  return out;
}
