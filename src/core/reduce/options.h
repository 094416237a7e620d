// What may be chosen about a reduction.
#ifndef DISTMOE_REDUCE_OPTIONS_H
#define DISTMOE_REDUCE_OPTIONS_H

#include "base/model.h"

namespace distmoe {

// How mass is sent: (9), both marginals fixed; (16), where it costs least at every point; a component as a whole.
enum class PlanKind { exact,
                      pointwise,
                      component };

// c(from, to), see cost.h.
enum class CostKind { kl,
                      reverse_kl,
                      wasserstein,
                      hellinger };

// exact: the minimiser (17). closed_form: (S14), which is not one and may raise the objective; for
// logistic experts and KL only.
enum class UpdateKind { exact,
                        closed_form };

struct ReduceOptions {
  PlanKind plan = PlanKind::component;
  CostKind cost = CostKind::kl;
  UpdateKind update = UpdateKind::exact;
  int max_iterations = 200;
  double tolerance = 1e-10;  // relative change of the objective, where an unchanged plan does not tell;
                             // negative: all iterations are made, converged or not
  int starts = 5;            // local models from which the MM algorithm is run (component plan)
  int candidates = 25;       // local models tried as starts
  int seeded = 3;            // further starts: components drawn far apart by cost
  double gate_ridge = 1e-4;  // prior precision of standardised gate slopes about the start's
  double cache_bytes = 5e8;
};

}  // namespace distmoe

#endif
