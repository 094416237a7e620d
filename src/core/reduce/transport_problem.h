// The transportation problem: the linear program inside the transport divergence (9).
#ifndef DISTMOE_REDUCE_TRANSPORT_PROBLEM_H
#define DISTMOE_REDUCE_TRANSPORT_PROBLEM_H

#include "base/model.h"

namespace distmoe {

// min sum P_ij cost_ij, row sums `supply`, column sums `demand` (equal totals, up to rounding),
// P >= 0. Exact. With ones on both sides it is the assignment problem and the plan is a permutation.
//
// Many problems of one shape are solved by one object: fill `supply`, `demand` and `cost`, then
// solve(). No memory is asked for after construction.
class TransportProblem {
 public:
  TransportProblem(Index rows, Index cols);
  // Returns the value and sets `plan`. What is left in `supply` and `demand` is rounding.
  double solve();

  VectorXd supply, demand;  // used up by solve()
  MatrixXd cost, plan;

 private:
  void start();
  Index shortest_path(Index source);
  void move_potentials(double length);
  void send(Index source, Index sink);
  double reduced(Index i, Index j) const { return cost(i, j) - row_price_(i) - col_price_(j); }

  double nothing_ = 0.0;  // masses up to this are rounding
  // Prices keep reduced costs >= 0, and 0 where the plan is positive: that is optimality.
  VectorXd row_price_, col_price_;
  // The search from one row: distances, how each column and row was reached, and which were.
  VectorXd row_distance_, col_distance_;
  Eigen::Matrix<Index, Eigen::Dynamic, 1> from_row_, from_col_;
  Eigen::Array<bool, Eigen::Dynamic, 1> row_done_, col_done_;
};

// One problem.
double solve_transport(VectorXd supply, VectorXd demand, const MatrixXd& cost, MatrixXd& plan);

// The best one-to-one matching for a square cost: element i is the column of row i.
std::vector<Index> best_matching(const MatrixXd& cost);

}  // namespace distmoe

#endif
