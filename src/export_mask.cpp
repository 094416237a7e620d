// Sums under masks: numbers as integers of 256 bits in raw vectors, 32 bytes a number.
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

// a + b, or a - b.
// [[Rcpp::export(rng = false)]]
Rcpp::RawVector cpp_fixed_add(Rcpp::RawVector a, Rcpp::RawVector b, bool minus) {
  if (a.size() != b.size() || a.size() % FixedPoint::bytes != 0) Rcpp::stop("numbers of different length");
  Rcpp::RawVector out(a.size());
  for (R_xlen_t at = 0; at < a.size(); at += FixedPoint::bytes) {
    FixedPoint sum = FixedPoint::of_bytes(RAW(a) + at);
    const FixedPoint other = FixedPoint::of_bytes(RAW(b) + at);
    sum += minus ? -other : other;
    sum.to_bytes(RAW(out) + at);
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
