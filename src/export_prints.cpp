// The door to fingerprints of rows, for a site's ledger.
#include <Rcpp.h>

#include <cstring>

#include "core/base/row_prints.h"

using namespace distmoe;

namespace {

std::uint64_t hash_number(const HashKey& key, double v) {
  if (v == 0) v = 0;  // -0
  unsigned char bytes[sizeof v];
  std::memcpy(bytes, &v, sizeof v);
  return keyed_hash(key, bytes, sizeof v);
}

std::uint64_t hash_text(const HashKey& key, SEXP text) {
  const char* chars = Rf_translateCharUTF8(text);
  return keyed_hash(key, reinterpret_cast<const unsigned char*>(chars), std::strlen(chars));
}

Rcpp::NumericVector as_numbers(const RowPrint& print) {
  return Rcpp::NumericVector(print.sums().begin(), print.sums().end());
}

HashKey as_key(const Rcpp::RawVector& key) {
  HashKey out{};
  if (key.size() != 16) Rcpp::stop("a key has 16 bytes");
  for (int i = 0; i < 16; ++i) out[i / 8] |= static_cast<std::uint64_t>(key[i]) << (8 * (i % 8));
  return out;
}

}  // namespace

// SipHash-2-4 of bytes, as 8 bytes, the lowest first.
// [[Rcpp::export(rng = false)]]
Rcpp::RawVector cpp_keyed_hash(Rcpp::RawVector key, Rcpp::RawVector bytes) {
  const std::uint64_t hash = keyed_hash(as_key(key), bytes.begin(), static_cast<std::size_t>(bytes.size()));
  Rcpp::RawVector out(8);
  for (int i = 0; i < 8; ++i) out[i] = static_cast<Rbyte>(hash >> (8 * i));
  return out;
}

// Columns (numbers or text, of one length) to the sums of their rows' hashes, of whole rows first and then of each
// column.
// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_row_prints(Rcpp::List columns, Rcpp::RawVector key, int buckets) {
  const HashKey secret = as_key(key);
  const std::size_t count = static_cast<std::size_t>(columns.size());
  const R_xlen_t rows = count ? Rf_xlength(columns[0]) : 0;
  std::vector<RowPrint> prints(count + 1, RowPrint(static_cast<std::size_t>(buckets)));
  std::vector<std::vector<std::uint64_t>> hashes(count);
  for (std::size_t j = 0; j < count; ++j) {
    SEXP v = columns[static_cast<R_xlen_t>(j)];
    if (Rf_xlength(v) != rows) Rcpp::stop("columns have one length");
    for (R_xlen_t i = 0; i < rows; ++i) {
      hashes[j].push_back(TYPEOF(v) == STRSXP ? hash_text(secret, STRING_ELT(v, i)) : hash_number(secret, REAL(v)[i]));
      prints[j + 1].add(hashes[j].back());
    }
  }
  std::vector<unsigned char> row(8 * count);
  for (R_xlen_t i = 0; i < rows; ++i) {
    for (std::size_t j = 0; j < count; ++j) std::memcpy(&row[8 * j], &hashes[j][static_cast<std::size_t>(i)], 8);
    prints[0].add(keyed_hash(secret, row.data(), row.size()));
  }
  Rcpp::List out;
  for (const RowPrint& print : prints) out.push_back(as_numbers(print));
  return out;
}
