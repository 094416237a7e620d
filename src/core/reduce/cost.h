// Costs c(from, to) of sending an expert to another, and what the update (17) needs of each.
#ifndef DISTMOE_REDUCE_COST_H
#define DISTMOE_REDUCE_COST_H

#include "model/family.h"
#include "reduce/options.h"

namespace distmoe {

// What a component asks of the expert that it is sent to, a unit of mass at every row. Sums of pulls
// over components are what Cost::update needs.
struct Pull {
  ArrayXd weight;
  ArrayXXd response;  // times weight
  ArrayXd deviation;
};

// Sums over components of mass times pull.
struct PullSums {
  const MatrixXd& weight;     // S x K
  const MatrixXd& response;   // S x K R
  const VectorXd& deviation;  // K, summed over the points too
};

class Cost {
 public:
  virtual ~Cost() = default;
  virtual bool suits(const Family&) const { return true; }
  // 1: update() is the minimiser. Else it only lowers the sum and is repeated, and steps up to so many times as long
  // are worth a trial.
  virtual double longest_step(const Family&) const { return 1.0; }
  // The cost on the user's scale, in units of that of a response divided by y_scale.
  virtual double unit(double) const { return 1.0; }
  // Row by row, never negative.
  virtual ArrayXd value(const ExpertAt& from, const ExpertAt& to) const = 0;
  // All pairs: column l K + k. Predictors of the experts side by side.
  virtual void values(const Model& from, const MatrixXd& eta_from, const VectorXd& dispersion_to,
                      const MatrixXd& eta_to, ArrayXXd& cost) const;
  virtual Pull pull(const ExpertAt& from, const ExpertAt& to) const = 0;
  // (17): experts that minimise (or lower) the sum of the costs of all that is sent to them, from the
  // pulls at `model`. Never raises it.
  virtual void update(Model& model, const MatrixView& x, const VectorView& offset,
                      const PullSums& sums, int threads) const = 0;
};

// The one object of each kind.
const Cost& cost_of(CostKind kind);

}  // namespace distmoe

#endif
