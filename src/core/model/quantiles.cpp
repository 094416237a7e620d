#include "model/quantiles.h"

#include <stdexcept>

#include "model/mixture.h"
#include "model/predict.h"

namespace distmoe {

MatrixXd quantiles(const Source& data, const Model& model, const VectorXd& probs,
                   const Services& services) {
  const Family& family = family_of(model.family);
  if (!family.ordered()) throw std::invalid_argument("classes have no order, and so no quantiles");
  return answer_rows(data, probs.size(), services, [&](const Block& block) {
    const ArrayXXd share = gates(block.z, model.alpha, block.gate_offset).probability;
    const MatrixXd mean =
        expert_means(model.family, linear_predictors(block.x, model.beta, block.offset), model.parts());
    return family.quantiles(share, mean.array(), model.dispersion, probs);
  });
}

}  // namespace distmoe
