// Models from which the reduction is started. It is not convex in practice: plans switch.
#ifndef DISTMOE_REDUCE_REDUCE_STARTS_H
#define DISTMOE_REDUCE_REDUCE_STARTS_H

#include "reduce/reduce_problem.h"

namespace distmoe {

struct ReduceStart {
  Model model;
  Index origin;  // see ReduceResult::start
};

// The local models that have K experts (options.candidates of them at most) with the least objective
// under the component plan: the first is the middle one, nearest to all others. Then components far
// apart, and k-means on the functional values of all components. `objective`: of every local model,
// NaN where it was not tried.
std::vector<ReduceStart> reduction_starts(const ReduceProblem& problem, Index experts,
                                          const ReduceOptions& options, const Services& services,
                                          std::vector<double>& objective);

}  // namespace distmoe

#endif
