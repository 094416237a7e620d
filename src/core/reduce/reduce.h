// The reduction: local models into one K-expert model by majorisation-minimisation, section 4.
#ifndef DISTMOE_REDUCE_REDUCE_H
#define DISTMOE_REDUCE_REDUCE_H

#include "base/source.h"
#include "reduce/expert_moments.h"
#include "reduce/gate_reference.h"
#include "reduce/options.h"

namespace distmoe {

// M local models and the points at which they are compared, on the user's scale.
struct LocalModels {
  std::vector<Model> models;  // one family, the same columns; numbers of experts may differ
  MatrixXd lambda;            // 1 x M or S x M, see Components; not used where points carry their site
  Data points;                // x, z, offsets; weight: point weights v_s
  std::vector<Index> site;    // empty, or the model of each point, in non-decreasing order
  Scaling scaling;            // of the points
  // Empty, or of every Gaussian model on its own rows: costs and experts then come from these under the
  // component plan, and only gates from the points.
  std::vector<ExpertMoments> moments;
  // Empty, or what all sites tell of their gates: gates then come from these, under the component plan.
  SharedGates gate_shares;
};

// Starts that are no local model.
const Index start_far_apart = -1, start_kmeans = -2;

struct ReduceResult {
  Model model;
  std::vector<double> objective;  // R_c (11) under the plan: at the start, then after each step
  bool converged = false;
  bool gates_converged = false;
  bool gates_from_sums = false;  // do the gates come from all rows?
  int reseeds = 0;
  int rises = 0;                   // steps at which the objective rose: none with the exact update
  Index start = start_far_apart;   // the local model that the best run started from, or see above
  std::vector<Index> run_starts;   // the same of every run
  std::vector<double> runs;        // final objective of every run; pointwise plan: best first, and the
                                   // others after their first few steps only
  MatrixXd plan;                   // L x K, mean over the support of the plan
  std::vector<double> candidates;  // objective of every local model (NaN: not tried)
};

// From the best of several starts. With `start` given, from that model alone.
ReduceResult reduce(const LocalModels& locals, Index experts, const Model* start,
                    const ReduceOptions& options, const Services& services);

// R_c (11) of a model under the plan.
double reduction_objective(const LocalModels& locals, const Model& model, PlanKind plan,
                           CostKind cost, const Services& services);

}  // namespace distmoe

#endif
