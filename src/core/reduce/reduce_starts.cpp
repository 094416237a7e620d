#include "reduce/reduce_starts.h"

#include <algorithm>
#include <limits>

#include "base/kmeans.h"
#include "model/mixture.h"

namespace distmoe {

namespace {

const Index value_points = 64;  // support points at which components are compared by k-means

// Local models with the right number of experts, least objective under the component plan first.
std::vector<Index> rank_candidates(const ReduceProblem& problem, Index experts,
                                   const ReduceOptions& options, std::vector<double>& objective) {
  const Index count = static_cast<Index>(problem.models.size());
  objective.assign(static_cast<std::size_t>(count), std::numeric_limits<double>::quiet_NaN());
  std::vector<Index> able, order;
  for (Index m = 0; m < count; ++m) {
    if (problem.models[static_cast<std::size_t>(m)].experts() == experts) able.push_back(m);
  }
  const std::size_t stride =
      std::max<std::size_t>(1, able.size() / static_cast<std::size_t>(options.candidates));
  for (std::size_t i = 0; i < able.size(); i += stride) {
    const std::size_t m = static_cast<std::size_t>(able[i]);
    objective[m] = objective_at(problem.coupling, problem.models[m], PlanKind::component);
    order.push_back(able[i]);
  }
  std::stable_sort(order.begin(), order.end(), [&](Index a, Index b) {
    return objective[static_cast<std::size_t>(a)] < objective[static_cast<std::size_t>(b)];
  });
  return order;
}

// A model of K components.
Model model_of(const ReduceProblem& problem, const std::vector<Index>& components) {
  const Model& shape = problem.models.front();
  const Index parts = shape.parts(), count = static_cast<Index>(components.size());
  Model model{shape.family, MatrixXd(shape.beta.rows(), count * parts),
              MatrixXd::Zero(shape.alpha.rows(), count - 1), VectorXd(count)};
  for (Index k = 0; k < count; ++k) {
    const Index l = components[static_cast<std::size_t>(k)];
    model.beta.middleCols(k * parts, parts) = problem.coupling.beta(l);
    model.dispersion(k) = problem.coupling.dispersion(l);
  }
  return model;
}

// K components far apart: each drawn with probability proportional to its cost from those before.
Model far_apart(const ReduceProblem& problem, Index experts, const Services& services) {
  const Coupling& coupling = problem.coupling;
  VectorXd cost = VectorXd::Ones(coupling.components());
  std::vector<Index> chosen;
  for (Index k = 0; k < experts; ++k) {
    if (!(cost.maxCoeff() > 0)) cost.setOnes();
    chosen.push_back(draw_index(cost, services.uniform));
    cost = coupling.cost(model_of(problem, chosen)).rowwise().minCoeff().cwiseMax(0.0);
  }
  return model_of(problem, chosen);
}

// Means and standard deviations of every component at some support points, a row each: square
// distances of rows are those of 2-Wasserstein (Gaussian experts), summed over these points.
MatrixXd functional_values(const ReduceProblem& problem) {
  const HeldSource& points = problem.points;
  const Components& all = problem.components;
  const Index rows = std::min(value_points, points.rows()), parts = all.parts();
  MatrixXd x(rows, points.x.cols());
  VectorXd offset(points.offset.size() > 0 ? rows : 0);
  for (Index i = 0; i < rows; ++i) {
    const Index s = i * points.rows() / rows;
    x.row(i) = points.x.row(s);
    if (offset.size() > 0) offset(i) = points.offset(s);
  }
  const Family& family = family_of(all.family());
  MatrixXd out(all.count(), 2 * rows * parts);
  for (Index l = 0; l < all.count(); ++l) {
    const ArrayXXd mean =
        family.mean(linear_predictors(x, all.beta.middleCols(l * parts, parts), offset).array());
    ArrayXXd variance(rows, parts);
    const ArrayXXd pairs = family.variance(mean, all.dispersion(l));
    for (Index a = 0; a < parts; ++a) variance.col(a) = pairs.col(pairs_of(a + 1) - 1);
    const ArrayXXd sd = (variance * all.dispersion(l)).sqrt();
    out.row(l).head(rows * parts) = Eigen::Map<const VectorXd>(mean.data(), mean.size()).transpose();
    out.row(l).tail(rows * parts) = Eigen::Map<const VectorXd>(sd.data(), sd.size()).transpose();
  }
  return out;
}

// The update (17) for the plan that sends components to the centres of k-means on their values.
Model by_kmeans(const ReduceProblem& problem, Index experts, const Services& services) {
  Assigned plan;
  plan.target = kmeans(functional_values(problem), experts, services);
  std::vector<Index> first(static_cast<std::size_t>(experts), 0);
  for (Index l = problem.coupling.components(); l-- > 0;) {
    first[static_cast<std::size_t>(plan.target[static_cast<std::size_t>(l)])] = l;
  }
  return update(problem, model_of(problem, first), plan);
}

}  // namespace

std::vector<ReduceStart> reduction_starts(const ReduceProblem& problem, Index experts,
                                          const ReduceOptions& options, const Services& services,
                                          std::vector<double>& objective) {
  const std::vector<Index> order = rank_candidates(problem, experts, options, objective);
  std::vector<ReduceStart> starts;
  for (std::size_t i = 0; i < order.size() && static_cast<int>(i) < options.starts; ++i) {
    starts.push_back({problem.models[static_cast<std::size_t>(order[i])], order[i]});
  }
  // One site with K experts is its own reduction: there is nothing to search.
  if (problem.models.size() == 1 && !order.empty()) return starts;
  for (int i = 0; i < options.seeded; ++i) {
    starts.push_back({far_apart(problem, experts, services), start_far_apart});
  }
  starts.push_back({by_kmeans(problem, experts, services), start_kmeans});
  return starts;
}

}  // namespace distmoe
