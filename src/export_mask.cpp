// Sums under masks: numbers as integers of 256 bits in raw vectors, 32 bytes a number.
#include <vector>

#include <Rcpp.h>

#include "core/base/fixed_point.h"

using namespace distmoe;

// A number a row of the matrix: the exact sum of what stands in it. NULL: one is too large or not finite.
// [[Rcpp::export(rng = false)]]
SEXP cpp_fixed_encode(Rcpp::NumericMatrix values) {
  const R_xlen_t n = values.nrow();
  Rcpp::RawVector out(n * FixedPoint::bytes);
  for (R_xlen_t i = 0; i < n; ++i) {
    FixedPoint sum;
    for (int j = 0; j < values.ncol(); ++j) {
      const double v = values(i, j);
      if (!(v > -FixedPoint::largest && v < FixedPoint::largest)) return R_NilValue;
      sum += FixedPoint::of(v);
    }
    sum.to_bytes(RAW(out) + i * FixedPoint::bytes);
  }
  return out;
}

// The sum of raw vectors, those of `minus` with the other sign.
// [[Rcpp::export(rng = false)]]
Rcpp::RawVector cpp_fixed_sum(Rcpp::List terms, Rcpp::LogicalVector minus) {
  if (terms.size() == 0 || minus.size() != terms.size()) Rcpp::stop("no terms, or signs of other terms");
  const R_xlen_t size = Rf_xlength(terms[0]);
  std::vector<FixedPoint> sum(static_cast<std::size_t>(size / FixedPoint::bytes));
  for (R_xlen_t k = 0; k < terms.size(); ++k) {
    const SEXP term = terms[k];
    if (TYPEOF(term) != RAWSXP || Rf_xlength(term) != size || size % FixedPoint::bytes != 0) {
      Rcpp::stop("numbers of different length");
    }
    const unsigned char* from = RAW(term);
    for (FixedPoint& s : sum) {
      const FixedPoint other = FixedPoint::of_bytes(from);
      s += minus[k] ? -other : other;
      from += FixedPoint::bytes;
    }
  }
  Rcpp::RawVector out(size);
  unsigned char* to = RAW(out);
  for (const FixedPoint& s : sum) {
    s.to_bytes(to);
    to += FixedPoint::bytes;
  }
  return out;
}

// A row a number: the nearest double, and what remains.
// [[Rcpp::export(rng = false)]]
Rcpp::NumericMatrix cpp_fixed_decode(Rcpp::RawVector bytes) {
  const R_xlen_t n = bytes.size() / FixedPoint::bytes;
  Rcpp::NumericMatrix out(static_cast<int>(n), 2);
  for (R_xlen_t i = 0; i < n; ++i) {
    FixedPoint::of_bytes(RAW(bytes) + i * FixedPoint::bytes).split(&out(i, 0), &out(i, 1));
  }
  return out;
}
