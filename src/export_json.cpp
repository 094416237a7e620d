// JSON: the first look at foreign text, and the canonical text of a tree of R's lists.
#include <cmath>
#include <cstdio>
#include <string>

#include <Rcpp.h>

#include "core/base/json_scan.h"

using namespace distmoe;

// What a parser of this text would meet: see core/base/json_scan.h.
// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_scan_json(Rcpp::RawVector bytes) {
  const JsonScan found = scan_json(reinterpret_cast<const char*>(RAW(bytes)), static_cast<std::size_t>(bytes.size()));
  const auto count = [](std::size_t v) { return static_cast<double>(v); };
  return Rcpp::List::create(Rcpp::Named("depth") = count(found.depth), Rcpp::Named("marks") = count(found.marks),
                            Rcpp::Named("crowd") = count(found.crowd), Rcpp::Named("escaped") = count(found.escaped),
                            Rcpp::Named("open") = found.open, Rcpp::Named("strange") = found.strange);
}

namespace {

// Only these two need a backslash: control characters are in no message.
void add_string(SEXP v, std::string& out) {
  if (v == NA_STRING) {
    out += "null";
    return;
  }
  out += '"';
  for (const char* c = Rf_translateCharUTF8(v); *c; ++c) {
    if (*c == '"' || *c == '\\') out += '\\';
    out += *c;
  }
  out += '"';
}

// 17 digits, which a double needs to come back as it was, and -0 with a point.
void add_number(double v, std::string& out) {
  if (!R_finite(v)) {
    out += "null";
  } else if (v == 0 && std::signbit(v)) {
    out += "-0.0";
  } else if (std::fabs(v) < 1e15 && v == std::trunc(v)) {
    out += std::to_string(static_cast<long long>(v));  // the same, in a fraction of the time
  } else {
    char text[40];
    std::snprintf(text, sizeof text, "%.17g", v);
    out += text;
  }
}

void add_element(SEXP x, R_xlen_t i, std::string& out) {
  switch (TYPEOF(x)) {
    case STRSXP:
      return add_string(STRING_ELT(x, i), out);
    case LGLSXP:
      out += LOGICAL(x)[i] == NA_LOGICAL ? "null" : (LOGICAL(x)[i] ? "true" : "false");
      return;
    case INTSXP:
      return add_number(INTEGER(x)[i] == NA_INTEGER ? NA_REAL : INTEGER(x)[i], out);
    case REALSXP:
      return add_number(REAL(x)[i], out);
    default:
      throw std::invalid_argument("a tree holds what is neither text, number nor truth value");
  }
}

void add_tree(SEXP x, std::string& out) {
  if (TYPEOF(x) == NILSXP) {
    out += "null";
    return;
  }
  const R_xlen_t n = Rf_xlength(x);
  const bool list = TYPEOF(x) == VECSXP;
  const SEXP names = list ? Rf_getAttrib(x, R_NamesSymbol) : R_NilValue;
  const bool object = TYPEOF(names) == STRSXP;
  const bool single = !list && n == 1 && !Rf_inherits(x, "AsIs");
  if (!single) out += object ? '{' : '[';
  for (R_xlen_t i = 0; i < n; ++i) {
    if (i > 0) out += ',';
    if (object) {
      add_string(STRING_ELT(names, i), out);
      out += ':';
    }
    if (list) add_tree(VECTOR_ELT(x, i), out);
    else add_element(x, i, out);
  }
  if (!single) out += object ? '}' : ']';
}

}  // namespace

// See json_text() in R.
// [[Rcpp::export(rng = false)]]
Rcpp::String cpp_json_text(SEXP tree) {
  std::string out;
  add_tree(tree, out);
  return Rcpp::String(out, CE_UTF8);
}
