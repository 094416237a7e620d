#include "model/quantiles.h"

#include <stdexcept>

#include "model/mixture.h"
#include "model/predict.h"

namespace distmoe {

MatrixXd quantiles(const Source& data, const Model& model, const VectorXd& probs,
                   const Services& services) {
  return quantiles(data, std::vector<Model>{model}, probs, services);
}

MatrixXd quantiles(const Source& data, const std::vector<Model>& models, const VectorXd& probs,
                   const Services& services) {
  const Model& first = models.front();
  const Family& family = family_of(first.family);
  if (!family.ordered()) throw std::invalid_argument("classes have no order, and so no quantiles");
  const Index k = first.experts(), count = static_cast<Index>(models.size());
  VectorXd dispersion(k * count);
  for (Index m = 0; m < count; ++m) dispersion.segment(m * k, k) = models[static_cast<std::size_t>(m)].dispersion;
  return answer_rows(data, probs.size(), services, [&](const Block& block) {
    ArrayXXd share(block.rows(), k * count), mean(block.rows(), k * count);
    for (Index m = 0; m < count; ++m) {
      const Model& model = models[static_cast<std::size_t>(m)];
      share.middleCols(m * k, k) = gates(block.z, model.alpha, block.gate_offset).probability;
      mean.middleCols(m * k, k) =
          expert_means(model.family, linear_predictors(block.x, model.beta, block.offset), model.parts()).array();
    }
    if (count > 1) share /= static_cast<double>(count);
    return family.quantiles(share, mean, dispersion, probs);
  });
}

}  // namespace distmoe
