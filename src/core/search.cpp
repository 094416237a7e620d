#include "search.h"

#include <algorithm>
#include <cstdlib>

namespace distmoe {

namespace {

double knob(const char* name, double value) { const char* v = std::getenv(name); return v ? std::atof(v) : value; }

// The maxima that rounds came to.
class Ledger {
 public:
  Ledger(Search& search, const Effort& effort) : search_(search), effort_(effort) {}

  void add(const Round& round, bool fresh) {
    for (const Arrival& arrival : round.arrivals) add(arrival);
    std::stable_sort(search_.maxima.begin(), search_.maxima.end(),
                     [](const Maximum& a, const Maximum& b) { return better(a.fit, b.fit); });
    search_.runs += round.runs;
    if (fresh) {
      ++search_.rounds;
      search_.ends.push_back(round.end().objective.back());
    }
    const FitResult& best = search_.maxima.front().fit;
    search_.reached = static_cast<int>(std::count_if(search_.ends.begin(), search_.ends.end(), [&](double end) {
      return std::abs(end - best.objective.back()) <= 0.05 * best.mean_weight;
    }));
  }

  bool enough() const {
    if (search_.maxima.front().reached < 2) return false;
    const bool easy = 2 * search_.reached >= search_.rounds;
    return search_.reached >= (easy ? effort_.enough : 5 * effort_.enough / 2);
  }

  // The best maxima without a degenerate expert, eight at most.
  std::vector<const FitResult*> known() const {
    std::vector<const FitResult*> out;
    for (const Maximum& m : search_.maxima) {
      if (out.size() < 8 && (out.empty() || !spurious(m.fit))) out.push_back(&m.fit);
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
};

}  // namespace

Search search_maximum(const HeldSource& sample, const ExpertKind& kind, Index experts, const PenaltyRule& rule,
                      const FitOptions& fit_options, const StartOptions& options, const Services& services) {
  const StartMaterial material(sample, kind, rule, fit_options.dispersion_floor, services);
  Effort effort(sample, kind, experts, options);
  effort.most_rounds *= knob("DM_X", 1); if (knob("DM_ENOUGH", 0) > 0) effort.enough = knob("DM_ENOUGH", 0);
  const Rounds rounds(material, experts, fit_options, options, effort, draw_seed(services));
  Search out;
  out.rows = sample.rows();
  Ledger ledger(out, effort);
  // Where a pass has blocks for all threads, these work within the rounds, one round after the other.
  const bool within = sample.blocks() >= 2 * services.threads;
  // Rounds are done in lots: what an excursion knows is what was known before its lot.
  const int fresh_alone = static_cast<int>(knob("DM_ALONE", 8)), lot = 8;
  for (int first = 0; first < effort.most_rounds; first += lot) {
    const int size = std::min(lot, effort.most_rounds - first);
    const std::vector<const FitResult*> known = ledger.known();
    std::vector<FitResult> copies;
    for (const FitResult* k : known) copies.push_back(*k);
    std::vector<const FitResult*> from;
    for (const FitResult& c : copies) from.push_back(&c);
    const auto is_fresh = [&](int number) { return number < fresh_alone || number % 2 == 0; };
    const int wave = within ? 1 : services.threads;
    for (int start = 0; start < size; start += wave) {
      services.interrupt();
      std::vector<Round> done(static_cast<std::size_t>(std::min(wave, size - start)));
      in_parallel(static_cast<Index>(done.size()), services.threads, [&](Index i) {
        Services own;
        own.threads = within ? services.threads : 1;
        if (within) own.interrupt = services.interrupt;
        const int number = first + start + static_cast<int>(i);
        done[static_cast<std::size_t>(i)] = is_fresh(number) ? rounds.fresh(number, own)
                                                             : rounds.excursion(number, from, own);
      });
      for (std::size_t i = 0; i < done.size(); ++i) {
        const int number = first + start + static_cast<int>(i);
        ledger.add(done[i], is_fresh(number));
        if (options.starts > 0) return out;
        if (!ledger.enough()) continue;
        out.stop = SearchStop::often_enough;
        return out;
      }
    }
  }
  out.stop = SearchStop::most_effort;
  return out;
}

}  // namespace distmoe
