#include <functional>

#include "fit/ascent.h"
#include "fit/objective.h"
#include "fit/secants.h"
#include "fit/trust.h"

namespace distmoe {

namespace {

// Tries the step, shortened up to three times; the last one, which is near rounding, as it is.
bool shortened_move(Ascent& at, const std::function<Model(double)>& step, bool last) {
  return take_shortened(last ? 1 : 4, [&](double length) {
    const Model candidate = above_floor(step(length), at.options.dispersion_floor);
    const Score there = at.score_at(candidate);
    if (at.value(candidate, there.log_lik) >= at.objective - at.rounding()) {
      at.move_to(candidate, there);
      return true;
    }
    ++at.out.halvings;
    return false;
  });
}

void converged(Ascent& at, double promise) {
  at.out.promise = promise;
  at.out.stop = StopReason::newton;
}

// The symmetric rank-one update: the negative Hessian as the fall of the gradient on a step tells it, positive
// definite or not.
void learn_from(MatrixXd& curvature, const VectorXd& step, const VectorXd& fall) {
  const VectorXd missing = fall - curvature * step;
  const double product = missing.dot(step);
  if (std::abs(product) < 1e-8 * missing.norm() * step.norm()) return;
  curvature += missing * (missing / product).transpose();
}

// What a step within the trust region led to. kept: its promise was, so that the Hessian serves on.
enum class Trusted { kept,
                     broken,
                     converged,
                     stuck };

// One step within the trust region. `exact`: the Hessian is that of all rows here; else steps that promise no more than
// `least` are not worth their pass. The region is narrowed where the quadratic promises what is not there (to where a
// parabola through what was found has its top), and made two or four times as wide where it can be believed to the
// border.
Trusted trusted_move(Ascent& at, const MatrixXd& curvature, const VectorXd& slope, const MatrixXd& metric, bool exact,
                     double least) {
  const Quadratic quadratic(curvature, slope, metric);
  // At this distance the log-likelihood of a row whose expert is known changes by a two-hundredth.
  const double usual = 0.1 * std::sqrt(at.weight);
  if (at.radius == 0.0) at.radius = usual;
  // Where the Hessian is not clearly positive definite some direction is flat, or leads to infinity, and steps
  // converge linearly there: a hundredth of a standard error is enough.
  const double enough = std::max(std::max(at.options.tolerance, 1e-4) * at.unit(), at.rounding());
  const VectorXd here = to_vector(at.out.model);
  for (int failure = 0; failure < 12; ++failure) {
    const TrustStep step = quadratic.step(at.radius);
    const bool last = step.promise <= enough;
    if (last && !step.inside && at.radius < usual && failure == 0) {
      at.radius = usual;  // the region was too narrow to tell
      continue;
    }
    if (!exact && (last || step.promise <= least)) return Trusted::broken;
    const Model candidate = above_floor(from_vector(at.out.model, here + step.x), at.options.dispersion_floor);
    const Score there = at.score_at(candidate);
    const double gain = at.value(candidate, there.log_lik) - at.objective;
    const bool rises = last ? gain >= -at.rounding() : gain >= 1e-4 * step.promise;
    if (gain < 0.25 * step.promise) {
      const double rise = slope.dot(step.x), top = rise / std::max(2.0 * (rise - gain), 1e-300);
      at.radius = std::min(std::max(top, 0.05), 0.5) * step.length;
    } else if (gain > 0.75 * step.promise && !step.inside) {
      at.radius = std::min(at.radius * (gain > 0.9 * step.promise ? 4.0 : 2.0), 10.0 * usual);
    }
    if (rises) {
      at.move_to(candidate, there);
      ++at.out.newton_iterations;
      at.record(StepKind::trusted);
    } else {
      ++at.out.halvings;
    }
    if (last) {
      converged(at, step.promise);
      return Trusted::converged;
    }
    if (gain < 0.25 * step.promise && (rises || !exact)) return Trusted::broken;
    if (rises) return Trusted::kept;
  }
  return Trusted::stuck;
}

// Newton steps under a penalty with l1.
void newton_among_active(Ascent& at) {
  for (int iteration = 0; iteration < 50; ++iteration) {
    const Model here = at.out.model;
    const ActiveStep step =
        active_step(here, at.gradient, -information_at(at.source, here, at.services).hessian, at.penalty,
                    at.options.dispersion_floor, at.mass, at.least_mass());
    ++at.out.passes, ++at.out.hessians;
    const bool last = step.promise <= at.options.tolerance * at.unit();
    if (!step.positive) return;
    const bool moved = shortened_move(
        at, [&](double length) { return step.at(here, length); }, last);
    if (moved) ++at.out.newton_iterations, at.record(StepKind::newton);
    if (last) converged(at, step.promise);
    if (last || !moved) return;
  }
}

}  // namespace

void newton(Ascent& at) {
  at.know_gradient();
  if (at.penalty.sparse()) return newton_among_active(at);
  // A Hessian, which costs several passes, serves as long as each step takes off three quarters of what was
  // promised; where it is not positive definite, as long as promises are kept by half.
  MatrixXd hessian, metric;
  Secants secants;
  double before = 0.0;
  double most_gain = 0.0;  // of a step within the trust region by this Hessian
  bool trusting = false;   // the Hessian comes from steps within the trust region
  for (int iteration = 0; iteration < 200;) {
    const bool fresh = hessian.size() == 0;
    if (fresh) {
      hessian = at.curvature();
      secants.clear();
      trusting = false;
      most_gain = 0.0;
    }
    const VectorXd here = to_vector(at.out.model), free_slope = at.objective_gradient();
    VectorXd slope = free_slope;
    MatrixXd held = hessian;
    const double floor = at.options.dispersion_floor;
    if (!hold_fixed(at.out.model, floor, at.mass, at.least_mass(), slope, held).empty()) secants.clear();
    const Solve solve = secants.direction(held, slope);
    const double promise = 0.5 * solve.x.dot(slope);
    // After a step with an exact Hessian the next promise is of higher order; after others it shrinks
    // by the same factor again, as far as is known.
    double enough = at.options.tolerance * at.unit();
    if (!fresh) enough *= std::min(1.0, 1e-3 * before / promise);
    else if (at.sample) enough *= 1e-3;
    // A sample's optimum may be too far away: EM goes first.
    const bool begins = at.sample && iteration == 0 && at.out.em_iterations == 0;
    if (begins && (!solve.positive || promise > 1e-3 * at.weight)) return;
    const bool last = promise <= enough;
    if (solve.positive && !last && at.objective + 50.0 * promise < at.options.worth) return;
    const bool poor = !fresh && !trusting && !last && promise > before / 4.0;
    if (poor || (!solve.positive && !fresh && !trusting)) {
      if (fresh || ++at.sample_failures > 3) at.sample = nullptr;
      hessian.resize(0, 0);
      continue;
    }
    ++iteration;
    bool moved = false;
    if (solve.positive && !trusting) {
      before = promise;
      moved = shortened_move(
          at, [&](double length) { return from_vector(at.out.model, here + length * solve.x); },
          last);
      if (moved) {
        ++at.out.newton_iterations;
        at.record(StepKind::newton);
        secants.learn(to_vector(at.out.model) - here, free_slope - at.objective_gradient());
      }
      if (last) return converged(at, promise);
      if (moved) continue;
    }
    if (!fresh && !trusting) {
      hessian.resize(0, 0);
      continue;
    }
    // EM's own measure of distance, from its last sums: the shorter the step, the more it is one of EM.
    if (fresh) metric = complete_curvature(at.out.model, at.known_sums(), at.mass, at.penalty);
    const double objective = at.objective;
    const Trusted led_to = trusted_move(at, held, slope, metric, fresh && !at.sample, 0.01 * most_gain);
    most_gain = std::max(most_gain, at.objective - objective);
    if (led_to != Trusted::converged && at.objective + 300.0 * (at.objective - objective) < at.options.worth) return;
    if (led_to == Trusted::converged || led_to == Trusted::stuck) return;
    if (led_to == Trusted::kept) {
      learn_from(hessian, to_vector(at.out.model) - here, free_slope - at.objective_gradient());
      trusting = true;
      continue;
    }
    if (fresh) at.sample = nullptr;
    hessian.resize(0, 0);
  }
}

}  // namespace distmoe
