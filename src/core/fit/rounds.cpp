#include "fit/rounds.h"

#include <algorithm>
#include <set>

namespace distmoe {

namespace {

// The kinds of a round, in this order. k-means comes to the same few partitions every time: later rounds
// have kinds in its place that do not.
std::vector<StartKind> kinds_of_round(int number) {
  using K = StartKind;
  if (number < 2) {
    return {K::kmeans_x, K::kmeans_xy, K::regressions, K::subsets, K::cut_xy, K::tree,
            K::labels, K::residuals, K::centres, K::cut_x, K::subsets, K::tree};
  }
  return {K::subsets, K::cut_xy, K::regressions, K::subsets, K::centres, K::tree,
          K::labels, K::residuals, K::centres, K::cut_x, K::subsets, K::cut_xy};
}

const double nothing = -std::numeric_limits<double>::infinity();

bool earlier(const Arrival& a, const Arrival& b) { return better(a.run, b.run); }

const Arrival& best_of(const std::vector<Arrival>& arrivals) {
  return *std::min_element(arrivals.begin(), arrivals.end(), earlier);
}

// Kinds that runs were started by. k-means on x and on (x, y) often give the same partition: they count once.
std::size_t witnesses(const std::vector<Arrival>& arrivals) {
  std::set<StartKind> kinds;
  for (const Arrival& a : arrivals) kinds.insert(a.kind == StartKind::kmeans_xy ? StartKind::kmeans_x : a.kind);
  return kinds.size();
}

}  // namespace

bool spurious(const FitResult& r) {
  return std::count(r.degenerate.begin(), r.degenerate.end(), true) > 0;
}

double worth_of(const FitResult& r) {
  double out = r.objective.back();
  if (!spurious(r)) return out;
  const double widest = r.model.dispersion.maxCoeff();
  for (Index k = 0; k < r.mass.size(); ++k) {
    if (r.degenerate[static_cast<std::size_t>(k)]) {
      out -= r.mass(k) * (1.0 + 0.5 * std::log(widest / r.model.dispersion(k)));
    }
  }
  return out;
}

bool better(const FitResult& a, const FitResult& b) { return worth_of(a) > worth_of(b); }

bool same_maximum(const FitResult& a, const FitResult& b) {
  return spurious(a) == spurious(b) &&
         std::abs(a.objective.back() - b.objective.back()) <= one_maximum * a.mean_weight;
}

FitOptions run_on_sample(const FitOptions& all_rows) {
  FitOptions out = all_rows;
  out.max_iterations = std::min(all_rows.max_iterations, 100);
  out.tolerance = 1e-2;  // far below what the sample itself is worth
  return out;
}

Index parameters_of(const Source& rows, const ExpertKind& kind, Index experts) {
  return experts * kind.parts * rows.x_columns() + (experts - 1) * rows.z_columns();
}

Effort::Effort(const HeldSource& sample, const ExpertKind& kind, Index experts, const StartOptions& options) {
  const double p = static_cast<double>(sample.x_columns()), q = static_cast<double>(sample.z_columns()),
               k = static_cast<double>(experts), r = static_cast<double>(kind.parts);
  // About nanoseconds, on a machine of 2020: what does not depend on the rows, densities, products of columns.
  const double products = k * r * (r + 1) / 2 * p * (p + 1) / 2 + k * (k - 1) / 2 * q * (q + 1) / 2;
  const double pass = 5e3 + 280.0 * (k * r * p + (k - 1) * q) +
                      static_cast<double>(sample.rows()) * (8.0 * k * r + 0.06 * products);
  // A larger sample may cost more, but not many times more.
  const double size = std::min(6.0, std::max(1.0, static_cast<double>(sample.rows()) / 1000.0));
  most_passes = 6.6e8 * size / pass;
  enough = static_cast<int>(std::max(1.0, std::min(8.0, 3.2e5 * size / pass)));
  if (experts == 2) {
    moves = 2;
    run_moves = 1;
    shakes = 4;
  }
  shakes_of_best = static_cast<int>(6.0 * size);
  if (enough == 1) {
    shakes_of_best = 0;
    // Where a pass is dear a round or two must do; but where the fit to all rows is dear too, so may be the search.
    most_passes = std::max(3e8 / pass, 12.0 * static_cast<double>(options.all_rows) /
                                           static_cast<double>(sample.rows()));
    starts = 8;
    moves = static_cast<int>(experts);
    run_moves = 1;
    shakes = 0;
  }
  if (options.starts > 0) {
    starts = options.starts;
    most_rounds = 1;
  }
}

const FitResult& Round::end() const { return best_of(arrivals).run; }

Rounds::Rounds(const StartMaterial& material, Index experts, const FitOptions& fit_options,
               const StartOptions& options, const Effort& effort, std::uint64_t seed)
    : m_(material), experts_(experts), options_(options), effort_(effort), seed_(seed), quick_(fit_options),
      finish_(run_on_sample(fit_options)) {
  // Where a pass is dear runs are not finished to the last digit: a sample's optimum lacks half a unit or so for each
  // coefficient.
  if (effort.enough == 1) {
    finish_.tolerance = 0.01 * static_cast<double>(parameters_of(material.sample, material.kind, experts));
  }
  quick_.newton = false;
  quick_.least_gain = 1e-2;
  quick_.max_reseeds = std::min(quick_.max_reseeds, 1);
}

Round Rounds::fresh(int number, const Services& services) const {
  Turn turn(seed_of_task(seed_, static_cast<std::uint64_t>(number)), services);
  Field field = begin(number, turn);
  const bool all = options_.starts == 0 && effort_.enough > 1;
  if (all) std::stable_sort(field.begin(), field.end(), earlier);
  else race(field, (field.size() + 1) / 2, turn);
  if (number == 0) from_neighbours(field, turn);
  Field ends = finish(field, options_.starts > 0 || all ? field.size() : 3, nothing, turn);
  turn.round.arrivals = ends;
  std::vector<const FitResult*> others;
  for (const Arrival& a : ends) others.push_back(&a.run);
  // Where a walk is dear and all finished runs came to the same place, that is evidence enough.
  const auto same = [&](const Arrival& a) { return same_maximum(a.run, ends[0].run); };
  const bool agreed = effort_.enough == 1 && witnesses(ends) > 1 && std::all_of(ends.begin(), ends.end(), same);
  if (!agreed && (number % 8 == 0 || !all)) walk(best_of(ends), others, 1, turn);
  return turn.round;
}

Round Rounds::excursion(int number, const std::vector<const FitResult*>& known, bool of_best,
                        const Services& services) const {
  Turn turn(seed_of_task(seed_, static_cast<std::uint64_t>(number)), services);
  const double u = turn.random.uniform();
  const std::size_t from = of_best ? 0 : static_cast<std::size_t>(u * u * static_cast<double>(known.size()));
  if (!of_best && turn.random.uniform() < 0.5) walk({StartKind::move, *known[from]}, known, 3, turn);
  else ratchet({StartKind::shake, *known[from]}, turn);
  if (of_best && turn.round.arrivals.empty()) turn.round.withstood = turn.round.runs;
  return turn.round;
}

// Shakes, each run to its end, while that helps: six may fail.
void Rounds::ratchet(Arrival here, Turn& turn) const {
  bool moved = false;
  for (int failures = 0; failures < 6;) {
    const Model start = shaken(m_, here.run.model, turn.random, turn.services);
    ++turn.round.runs;
    turn.round.passes += 15.0;
    const FitResult end = run(start, finish_, turn);
    if (end.converged() && better(end, here.run) && !same_maximum(end, here.run)) {
      here.run = end;
      moved = true;
      failures = 0;
    } else {
      ++failures;
    }
  }
  if (moved) turn.round.arrivals.push_back(here);
}

FitResult Rounds::run(const Model& start, const FitOptions& options, Turn& turn) const {
  FitResult out = fit(m_.sample, start, m_.rule, options, turn.services);
  turn.round.passes += out.passes + 2.0 * out.hessians;
  return out;
}

FitResult Rounds::short_run(const Model& start, int iterations, Turn& turn) const {
  FitOptions quick = quick_;
  quick.max_iterations = iterations;
  return run(start, quick, turn);
}

Rounds::Field Rounds::begin(int number, Turn& turn) const {
  const std::vector<StartKind> kinds = kinds_of_round(number);
  Field field;
  for (int i = 0; i < effort_.starts; ++i) {
    const StartKind how = kinds[static_cast<std::size_t>(i) % kinds.size()];
    field.push_back({how, short_run(make_start(how, m_, experts_, turn.random), 5, turn)});
  }
  turn.round.runs += effort_.starts;
  return field;
}

// The best `kept` get ten EM iterations more.
void Rounds::race(Field& field, std::size_t kept, Turn& turn) const {
  std::stable_sort(field.begin(), field.end(), earlier);
  field.resize(std::min(field.size(), kept));
  for (Arrival& a : field) a.run = short_run(a.run.model, 10, turn);
  std::stable_sort(field.begin(), field.end(), earlier);
}

// Finishes runs, best first, until `count` of them ended without a degenerate expert. Those that will not
// come to `worth`, or to the best of them, are given up.
Rounds::Field Rounds::finish(const Field& field, std::size_t count, double worth, Turn& turn) const {
  Field out;
  std::size_t honest = 0;
  for (const Arrival& a : field) {
    if (honest >= count || out.size() >= 2 * count) break;
    FitOptions enough = finish_;
    enough.worth = worth;
    FitResult end = run(a.run.model, enough, turn);
    const bool given_up = !end.converged() && end.objective.back() < worth;
    // It was thought to come to nothing, and Newton's method not tried any more, but has come so far.
    if (!end.converged() && !given_up) end = run(end.model, finish_, turn);
    if (!spurious(end)) {
      ++honest;
      worth = std::max(worth, end.objective.back());
    }
    if (!given_up) out.push_back({a.kind, std::move(end)});
  }
  return out;
}

void Rounds::enter(Field& field, StartKind kind, const Proposal& move, Turn& turn) const {
  const Model start = model_from(m_.sample, m_.kind, move.responsibility, m_.rule, m_.floor, turn.services);
  field.push_back({kind, short_run(start, 5, turn)});
  ++turn.round.runs;
}

// The moves from a maximum that promise most. What costs the average row a fifth of a unit was never seen
// to come to anything.
std::vector<Rounds::Weighed> Rounds::weigh(const FitResult& here, const std::vector<const FitResult*>& others,
                                           int crosses, Turn& turn) const {
  const Moves moves(m_, here.model);
  std::vector<Weighed> out;
  const Index first = turn.random.below(experts_);
  for (int i = 0; i < effort_.moves; ++i) {
    out.push_back({StartKind::move, moves.split_and_merge((first + i) % experts_, turn.random, turn.services)});
  }
  out.push_back({StartKind::move, moves.grow_and_drop(turn.random, turn.services)});
  for (int i = 0; i < crosses && effort_.shakes > 0 && others.size() > 1; ++i) {
    const FitResult& other = *others[static_cast<std::size_t>(turn.random.below(static_cast<Index>(others.size())))];
    out.push_back({StartKind::cross, moves.cross(Moves(m_, other.model), turn.random)});
  }
  turn.round.passes += 3.0 * static_cast<double>(out.size());
  const double least = -0.2 * here.mass.sum();
  out.erase(std::remove_if(out.begin(), out.end(), [&](const Weighed& w) { return !(w.move.gain >= least); }),
            out.end());
  std::stable_sort(out.begin(), out.end(),
                   [](const Weighed& a, const Weighed& b) { return a.move.gain > b.move.gain; });
  out.resize(std::min(out.size(), static_cast<std::size_t>(effort_.run_moves)));
  return out;
}

// Moves from `here`, while that helps: two steps may fail. Where it leads, if anywhere, is an arrival.
void Rounds::walk(Arrival here, const std::vector<const FitResult*>& others, int crosses, Turn& turn) const {
  bool moved = false;
  for (int failures = 0; failures < 2;) {
    Field field;
    for (const Weighed& w : weigh(here.run, others, crosses, turn)) enter(field, w.kind, w.move, turn);
    for (int i = 0; i < effort_.shakes; ++i) {
      const Model start = shaken(m_, here.run.model, turn.random, turn.services);
      field.push_back({StartKind::shake, short_run(start, 5, turn)});
      ++turn.round.runs;
      turn.round.passes += 9.0;
    }
    if (field.empty()) break;
    race(field, 2, turn);
    const double worth = spurious(here.run) ? nothing : here.run.objective.back();
    const Field ends = finish(field, 1, worth, turn);
    if (!ends.empty() && better(best_of(ends).run, here.run) && !same_maximum(best_of(ends).run, here.run)) {
      here = best_of(ends);
      moved = true;
      failures = 0;
    } else {
      ++failures;
    }
  }
  if (moved) turn.round.arrivals.push_back(here);
}

// Starts from maxima with one expert less or more.
void Rounds::from_neighbours(Field& field, Turn& turn) const {
  for (const Model& model : options_.neighbours) {
    const StartKind kind = model.experts() < experts_ ? StartKind::split : StartKind::merge;
    Field own;
    for (const Proposal& way : from_neighbour(m_, model, experts_, turn.random, turn.services)) {
      enter(own, kind, way, turn);
    }
    race(own, 3, turn);
    field.insert(field.begin(), own.begin(), own.end());
  }
}

}  // namespace distmoe
