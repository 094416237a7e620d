#include "statistics.h"

#include "mixture.h"

namespace distmoe {

namespace {

ArrayXd case_weights(const Block& block) {
  if (block.weight.size() > 0) return block.weight.array();
  return ArrayXd::Ones(block.rows());
}

Statistics sums_given(const Block& block, const Model& model, const Evaluation& e,
                      const ArrayXXd& responsibility) {
  Statistics sums(block.x.cols(), block.z.cols(), model.experts());
  const ArrayXd weight = case_weights(block);
  const MatrixXd weighted = (responsibility.colwise() * weight).matrix();
  const MatrixXd response = (weighted.array().colwise() * block.y.array()).matrix();
  sums.rows = block.rows();
  sums.weight = weight.sum();
  sums.log_lik = (weight * e.log_lik).sum();
  sums.experts = expert_sums(model.family, block.x, e.eta, response, weighted);
  const Family& f = family_of(model.family);
  for (Index k = 0; k < model.experts(); ++k) {
    const ArrayXd gap = block.y.array() - f.mean(e.eta.col(k).array());
    sums.experts.deviation(k) = (weighted.col(k).array() * gap.square()).sum();
  }
  sums.gates = gate_sums(block.z, e.log_gate, weighted);
  return sums;
}

}  // namespace

Statistics& Statistics::operator+=(const Statistics& other) {
  rows += other.rows;
  weight += other.weight;
  log_lik += other.log_lik;
  experts += other.experts;
  gates += other.gates;
  return *this;
}

Statistics statistics(const Block& block, const Model& model) {
  const Evaluation e = evaluate(block, model);
  return sums_given(block, model, e, e.posterior);
}

Statistics statistics(const Block& block, const Model& model, const MatrixXd& responsibility) {
  return sums_given(block, model, evaluate(block, model), responsibility.array());
}

Model em_step(const Model& model, const Statistics& sums, const GatePrior& prior, double floor,
              double least_mass, double length) {
  Model next = model;
  const ExpertStep step = expert_step(model, sums.experts, floor, least_mass);
  // The Gaussian update is the exact maximiser of its part, so it needs no shortening.
  const bool exact = family_of(model.family).has_dispersion();
  next.beta += (exact ? 1.0 : length) * step.delta;
  next.dispersion = step.dispersion;
  next.alpha += length * gate_step(model.alpha, sums.gates, prior);
  return next;
}

}  // namespace distmoe
