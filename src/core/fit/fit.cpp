#include "fit/fit.h"

#include "fit/ascent.h"
#include "fit/degenerate.h"
#include "fit/growth.h"

namespace distmoe {

namespace {

// One run of the fit.
class Run {
 public:
  Run(const Source& source, const Model& start, const PenaltyRule& rule, const FitOptions& options,
      const Services& services, const Source* sample)
      : at_(source, start, rule, options, services, sample) {}

  FitResult finish() {
    const FitOptions& options = at_.options;
    FitResult& out = at_.out;
    double newton_below = near();
    if (at_.newton_first() && !at_.lost()) newton(at_);
    while (out.stop != StopReason::newton && out.em_iterations < options.max_iterations) {
      if (reseed()) continue;
      const double gain = em();
      if (at_.objective + 300.0 * std::max(gain, 0.0) < options.worth || gain < options.least_gain * at_.unit()) break;
      if (options.newton && gain < newton_below) {
        newton(at_);
        newton_below = std::min(newton_below, std::max(gain, 0.0)) / 10;
      }
      if (out.stop != StopReason::newton && gain <= 10.0 * at_.rounding()) {
        out.stop = StopReason::small_gain;
        break;
      }
    }
    close();
    return out;
  }

 private:
  // An EM iteration that gains less than this, a ten-thousandth a row, is within reach of Newton.
  double near() const { return std::max(at_.unit(), 1e-4 * at_.weight); }

  // One EM iteration; the Newton parts are shortened until the objective does not fall.
  double em() {
    ++at_.out.em_iterations;
    at_.know_sums();
    const double before = at_.objective;
    take_shortened(30, [&](double length) {
      const Model candidate = em_step(at_.out.model, at_.sums, at_.rule, at_.options.dispersion_floor,
                                      at_.least_mass(), length);
      const Statistics sums = at_.statistics_at(candidate);
      if (at_.value(candidate, sums.log_lik) >= before - at_.rounding()) {
        at_.move_to(candidate, sums);
        return true;
      }
      ++at_.out.halvings;
      return false;
    });
    at_.record(StepKind::em);
    return at_.objective - before;
  }

  // An expert without rows is placed on rows that the others explain worst.
  bool reseed() {
    if (at_.out.reseeds >= at_.options.max_reseeds || !at_.lost()) return false;
    Index lost;
    at_.mass.minCoeff(&lost);
    ++at_.out.reseeds;
    keep_best();
    Model m = at_.out.model;
    const Model one = grow_on_worst_rows(at_.source, m, at_.rule, at_.options.dispersion_floor, at_.services);
    replace_expert(m, lost, one);
    at_.move_to(m, at_.statistics_at(m));
    at_.record(StepKind::reseed);
    return true;
  }

  // A reseed may lead to a worse place: the best model before one is kept.
  void keep_best() {
    if (best_.experts() > 0 && best_objective_ >= at_.objective) return;
    best_ = at_.out.model;
    best_objective_ = at_.objective;
  }

  void close() {
    if (best_.experts() > 0 && best_objective_ > at_.objective) {
      at_.move_to(best_, at_.score_at(best_));
      at_.record(StepKind::restore);
    }
    FitResult& out = at_.out;
    out.log_lik = at_.log_lik;
    out.mass = at_.mass;
    out.mean_weight = at_.unit();
    for (Index j = 0; j < out.model.experts(); ++j) {
      out.empty.push_back(out.model.experts() > 1 && out.mass(j) <= at_.least_mass());
      out.at_floor.push_back(at_floor(out.model, j, at_.options.dispersion_floor));
    }
    out.degenerate = degenerate_experts(out.model, out.mass, out.mean_weight, at_.penalty.variances,
                                        at_.options.dispersion_floor);
  }

  Ascent at_;
  Model best_;  // no experts: none kept
  double best_objective_ = 0.0;
};

}  // namespace

FitResult fit(const Source& source, const Model& start, const PenaltyRule& rule,
              const FitOptions& options, const Services& services, const Source* sample) {
  return Run(source, start, rule, options, services, sample).finish();
}

}  // namespace distmoe
