#include "fit/growth.h"

#include <algorithm>

#include "base/kmeans.h"
#include "base/numerics.h"
#include "model/mixture.h"

namespace distmoe {

namespace {

// The `count` rows among `candidates` with the largest values.
std::vector<Index> largest(const ArrayXd& value, std::vector<Index> candidates, Index count) {
  count = std::min(count, static_cast<Index>(candidates.size()));
  std::nth_element(candidates.begin(), candidates.begin() + (count - 1), candidates.end(),
                   [&](Index a, Index b) { return value(a) > value(b); });
  candidates.resize(static_cast<std::size_t>(count));
  return candidates;
}

std::vector<Index> every_row(Index n) {
  std::vector<Index> rows(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<Index>(i);
  return rows;
}

// How badly rows are explained: 0 for the best one, capped so that outliers do not take all.
VectorXd unexplained(const ArrayXd& explained) {
  return (explained.maxCoeff() - explained).min(50.0).matrix();
}

// The least number of rows that a regression is grown on.
Index core_rows(const HeldSource& sample, const ExpertKind& kind, Index k) {
  return std::max(3 * (sample.x_columns() * kind.parts + 1), sample.rows() / (20 * k));
}

// One regression around a row: of the rows near it those are kept that agree best with one
// regression, since a neighbourhood may hold rows of several experts.
Model grow_regression(const HeldSource& sample, const MatrixXd& points, const ExpertKind& kind,
                      Index seed, Index core, const PenaltyRule& rule, double floor,
                      const Services& services) {
  const ArrayXd distance = square_distances(points, seed).array();
  std::vector<Index> rows = largest(-distance, every_row(sample.rows()), 3 * core);
  std::sort(rows.begin(), rows.end());  // the order in which HeldSource keeps them
  const HeldSource near(sample, rows);
  const PenaltyRule no_gates = rule.for_experts(1);
  ArrayXd agreement(near.rows());  // at first: nearness
  for (Index i = 0; i < near.rows(); ++i) agreement(i) = -distance(rows[static_cast<std::size_t>(i)]);
  Model one;
  for (int pass = 0; pass < 6; ++pass) {
    MatrixXd r = MatrixXd::Zero(near.rows(), 1);
    for (Index i : largest(agreement, every_row(near.rows()), core)) r(i, 0) = 1.0;
    one = model_from(near, kind, r, no_gates, floor, services);
    agreement = fitness(near, one).col(0);
  }
  return one;
}

}  // namespace

Model model_from(const Source& source, const ExpertKind& kind, const MatrixXd& responsibility,
                 const PenaltyRule& rule, double floor, const Services& services) {
  const Index k = responsibility.cols();
  Model model;
  model.family = kind.family;
  model.beta = MatrixXd::Zero(source.x_columns(), k * kind.parts);
  model.alpha = MatrixXd::Zero(source.z_columns(), k - 1);
  model.dispersion = VectorXd::Ones(k);
  const bool on_log = family_of(kind.family).starts_on_log();
  if (on_log) model.family = least_squares_family;
  const Statistics sums = sum_over(source, Statistics(model), services, [&](const Block& b) {
    const MatrixXd r = responsibility.rows() == 1 ? responsibility.replicate(b.rows(), 1).eval()
                                                  : responsibility.middleRows(b.first, b.rows()).eval();
    if (!on_log) return statistics(b, model, r);
    VectorXd y = log_response(kind.family, b.y), none(0);
    if (b.offset.size() > 0) y -= b.offset;
    const Block on_log{b.x, b.z, y, b.weight, none, b.gate_offset, b.trials, b.unit, b.first, b.log_scale};
    return statistics(on_log, model, r);
  });
  // A part with fewer rows than coefficients gets the least-norm fit and an honest wide variance.
  Model out = em_step(model, sums, rule, floor, 0.0);
  out.family = kind.family;
  if (on_log && !family_of(kind.family).has_dispersion()) out.dispersion.setOnes();
  const double least = static_cast<double>(source.x_columns() * kind.parts + 1);
  for (Index j = 0; j < k; ++j) {
    if (sums.experts.mass(j) * static_cast<double>(sums.rows) <= least * sums.weight) {
      out.dispersion(j) = 1.0;
    }
  }
  return out;
}

VectorXd log_response(FamilyKind family, const VectorView& y) {
  return (y.array() + family_of(family).log_shift()).log().matrix();
}

MatrixXd one_hot(const std::vector<Index>& labels, Index k) {
  MatrixXd r = MatrixXd::Zero(static_cast<Index>(labels.size()), k);
  for (std::size_t i = 0; i < labels.size(); ++i) r(static_cast<Index>(i), labels[i]) = 1.0;
  return r;
}

std::vector<Index> best_columns(const ArrayXXd& value) {
  std::vector<Index> labels(static_cast<std::size_t>(value.rows()));
  for (Index i = 0; i < value.rows(); ++i) {
    value.row(i).maxCoeff(&labels[static_cast<std::size_t>(i)]);
  }
  return labels;
}

ArrayXXd fitness(const HeldSource& sample, const Model& model) {
  ArrayXXd out(sample.rows(), model.experts());
  Index at = 0;
  sample.visit([&](const Block& block) {
    out.middleRows(at, block.rows()) = own_log_densities(block, model);
    const ArrayXd base = shared_log_densities(block, model.family);
    if (base.size() > 0) out.middleRows(at, block.rows()).colwise() += base;
    at += block.rows();
  });
  return out;
}

Model settle(const HeldSource& sample, const ExpertKind& kind, ArrayXXd explained, int passes,
             const PenaltyRule& rule, double floor, const Services& services) {
  Model model;
  for (int pass = 0; pass < passes; ++pass) {
    services.interrupt();
    model = model_from(sample, kind, one_hot(best_columns(explained), explained.cols()), rule,
                       floor, services);
    explained = fitness(sample, model);
  }
  return model;
}

Model grown_start(const HeldSource& sample, const MatrixXd& points, const ExpertKind& kind, Index k,
                  const PenaltyRule& rule, double floor, const Services& services) {
  ArrayXXd explained(sample.rows(), k);
  VectorXd chance = VectorXd::Ones(sample.rows());
  for (Index j = 0; j < k; ++j) {
    services.interrupt();
    if (!(chance.maxCoeff() > 0)) chance.setOnes();
    const Index seed = draw_index(chance, services.uniform);
    const Model grown =
        grow_regression(sample, points, kind, seed, core_rows(sample, kind, k), rule, floor, services);
    explained.col(j) = fitness(sample, grown).col(0);
    chance = unexplained(explained.leftCols(j + 1).rowwise().maxCoeff());
  }
  return settle(sample, kind, explained, 8, rule, floor, services);
}

Model grow_on_worst_rows(const Source& source, const Model& model, const PenaltyRule& rule, double floor,
                         const Services& services, int draws) {
  // The rows of lowest log f (at least so many that a regression has a choice). No more than a few
  // times as many are kept at any time, however many there are.
  const Index n = source.rows();
  const Index core = 2 * (source.x_columns() * model.parts() + 1);
  const Index count = std::min(n, std::max(10 * core, std::min<Index>(n / 200, 2000)));
  std::vector<std::pair<double, Index>> lowest;
  const auto shorten = [&] {
    if (static_cast<Index>(lowest.size()) <= count) return;
    std::nth_element(lowest.begin(), lowest.begin() + (count - 1), lowest.end());
    lowest.resize(static_cast<std::size_t>(count));
  };
  source.visit([&](const Block& block) {
    const ArrayXd part = evaluate(block, model).log_lik;
    for (Index i = 0; i < part.size(); ++i) lowest.emplace_back(part(i), block.first + i);
    if (static_cast<Index>(lowest.size()) > 4 * count) shorten();
  });
  shorten();
  std::vector<Index> rows;
  for (const auto& row : lowest) rows.push_back(row.second);
  const HeldSource worst(source, rows);
  ArrayXd now(0);
  worst.visit([&](const Block& block) {
    const ArrayXd part = evaluate(block, model).log_lik;
    now.conservativeResize(now.size() + part.size());
    now.tail(part.size()) = part;
  });
  Model best;
  double best_gain = 0.0;
  for (int i = 0; i < draws; ++i) {
    services.interrupt();
    const Index seed = draw_index(VectorXd::Ones(worst.rows()), services.uniform);
    const Model one = grow_regression(worst, worst.x, model.kind(), seed, core, rule, floor, services);
    const double gain = (fitness(worst, one).col(0) - now).max(0.0).sum();
    if (i > 0 && gain <= best_gain) continue;
    best = one;
    best_gain = gain;
  }
  return best;
}

void replace_expert(Model& model, Index lost, const Model& one) {
  model.beta.middleCols(lost * one.beta.cols(), one.beta.cols()) = one.beta;
  model.dispersion(lost) = one.dispersion(0);
  const Index k = model.experts();
  MatrixXd gates = MatrixXd::Zero(model.alpha.rows(), k);
  gates.leftCols(k - 1) = model.alpha;
  gates.col(lost).setZero();
  gates.col(lost) = gates.rowwise().sum() / static_cast<double>(k - 1);
  model.alpha = gates.leftCols(k - 1).colwise() - gates.col(k - 1);
}

}  // namespace distmoe
