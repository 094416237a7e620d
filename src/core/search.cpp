#include "search.h"

#include <algorithm>
#include <cstdlib>

namespace distmoe {

namespace {

double knob(const char* name, double value) { const char* v = std::getenv(name); return v ? std::atof(v) : value; }

// The kinds of a round, in this order. k-means comes to the same few partitions every time: later rounds
// have kinds in its place that do not.
std::vector<StartKind> kinds_of_round(int number) {
  using K = StartKind;
  if (number < 2) {
    return {K::kmeans_x, K::kmeans_xy, K::regressions, K::subsets, K::cut_xy, K::tree,
            K::labels,   K::residuals, K::centres,     K::cut_x,   K::subsets, K::tree};
  }
  return {K::subsets, K::cut_xy,    K::regressions, K::subsets, K::centres, K::tree,
          K::labels,  K::residuals, K::centres,     K::cut_x,   K::subsets, K::cut_xy};
}

const double nothing = -std::numeric_limits<double>::infinity();

// Two ends are one maximum if their objectives differ by less (in rows of mean weight).
const double same = 0.05;

// A run on the sample and what kind of start it has.
struct Arrival {
  StartKind kind;
  FitResult run;
};

bool earlier(const Arrival& a, const Arrival& b) { return better(a.run, b.run); }

const Arrival& best_of(const std::vector<Arrival>& arrivals) {
  return *std::min_element(arrivals.begin(), arrivals.end(), earlier);
}

bool same_maximum(const FitResult& a, const FitResult& b) {
  return spurious(a) == spurious(b) &&
         std::abs(a.objective.back() - b.objective.back()) <= same * a.mean_weight;
}

struct Round {
  std::vector<Arrival> arrivals;  // finished runs
  int runs = 0;
};

// How much a search does, from what a pass over its sample costs.
struct Effort {
  int starts = 12, enough = 6, most_rounds = 200;
  int moves = 6, run_moves = 3, shakes = 2;  // moves weighed, run, and shakes run in a step of the walk
  Index screen = 0;                          // rows of a part on which starts begin (0: all)

  Effort(const HeldSource& sample, const ExpertKind& kind, Index experts, const StartOptions& options) {
    const double p = static_cast<double>(sample.x_columns()), q = static_cast<double>(sample.z_columns()),
                 k = static_cast<double>(experts), r = static_cast<double>(kind.parts);
    // About nanoseconds: densities, and products of columns.
    const double products = k * r * (r + 1) / 2 * p * (p + 1) / 2 + k * (k - 1) / 2 * q * (q + 1) / 2;
    const double pass = 1e4 + static_cast<double>(sample.rows()) * (40.0 * k * r + 0.08 * products);
    const double round = 250.0 * pass;
    most_rounds = static_cast<int>(std::max(2.0, std::min(200.0, knob("DM_BUDGET", 0.8) * 1e9 / round)));
    enough = static_cast<int>(std::max(1.0, std::min(knob("DM_ENOUGH", 6), knob("DM_EB", 0.08) * 1e9 / round)));
    
    if (enough == 1) {
      moves = static_cast<int>(experts);
      run_moves = 1;
      shakes = 0;
    }
    const Index parameters = static_cast<Index>(k * r * p + (k - 1) * q);
    const Index some = std::max<Index>(1000, 10 * parameters);
    if (2 * some <= sample.rows()) screen = some;
    if (options.starts > 0) {
      starts = options.starts;
      most_rounds = 1;
    }
  }
};

class Rounds {
 public:
  Rounds(const StartMaterial& material, Index experts, const FitOptions& fit_options, const StartOptions& options,
         const Effort& effort)
      : m_(material), experts_(experts), options_(options), effort_(effort), quick_(fit_options),
        finish_(run_on_sample(fit_options)) {
    quick_.newton = false;
    quick_.least_gain = 1e-2;
  }

  Round run(int number, std::uint64_t seed, const Services& services) const {
    Random random(seed_of_task(seed, static_cast<std::uint64_t>(number)));
    Services own = services;
    own.uniform = [&random] { return random.uniform(); };
    Round out;
    std::vector<Arrival> field;
    if (effort_.screen > 0) {
      const HeldSource part(m_.sample, sample_rows(m_.sample.rows(), effort_.screen, own));
      begin(number, StartMaterial(part, m_.kind, m_.rule, m_.floor, own), field, random, own);
    } else {
      begin(number, m_, field, random, own);
    }
    race(field, (field.size() + 1) / 2, own);
    if (number == 0) from_neighbours(field, random, own);
    out.runs = effort_.starts + static_cast<int>(field.size()) - (effort_.starts + 1) / 2;
    const std::size_t finalists = options_.starts > 0 ? (field.size() + 1) / 2 : 3;
    out.arrivals = finish(field, finalists, nothing, own);
    walk(out, random, own);
    return out;
  }

 private:
  FitResult short_run(const HeldSource& sample, const Model& start, int iterations, const Services& services) const {
    FitOptions quick = quick_;
    quick.max_iterations = iterations;
    return fit(sample, start, m_.rule, quick, services);
  }

  void begin(int number, const StartMaterial& on, std::vector<Arrival>& field, Random& random,
             const Services& services) const {
    const std::vector<StartKind> kinds = kinds_of_round(number);
    for (int i = 0; i < effort_.starts; ++i) {
      const StartKind how = kinds[static_cast<std::size_t>(i) % kinds.size()];
      field.push_back({how, short_run(on.sample, make_start(how, on, experts_, random), 5, services)});
    }
  }

  // The best `kept` get ten EM iterations more.
  void race(std::vector<Arrival>& field, std::size_t kept, const Services& services) const {
    std::stable_sort(field.begin(), field.end(), earlier);
    field.resize(std::min(field.size(), kept));
    for (Arrival& a : field) a.run = short_run(m_.sample, a.run.model, 10, services);
    std::stable_sort(field.begin(), field.end(), earlier);
  }

  // Finishes runs, best first, until `count` of them ended without a spurious expert. Those that will not
  // come to `worth`, or to the best of them, are given up.
  std::vector<Arrival> finish(const std::vector<Arrival>& field, std::size_t count, double worth,
                              const Services& services) const {
    std::vector<Arrival> out;
    std::size_t honest = 0;
    for (const Arrival& a : field) {
      if (honest >= count) break;
      FitOptions enough = finish_;
      enough.worth = worth;
      FitResult run = fit(m_.sample, a.run.model, m_.rule, enough, services);
      const bool given_up = !run.converged() && run.objective.back() < worth;
      if (!spurious(run)) {
        ++honest;
        worth = std::max(worth, run.objective.back());
      }
      if (!given_up || out.empty()) out.push_back({a.kind, std::move(run)});
    }
    return out;
  }

  void enter(std::vector<Arrival>& field, StartKind kind, const Proposal& move, const Services& services) const {
    const Model start = model_from(m_.sample, m_.kind, move.responsibility, m_.rule, m_.floor, services);
    field.push_back({kind, short_run(m_.sample, start, 5, services)});
  }

  // The moves from a maximum that promise most. What costs the average row a fifth of a unit was never seen
  // to come to anything.
  std::vector<std::pair<StartKind, Proposal>> weigh(const FitResult& here, const std::vector<Arrival>& others,
                                                    Random& random, const Services& services) const {
    const Moves moves(m_, here.model);
    std::vector<std::pair<StartKind, Proposal>> out;
    const Index first = random.below(experts_);
    for (int i = 0; i < effort_.moves; ++i) {
      out.push_back({StartKind::move, moves.split_and_merge((first + i) % experts_, random, services)});
    }
    out.push_back({StartKind::move, moves.grow_and_drop(random, services)});
    if (effort_.shakes > 0 && others.size() > 1) {
      const Arrival& other = others[static_cast<std::size_t>(random.below(static_cast<Index>(others.size())))];
      out.push_back({StartKind::cross, moves.cross(Moves(m_, other.run.model), random)});
    }
    const double least = -0.2 * here.mass.sum();
    out.erase(std::remove_if(out.begin(), out.end(), [&](const auto& p) { return p.second.gain < least; }), out.end());
    std::stable_sort(out.begin(), out.end(),
                     [](const auto& a, const auto& b) { return a.second.gain > b.second.gain; });
    if (out.size() > static_cast<std::size_t>(effort_.run_moves)) out.resize(static_cast<std::size_t>(effort_.run_moves));
    return out;
  }

  // Moves from the best end of a round, while that helps: two steps may fail.
  void walk(Round& round, Random& random, const Services& services) const {
    Arrival here = best_of(round.arrivals);
    bool moved = false;
    for (int failures = 0; failures < static_cast<int>(knob("DM_FAILS", 2));) {
      std::vector<Arrival> field;
      for (const auto& move : weigh(here.run, round.arrivals, random, services)) {
        enter(field, move.first, move.second, services);
      }
      for (int i = 0; i < effort_.shakes; ++i) {
        field.push_back({StartKind::shake,
                         short_run(m_.sample, shaken(m_, here.run.model, random, services), 5, services)});
      }
      if (field.empty()) break;
      round.runs += static_cast<int>(field.size());
      race(field, static_cast<std::size_t>(knob("DM_RACE", 2)), services);
      const double worth = spurious(here.run) ? nothing : here.run.objective.back();
      const Arrival end = best_of(finish(field, static_cast<std::size_t>(knob("DM_WFIN", 1)), worth, services));
      if (better(end.run, here.run) && !same_maximum(end.run, here.run)) {
        here = end;
        moved = true;
        failures = 0;
      } else {
        ++failures;
      }
    }
    if (moved) round.arrivals.push_back(here);
  }

  // Starts from maxima with one expert less or more.
  void from_neighbours(std::vector<Arrival>& field, Random& random, const Services& services) const {
    for (const Model& model : options_.neighbours) {
      const Moves moves(m_, model);
      std::vector<Arrival> own;
      if (model.experts() + 1 == experts_) {
        for (Index i = 0; i < 3 * model.experts(); ++i) {
          const Proposal split = moves.split(i % model.experts(), random, services);
          if (split.responsibility.size() > 0) enter(own, StartKind::split, split, services);
        }
      } else if (model.experts() == experts_ + 1) {
        for (int i = 0; i < 3; ++i) enter(own, StartKind::merge, moves.merge(i > 0, random), services);
      }
      race(own, 3, services);
      field.insert(field.begin(), own.begin(), own.end());
    }
  }

  const StartMaterial& m_;
  Index experts_;
  const StartOptions& options_;
  const Effort& effort_;
  FitOptions quick_, finish_;
};

// The maxima that rounds came to.
class Ledger {
 public:
  explicit Ledger(Search& search) : search_(search) {}

  void add(const Round& round) {
    for (const Arrival& arrival : round.arrivals) add(arrival);
    std::stable_sort(search_.maxima.begin(), search_.maxima.end(),
                     [](const Maximum& a, const Maximum& b) { return better(a.fit, b.fit); });
    search_.runs += round.runs;
    ++search_.rounds;
    search_.ends.push_back(best_of(round.arrivals).run.objective.back());
    search_.reached = like(search_.maxima.front().fit.objective.back());
  }

  bool enough(const Effort& effort) const {
    if (search_.maxima.front().reached < 2) return false;
    const bool easy = 2 * search_.reached >= search_.rounds;
    return search_.reached >= (easy ? effort.enough : 5 * effort.enough / 2);
  }

 private:
  void add(const Arrival& arrival) {
    auto& maxima = search_.maxima;
    const auto known = std::find_if(maxima.begin(), maxima.end(),
                                    [&](const Maximum& m) { return same_maximum(m.fit, arrival.run); });
    if (known == maxima.end()) {
      maxima.push_back({arrival.run, 1, {arrival.kind}});
      return;
    }
    ++known->reached;
    known->kinds.push_back(arrival.kind);
    if (better(arrival.run, known->fit)) known->fit = arrival.run;
  }

  // Rounds that ended there.
  int like(double objective) const {
    const double near = same * search_.maxima.front().fit.mean_weight;
    return static_cast<int>(std::count_if(search_.ends.begin(), search_.ends.end(),
                                          [&](double end) { return std::abs(end - objective) <= near; }));
  }

  Search& search_;
};

}  // namespace

bool spurious(const FitResult& r) {
  return std::count(r.degenerate.begin(), r.degenerate.end(), true) > 0;
}

bool better(const FitResult& a, const FitResult& b) {
  if (spurious(a) != spurious(b)) return spurious(b);
  return a.objective.back() > b.objective.back();
}

FitOptions run_on_sample(const FitOptions& all_rows) {
  FitOptions out = all_rows;
  out.max_iterations = std::min(all_rows.max_iterations, 100);
  out.tolerance = 1e-2;  // far below what the sample itself is worth
  return out;
}

Search search_maximum(const HeldSource& sample, const ExpertKind& kind, Index experts, const PenaltyRule& rule,
                      const FitOptions& fit_options, const StartOptions& options, const Services& services) {
  const StartMaterial material(sample, kind, rule, fit_options.dispersion_floor, services);
  const Effort effort(sample, kind, experts, options);
  const Rounds rounds(material, experts, fit_options, options, effort);
  const std::uint64_t seed = draw_seed(services);
  Search out;
  out.rows = sample.rows();
  Ledger ledger(out);
  // Where a pass has blocks for all threads, these work within the rounds, one round after the other.
  const bool within = sample.blocks() >= 2 * services.threads;
  const int wave = within ? 1 : services.threads;
  for (int first = 0; first < effort.most_rounds; first += wave) {
    services.interrupt();
    std::vector<Round> done(static_cast<std::size_t>(std::min(wave, effort.most_rounds - first)));
    in_parallel(static_cast<Index>(done.size()), services.threads, [&](Index i) {
      Services own;
      own.threads = within ? services.threads : 1;
      if (within) own.interrupt = services.interrupt;
      done[static_cast<std::size_t>(i)] = rounds.run(first + static_cast<int>(i), seed, own);
    });
    for (const Round& round : done) {
      ledger.add(round);
      if (options.starts > 0) return out;
      if (!ledger.enough(effort)) continue;
      out.stop = SearchStop::often_enough;
      return out;
    }
  }
  out.stop = SearchStop::most_effort;
  return out;
}

}  // namespace distmoe
