#include "fit.h"

#include "degenerate.h"
#include "growth.h"
#include "information.h"
#include "refine.h"
#include "secants.h"

namespace distmoe {

namespace {

// One run of the fit: the state that EM and Newton steps share.
class Run {
 public:
  Run(const Source& source, const Model& start, const PenaltyRule& rule, const FitOptions& options,
      const Services& services, const Source* sample)
      : source_(source), rule_(rule), options_(options), services_(services), sample_(sample), sums_(start) {
    const Score there = score_at(start);
    penalty_ = rule.at(there.weight);
    if (penalty_.sparse()) sample_ = nullptr;
    move_to(start, there);
    record(StepKind::start);
  }

  FitResult finish() {
    double newton_below = near();
    // One expert's likelihood has one maximum: nothing is gained by EM.
    if ((sample_ || out_.model.experts() == 1) && options_.newton && !lost()) newton();
    while (out_.stop != StopReason::newton && out_.em_iterations < options_.max_iterations) {
      if (reseed()) continue;
      const double gain = em();
      if (objective_ + 100.0 * std::max(gain, 0.0) < options_.worth || gain < options_.least_gain * unit()) break;
      if (options_.newton && gain < newton_below) {
        newton();
        newton_below = std::min(newton_below, std::max(gain, 0.0)) / 10;
      }
      if (out_.stop != StopReason::newton && gain <= 10.0 * rounding()) {
        out_.stop = StopReason::small_gain;
        break;
      }
    }
    close();
    return out_;
  }

 private:
  Statistics statistics_at(const Model& model) const {
    services_.interrupt();
    return sum_over(source_, Statistics(model), services_,
                    [&](const Block& block) { return statistics(block, model); });
  }

  // The cheap pass: no Gram matrix.
  Score score_at(const Model& model) const {
    services_.interrupt();
    return sum_over(source_, Score(model.experts(), parameter_count(model)), services_,
                    [&](const Block& block) { return score(block, model); });
  }

  double value(const Model& model, double log_lik) const {
    return log_lik - penalty_.value(model);
  }

  // An EM iteration that gains less than this, a ten-thousandth a row, is within reach of Newton.
  double near() const { return std::max(unit(), 1e-4 * weight_); }

  // The mean case weight: log-likelihoods are measured in it.
  double unit() const { return weight_ / static_cast<double>(source_.rows()); }

  // A step may lose this much of the objective and still count as rounding.
  double rounding() const { return 1e-11 * (unit() + std::abs(objective_)); }

  void record(StepKind kind) {
    out_.objective.push_back(objective_);
    out_.steps.push_back(kind);
  }

  double least_mass() const { return distmoe::least_mass(out_.model, unit()); }

  bool lost() const { return out_.model.experts() > 1 && mass_.minCoeff() <= least_mass(); }

  // Makes `model` the present one; the sums that EM needs are made when it asks for them.
  void move_to(const Model& model, const Score& score) {
    out_.model = model;
    gradient_ = score.gradient;
    mass_ = score.mass;
    weight_ = score.weight;
    log_lik_ = score.log_lik;
    objective_ = value(model, log_lik_);
    sums_known_ = false;
  }

  void move_to(const Model& model, const Statistics& sums) {
    out_.model = model;
    gradient_.resize(0);
    mass_ = sums.experts.mass;
    weight_ = sums.weight;
    log_lik_ = sums.log_lik;
    objective_ = value(model, log_lik_);
    sums_ = sums;
    sums_known_ = true;
  }

  // One EM iteration; the Newton parts are shortened until the objective does not fall.
  double em() {
    ++out_.em_iterations;
    if (!sums_known_) move_to(out_.model, statistics_at(out_.model));
    const double before = objective_;
    double length = 1.0;
    for (int halving = 0; halving < 30; ++halving, length /= 2) {
      const Model candidate = em_step(out_.model, sums_, rule_, options_.dispersion_floor,
                                      least_mass(), length);
      const Statistics sums = statistics_at(candidate);
      if (value(candidate, sums.log_lik) >= before - rounding()) {
        move_to(candidate, sums);
        break;
      }
      ++out_.halvings;
    }
    record(StepKind::em);
    return objective_ - before;
  }

  // An expert without rows is placed on rows that the others explain worst.
  bool reseed() {
    if (out_.reseeds >= options_.max_reseeds || !lost()) return false;
    Index lost;
    mass_.minCoeff(&lost);
    ++out_.reseeds;
    keep_best();
    Model m = out_.model;
    const Model one = grow_on_worst_rows(source_, m, rule_, options_.dispersion_floor, services_);
    replace_expert(m, lost, one);
    move_to(m, statistics_at(m));
    record(StepKind::reseed);
    return true;
  }

  // The negative Hessian of the objective at the present model. From the sample, if there is one: at
  // a fraction of the cost it is as good up to sampling error, and steps are checked on all rows.
  MatrixXd curvature() const {
    const Model& m = out_.model;
    const Information info = information_at(sample_ ? *sample_ : source_, m, services_);
    double share = 1.0;
    if (sample_) share = weight_ / info.weight;
    return objective_curvature(m, share * info.hessian, penalty_);
  }

  VectorXd objective_gradient() const {
    return distmoe::objective_gradient(out_.model, gradient_, penalty_);
  }

  // Newton steps until the promise is below the tolerance. A Hessian, which costs several passes, serves
  // as long as each step takes off three quarters of what was promised.
  void newton() {
    if (gradient_.size() == 0) move_to(out_.model, score_at(out_.model));
    if (penalty_.sparse()) return newton_among_active();
    MatrixXd hessian;
    Secants secants;
    double before = 0.0;
    for (int iteration = 0; iteration < 50;) {
      const bool fresh = hessian.size() == 0;
      if (fresh) {
        hessian = curvature();
        secants.clear();
      }
      const VectorXd here = to_vector(out_.model), free_slope = objective_gradient();
      VectorXd slope = free_slope;
      MatrixXd held = hessian;
      const double floor = options_.dispersion_floor;
      if (!hold_fixed(out_.model, floor, mass_, least_mass(), slope, held).empty()) secants.clear();
      Solve solve = secants.direction(held, slope);
      double promise = 0.5 * solve.x.dot(slope);
      // After a step with an exact Hessian the next promise is of higher order; after others it shrinks
      // by the same factor again, as far as is known.
      double enough = options_.tolerance * unit();
      if (!fresh) enough *= std::min(1.0, 1e-3 * before / promise);
      else if (sample_) enough *= 1e-3;
      // A sample's optimum may be too far away: EM goes first.
      const bool begins = sample_ && iteration == 0 && out_.em_iterations == 0;
      if (begins && (!solve.positive || promise > 1e-3 * weight_)) return;
      if (!solve.positive && promise <= 10.0 * enough) {
        // Near the end it matters whether the curvature is wrong or only flat somewhere.
        solve = solve_symmetric(held, slope);
        promise = 0.5 * solve.x.dot(slope);
      }
      const bool last = promise <= enough;
      const bool poor = !fresh && !last && promise > before / 4.0;
      if (poor || (!solve.positive && (sample_ || !fresh))) {
        if (fresh || ++sample_failures_ > 3) sample_ = nullptr;
        hessian.resize(0, 0);
        continue;
      }
      // With the wrong sign somewhere no promise is worth anything: it may be a saddle point.
      if (last && !solve.positive) return;
      before = promise;
      ++iteration;
      const bool moved = newton_move(
          [&](double length) { return from_vector(out_.model, here + length * solve.x); }, last);
      if (moved) {
        ++out_.newton_iterations;
        record(StepKind::newton);
        secants.learn(to_vector(out_.model) - here, free_slope - objective_gradient());
      }
      if (last) {
        out_.promise = promise;
        out_.stop = StopReason::newton;
        return;
      }
      if (moved) continue;
      if (fresh && !sample_) return;
      sample_ = nullptr;
      hessian.resize(0, 0);
    }
  }

  // The same under a penalty with l1.
  void newton_among_active() {
    for (int iteration = 0; iteration < 50; ++iteration) {
      const Model here = out_.model;
      const ActiveStep step = active_step(here, gradient_, -information_at(source_, here, services_).hessian,
                                          penalty_, options_.dispersion_floor, mass_, least_mass());
      const bool last = step.promise <= options_.tolerance * unit();
      if (!step.positive) return;
      const bool moved = newton_move([&](double length) { return step.at(here, length); }, last);
      if (moved) ++out_.newton_iterations, record(StepKind::newton);
      if (last) out_.promise = step.promise, out_.stop = StopReason::newton;
      if (last || !moved) return;
    }
  }

  // Tries the step, shortened up to three times; the last one, which is near rounding, as it is.
  bool newton_move(const std::function<Model(double)>& step, bool last) {
    double length = 1.0;
    for (int halving = 0; halving < (last ? 1 : 4); ++halving, length /= 2) {
      Model candidate = step(length);
      if (candidate.family == FamilyKind::gaussian) {
        candidate.dispersion = candidate.dispersion.cwiseMax(options_.dispersion_floor);
      }
      const Score score = score_at(candidate);
      if (value(candidate, score.log_lik) >= objective_ - rounding()) {
        move_to(candidate, score);
        return true;
      }
      ++out_.halvings;
    }
    return false;
  }

  // A reseed may lead to a worse place: the best model before one is kept.
  void keep_best() {
    if (best_.experts() > 0 && best_objective_ >= objective_) return;
    best_ = out_.model;
    best_objective_ = objective_;
  }

  void close() {
    if (best_.experts() > 0 && best_objective_ > objective_) {
      move_to(best_, score_at(best_));
      record(StepKind::restore);
    }
    out_.log_lik = log_lik_;
    out_.mass = mass_;
    out_.mean_weight = unit();
    for (Index j = 0; j < out_.model.experts(); ++j) {
      out_.empty.push_back(out_.model.experts() > 1 && out_.mass(j) <= least_mass());
      out_.at_floor.push_back(at_floor(out_.model, j, options_.dispersion_floor));
    }
    out_.degenerate = degenerate_experts(out_.model, mass_, unit(), penalty_.variances, options_.dispersion_floor);
  }

  const Source& source_;
  const PenaltyRule& rule_;
  Penalty penalty_;       // of all rows
  const FitOptions& options_;
  const Services& services_;
  const Source* sample_;  // null: none, or it served badly
  int sample_failures_ = 0;
  FitResult out_;
  // At the present model.
  double objective_ = 0.0, log_lik_ = 0.0, weight_ = 0.0;
  VectorXd mass_;         // K
  VectorXd gradient_;     // of the log-likelihood; empty: not known
  Statistics sums_;
  bool sums_known_ = false;
  Model best_;  // no experts: none kept
  double best_objective_ = 0.0;
};

}  // namespace

FitResult fit(const Source& source, const Model& start, const PenaltyRule& rule,
              const FitOptions& options, const Services& services, const Source* sample) {
  return Run(source, start, rule, options, services, sample).finish();
}

}  // namespace distmoe
