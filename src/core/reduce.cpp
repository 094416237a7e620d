#include "reduce.h"

#include <algorithm>
#include <limits>

#include "coupling.h"
#include "experts.h"
#include "fit.h"
#include "numerics.h"

namespace distmoe {

namespace {

// The problem on standardised columns, ready for the MM algorithm.
struct Problem {
  Scaling scaling;
  HeldSource points;
  std::vector<Model> models;
  Components components;
  Coupling coupling;
  int threads;

  Problem(const LocalModels& locals, double cache_bytes, const Services& services)
      : scaling(find_scaling(locals.points, locals.models.front().family, locals.x_intercept,
                             locals.z_intercept, services)),
        points(ScaledSource(locals.points, takes_offset(locals.models.front().family), &scaling)),
        models(internal(locals.models)),
        components(points, models, locals.lambda, locals.site, cache_bytes, services),
        coupling(components, services, given_moments(locals, services)),
        threads(services.threads) {}

  std::unique_ptr<ComponentMoments> given_moments(const LocalModels& locals,
                                                  const Services& services) const {
    if (locals.moments.empty()) return nullptr;
    return std::unique_ptr<ComponentMoments>(
        new ComponentMoments(components, locals.moments, scaling.x, services));
  }

  std::vector<Model> internal(const std::vector<Model>& user) const {
    std::vector<Model> out;
    for (const Model& m : user) out.push_back(scaling.to_internal(m));
    return out;
  }
};

std::vector<Index> cheapest(const MatrixXd& cost) {
  std::vector<Index> target(static_cast<std::size_t>(cost.rows()));
  for (Index l = 0; l < cost.rows(); ++l) cost.row(l).minCoeff(&target[static_cast<std::size_t>(l)]);
  return target;
}

double objective_at(const Coupling& coupling, const Model& model, PlanKind plan) {
  if (plan == PlanKind::pointwise) return coupling.spread(model).objective;
  return coupling.cost(model).rowwise().minCoeff().sum();
}

// The plan at a model: what the majorant (15) is made of.
struct Assigned {
  double objective;
  VectorXd mass;              // K, mass that each expert receives
  std::vector<Index> target;  // component plan
  VectorXd cost;              // L, the same
  Spread spread;              // pointwise plan
};

Assigned assign(const Coupling& coupling, const Model& model, PlanKind plan) {
  Assigned a;
  if (plan == PlanKind::pointwise) {
    a.spread = coupling.spread(model);
    a.objective = a.spread.objective;
    a.mass = a.spread.weight.colwise().sum().transpose();
    return a;
  }
  const MatrixXd cost = coupling.cost(model);
  a.target = cheapest(cost);
  a.cost = cost.rowwise().minCoeff();
  a.objective = a.cost.sum();
  a.mass = VectorXd::Zero(model.experts());
  for (Index k : a.target) a.mass(k) += 1.0;
  return a;
}

// Minimises the majorant: the update (17).
Model update(const Problem& problem, const Model& model, Assigned& a) {
  const Coupling& coupling = problem.coupling;
  Model next = model;
  if (!a.target.empty() && model.family == FamilyKind::gaussian) {
    coupling.update_from_moments(next, a.target);
    return next;
  }
  if (!a.target.empty()) a.spread = coupling.spread(a.target, model.experts(), false);
  next.beta = fit_experts(model, problem.points.x, problem.points.offset, a.spread.response,
                          a.spread.weight, a.spread.deviation, next.dispersion, problem.threads);
  return next;
}

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

ReduceResult descend(const Problem& problem, const Model& start, const ReduceOptions& options,
                     PlanKind plan, int most, const Services& services) {
  ReduceResult out;
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
    model = update(problem, model, now);
    Assigned next = assign(problem.coupling, model, plan);
    const double gain = now.objective - next.objective;
    // Under the component plan the update is exact, so an unchanged plan is a fixed point.
    out.converged = options.tolerance >= 0.0 &&
                    (plan == PlanKind::component
                         ? next.target == now.target
                         : gain <= options.tolerance * now.objective + 1e-14);
    now = std::move(next);
    out.objective.push_back(now.objective);
  }
  out.model = model;
  return out;
}

// Gates by softmax regression on the plan's mass, (S4), (S5).
void finish_gates(const Problem& problem, const ReduceOptions& options, ReduceResult& out) {
  const Coupling& coupling = problem.coupling;
  MatrixXd weight;
  if (options.plan == PlanKind::pointwise) {
    weight = coupling.spread(out.model).weight;
    out.plan = coupling.component_plan(out.model).plan;
  } else {
    const MatrixXd cost = coupling.cost(out.model);
    const std::vector<Index> target = cheapest(cost);
    weight = coupling.spread(target, out.model.experts(), true).weight;
    out.plan = coupling.component_plan(target, cost).plan;
  }
  GatePrior prior = gate_prior(problem.scaling.z, out.model.experts(), options.gate_ridge);
  prior.centre = out.model.alpha;
  const MatrixXd& z = problem.points.shared ? problem.points.x : problem.points.z;
  const SoftmaxFit gates = softmax_regression(z, weight, problem.points.gate_offset,
                                              out.model.alpha, prior, problem.threads);
  out.model.alpha = gates.alpha;
  out.gates_converged = gates.converged;
}

// K components far apart: each drawn with probability proportional to its cost from those before.
Model seeded_start(const Problem& problem, Index experts, const Services& services) {
  const Coupling& coupling = problem.coupling;
  const Model& shape = problem.models.front();
  Model model = shape;
  model.alpha = MatrixXd::Zero(shape.alpha.rows(), experts - 1);
  VectorXd cost = VectorXd::Ones(coupling.components());
  for (Index k = 0; k < experts; ++k) {
    if (!(cost.maxCoeff() > 0)) cost.setOnes();
    const Index l = draw_index(cost, services.uniform);
    model.beta.conservativeResize(shape.beta.rows(), (k + 1) * coupling.parts());
    model.dispersion.conservativeResize(k + 1);
    model.beta.rightCols(coupling.parts()) = coupling.beta(l);
    model.dispersion(k) = coupling.dispersion(l);
    cost = coupling.cost(model).rowwise().minCoeff().cwiseMax(0.0);
  }
  return model;
}

// Local models with the right number of experts, least objective under the component plan first.
std::vector<Index> rank_candidates(const Problem& problem, Index experts,
                                   const ReduceOptions& options, std::vector<double>& objective) {
  const Index count = static_cast<Index>(problem.models.size());
  objective.assign(static_cast<std::size_t>(count), std::numeric_limits<double>::quiet_NaN());
  std::vector<Index> order;
  const Index stride = std::max<Index>(1, count / options.candidates);
  for (Index m = 0; m < count; m += stride) {
    const Model& model = problem.models[static_cast<std::size_t>(m)];
    if (model.experts() != experts) continue;
    objective[static_cast<std::size_t>(m)] =
        objective_at(problem.coupling, model, PlanKind::component);
    order.push_back(m);
  }
  std::stable_sort(order.begin(), order.end(), [&](Index a, Index b) {
    return objective[static_cast<std::size_t>(a)] < objective[static_cast<std::size_t>(b)];
  });
  return order;
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
std::vector<ReduceResult> search(const Problem& problem, Index experts, const ReduceOptions& options,
                                 const Services& services, std::vector<double>& tried,
                                 std::vector<double>& final) {
  std::vector<ReduceResult> runs;
  const auto run = [&](const Model& from, Index origin) {
    runs.push_back(descend(problem, from, options, PlanKind::component, options.max_iterations,
                           services));
    runs.back().start = origin;
    final.push_back(runs.back().objective.back());
  };
  const std::vector<Index> order = rank_candidates(problem, experts, options, tried);
  for (std::size_t i = 0; i < order.size() && static_cast<int>(i) < options.starts; ++i) {
    run(problem.models[static_cast<std::size_t>(order[i])], order[i]);
  }
  // One site with K experts is its own reduction: there is nothing to search.
  const int seeded = problem.models.size() > 1 || order.empty() ? options.seeded : 0;
  for (int i = 0; i < seeded; ++i) run(seeded_start(problem, experts, services), -1);
  sort_by_objective(runs);
  return runs;
}

// The pointwise plan costs a pass over all points and components a step, and needs many. So its runs
// start where the component plan's end: one at each of the few best different ends; after a few steps
// the best alone goes on.
ReduceResult search_pointwise(const Problem& problem, const std::vector<ReduceResult>& ends,
                              const ReduceOptions& options, const Services& services,
                              std::vector<double>& tried, std::vector<double>& final) {
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
    best = std::move(more);
  }
  final.clear();
  for (const ReduceResult& run : runs) final.push_back(run.objective.back());
  return best;
}

}  // namespace

ReduceResult reduce(const LocalModels& locals, Index experts, const Model* start,
                    const ReduceOptions& options, const Services& services) {
  const Problem problem(locals, options.cache_bytes, services);
  ReduceResult best;
  std::vector<double> runs, tried;
  if (start) {
    best = descend(problem, problem.scaling.to_internal(*start), options, options.plan,
                   options.max_iterations, services);
    runs.push_back(best.objective.back());
  } else {
    const std::vector<ReduceResult> ends =
        search(problem, experts, options, services, tried, runs);
    if (options.plan == PlanKind::component) best = ends.front();
    else best = search_pointwise(problem, ends, options, services, tried, runs);
  }
  best.runs = runs;
  best.candidates = tried;
  finish_gates(problem, options, best);
  // Columns that the support does not determine keep what the start says of them.
  const Model* kept = start;
  if (!start && best.start >= 0) kept = &locals.models[static_cast<std::size_t>(best.start)];
  best.model = problem.scaling.to_user(best.model, kept);
  return best;
}

double reduction_objective(const LocalModels& locals, const Model& model, PlanKind plan,
                           const Services& services) {
  const Problem problem(locals, 0.0, services);
  const Model internal = problem.scaling.to_internal(model);
  if (plan == PlanKind::pointwise) return problem.coupling.spread(internal).objective;
  // Moments of the points would pay for themselves only with more models than one.
  const MatrixXd cost = locals.moments.empty() ? problem.coupling.cost_at_points(internal)
                                               : problem.coupling.cost(internal);
  return cost.rowwise().minCoeff().sum();
}

}  // namespace distmoe
