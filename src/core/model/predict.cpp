#include "model/predict.h"

#include "model/mixture.h"

namespace distmoe {

namespace {

MatrixXd predict_block(const Block& block, const Model& model, PredictKind kind) {
  if (kind == PredictKind::posterior) return evaluate(block, model).posterior.matrix();
  if (kind == PredictKind::log_density) return evaluate(block, model).log_lik.matrix();
  if (kind == PredictKind::gate) {
    return gates(block.z, model.alpha, block.gate_offset).probability.matrix();
  }
  const Index parts = model.parts();
  const MatrixXd mean = expert_means(
      model.family, linear_predictors(block.x, model.beta, block.offset), parts);
  if (kind == PredictKind::expert) return mean;
  const MatrixXd gate = gates(block.z, model.alpha, block.gate_offset).probability.matrix();
  MatrixXd out = MatrixXd::Zero(mean.rows(), parts);
  for (Index k = 0; k < gate.cols(); ++k) {
    out += gate.col(k).asDiagonal() * mean.middleCols(k * parts, parts);
  }
  return out;
}

}  // namespace

MatrixXd answer_rows(const Source& data, Index columns, const Services& services,
                     const std::function<MatrixXd(const Block&)>& answers) {
  MatrixXd out(data.rows(), columns);
  in_parallel(data.blocks(), services.threads, [&](Index i) {
    data.show_block(i, [&](const Block& block) {
      out.middleRows(block.first, block.rows()) = answers(block);
    });
  });
  return out;
}

MatrixXd predict(const Source& data, const Model& model, PredictKind kind,
                 const Services& services) {
  const Index columns = kind == PredictKind::log_density ? 1
                        : kind == PredictKind::response  ? model.parts()
                        : kind == PredictKind::expert    ? model.beta.cols()
                                                         : model.experts();
  return answer_rows(data, columns, services,
                     [&](const Block& block) { return predict_block(block, model, kind); });
}

}  // namespace distmoe
