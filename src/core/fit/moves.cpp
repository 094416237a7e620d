#include "fit/moves.h"

#include <algorithm>

#include "fit/fit.h"
#include "kernels/kernels.h"
#include "model/mixture.h"

namespace distmoe {

namespace {

const double nothing = -std::numeric_limits<double>::infinity();

FitOptions few_steps(int iterations, double floor) {
  FitOptions out;
  out.max_iterations = iterations;
  out.newton = false;
  out.max_reseeds = 0;
  out.dispersion_floor = floor;
  return out;
}

// The rows whose label is `expert`, no more than a thousand of them.
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

// log(exp(a) + exp(b)) of gates, which may be 0.
ArrayXd log_sum(const ArrayXd& a, const ArrayXd& b) { return (a.exp() + b.exp()).max(1e-300).log(); }

}  // namespace

Moves::Moves(const Ground& ground, const Model& model)
    : m_(ground), model_(model), now_(parts_of(ground.sample, model)), share_(now_.gate + now_.density) {
  row_log_lik_ = softmax_rows(share_);
  log_lik_ = weighted_sum(row_log_lik_);
}

Moves::Parts Moves::parts_of(const HeldSource& sample, const Model& model) {
  const Block all = sample.all();
  return Parts{gates(all.z, model.alpha, all.gate_offset).log, fitness(sample, model)};
}

double Moves::weighted_sum(const ArrayXd& value) const {
  return m_.sample.weight.size() > 0 ? m_.sample.weight.dot(value.matrix()) : value.sum();
}

std::vector<Moves::Drop> Moves::drops(const Parts& parts, Index kept) const {
  const Index k = parts.gate.cols();
  ArrayXXd share = parts.gate + parts.density;
  const ArrayXd together = softmax_rows(share);
  // Densities over the row's largest, and what a part's gate makes of that largest in shares.
  const ArrayXd top = parts.density.rowwise().maxCoeff();
  ArrayXXd height = parts.density.colwise() - top, room = (parts.gate.colwise() + (top - together)).min(700.0);
  kernels().exponential(height.size(), height.data());
  kernels().exponential(room.size(), room.data());
  ArrayXd rest(share.rows()), now(share.rows());
  std::vector<Drop> out;
  for (Index part = 0; part < k; ++part) {
    if (part == kept) continue;
    rest.setZero();
    for (Index j = 0; j < k; ++j) {
      if (j != part) rest += share.col(j);
    }
    Drop best{nothing, part, -1};
    for (Index heir = 0; heir < k; ++heir) {
      if (heir == part) continue;
      now = (rest + height.col(heir) * room.col(part)).max(1e-100);
      kernels().logarithm(now.size(), now.data());
      const double cost = weighted_sum(now);
      if (best.heir >= 0 && !(cost > best.cost)) continue;
      best.cost = cost;
      best.heir = heir;
    }
    out.push_back(best);
  }
  std::stable_sort(out.begin(), out.end(), [](const Drop& a, const Drop& b) { return a.cost > b.cost; });
  return out;
}

void Moves::drop(Parts& parts, const Drop& which) {
  const Index last = parts.gate.cols() - 1;
  parts.gate.col(which.heir) = log_sum(parts.gate.col(which.heir), parts.gate.col(which.part));
  parts.gate.col(which.part) = parts.gate.col(last).eval();
  parts.density.col(which.part) = parts.density.col(last).eval();
  parts.gate.conservativeResize(Eigen::NoChange, last);
  parts.density.conservativeResize(Eigen::NoChange, last);
}

Proposal Moves::proposal(const Parts& parts) const {
  ArrayXXd share = parts.gate + parts.density;
  const ArrayXd together = softmax_rows(share);
  return {share.matrix(), weighted_sum(together) - log_lik_};
}

// Labels 0 and 1 of some rows of the expert `which`.
std::vector<Index> Moves::cut(const HeldSource& rows, Index which, Random& random) const {
  const Index n = rows.rows(), parts = m_.kind.parts;
  const double how = random.uniform();
  if (how < 0.3) return regression_labels(Ground{rows, m_.kind, m_.rule, m_.floor}, 2, 5, random);
  const MatrixXd& z = rows.shared || rows.z.cols() <= 1 ? rows.x : rows.z;
  VectorXd value;
  if (z.cols() > 1 && how < 0.5) {
    value = along_direction(z, random);
  } else if (z.cols() > 1 && how < 0.7) {
    value = z.col(random.below(z.cols()));
  } else {
    MatrixXd mean = linear_predictors(rows.x, model_.beta.middleCols(which * parts, parts), rows.offset);
    if (!family_of(m_.kind.family).starts_on_log()) mean = expert_means(m_.kind.family, mean, parts);
    const MatrixXd gap = response_points(rows, m_.kind) - mean;
    value = parts == 1 ? VectorXd(gap.col(0)) : along_direction(gap, random);
    if (how < 0.85) value = value.cwiseAbs().eval();
  }
  const double middle = value(random.below(n));
  std::vector<Index> labels(static_cast<std::size_t>(n));
  for (Index i = 0; i < n; ++i) labels[static_cast<std::size_t>(i)] = value(i) > middle ? 1 : 0;
  return labels;
}

// One part more than now: the halves of expert `which` stand in its place and last. None where it has too
// few rows.
Moves::Parts Moves::split_parts(Index which, Random& random, const Services& services) const {
  Parts out;
  Services own = services;
  own.uniform = [&random] { return random.uniform(); };
  const std::vector<Index> at = rows_of(best_columns(share_), which, own);
  if (static_cast<Index>(at.size()) < 2 * (m_.sample.x_columns() * m_.kind.parts + 1)) return out;
  const HeldSource rows(m_.sample, at);
  const PenaltyRule two_rule = m_.rule.for_experts(2);
  const Model start = model_from(rows, m_.kind, one_hot(cut(rows, which, random), 2), two_rule, m_.floor, own);
  const Model two = fit(rows, start, two_rule, few_steps(8, m_.floor), own).model;
  const Parts halves = parts_of(m_.sample, two);
  out = now_;
  const Index last = now_.gate.cols();
  out.gate.conservativeResize(Eigen::NoChange, last + 1);
  out.density.conservativeResize(Eigen::NoChange, last + 1);
  for (Index half = 0; half < 2; ++half) {
    const Index to = half == 0 ? which : last;
    out.gate.col(to) = now_.gate.col(which) + halves.gate.col(half);
    out.density.col(to) = halves.density.col(half);
  }
  return out;
}

Proposal Moves::split(Index which, Random& random, const Services& services) const {
  const Parts parts = split_parts(which, random, services);
  return parts.gate.cols() > 0 ? proposal(parts) : Proposal{MatrixXd(), nothing};
}

Proposal Moves::merge(double chance, Random& random) const {
  Parts parts = now_;
  const Index k = parts.gate.cols();
  if (random.uniform() < chance) {
    const Index part = random.below(k), step = 1 + random.below(k - 1);
    drop(parts, {0.0, part, (part + step) % k});
  } else {
    drop(parts, drops(parts).front());
  }
  return proposal(parts);
}

Proposal Moves::split_and_merge(Index which, Random& random, const Services& services) const {
  Parts parts = split_parts(which, random, services);
  if (parts.gate.cols() == 0) return {MatrixXd(), nothing};
  const std::vector<Drop> order = drops(parts);
  drop(parts, order[random.uniform() < 0.75 ? 0 : 1]);
  return proposal(parts);
}

Proposal Moves::grow_and_drop(Random& random, const Services& services) const {
  Services own = services;
  own.uniform = [&random] { return random.uniform(); };
  const Model one = grow_on_worst_rows(m_.sample, model_, m_.rule, m_.floor, own, 3);
  Parts parts = now_;
  const Index last = now_.gate.cols();
  parts.gate.conservativeResize(Eigen::NoChange, last + 1);
  parts.density.conservativeResize(Eigen::NoChange, last + 1);
  parts.density.col(last) = fitness(m_.sample, one).col(0);
  // One share everywhere, that of a few EM steps.
  const ArrayXd behind = (row_log_lik_ - parts.density.col(last)).min(700.0).exp();
  const double rows = weighted_sum(ArrayXd::Ones(behind.size()));
  double share = 0.01;
  for (int step = 0; step < 5; ++step) {
    share = weighted_sum((1.0 + (1.0 / share - 1.0) * behind).inverse()) / rows;
    share = std::min(std::max(share, 1e-6), 0.9);
  }
  parts.gate.leftCols(last) += std::log1p(-share);
  parts.gate.col(last).setConstant(std::log(share));
  drop(parts, drops(parts, last).front());
  return proposal(parts);
}

Proposal Moves::cross(const Moves& other, Random& random) const {
  const Index k = now_.gate.cols(), n = now_.gate.rows();
  Parts parts{ArrayXXd(n, 2 * k), ArrayXXd(n, 2 * k)};
  parts.gate << now_.gate - std::log(2.0), other.now_.gate - std::log(2.0);
  parts.density << now_.density, other.now_.density;
  while (parts.gate.cols() > k) {
    const std::vector<Drop> order = drops(parts);
    drop(parts, order[static_cast<std::size_t>(random.below(std::min<Index>(3, k)))]);
  }
  return proposal(parts);
}

std::vector<Proposal> from_neighbour(const Ground& ground, const Model& neighbour, Index experts, Random& random,
                                     const Services& services) {
  const Moves moves(ground, neighbour);
  std::vector<Proposal> out;
  if (neighbour.experts() + 1 == experts) {
    for (Index i = 0; i < 3 * neighbour.experts(); ++i) {
      Proposal split = moves.split(i % neighbour.experts(), random, services);
      if (split.responsibility.size() > 0) out.push_back(std::move(split));
    }
  } else if (neighbour.experts() == experts + 1) {
    for (int i = 0; i < 3; ++i) out.push_back(moves.merge(i > 0, random));
  }
  return out;
}

Model shaken(const Ground& m, const Model& model, Random& random, const Services& services) {
  HeldSource other(m.sample);
  if (other.weight.size() == 0) other.weight = VectorXd::Ones(other.rows());
  const bool strong = random.uniform() < 0.5;
  for (Index i = 0; i < other.rows(); ++i) {
    const double draw = -std::log(1.0 - random.uniform());
    other.weight(i) *= strong ? 0.5 * draw * draw : draw;
  }
  FitOptions steps = few_steps(8, m.floor);
  steps.newton = true;
  steps.tolerance = 1e-2;
  return fit(other, model, m.rule, steps, services).model;
}

}  // namespace distmoe
