#include "transport.h"

#include <limits>

#include "mixture.h"

namespace distmoe {

namespace {

// A model at the points: what costs and plans are made of.
struct Seen {
  ArrayXXd gate;
  MatrixXd eta;
  Seen(const Model& m, const Block& points)
      : gate(gates(points.z, m.alpha, points.gate_offset).probability),
        eta(linear_predictors(points.x, m.beta, points.offset)) {}
};

// Element l: c(from_l, to_k) at every point, as S x K.
std::vector<ArrayXXd> cost_arrays(const Model& from, const Seen& a, const Model& to, const Seen& b) {
  std::vector<ArrayXXd> cost;
  for (Index l = 0; l < from.experts(); ++l) {
    ArrayXXd of_l(a.eta.rows(), to.experts());
    for (Index k = 0; k < to.experts(); ++k) {
      of_l.col(k) = family_of(from.family).divergence(a.eta.col(l).array(), from.dispersion(l),
                                                      b.eta.col(k).array(), to.dispersion(k));
    }
    cost.push_back(of_l);
  }
  return cost;
}

Divergence divergence_seen(const Model& from, const Seen& a, const Model& to, const Seen& b,
                           const ArrayXd& weight, PlanKind kind) {
  const Index l_count = from.experts(), k_count = to.experts();
  const std::vector<ArrayXXd> cost = cost_arrays(from, a, to, b);
  Divergence out;
  out.plan = MatrixXd::Zero(l_count, k_count);
  out.cost = MatrixXd::Zero(l_count, k_count);
  for (Index l = 0; l < l_count; ++l) {
    const ArrayXd mass = weight * a.gate.col(l);
    out.cost.row(l) = (cost[static_cast<std::size_t>(l)].colwise() * mass).colwise().sum();
  }
  if (kind == PlanKind::component) {
    for (Index l = 0; l < l_count; ++l) {
      Index best;
      out.value += out.cost.row(l).minCoeff(&best);
      out.plan(l, best) = (weight * a.gate.col(l)).sum();
    }
    return out;
  }
  MatrixXd local_cost(l_count, k_count), local_plan;
  for (Index s = 0; s < weight.size(); ++s) {
    for (Index l = 0; l < l_count; ++l) local_cost.row(l) = cost[static_cast<std::size_t>(l)].row(s);
    if (kind == PlanKind::exact) {
      out.value += weight(s) * solve_transport(a.gate.row(s).transpose().matrix(),
                                               b.gate.row(s).transpose().matrix(), local_cost,
                                               local_plan);
      out.plan += weight(s) * local_plan;
      continue;
    }
    for (Index l = 0; l < l_count; ++l) {  // (16)
      Index best;
      out.value += weight(s) * a.gate(s, l) * local_cost.row(l).minCoeff(&best);
      out.plan(l, best) += weight(s) * a.gate(s, l);
    }
  }
  return out;
}

ArrayXd normalised_weights(const Block& points) {
  const double n = static_cast<double>(points.rows());
  if (points.weight.size() == 0) return ArrayXd::Constant(points.rows(), 1.0 / n);
  return points.weight.array() / points.weight.sum();
}

}  // namespace

double solve_transport(VectorXd supply, VectorXd demand, const MatrixXd& cost, MatrixXd& plan) {
  const Index rows = cost.rows(), cols = cost.cols();
  const double nothing = 1e-15 * std::max(supply.sum(), 1e-300);
  const double infinity = std::numeric_limits<double>::infinity();
  plan = MatrixXd::Zero(rows, cols);
  // Potentials keep reduced costs cost - u - v >= 0, and 0 where the plan is positive.
  VectorXd u = VectorXd::Zero(rows), v = VectorXd::Zero(cols), distance(cols), row_distance(rows);
  std::vector<Index> from_row(static_cast<std::size_t>(cols)), from_col(static_cast<std::size_t>(rows));
  std::vector<char> done(static_cast<std::size_t>(cols)), reached(static_cast<std::size_t>(rows));
  const auto at = [](Index i) { return static_cast<std::size_t>(i); };
  u = cost.rowwise().minCoeff();

  for (Index source = 0; source < rows; ++source) {
    while (supply(source) > nothing) {
      // Dijkstra from `source`; a column is passed through by the rows that send to it.
      std::fill(done.begin(), done.end(), 0);
      std::fill(reached.begin(), reached.end(), 0);
      reached[at(source)] = 1;
      row_distance(source) = 0.0;
      for (Index j = 0; j < cols; ++j) {
        distance(j) = cost(source, j) - u(source) - v(j);
        from_row[at(j)] = source;
      }
      Index sink = -1;
      for (;;) {
        Index next = -1;
        double least = infinity;
        for (Index j = 0; j < cols; ++j) {
          if (!done[at(j)] && distance(j) < least) {
            least = distance(j);
            next = j;
          }
        }
        if (next < 0) break;
        if (demand(next) > nothing) {
          sink = next;
          break;
        }
        done[at(next)] = 1;
        for (Index r = 0; r < rows; ++r) {
          if (reached[at(r)] || plan(r, next) <= 0) continue;
          reached[at(r)] = 1;
          row_distance(r) = least;
          from_col[at(r)] = next;
          for (Index j = 0; j < cols; ++j) {
            const double through = least + cost(r, j) - u(r) - v(j);
            if (!done[at(j)] && through < distance(j)) {
              distance(j) = through;
              from_row[at(j)] = r;
            }
          }
        }
      }
      if (sink < 0) break;  // what is left of supply is rounding: no demand remains
      const double length = distance(sink);
      for (Index r = 0; r < rows; ++r) {
        if (reached[at(r)]) u(r) += length - row_distance(r);
      }
      for (Index j = 0; j < cols; ++j) {
        if (done[at(j)]) v(j) -= length - distance(j);
      }
      double amount = std::min(supply(source), demand(sink));
      for (Index j = sink, r = from_row[at(j)]; r != source; r = from_row[at(j)]) {
        j = from_col[at(r)];
        amount = std::min(amount, plan(r, j));
      }
      Index j = sink;
      for (;;) {
        const Index r = from_row[at(j)];
        plan(r, j) += amount;
        if (r == source) break;
        j = from_col[at(r)];
        plan(r, j) -= amount;
      }
      supply(source) -= amount;
      demand(sink) -= amount;
    }
  }
  return (plan.array() * cost.array()).sum();
}

Divergence divergence(const Model& from, const Model& to, const Block& points, PlanKind plan) {
  return divergence_seen(from, Seen(from, points), to, Seen(to, points),
                         normalised_weights(points), plan);
}

MatrixXd pairwise_divergence(const std::vector<Model>& models, const Block& points,
                             const Services& services) {
  std::vector<Seen> seen;
  for (const Model& m : models) seen.emplace_back(m, points);
  const ArrayXd weight = normalised_weights(points);
  const Index count = static_cast<Index>(models.size());
  MatrixXd out = MatrixXd::Zero(count, count);
  for (Index a = 0; a < count; ++a) {
    services.interrupt();
    for (Index b = 0; b < count; ++b) {
      if (a == b) continue;
      const std::size_t i = static_cast<std::size_t>(a), j = static_cast<std::size_t>(b);
      out(a, b) = divergence_seen(models[i], seen[i], models[j], seen[j], weight,
                                  PlanKind::exact).value;
    }
  }
  return out;
}

}  // namespace distmoe
