// Plain data shared by the whole core: parameters, a block of rows, the services a caller hands in.
#ifndef DISTMOE_BASE_MODEL_H
#define DISTMOE_BASE_MODEL_H

#include <Eigen/Core>
#include <functional>
#include <vector>

namespace distmoe {

using Eigen::ArrayXd;
using Eigen::ArrayXXd;
using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;

// Views that bind to matrices, maps and row ranges of either without a copy.
using MatrixView = Eigen::Ref<const MatrixXd>;
using VectorView = Eigen::Ref<const VectorXd>;

enum class FamilyKind : int;  // see model/family.h

// What the experts of a model are: their family and the number of an expert's predictors (see family.h).
struct ExpertKind {
  FamilyKind family;
  Index parts;
};

// A mixture of K experts, equation (1): f(y|x) = sum_k pi_k(z; alpha) phi(y | x'beta_k, dispersion_k).
// An expert has R predictors (see family.h), the columns k R .. k R + R - 1 of what is K R wide.
struct Model {
  FamilyKind family{};
  MatrixXd beta;        // p x K R, experts
  MatrixXd alpha;       // q x (K - 1), gates; the gate of expert K is 0
  VectorXd dispersion;  // K; sigma_k^2 for Gaussian experts, ones where the family has none

  Index experts() const { return dispersion.size(); }
  Index parts() const { return beta.cols() / dispersion.size(); }  // R
  ExpertKind kind() const { return {family, parts()}; }
};

// Rows of data. A vector of length 0 stands for "none" (offsets, y) or "all ones" (weight).
// An offset enters every expert; a gate_offset enters the gates 1..K-1, not the reference gate K.
struct Block {
  MatrixView x;                               // b x p, experts' design
  MatrixView z;                               // b x q, gates' design
  VectorView y, weight, offset, gate_offset;  // y of the multinomial family: classes 0 .. C - 1
  VectorView trials;                          // b or 0: y is the share of successes in so many trials of one expert
  // b or 0: the numbers of units, from 0. All rows of a unit are in the block, are of one expert and have the same z.
  // Their weights are then one over the number of the unit's rows, which `trials` holds: the unit counts once.
  VectorView unit;
  Index first = 0;  // number of the first row in the source that shows the block
  // log of what y was divided by, which log-likelihoods are shifted by once a unit of weight: here a unit's other rows.
  double log_scale = 0.0;

  Index rows() const { return x.rows(); }
  bool shares_design() const { return x.data() == z.data() && x.cols() == z.cols(); }
};

// Some of the rows of a vector of which there may be none (see Block).
inline VectorView some_rows(const VectorView& from, Index start, Index count) {
  return from.size() > 0 ? VectorView(from.segment(start, count)) : from;
}

// What the core may ask of its caller; it never reaches for them itself.
struct Services {
  std::function<void()> interrupt = [] {};    // throws when the user wants to stop
  std::function<double()> uniform = nullptr;  // one draw from U(0, 1), the caller's generator
  int threads = 1;                            // most threads that may work; no result depends on it
};

}  // namespace distmoe

#endif
