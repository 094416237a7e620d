#include "predict.h"

#include "mixture.h"

namespace distmoe {

namespace {

MatrixXd predict_block(const Block& block, const Model& model, PredictKind kind) {
  if (kind == PredictKind::posterior) return evaluate(block, model).posterior.matrix();
  if (kind == PredictKind::log_density) return evaluate(block, model).log_lik.matrix();
  if (kind == PredictKind::gate) {
    return gates(block.z, model.alpha, block.gate_offset).probability.matrix();
  }
  const MatrixXd mean =
      expert_means(model.family, linear_predictors(block.x, model.beta, block.offset));
  if (kind == PredictKind::expert) return mean;
  const ArrayXXd gate = gates(block.z, model.alpha, block.gate_offset).probability;
  return (gate * mean.array()).rowwise().sum().matrix();
}

}  // namespace

MatrixXd predict(const Source& data, const Model& model, PredictKind kind,
                 const Services& services) {
  const bool one_column = kind == PredictKind::response || kind == PredictKind::log_density;
  MatrixXd out(data.rows(), one_column ? 1 : model.experts());
  in_parallel(data.blocks(), services.threads, [&](Index i) {
    data.show_block(i, [&](const Block& block) {
      out.middleRows(block.first, block.rows()) = predict_block(block, model, kind);
    });
  });
  return out;
}

}  // namespace distmoe
