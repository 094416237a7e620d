// Newton steps from a Hessian that is not quite the one wanted: a sample's, or that of a point behind.
// What the gradients along the way tell about the true one is put on top (the BFGS update).
#ifndef DISTMOE_FIT_SECANTS_H
#define DISTMOE_FIT_SECANTS_H

#include "base/numerics.h"

namespace distmoe {

class Secants {
 public:
  // Starts anew.
  void clear() { steps_.clear(); }
  // A step that was taken and by how much the objective's gradient fell on it.
  void learn(const VectorXd& step, const VectorXd& fall);
  // The direction of ascent for a gradient; `curvature` is the negative Hessian to begin with. Where
  // that is not positive definite, what was learnt is left aside.
  Solve direction(const MatrixXd& curvature, const VectorXd& gradient) const;

 private:
  struct Pair {
    VectorXd step, fall;
    double product;  // step'fall > 0
  };
  std::vector<Pair> steps_;
};

}  // namespace distmoe

#endif
