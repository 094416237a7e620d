#include "fit/site_mode.h"

#include <Eigen/QR>

#include "fit/objective.h"
#include "fit/penalty.h"
#include "fit/trust.h"

namespace distmoe {

namespace {

class Climb {
 public:
  Climb(const Source& source, const Model& shape, const NormalPrior& prior, const ModeOptions& options,
        const Services& services)
      : source_(source), shape_(shape), prior_(prior), options_(options), services_(services) {}

  // From the point of the prior's space that is nearest to `start`.
  SiteMode from(const VectorXd& start) const {
    VectorXd d = VectorXd::Zero(prior_.root.cols());
    if (d.size()) d = prior_.root.completeOrthogonalDecomposition().solve(start - prior_.mean);
    Information info = at(d);
    double value = objective(info.log_lik, d), radius = 0.0;
    SiteMode out;
    for (;; ++out.iterations) {
      const MatrixXd curvature = own_curvature(info);
      const TrustStep whole = best_step(info, d, curvature, 1e300);
      const double unit = info.weight / static_cast<double>(source_.rows());
      out.promise = whole.promise;
      out.converged = whole.inside && whole.promise <= options_.tolerance * unit;
      if (out.converged || out.iterations >= options_.max_iterations) break;
      if (radius == 0.0) radius = 0.1 * std::sqrt(info.weight) + 1.0;
      bool moved = false;
      for (int failure = 0; failure < 20 && !moved; ++failure) {
        const TrustStep step = best_step(info, d, curvature, radius);
        const VectorXd to = d + step.x;
        const double log_lik = log_lik_at(to), gain = objective(log_lik, to) - value;
        if (!(gain >= 0.25 * step.promise)) radius = 0.25 * step.length;
        else if (gain > 0.75 * step.promise && !step.inside) radius *= 3.0;
        // The last steps gain less than rounding shows.
        moved = gain >= 1e-4 * step.promise || (step.promise < 1e-6 * unit && gain >= -1e-11 * std::abs(value));
        if (!moved) continue;
        d = to;
        value += gain;
      }
      if (!moved) break;
      info = at(d);
      value = objective(info.log_lik, d);
    }
    out.parameters = prior_.mean + prior_.root * d;
    out.score = info.score;
    out.curvature = -info.hessian;
    out.log_lik = info.log_lik;
    out.weight = info.weight;
    out.objective = value;
    return out;
  }

  Score score_at(const VectorXd& parameters) const {
    const Model m = model(parameters);
    services_.interrupt();
    Score out = sum_over(source_, Score(m.experts(), parameter_count(m)), services_,
                         [&](const Block& block) { return score(block, m); });
    const VariancePrior bound = variances(out.weight);
    if (!bound.on(m)) return out;
    out.log_lik -= bound.value(m);
    out.gradient.tail(m.experts()) -= bound.gradient(m);
    return out;
  }

 private:
  Model model(const VectorXd& parameters) const {
    return above_floor(from_vector(shape_, parameters), options_.dispersion_floor);
  }
  VariancePrior variances(double weight) const {
    return {shape_.experts() > 1 && weight > 0 ? PenaltyOptions().variance_prior / weight : 0.0, options_.residual};
  }
  Information at(const VectorXd& d) const {
    const Model m = model(prior_.mean + prior_.root * d);
    Information out = information_at(source_, m, services_);
    const VariancePrior bound = variances(out.weight);
    if (!bound.on(m)) return out;
    out.log_lik -= bound.value(m);
    out.score.tail(m.experts()) -= bound.gradient(m);
    out.hessian.diagonal().tail(m.experts()) -= bound.curvature(m);
    return out;
  }
  double log_lik_at(const VectorXd& d) const { return score_at(prior_.mean + prior_.root * d).log_lik; }
  double objective(double log_lik, const VectorXd& d) const { return log_lik - 0.5 * d.squaredNorm(); }

  MatrixXd own_curvature(const Information& info) const {
    MatrixXd out = -prior_.root.transpose() * info.hessian * prior_.root;
    out.diagonal().array() += 1.0;
    return out;
  }

  // Distance is measured by the curvature, whatever its sign.
  TrustStep best_step(const Information& info, const VectorXd& d, const MatrixXd& curvature, double radius) const {
    TrustStep none;
    none.inside = true;
    none.x = VectorXd::Zero(d.size());
    if (d.size() == 0) return none;
    const Eigen::SelfAdjointEigenSolver<MatrixXd> eigen(curvature);
    const VectorXd size = eigen.eigenvalues().cwiseAbs().cwiseMax(1.0);
    const MatrixXd metric = eigen.eigenvectors() * size.asDiagonal() * eigen.eigenvectors().transpose();
    const VectorXd slope = prior_.root.transpose() * info.score - d;
    return Quadratic(curvature, slope, metric).step(radius);
  }

  const Source& source_;
  const Model& shape_;
  const NormalPrior& prior_;
  const ModeOptions& options_;
  const Services& services_;
};

// By how much the mean of the score over the posterior differs from that at the mode, from pairs of points a standard
// deviation to either side: exact where the score is quadratic in what varies. Where it would move the posterior's
// mean by more than half a standard deviation in some direction the approximation is not to be believed so far.
VectorXd score_shift(const Climb& climb, const SiteMode& mode, const MatrixXd& spread) {
  VectorXd out = VectorXd::Zero(mode.score.size());
  for (Index j = 0; j < spread.cols(); ++j) {
    const VectorXd right = climb.score_at(mode.parameters + spread.col(j)).gradient,
                   left = climb.score_at(mode.parameters - spread.col(j)).gradient;
    const VectorXd one = 0.5 * (right + left) - mode.score;
    if (one.allFinite()) out += one;
  }
  const double moved = (spread.transpose() * out).cwiseAbs().maxCoeff();
  return out * std::min(1.0, 0.5 / std::max(moved, 1e-300));
}

}  // namespace

SiteMode site_mode(const Source& source, const Model& shape, const NormalPrior& prior,
                   const std::vector<VectorXd>& starts, const ModeOptions& options, const Services& services) {
  const Climb climb(source, shape, prior, options, services);
  SiteMode best;
  bool known = false;
  for (const VectorXd& start : starts) {
    const SiteMode end = climb.from(start);
    if (!std::isfinite(end.objective)) continue;
    if (!known || end.objective > best.objective + 1e-6 * (1.0 + std::abs(best.objective) * 1e-6)) best = end;
    known = true;
  }
  if (!known) throw std::runtime_error("the log-likelihood is not finite at the population's parameters");
  best.mass = climb.score_at(best.parameters).mass;
  best.marginal = best.objective;
  if (prior.root.cols() == 0) return best;
  // At the mode the curvature in the prior's space has no negative eigenvalue, but by rounding.
  MatrixXd inner = prior.root.transpose() * best.curvature * prior.root;
  inner.diagonal().array() += 1.0;
  const Eigen::SelfAdjointEigenSolver<MatrixXd> eigen(inner);
  const VectorXd size = eigen.eigenvalues().cwiseMax(1e-3);
  best.marginal -= 0.5 * size.array().log().sum();
  VectorXd held = (prior.root.rowwise().squaredNorm().array() == 0).cast<double>();
  if (best.weight < options.mean_score_weight) held.setOnes();
  if (held.sum() > 0) {
    const MatrixXd spread =
        prior.root * eigen.eigenvectors() * size.cwiseSqrt().cwiseInverse().asDiagonal();
    best.score += score_shift(climb, best, spread).cwiseProduct(held);
  }
  return best;
}

}  // namespace distmoe
