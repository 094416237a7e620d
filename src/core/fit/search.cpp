#include "fit/search.h"

#include <algorithm>

namespace distmoe {

namespace {

// The maxima that rounds came to.
class Ledger {
 public:
  Ledger(Search& search, const Effort& effort) : search_(search), effort_(effort) {}

  void add(const Round& round, bool fresh) {
    const double before = search_.maxima.empty() ? 0.0 : worth_of(search_.maxima.front().fit);
    for (const Arrival& arrival : round.arrivals) add(arrival);
    std::stable_sort(search_.maxima.begin(), search_.maxima.end(),
                     [](const Maximum& a, const Maximum& b) { return better(a.fit, b.fit); });
    search_.runs += round.runs;
    passes_ += round.passes;
    const FitResult& best = search_.maxima.front().fit;
    const bool better_now = worth_of(best) > before + one_maximum * best.mean_weight;
    withstood_ = better_now ? 0 : withstood_ + round.withstood;
    if (fresh) {
      ++search_.rounds;
      search_.ends.push_back(round.end().objective.back());
    }
    search_.reached = static_cast<int>(std::count_if(search_.ends.begin(), search_.ends.end(), [&](double end) {
      return std::abs(end - best.objective.back()) <= one_maximum * best.mean_weight;
    }));
  }

  bool enough() const {
    if (search_.maxima.front().reached < 2) return false;
    if (search_.reached == search_.rounds) return search_.reached >= (5 * effort_.enough + 7) / 8;
    const bool easy = 2 * search_.reached >= search_.rounds;
    return search_.reached >= (easy ? effort_.enough : 3 * effort_.enough);
  }

  bool settled() const { return enough() && withstood_ >= effort_.shakes_of_best; }
  bool spent() const { return search_.rounds >= 2 && passes_ >= effort_.most_passes; }

  // The best maxima, eight at most.
  std::vector<FitResult> known() const {
    std::vector<FitResult> out;
    for (const Maximum& m : search_.maxima) {
      if (out.size() < 8) out.push_back(m.fit);
    }
    return out;
  }

 private:
  void add(const Arrival& arrival) {
    auto& maxima = search_.maxima;
    const auto at = std::find_if(maxima.begin(), maxima.end(),
                                 [&](const Maximum& m) { return same_maximum(m.fit, arrival.run); });
    if (at == maxima.end()) {
      maxima.push_back({arrival.run, 1, {arrival.kind}});
      return;
    }
    ++at->reached;
    at->kinds.push_back(arrival.kind);
    if (better(arrival.run, at->fit)) at->fit = arrival.run;
  }

  Search& search_;
  const Effort& effort_;
  double passes_ = 0.0;
  int withstood_ = 0;  // shakes that led from the best maximum to no better one
};

}  // namespace

Search search_maximum(const HeldSource& sample, const ExpertKind& kind, Index experts, const PenaltyRule& rule,
                      const FitOptions& fit_options, const StartOptions& options, const Services& services) {
  const StartMaterial material(sample, kind, rule, fit_options.dispersion_floor, services);
  const Effort effort(sample, kind, experts, options);
  const Rounds rounds(material, experts, fit_options, options, effort, draw_seed(services));
  Search out;
  out.rows = sample.rows();
  Ledger ledger(out, effort);
  // Where a pass has blocks for all threads, these work within the rounds, one round after the other.
  const bool within = sample.blocks() >= 2 * services.threads;
  const int wave = within ? 1 : services.threads;
  // Rounds are done in lots of four: an excursion knows what was known before its lot.
  const int lot = 4;
  for (int first = 0; first < effort.most_rounds; first += lot) {
    const int end = std::min(first + lot, effort.most_rounds);
    const std::vector<FitResult> known = ledger.known();
    const bool tested = first > 0 && ledger.enough();
    const auto is_fresh = [&](int number) { return first == 0 || (!tested && number % 2 == 0); };
    const auto of_best = [&](int number) { return tested || number % 4 == 1; };
    std::vector<const FitResult*> from;
    for (const FitResult& fit : known) from.push_back(&fit);
    for (int start = first; start < end; start += wave) {
      services.interrupt();
      std::vector<Round> done(static_cast<std::size_t>(std::min(wave, end - start)));
      in_parallel(static_cast<Index>(done.size()), services.threads, [&](Index i) {
        Services own;
        own.threads = within ? services.threads : 1;
        if (within) own.interrupt = services.interrupt;
        const int number = start + static_cast<int>(i);
        done[static_cast<std::size_t>(i)] = is_fresh(number) ? rounds.fresh(number, own)
                                                             : rounds.excursion(number, from, of_best(number), own);
      });
      for (std::size_t i = 0; i < done.size(); ++i) {
        ledger.add(done[i], is_fresh(start + static_cast<int>(i)));
        if (options.starts > 0) return out;
        out.stop = ledger.enough() ? SearchStop::often_enough : SearchStop::most_effort;
        if (ledger.settled() || ledger.spent()) return out;
      }
    }
  }
  return out;
}

}  // namespace distmoe
