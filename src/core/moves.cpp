#include "moves.h"

#include <algorithm>

#include "mixture.h"

namespace distmoe {

namespace {

// Rows as the parts of a mixture see them: logs of gates and densities, n x parts.
struct Parts {
  ArrayXXd gate, density;
};

Parts parts_of(const HeldSource& sample, const Model& model) {
  const Block all = sample.all();
  return Parts{gates(all.z, model.alpha, all.gate_offset).log, fitness(sample, model)};
}

// As `parts`, with room for one more.
Parts with_room(const Parts& parts) {
  Parts out = parts;
  out.gate.conservativeResize(Eigen::NoChange, parts.gate.cols() + 1);
  out.density.conservativeResize(Eigen::NoChange, parts.gate.cols() + 1);
  return out;
}

double weighted_sum(const HeldSource& sample, const ArrayXd& value) {
  return sample.weight.size() > 0 ? sample.weight.dot(value.matrix()) : value.sum();
}

// The best of the moves seen so far: the responsibilities of its experts, and the log-likelihood of
// their mixture above that of the model it starts from.
struct Move {
  ArrayXXd responsibility;
  double gain = -std::numeric_limits<double>::infinity();
};

// Responsibilities once part `drop` has left its gate to part `heir`.
ArrayXXd responsibilities_without(const Parts& parts, Index drop, Index heir) {
  ArrayXXd out(parts.gate.rows(), parts.gate.cols() - 1);
  for (Index to = 0, from = 0; from < parts.gate.cols(); ++from) {
    if (from == drop) continue;
    out.col(to) = parts.density.col(from);
    if (from != heir) out.col(to) += parts.gate.col(from);
    else out.col(to) += (parts.gate.col(from).exp() + parts.gate.col(drop).exp()).max(1e-300).log();
    ++to;
  }
  softmax_rows(out);
  return out;
}

// Log-likelihoods when part `drop` leaves its gate to each of the others, above that of all parts; -inf
// for itself. share, together: responsibilities and row log-likelihoods of all parts.
VectorXd drop_costs(const HeldSource& sample, const Parts& parts, const ArrayXXd& share, const ArrayXd& together,
                    Index drop) {
  const Index k = parts.gate.cols();
  ArrayXd rest = ArrayXd::Zero(share.rows());
  for (Index j = 0; j < k; ++j) {
    if (j != drop) rest += share.col(j);
  }
  const ArrayXd left = parts.gate.col(drop) - together;
  VectorXd out = VectorXd::Constant(k, -std::numeric_limits<double>::infinity());
  for (Index heir = 0; heir < k; ++heir) {
    if (heir == drop) continue;
    const ArrayXd of_now = rest + (parts.density.col(heir) + left).min(700.0).exp();
    out(heir) = weighted_sum(sample, of_now.max(1e-100).log());
  }
  return out;
}

// Experts of a model in the order of what dropping them costs, cheapest first.
std::vector<Index> cheapest_drops(const HeldSource& sample, const Parts& parts, const ArrayXXd& share,
                                  const ArrayXd& together, const Services& services) {
  const Index k = parts.gate.cols();
  VectorXd cost(k);
  std::vector<Index> order;
  for (Index drop = 0; drop < k; ++drop) {
    services.interrupt();
    cost(drop) = drop_costs(sample, parts, share, together, drop).maxCoeff();
    order.push_back(drop);
  }
  std::stable_sort(order.begin(), order.end(), [&](Index a, Index b) { return cost(a) > cost(b); });
  return order;
}

// `parts` has one part too many: one of `drops` is dropped and leaves its gate to one of the others.
// reached: log-likelihood to compare with.
void consider(const HeldSource& sample, const Parts& parts, const std::vector<Index>& drops, double reached,
              Move& best) {
  ArrayXXd share = parts.gate + parts.density;
  const ArrayXd together = softmax_rows(share);
  const double all = weighted_sum(sample, together) - reached;
  Index best_drop = -1, best_heir = -1;
  for (Index drop : drops) {
    Index heir;
    const double gain = all + drop_costs(sample, parts, share, together, drop).maxCoeff(&heir);
    if (!(gain > best.gain)) continue;
    best.gain = gain;
    best_drop = drop;
    best_heir = heir;
  }
  if (best_drop >= 0) best.responsibility = responsibilities_without(parts, best_drop, best_heir);
}

// The rows of an expert, no more than a thousand of them.
std::vector<Index> rows_of(const std::vector<Index>& labels, Index expert, const Services& services) {
  std::vector<Index> rows;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] == expert) rows.push_back(static_cast<Index>(i));
  }
  const Index most = 1000;
  if (static_cast<Index>(rows.size()) <= most) return rows;
  std::vector<Index> some;
  for (Index i : sample_rows(static_cast<Index>(rows.size()), most, services)) {
    some.push_back(rows[static_cast<std::size_t>(i)]);
  }
  return some;
}

// One part more than in `now`: expert `split` as the two halves that a fit to its rows makes of it,
// which stand in its place and last.
Parts split_parts(const HeldSource& sample, const Parts& now, Index split, const Model& two) {
  const Parts halves = parts_of(sample, two);
  Parts out = with_room(now);
  for (Index half = 0; half < 2; ++half) {
    const Index at = half == 0 ? split : now.gate.cols();
    out.gate.col(at) = now.gate.col(split) + halves.gate.col(half);
    out.density.col(at) = halves.density.col(half);
  }
  return out;
}

// One part more than in `now`, last: a regression with one share everywhere, that of a few EM steps.
Parts grown_parts(const HeldSource& sample, const Parts& now, const ArrayXd& row_log_lik, const Model& one) {
  Parts out = with_room(now);
  const Index last = now.gate.cols();
  out.density.col(last) = fitness(sample, one).col(0);
  const ArrayXd behind = (row_log_lik - out.density.col(last)).min(700.0).exp();
  const double rows = weighted_sum(sample, ArrayXd::Ones(behind.size()));
  double share = 0.01;
  for (int step = 0; step < 5; ++step) {
    share = weighted_sum(sample, (1.0 + (1.0 / share - 1.0) * behind).inverse()) / rows;
    share = std::min(std::max(share, 1e-6), 0.9);
  }
  out.gate.leftCols(last) += std::log1p(-share);
  out.gate.col(last).setConstant(std::log(share));
  return out;
}

Move best_move(const HeldSource& sample, const Model& model, const PenaltyRule& rule, const FitOptions& quick,
               const StartOptions& options, const Services& services) {
  const Index k = model.experts();
  const Parts now = parts_of(sample, model);
  ArrayXXd share = now.gate + now.density;
  const ArrayXd row_log_lik = softmax_rows(share);
  const double reached = weighted_sum(sample, row_log_lik);
  const std::vector<Index> labels = best_columns(share);
  const PenaltyRule two_rule = rule.for_experts(2);
  StartOptions few = options;
  few.finalists = 1;
  // With many experts the dearest to drop are not tried with every split.
  const std::size_t most_drops = 6;
  std::vector<Index> drops;
  if (k > static_cast<Index>(most_drops)) drops = cheapest_drops(sample, now, share, row_log_lik, services);
  else for (Index j = 0; j < k; ++j) drops.push_back(j);
  const auto drops_without = [&](Index kept) {
    std::vector<Index> out;
    for (Index j : drops) {
      if (j != kept && out.size() < most_drops) out.push_back(j);
    }
    return out;
  };
  Move best;
  for (Index split = 0; split < k; ++split) {
    services.interrupt();
    const std::vector<Index> rows = rows_of(labels, split, services);
    if (static_cast<Index>(rows.size()) < 4 * (sample.x_columns() + 1)) continue;
    std::vector<StartRecord> unused;
    const FitResult two = search_starts(HeldSource(sample, rows), model.kind(), 2, two_rule, quick, quick,
                                        few, unused, services);
    consider(sample, split_parts(sample, now, split, two.model), drops_without(split), reached, best);
  }
  const Model one = grow_on_worst_rows(sample, model, rule, quick.dispersion_floor, services);
  consider(sample, grown_parts(sample, now, row_log_lik, one), drops_without(k), reached, best);
  return best;
}

}  // namespace

int improve_by_moves(const HeldSource& sample, FitResult& best, const PenaltyRule& rule,
                     const FitOptions& fit_options, const StartOptions& options, MoveEffort effort,
                     const Services& services) {
  const FitOptions quick = short_run(fit_options, options);
  const bool any = effort == MoveEffort::any;
  // Two halves explain their rows better by about half a unit to a unit for each coefficient more, whatever
  // the truth: a held sample on whose rows experts and gates share one design counts no columns of gates.
  // At the other end, what costs the average row a fifth of a unit was never seen to come to anything.
  const double expert = static_cast<double>(sample.x_columns() * best.model.parts() + sample.z_columns());
  const double least = any ? -0.2 * weighted_sum(sample, ArrayXd::Ones(sample.rows())) : expert * best.mean_weight;
  int failures = any ? 2 : 1;
  int taken = 0;
  while (best.model.experts() > 2 && taken < options.moves && failures > 0) {
    const Move move = best_move(sample, best.model, rule, quick, options, services);
    if (move.gain < least) break;
    const Model start = model_from(sample, best.model.kind(), move.responsibility.matrix(), rule,
                                   quick.dispersion_floor, services);
    FitResult run = fit(sample, start, rule, quick, services);
    FitOptions enough = run_on_sample(fit_options);
    if (!spurious(best)) enough.worth = best.objective.back();
    run = fit(sample, run.model, rule, enough, services);
    if (better(run, best) && run.objective.back() > best.objective.back() + 0.1 * best.mean_weight) {
      best = run;
      ++taken;
    } else {
      --failures;
    }
  }
  return taken;
}

}  // namespace distmoe
