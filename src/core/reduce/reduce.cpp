#include "reduce/reduce.h"

#include <algorithm>
#include <limits>

#include "model/gating.h"
#include "reduce/reduce_starts.h"

namespace distmoe {

namespace {

// An expert that receives nothing takes over the component that costs most.
bool reseed(const Coupling& coupling, Model& model, const Assigned& a) {
  Index lost, worst;
  if (a.mass.minCoeff(&lost) > 1e-12 * a.mass.sum()) return false;
  const VectorXd cost = a.target.empty() ? coupling.component_plan(model).cost : a.cost;
  if (!(cost.maxCoeff(&worst) > 1e-12)) return false;  // nothing is gained by another expert
  model.beta.middleCols(lost * coupling.parts(), coupling.parts()) = coupling.beta(worst);
  model.dispersion(lost) = coupling.dispersion(worst);
  return true;
}

// A step of an update that only lowers the objective, made `reach` times as long where that pays: twice to begin with,
// and twice as long as the last where that one did. A long step that gains nothing to speak of is not taken, so that
// it can't be mistaken for convergence. Where steps may be longer than twice, it is the dispersions that lag.
Assigned step_down(const ReduceProblem& problem, const ReduceOptions& options, PlanKind plan,
                   Assigned& now, Model& model, double& reach) {
  Model next = update(problem, model, now);
  const double longest = problem.coupling.longest_step();
  for (; longest > 1.0; reach /= 4.0) {
    reach = std::min(std::max(reach, 2.0), longest);
    Model far = next;
    if (longest == 2.0) far.beta += next.beta - model.beta;
    far.dispersion.array() *= (next.dispersion.array() / model.dispersion.array()).pow(reach - 1.0);
    Assigned there = assign(problem.coupling, far, plan);
    if (now.objective - there.objective > std::abs(options.tolerance) * now.objective + 1e-14) {
      model = far;
      reach *= 2.0;
      return there;
    }
    if (reach == 2.0) break;
  }
  Assigned there = assign(problem.coupling, next, plan);
  if (longest > 2.0 && there.objective > now.objective) {
    // Coefficients at these dispersions and dispersions at these coefficients are steps down, but perhaps not both.
    next.dispersion = model.dispersion;
    there = assign(problem.coupling, next, plan);
  }
  model = next;
  return there;
}

ReduceResult descend(const ReduceProblem& problem, const Model& start, const ReduceOptions& options,
                     PlanKind plan, int most, const Services& services) {
  ReduceResult out;
  const bool exact = problem.coupling.longest_step() == 1.0;
  double reach = 2.0;
  Model model = start;
  Assigned now = assign(problem.coupling, model, plan);
  out.objective.push_back(now.objective);
  for (int i = 0; i < most && !out.converged; ++i) {
    services.interrupt();
    if (out.reseeds < 5 * model.experts() && reseed(problem.coupling, model, now)) {
      ++out.reseeds;
      now = assign(problem.coupling, model, plan);
      out.objective.push_back(now.objective);
      continue;
    }
    Assigned next = step_down(problem, options, plan, now, model, reach);
    const double change = next.objective - now.objective;
    if (change > 1e-12 + 1e-9 * now.objective) ++out.rises;
    const bool still = std::abs(change) <= options.tolerance * now.objective + 1e-14;
    // Where the update is exact, an unchanged component plan is a fixed point.
    const bool same = plan == PlanKind::component && next.target == now.target;
    out.converged = options.tolerance >= 0.0 &&
                    (plan == PlanKind::component ? same && (exact || still) : still);
    now = std::move(next);
    out.objective.push_back(now.objective);
  }
  out.model = model;
  return out;
}

// Gates by softmax regression on the plan's mass, (S4), (S5). Gives where components are sent: component plan.
// `quick`: others are found from these gates.
std::vector<Index> finish_gates(const ReduceProblem& problem, const ReduceOptions& options, bool quick,
                                ReduceResult& out) {
  const Coupling& coupling = problem.coupling;
  MatrixXd weight;
  std::vector<Index> target;
  if (options.plan == PlanKind::pointwise) {
    weight = coupling.spread(out.model).weight;
    out.plan = coupling.component_plan(out.model).plan;
  } else {
    const MatrixXd cost = coupling.cost(out.model);
    target = cheapest(cost);
    weight = coupling.weights(target, out.model.experts());
    out.plan = coupling.component_plan(target, cost).plan;
  }
  GatePrior prior = gate_prior(problem.scaling.z, out.model.experts(), options.gate_ridge);
  prior.centre = out.model.alpha;
  const MatrixXd& z = problem.points.shared ? problem.points.x : problem.points.z;
  const SoftmaxFit gates = softmax_regression({z, weight, problem.points.gate_offset, prior}, out.model.alpha,
                                              problem.threads, quick);
  out.model.alpha = gates.alpha;
  out.gates_converged = gates.converged;
  return target;
}

// Gates from the sums that all sites share, where there are such and they lead to an end. `model`: on the user's
// scale, as the sums are; the weak prior lies about its gates.
void gates_from_all_rows(const ReduceProblem& problem, const SharedGates& shared, const std::vector<Index>& target,
                         double ridge, ReduceResult& out) {
  const std::vector<Index> order = reference_order(shared, out.plan);
  const bool moved = !std::is_sorted(order.begin(), order.end());
  if (order.empty() || (moved && problem.points.gate_offset.size() > 0)) return;
  const ColumnScaling& z = problem.scaling.z;
  GatePrior prior = gate_prior(z, out.model.experts(), ridge);
  prior.centre = z.to_internal(out.model.alpha);
  const SoftmaxFit gates = gates_from_sums(in_order(shared, order, target), problem.points, z, prior, problem.threads);
  if (!gates.converged) return;
  out.model.alpha = z.to_user(gates.alpha, &out.model.alpha);
  out.gates_converged = out.gates_from_sums = true;
}

// Best first. Runs that differ by rounding keep their order: labels must not hang on it.
void sort_by_objective(std::vector<ReduceResult>& runs) {
  double least = std::numeric_limits<double>::infinity();
  for (const ReduceResult& run : runs) least = std::min(least, run.objective.back());
  const double grain = 1e-9 * std::abs(least) + 1e-14;
  const auto rank = [&](const ReduceResult& run) {
    return std::floor((run.objective.back() - least) / grain);
  };
  std::stable_sort(runs.begin(), runs.end(), [&](const ReduceResult& a, const ReduceResult& b) {
    return rank(a) < rank(b);
  });
}

// The MM algorithm under the component plan from several starts, best first.
std::vector<ReduceResult> search(const ReduceProblem& problem, Index experts,
                                 const ReduceOptions& options, const Services& services,
                                 std::vector<double>& tried) {
  std::vector<ReduceResult> runs;
  for (const ReduceStart& from : reduction_starts(problem, experts, options, services, tried)) {
    runs.push_back(descend(problem, from.model, options, PlanKind::component, options.max_iterations,
                           services));
    runs.back().start = from.origin;
  }
  sort_by_objective(runs);
  return runs;
}

// What is said of all runs.
void list_runs(const std::vector<ReduceResult>& runs, ReduceResult& best) {
  for (const ReduceResult& run : runs) {
    best.runs.push_back(run.objective.back());
    best.run_starts.push_back(run.start);
  }
}

// The pointwise plan costs a pass over all points and components a step, and needs many. So its runs
// start where the component plan's end: one at each of the few best different ends; after a few steps
// the best alone goes on.
ReduceResult search_pointwise(const ReduceProblem& problem, const std::vector<ReduceResult>& ends,
                              const ReduceOptions& options, const Services& services,
                              std::vector<double>& tried) {
  for (std::size_t m = 0; m < tried.size(); ++m) {
    // Objectives are those of the plan asked for: of the models that runs started from.
    const bool used = std::any_of(ends.begin(), ends.end(), [&](const ReduceResult& end) {
      return end.start == static_cast<Index>(m);
    });
    tried[m] = used ? objective_at(problem.coupling, problem.models[m], PlanKind::pointwise)
                    : std::numeric_limits<double>::quiet_NaN();
  }
  const int few = std::min(5, options.max_iterations);
  std::vector<ReduceResult> runs;
  for (std::size_t i = 0; i < ends.size() && runs.size() < 3; ++i) {
    const double value = ends[i].objective.back();
    if (i > 0 && value - ends[i - 1].objective.back() <= 1e-6 * value) continue;
    runs.push_back(descend(problem, ends[i].model, options, PlanKind::pointwise, few, services));
    runs.back().start = ends[i].start;
  }
  sort_by_objective(runs);
  ReduceResult& best = runs.front();
  if (!best.converged && options.max_iterations > few) {
    ReduceResult more = descend(problem, best.model, options, PlanKind::pointwise,
                                options.max_iterations - few, services);
    more.objective.insert(more.objective.begin(), best.objective.begin(), best.objective.end() - 1);
    more.start = best.start;
    more.reseeds += best.reseeds;
    more.rises += best.rises;
    best = std::move(more);
  }
  ReduceResult out = best;
  list_runs(runs, out);
  return out;
}

}  // namespace

ReduceResult reduce(const LocalModels& locals, Index experts, const Model* start,
                    const ReduceOptions& options, const Services& services) {
  const ReduceProblem problem(locals, options.cost, options.update, options.cache_bytes, services);
  ReduceResult best;
  std::vector<double> tried;
  if (start) {
    best = descend(problem, problem.scaling.to_internal(*start), options, options.plan,
                   options.max_iterations, services);
    list_runs({best}, best);
  } else {
    const std::vector<ReduceResult> ends = search(problem, experts, options, services, tried);
    if (options.plan == PlanKind::component) {
      best = ends.front();
      list_runs(ends, best);
    } else {
      best = search_pointwise(problem, ends, options, services, tried);
    }
  }
  best.candidates = tried;
  const SharedGates& shared = locals.gate_shares;
  const bool with_sums = !shared.own.empty();
  const std::vector<Index> target = finish_gates(problem, options, with_sums, best);
  // Columns that the support does not determine keep what the start says of them.
  const Model* kept = start;
  if (!start && best.start >= 0) kept = &locals.models[static_cast<std::size_t>(best.start)];
  best.model = problem.scaling.to_user(best.model, kept);
  if (with_sums && options.plan == PlanKind::component) {
    gates_from_all_rows(problem, shared, target, options.gate_ridge, best);
  }
  for (std::vector<double>* values : {&best.objective, &best.runs, &best.candidates}) {
    for (double& value : *values) value *= problem.unit;
  }
  return best;
}

double reduction_objective(const LocalModels& locals, const Model& model, PlanKind plan,
                           CostKind cost, const Services& services) {
  const ReduceProblem problem(locals, cost, UpdateKind::exact, 0.0, services);
  const Model internal = problem.scaling.to_internal(model);
  if (plan == PlanKind::pointwise) {
    return problem.unit * problem.coupling.spread(internal).objective;
  }
  // Moments of the points would pay for themselves only with more models than one.
  const MatrixXd costs = locals.moments.empty() ? problem.coupling.cost_at_points(internal)
                                                : problem.coupling.cost(internal);
  return problem.unit * costs.rowwise().minCoeff().sum();
}

}  // namespace distmoe
