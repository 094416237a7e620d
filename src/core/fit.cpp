#include "fit.h"

#include "growth.h"
#include "information.h"
#include "numerics.h"

namespace distmoe {

namespace {

// One run of the fit: the state that EM and Newton steps share.
class Run {
 public:
  Run(const Source& source, const Model& start, const GatePrior& prior, const FitOptions& options,
      const Services& services)
      : source_(source), prior_(prior), options_(options), services_(services),
        sums_(pass(start)) {
    out_.model = start;
    objective_ = value(start, sums_);
    record(StepKind::start);
  }

  FitResult finish() {
    double newton_below = unit();  // a gain of one unit of log-likelihood: within reach of Newton
    while (out_.em_iterations < options_.max_iterations) {
      if (reseed()) continue;
      const double gain = em();
      if (options_.newton && gain < newton_below) {
        const bool moved = newton();
        if (out_.stop == StopReason::newton) break;
        if (moved) sums_ = pass(out_.model);
        newton_below = std::min(newton_below, std::max(gain, 0.0)) / 10;
      }
      if (gain <= 10.0 * rounding()) {
        out_.stop = StopReason::small_gain;
        break;
      }
    }
    close();
    return out_;
  }

 private:
  Statistics pass(const Model& model) const {
    services_.interrupt();
    return sum_over(source_, Statistics(model.beta.rows(), model.alpha.rows(), model.experts()),
                    [&](const Block& block) { return statistics(block, model); });
  }

  double value(const Model& model, const Statistics& sums) const {
    return sums.log_lik - prior_.value(model.alpha);
  }

  // The mean case weight: log-likelihoods are measured in it.
  double unit() const { return sums_.weight / static_cast<double>(sums_.rows); }

  // A step may lose this much of the objective and still count as rounding.
  double rounding() const { return 1e-11 * (unit() + std::abs(objective_)); }

  void record(StepKind kind) {
    out_.objective.push_back(objective_);
    out_.steps.push_back(kind);
  }

  // Mass of as many average rows as an expert has coefficients, and one: with less it can't be fitted.
  double least_mass() const {
    return static_cast<double>(out_.model.beta.rows() + 1) * unit();
  }

  // One EM iteration; the Newton parts are shortened until the objective does not fall.
  double em() {
    ++out_.em_iterations;
    const double before = objective_;
    double length = 1.0;
    for (int halving = 0; halving < 30; ++halving, length /= 2) {
      const Model candidate = em_step(out_.model, sums_, prior_, options_.dispersion_floor,
                                      least_mass(), length);
      const Statistics sums = pass(candidate);
      const double next = value(candidate, sums);
      if (next >= before - rounding()) {
        out_.model = candidate;
        sums_ = sums;
        objective_ = next;
        break;
      }
      ++out_.halvings;
    }
    record(StepKind::em);
    return objective_ - before;
  }

  // An expert without rows is placed on rows that the others explain worst.
  bool reseed() {
    if (out_.reseeds >= options_.max_reseeds || out_.model.experts() == 1) return false;
    Index lost;
    if (sums_.experts.mass.minCoeff(&lost) > least_mass()) return false;
    ++out_.reseeds;
    keep_best();
    Model& m = out_.model;
    const Model one = grow_on_worst_rows(source_, m, options_.dispersion_floor, services_);
    m.beta.col(lost) = one.beta;
    m.dispersion(lost) = one.dispersion(0);
    // Its gate is the mean of the others': neutral, until rows have moved to it.
    const Index k = m.experts();
    MatrixXd gates = MatrixXd::Zero(m.alpha.rows(), k);
    gates.leftCols(k - 1) = m.alpha;
    gates.col(lost).setZero();
    gates.col(lost) = gates.rowwise().sum() / static_cast<double>(k - 1);
    m.alpha = gates.leftCols(k - 1).colwise() - gates.col(k - 1);
    sums_ = pass(m);
    objective_ = value(m, sums_);
    record(StepKind::reseed);
    return true;
  }

  // Newton steps until the promise is below the tolerance. False if none could be taken.
  bool newton() {
    bool moved = false;
    const Index size = parameter_count(out_.model);
    const Index gates = prior_.ridge.size() * prior_.centre.cols();
    const Index first_gate = out_.model.beta.size();
    for (int iteration = 0; iteration < 50; ++iteration) {
      services_.interrupt();
      const Model& m = out_.model;
      Information info = sum_over(source_, Information(size),
                                  [&](const Block& block) { return information(block, m); });
      MatrixXd curvature = -info.hessian;
      if (gates > 0) {
        MatrixXd prior_curvature = MatrixXd::Zero(gates, gates);
        prior_.add_hessian(prior_curvature);
        curvature.block(first_gate, first_gate, gates, gates) += prior_curvature;
        const MatrixXd slope = prior_.gradient(m.alpha);
        info.score.segment(first_gate, gates) -= Eigen::Map<const VectorXd>(slope.data(), gates);
      }
      hold_at_floor(info.score, curvature);
      const Solve solve = solve_symmetric(curvature, info.score);
      const double promise = 0.5 * solve.x.dot(info.score);
      // Where the curvature has the wrong sign somewhere no promise is worth anything: it may be a
      // saddle point.
      const bool last = promise <= options_.tolerance * unit();
      if (!solve.positive && last) return moved;
      if (!newton_move(solve.x, last)) {
        if (!last) return moved;
      } else {
        moved = true;
        ++out_.newton_iterations;
        record(StepKind::newton);
      }
      if (last) {
        out_.promise = promise;
        out_.stop = StopReason::newton;
        return moved;
      }
    }
    return moved;
  }

  // Tries the step, shortened up to three times. The objective after it needs a pass, whose sums
  // are kept: they are the state after the last step.
  bool newton_move(const VectorXd& step, bool last) {
    const VectorXd here = to_vector(out_.model);
    double length = 1.0;
    for (int halving = 0; halving < (last ? 1 : 4); ++halving, length /= 2) {
      Model candidate = from_vector(out_.model, here + length * step);
      if (candidate.family == FamilyKind::gaussian) {
        candidate.dispersion = candidate.dispersion.cwiseMax(options_.dispersion_floor);
      }
      const Statistics sums = pass(candidate);
      const double next = value(candidate, sums);
      if (next >= objective_ - rounding()) {
        out_.model = candidate;
        sums_ = sums;
        objective_ = next;
        return true;
      }
      ++out_.halvings;
    }
    return false;
  }

  // A dispersion at its floor that wants to fall is no free parameter.
  void hold_at_floor(VectorXd& score, MatrixXd& curvature) const {
    if (out_.model.family != FamilyKind::gaussian) return;
    const Index k = out_.model.experts();
    for (Index j = 0; j < k; ++j) {
      const Index at = score.size() - k + j;
      if (out_.model.dispersion(j) > options_.dispersion_floor * 1.000001 || score(at) > 0) continue;
      score(at) = 0.0;
      curvature.row(at).setZero();
      curvature.col(at).setZero();
      curvature(at, at) = 1.0;
    }
  }

  // A reseed may lead to a worse place: the best model before one is kept.
  void keep_best() {
    if (best_.experts() > 0 && best_objective_ >= objective_) return;
    best_ = out_.model;
    best_objective_ = objective_;
  }

  void close() {
    if (best_.experts() > 0 && best_objective_ > objective_) {
      out_.model = best_;
      sums_ = pass(best_);
      objective_ = value(best_, sums_);
      record(StepKind::restore);
    }
    out_.log_lik = sums_.log_lik;
    out_.mass = sums_.experts.mass;
    out_.mean_weight = unit();
    for (Index j = 0; j < out_.model.experts(); ++j) {
      out_.empty.push_back(out_.model.experts() > 1 && out_.mass(j) <= least_mass());
      out_.at_floor.push_back(out_.model.family == FamilyKind::gaussian &&
                              out_.model.dispersion(j) <= options_.dispersion_floor * 1.000001);
    }
  }

  const Source& source_;
  const GatePrior& prior_;
  const FitOptions& options_;
  const Services& services_;
  FitResult out_;
  Statistics sums_;
  double objective_ = 0.0;
  Model best_;  // no experts: none kept
  double best_objective_ = 0.0;
};

}  // namespace

GatePrior gate_prior(const ColumnScaling& z, Index experts, double ridge) {
  const Index q = z.centre.size();
  GatePrior prior{VectorXd::Constant(q, ridge), MatrixXd::Zero(q, experts - 1)};
  for (Index j = 0; j < q; ++j) {
    if (j == z.intercept || z.aliased[static_cast<std::size_t>(j)]) prior.ridge(j) = 0.0;
  }
  return prior;
}

FitResult fit(const Source& source, const Model& start, const GatePrior& prior,
              const FitOptions& options, const Services& services) {
  return Run(source, start, prior, options, services).finish();
}

}  // namespace distmoe
