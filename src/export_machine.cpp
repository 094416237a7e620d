// Doors to what the machine offers: instruction sets, threads, and passes over the rows for timing.
#include <chrono>

#include "convert.h"
#include "core/base/parallel.h"
#include "core/fit/statistics.h"
#include "core/kernels/kernels.h"
#include "core/model/information.h"

using namespace distmoe;

namespace {

const std::vector<std::string> set_names = {"baseline", "avx2", "avx512"};

}  // namespace

// The instruction set in use; the names of all that there are come as attribute "available".
// [[Rcpp::export(rng = false)]]
Rcpp::CharacterVector cpp_instructions() {
  Rcpp::CharacterVector available;
  for (std::size_t i = 0; i < set_names.size(); ++i) {
    if (has_instructions(static_cast<Instructions>(i))) available.push_back(set_names[i]);
  }
  Rcpp::CharacterVector out = Rcpp::wrap(set_names[static_cast<std::size_t>(instructions())]);
  out.attr("available") = available;
  return out;
}

// [[Rcpp::export(rng = false)]]
void cpp_use_instructions(std::string name) {
  const auto at = std::find(set_names.begin(), set_names.end(), name);
  if (at == set_names.end()) throw std::invalid_argument("unknown instruction set '" + name + "'");
  use_instructions(static_cast<Instructions>(at - set_names.begin()));
}

// Before the package's code goes. (Not R_unload_distmoe(): R finds registered symbols only.)
// [[Rcpp::export(rng = false)]]
void cpp_stop_threads() {
  if (!is_fork()) stop_threads();
}

// Passes over all rows on standardised columns, as fitting makes them: "em" (statistics of one EM
// step), "score" or "information". Gives the log-likelihood on that scale as `value`, and the seconds
// that each of the `passes` passes took. For benchmarks and tests.
// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_pass(Rcpp::List data, Rcpp::List model, std::string what, int threads,
                    int passes = 1) {
  const RData r(data);
  const Model user = model_for(r, model);
  const Services services = r_services(threads);
  const Scaling scaling = scaling_for(r, user.family, R_NilValue, services);
  const ScaledSource source(r.data(), takes_offset(user.family), &scaling);
  const Model m = scaling.to_internal(user);
  const auto pass = [&] {
    if (what == "em") {
      return sum_over(source, Statistics(m), services,
                      [&](const Block& block) { return statistics(block, m); })
          .log_lik;
    }
    if (what == "score") {
      return sum_over(source, Score(m.experts(), parameter_count(m)), services,
                      [&](const Block& block) { return score(block, m); })
          .log_lik;
    }
    return sum_over(source, Information(parameter_count(m)), services,
                    [&](const Block& block) { return information(block, m); })
        .log_lik;
  };
  double value = NA_REAL;
  Rcpp::NumericVector seconds(std::max(passes, 1));
  for (double& taken : seconds) {
    const auto start = std::chrono::steady_clock::now();
    value = pass();
    taken = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  return Rcpp::List::create(Rcpp::Named("value") = value, Rcpp::Named("seconds") = seconds);
}
