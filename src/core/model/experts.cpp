#include "model/experts.h"

#include "base/gram.h"
#include "base/parallel.h"
#include "model/mixture.h"

namespace distmoe {

ExpertSums::ExpertSums(Index p, Index k, Index parts)
    : mass(VectorXd::Zero(k)),
      score(MatrixXd::Zero(p, k * parts)),
      gram(MatrixXd::Zero(k * pairs_of(parts), triangle_size(p))),
      deviation(VectorXd::Zero(k)) {}

ExpertSums& ExpertSums::operator+=(const ExpertSums& other) {
  mass += other.mass;
  if (responses.size() == 0) responses = other.responses;
  else if (other.responses.size() > 0) responses += other.responses;
  score += other.score;
  gram += other.gram;
  deviation += other.deviation;
  return *this;
}

ExpertSums expert_sums(FamilyKind family, const MatrixView& x, const MatrixXd& eta, const VectorXd& dispersion,
                       const MatrixXd& weighted_response, const MatrixXd& weight) {
  const Index k_count = weight.cols(), parts = eta.cols() / k_count, pairs = pairs_of(parts);
  ExpertSums sums(x.cols(), k_count, parts);
  MatrixXd curvature(eta.rows(), k_count * pairs), residual(eta.rows(), eta.cols());
  const Family& f = family_of(family);
  for (Index k = 0; k < k_count; ++k) {
    const auto mass = weight.col(k).array();
    const ArrayXXd mean = f.mean(eta.middleCols(k * parts, parts).array());
    curvature.middleCols(k * pairs, pairs) = (f.curvature(mean, dispersion(k)).colwise() * mass).matrix();
    auto own = residual.middleCols(k * parts, parts);
    own = weighted_response.middleCols(k * parts, parts) - (mean.colwise() * mass).matrix();
    f.to_score(mean, dispersion(k), own.array());
  }
  sums.mass = weight.colwise().sum().transpose();
  sums.score = transposed_multiply(x, residual);
  add_weighted_grams(x, curvature, sums.gram);
  return sums;
}

ExpertStep expert_step(const Model& model, const ExpertSums& sums, double floor,
                       double least_mass) {
  const Index p = model.beta.rows(), parts = model.parts(), pairs = pairs_of(parts);
  const Family& f = family_of(model.family);
  ExpertStep step{MatrixXd::Zero(p, model.beta.cols()), model.dispersion};
  for (Index k = 0; k < model.experts(); ++k) {
    if (!(sums.mass(k) > least_mass)) continue;
    const MatrixXd score = sums.score.middleCols(k * parts, parts);
    const VectorXd delta =  // (S8a) for Gaussian experts, a Newton step to the root of (S15) for logistic ones
        solve_symmetric(unpack_blocks(sums.gram.middleRows(k * pairs, pairs), p, parts),
                        Eigen::Map<const VectorXd>(score.data(), score.size()))
            .x;
    step.delta.middleCols(k * parts, parts) = Eigen::Map<const MatrixXd>(delta.data(), p, parts);
    if (!f.has_dispersion()) continue;
    // At the old beta the sum of squares is `deviation`; it falls by delta'score as beta moves to its minimiser.
    const double fall = f.least_squares() ? step.delta.col(k).dot(sums.score.col(k)) : 0.0;
    step.dispersion(k) = std::max(f.best_dispersion(sums.deviation(k) - fall, sums.count(k), 0.0, 1.0), floor);
  }
  return step;
}

Model model_of_expert(const Model& model, Index k) {
  const Index parts = model.parts();
  return {model.family, model.beta.middleCols(k * parts, parts), MatrixXd(model.alpha.rows(), 0),
          model.dispersion.segment(k, 1)};
}

MatrixXd fit_by_halved_steps(Model one, const std::function<ExpertSums()>& sums_here,
                             const std::function<bool(const MatrixXd&)>& take) {
  for (int iteration = 0; iteration < 100; ++iteration) {
    const ExpertSums sums = sums_here();
    const ExpertStep step = expert_step(one, sums, 0.0, 0.0);
    const double promise = step.delta.cwiseProduct(sums.score).sum();
    const bool taken = take_shortened(40, [&](double length) {
      const MatrixXd beta = one.beta + length * step.delta;
      if (!take(beta)) return false;
      one.beta = beta;
      return true;
    });
    if (!taken || promise <= 1e-13 * sums.mass(0)) break;
  }
  return one.beta;
}

namespace {

// The sums of all experts over all rows.
ExpertSums sums_of_rows(const Model& model, const MatrixView& x, const VectorView& offset,
                        const MatrixXd& weighted_response, const MatrixXd& weight, int threads) {
  const ExpertSums zero(x.cols(), model.experts(), model.parts());
  return sum_rows(x.rows(), zero, threads, [&](Index start, Index count) {
    const auto rows = x.middleRows(start, count);
    const MatrixXd eta = linear_predictors(rows, model.beta, some_rows(offset, start, count));
    return expert_sums(model.family, rows, eta, model.dispersion,
                       weighted_response.middleRows(start, count), weight.middleRows(start, count));
  });
}

// (S15) for one expert, by Newton's steps. Sets what it gains of expected_fit().
MatrixXd fit_by_newton(const Model& model, Index k, const MatrixView& x, const VectorView& offset,
                       const MatrixXd& wr, const MatrixXd& w, double& gain) {
  const Family& f = family_of(model.family);
  const Model one = model_of_expert(model, k);
  const VectorXd weight = w.col(0);
  MatrixXd eta = linear_predictors(x, one.beta, offset);
  const double dispersion = one.dispersion(0), before = f.expected_fit(eta, wr, weight, dispersion);
  double value = before;
  const MatrixXd out = fit_by_halved_steps(
      one, [&] { return expert_sums(model.family, x, eta, one.dispersion, wr, w); },
      [&](const MatrixXd& beta) {
    const MatrixXd there = linear_predictors(x, beta, offset);
    const double next = f.expected_fit(there, wr, weight, dispersion);
    if (!(next >= value)) return false;
    eta = there;
    value = next;
    return true;
      });
  gain = value - before;
  return out;
}

}  // namespace

MatrixXd fit_experts(const Model& model, const MatrixView& x, const VectorView& offset,
                     const MatrixXd& weighted_response, const MatrixXd& weight,
                     const VectorXd& deviation, VectorXd& dispersion, int threads) {
  dispersion = model.dispersion;
  if (family_of(model.family).least_squares()) {
    ExpertSums sums = sums_of_rows(model, x, offset, weighted_response, weight, threads);
    sums.deviation = deviation;
    const ExpertStep step = expert_step(model, sums, 0.0, 0.0);
    dispersion = step.dispersion;
    return model.beta + step.delta;
  }
  MatrixXd beta = model.beta;
  const Index parts = model.parts();
  VectorXd gain = VectorXd::Zero(model.experts());
  in_parallel(model.experts(), threads, [&](Index k) {
    beta.middleCols(k * parts, parts) =
        fit_by_newton(model, k, x, offset, weighted_response.middleCols(k * parts, parts),
                      weight.col(k), gain(k));
  });
  const Family& f = family_of(model.family);
  if (!f.deviation_is_fit()) gain.setZero();
  for (Index k = 0; f.has_dispersion() && k < model.experts(); ++k) {
    const double mass = weight.col(k).sum();
    const double left = std::max(deviation(k) - gain(k), 0.0);
    if (mass > 0) dispersion(k) = f.best_dispersion(left, mass, 0.0, 1.0);
  }
  return beta;
}

MatrixXd regress_logits(const Model& model, const MatrixView& x, const VectorView& offset,
                        const MatrixXd& weighted_response, const MatrixXd& weight,
                        const VectorView& point_weight) {
  const double least = 1e-300;  // shares of nothing have no logarithm
  MatrixXd counts = MatrixXd::Zero(x.rows(), model.experts()), response = counts;
  for (Index k = 0; k < counts.cols(); ++k) {
    for (Index s = 0; s < counts.rows(); ++s) {
      const double mass = weight(s, k);
      if (!(mass > 0)) continue;
      const double success = std::max(weighted_response(s, k), least);
      const double failure = std::max(mass - weighted_response(s, k), 1e-16 * mass);
      counts(s, k) = point_weight.size() > 0 ? point_weight(s) : 1.0;
      // (S14): the logit of V_k.
      response(s, k) = counts(s, k) * (std::log(success / failure) -
                                       (offset.size() > 0 ? offset(s) : 0.0));
    }
  }
  Model linear{least_squares_family, model.beta, model.alpha, model.dispersion};
  VectorXd unused;
  return fit_experts(linear, x, VectorXd(0), response, counts, VectorXd::Zero(model.experts()), unused);
}

}  // namespace distmoe
