#include "reduce/transport_problem.h"

#include <algorithm>
#include <limits>

namespace distmoe {

TransportProblem::TransportProblem(Index rows, Index cols)
    : supply(rows),
      demand(cols),
      cost(rows, cols),
      plan(rows, cols),
      row_price_(rows),
      col_price_(cols),
      row_distance_(rows),
      col_distance_(cols),
      from_row_(cols),
      from_col_(rows),
      row_done_(rows),
      col_done_(cols) {}

// Successive shortest paths: what the start leaves of every supply goes, piece by piece, along the
// shortest path to a column that still wants mass.
double TransportProblem::solve() {
  nothing_ = 1e-15 * std::max(supply.sum(), 1e-300);
  start();
  for (Index source = 0; source < supply.size(); ++source) {
    while (supply(source) > nothing_) {
      const Index sink = shortest_path(source);
      if (sink < 0) break;  // what is left of supply is rounding: no demand remains
      move_potentials(col_distance_(sink));
      send(source, sink);
    }
  }
  double value = 0.0;
  for (Index i = 0; i < plan.size(); ++i) {
    if (plan(i) > 0) value += plan(i) * cost(i);
  }
  return value;
}

// Prices from the least costs of rows and then of columns. Mass may already go wherever the reduced
// cost is 0: that keeps the condition on the prices.
void TransportProblem::start() {
  plan.setZero();
  const Index rows = cost.rows(), cols = cost.cols();
  for (Index i = 0; i < rows; ++i) {
    double least = cost(i, 0);
    for (Index j = 1; j < cols; ++j) least = std::min(least, cost(i, j));
    row_price_(i) = least;
  }
  for (Index j = 0; j < cols; ++j) {
    double least = cost(0, j) - row_price_(0);
    for (Index i = 1; i < rows; ++i) least = std::min(least, cost(i, j) - row_price_(i));
    col_price_(j) = least;
    for (Index i = 0; i < rows && demand(j) > nothing_; ++i) {
      if (supply(i) <= nothing_ || reduced(i, j) > 0) continue;
      const double amount = std::min(supply(i), demand(j));
      plan(i, j) = amount;
      supply(i) -= amount;
      demand(j) -= amount;
    }
  }
}

// Dijkstra from row `source` to the nearest column with demand, -1 if there is none. A column is
// passed through backwards, by the rows that send to it.
Index TransportProblem::shortest_path(Index source) {
  const Index rows = cost.rows(), cols = cost.cols();
  row_done_.setConstant(false);
  col_done_.setConstant(false);
  row_done_(source) = true;
  row_distance_(source) = 0.0;
  for (Index j = 0; j < cols; ++j) {
    col_distance_(j) = reduced(source, j);
    from_row_(j) = source;
  }
  for (;;) {
    Index next = -1;
    double least = std::numeric_limits<double>::infinity();
    for (Index j = 0; j < cols; ++j) {
      if (!col_done_(j) && col_distance_(j) < least) {
        least = col_distance_(j);
        next = j;
      }
    }
    if (next < 0 || demand(next) > nothing_) return next;
    col_done_(next) = true;
    for (Index i = 0; i < rows; ++i) {
      if (row_done_(i) || plan(i, next) <= 0) continue;
      row_done_(i) = true;
      row_distance_(i) = least;
      from_col_(i) = next;
      for (Index j = 0; j < cols; ++j) {
        const double through = least + reduced(i, j);
        if (!col_done_(j) && through < col_distance_(j)) {
          col_distance_(j) = through;
          from_row_(j) = i;
        }
      }
    }
  }
}

// After a search that ended at distance `length`: reduced costs become 0 along the path.
void TransportProblem::move_potentials(double length) {
  for (Index i = 0; i < row_price_.size(); ++i) {
    if (row_done_(i)) row_price_(i) += length - row_distance_(i);
  }
  for (Index j = 0; j < col_price_.size(); ++j) {
    if (col_done_(j)) col_price_(j) -= length - col_distance_(j);
  }
}

// As much as the path found last can carry.
void TransportProblem::send(Index source, Index sink) {
  double amount = std::min(supply(source), demand(sink));
  Index i = from_row_(sink);
  while (i != source) {
    amount = std::min(amount, plan(i, from_col_(i)));
    i = from_row_(from_col_(i));
  }
  i = from_row_(sink);
  plan(i, sink) += amount;
  while (i != source) {
    const Index j = from_col_(i);
    plan(i, j) -= amount;
    i = from_row_(j);
    plan(i, j) += amount;
  }
  supply(source) -= amount;
  demand(sink) -= amount;
}

double solve_transport(VectorXd supply, VectorXd demand, const MatrixXd& cost, MatrixXd& plan) {
  TransportProblem problem(cost.rows(), cost.cols());
  problem.supply = supply;
  problem.demand = demand;
  problem.cost = cost;
  const double value = problem.solve();
  plan = problem.plan;
  return value;
}

std::vector<Index> best_matching(const MatrixXd& cost) {
  TransportProblem problem(cost.rows(), cost.cols());
  problem.supply.setOnes();
  problem.demand.setOnes();
  problem.cost = cost;
  problem.solve();
  std::vector<Index> match(static_cast<std::size_t>(cost.rows()), 0);
  for (Index i = 0; i < cost.rows(); ++i) {
    for (Index j = 0; j < cost.cols(); ++j) {
      if (problem.plan(i, j) > 0) match[static_cast<std::size_t>(i)] = j;
    }
  }
  return match;
}

}  // namespace distmoe
