// Between R lists and the core's structs. R is asked here and in export_*.cpp, nowhere else.
#ifndef DISTMOE_CONVERT_H
#define DISTMOE_CONVERT_H

#include <RcppEigen.h>

#include "core/base/scratch.h"
#include "core/fit/penalty.h"
#include "core/reduce/options.h"

namespace distmoe {

// list(family, beta, alpha, dispersion).
Model model_from_list(const Rcpp::List& list);
Rcpp::List model_to_list(const Model& model);
FamilyKind family_from_name(const std::string& name);
std::string name_of_family(FamilyKind family);
PlanKind plan_from_name(const std::string& name);
CostKind cost_from_name(const std::string& name);

// A design list from R: x, z (the same object where the designs are shared), y, weight, offset,
// gate_offset, trials, or unit and unit_size (or NULL), x_intercept, z_intercept (1-based, 0 for none),
// add_intercept (are these columns of ones still to be put before those of x and z?). Its matrices are not copied and
// stay alive as long as this object. Rows in a scratch file: `scratch`, list(path, rows, block_rows, shared,
// weight, offset, gate_offset, trials: are there such columns?); x and z then have no rows.
class RData {
 public:
  explicit RData(const Rcpp::List& list);
  Block block() const;             // the matrices as they are
  Data data() const;               // with the columns of ones
  Index x_intercept, z_intercept;  // 0-based, -1 for none

 private:
  bool add_intercept_;
  Rcpp::NumericMatrix x_, z_;
  Rcpp::NumericVector y_, weight_, offset_, gate_offset_, trials_, unit_;
  std::shared_ptr<ScratchFile> scratch_;
};

// A model for these data: refused where its columns are not as many as theirs.
Model model_for(const RData& data, const Rcpp::List& list);

// How columns are standardised, as it travels between a centre and its sites.
Scaling scaling_from_list(const Rcpp::List& list);
Rcpp::List scaling_to_list(const Scaling& scaling);
// That of these data: `given`, or where this is NULL found from their rows.
Scaling scaling_for(const RData& data, FamilyKind family, SEXP given, const Services& services);

// Is this process a fork of the one that loaded the package? There the threads are missing.
bool is_fork();

// R's generator and R's interrupt; at most `threads` threads, and one in a fork.
Services r_services(int threads);

// Of a list with gate_ridge, expert_ridge, lambda (experts, gates), l1_share, variance_prior.
PenaltyOptions penalty_options(const Rcpp::List& list);

Rcpp::LogicalVector to_logical(const std::vector<bool>& from);

}  // namespace distmoe

#endif
