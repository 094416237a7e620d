#include "fit/statistics.h"

#include "base/gram.h"
#include "model/mixture.h"
#include "model/parameters.h"

namespace distmoe {

namespace {

Statistics sums_given(const Block& block, const Model& model, const Evaluation& e,
                      const ArrayXXd& responsibility) {
  Statistics sums(model);
  MatrixXd weighted = responsibility.matrix();
  sums.rows = block.rows();
  if (block.weight.size() > 0) {
    weighted.array().colwise() *= block.weight.array();
    sums.weight = block.weight.sum();
    sums.log_lik = (block.weight.array() * e.log_lik).sum();
  } else {
    sums.weight = static_cast<double>(block.rows());
    sums.log_lik = e.log_lik.sum();
  }

  // Experts and gates side by side: where they share a design, its products are formed once.
  const Index k = model.experts(), parts = model.parts(), width = k * parts;
  const Index pairs = sums.experts.gram.rows(), blocks = sums.gates.gram.rows();
  MatrixXd gram_weight(block.rows(), pairs + blocks), residual(block.rows(), width + k - 1);
  const Family& f = family_of(model.family);
  const ArrayXXd response = f.response(block.y.array(), parts);
  ArrayXd mass;
  if (block.trials.size() > 0) sums.experts.responses = VectorXd::Zero(k);
  for (Index j = 0; j < k; ++j) {
    mass = weighted.col(j);
    if (block.trials.size() > 0) {
      mass *= block.trials.array();
      sums.experts.responses(j) = mass.sum();
    }
    const auto mean = e.mean().middleCols(j * parts, parts).array();
    const double d = model.dispersion(j);
    gram_weight.middleCols(j * pairs_of(parts), pairs_of(parts)) =
        (f.curvature(mean, d).colwise() * mass).matrix();
    auto own = residual.middleCols(j * parts, parts);
    own = ((response - mean).colwise() * mass).matrix();
    f.to_score(mean, d, own.array());
    if (f.has_dispersion()) sums.experts.deviation(j) = f.deviation(response.col(0), mean.col(0), mass, d);
  }
  gate_weights(e.gate, weighted, gram_weight.rightCols(blocks),
               residual.rightCols(k - 1));
  const auto add = [&](const MatrixView& x, Index first, Index count, Index first_residual,
                       Index residuals, MatrixXd& gram, MatrixXd& score) {
    gram = MatrixXd::Zero(count, triangle_size(x.cols()));
    add_weighted_grams(x, gram_weight.middleCols(first, count), gram);
    score = transposed_multiply(x, residual.middleCols(first_residual, residuals));
  };
  if (block.shares_design()) {
    MatrixXd gram, score;
    add(block.x, 0, pairs + blocks, 0, width + k - 1, gram, score);
    sums.experts.gram = gram.topRows(pairs);
    sums.experts.score = score.leftCols(width);
    sums.gates.gram = gram.bottomRows(blocks);
    sums.gates.score = score.rightCols(k - 1);
  } else {
    add(block.x, 0, pairs, 0, width, sums.experts.gram, sums.experts.score);
    add(block.z, pairs, blocks, width, k - 1, sums.gates.gram, sums.gates.score);
  }
  sums.experts.mass = weighted.colwise().sum().transpose();
  return sums;
}

}  // namespace

Statistics::Statistics(const Model& model)
    : experts(model.beta.rows(), model.experts(), model.parts()),
      gates(model.alpha.rows(), model.experts()) {}

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

Model em_step(const Model& model, const Statistics& sums, const PenaltyRule& rule, double floor,
              double least_mass, double length) {
  Model next = model;
  const Penalty penalty = rule.at(sums.weight);
  const ExpertStep step =
      penalty.on_experts(model) ? penalised_expert_step(model, sums.experts, penalty, floor, least_mass)
                                : expert_step(model, sums.experts, floor, least_mass);
  // The Gaussian update is the exact maximiser of its part, so it needs no shortening.
  const bool exact = family_of(model.family).least_squares();
  next.beta += (exact ? 1.0 : length) * step.delta;
  next.dispersion = step.dispersion;
  next.alpha = penalised_gates(model.alpha, sums.gates, penalty);
  if (length != 1.0) next.alpha = model.alpha + length * (next.alpha - model.alpha);
  return next;
}

MatrixXd complete_curvature(const Model& model, const Statistics& sums, const VectorXd& mass, const Penalty& penalty) {
  const Index p = model.beta.rows(), q = model.alpha.rows(), k = model.experts(), parts = model.parts();
  const Index pairs = pairs_of(parts), own = p * parts, gates = q * (k - 1), size = parameter_count(model);
  MatrixXd out = MatrixXd::Zero(size, size);
  for (Index j = 0; j < k; ++j) {
    const double precision = mass(j) / (std::max(sums.experts.mass(j), 1e-300) * model.dispersion(j));
    out.block(j * own, j * own, own, own) =
        precision * unpack_blocks(sums.experts.gram.middleRows(j * pairs, pairs), p, parts);
  }
  out.block(k * own, k * own, gates, gates) = unpack_blocks(sums.gates.gram, q, k - 1);
  const Index rest = size - k * own - gates;
  const Family& f = family_of(model.family);
  for (Index j = 0; j < rest; ++j) {
    out(size - rest + j, size - rest + j) =
        f.dispersion_information(model.dispersion(j)) * mass(j) *
        (sums.experts.count(j) / std::max(sums.experts.mass(j), 1e-300));
  }
  penalty.add_to(model, out);
  return out;
}

}  // namespace distmoe
