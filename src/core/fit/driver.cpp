#include "fit/driver.h"

#include <algorithm>

#include "fit/ladder.h"

namespace distmoe {

DrivenFit fit_from_starts(const Data& data, const Scaling& scaling, const ExpertKind& kind, Index experts,
                          const PenaltyRule& rule, const FitOptions& fit_options,
                          const StartOptions& options, const Services& services) {
  const ScaledSource source(data, takes_offset(kind.family), &scaling);
  const Index n = source.rows();
  // Enough rows for every parameter to be seen by some fifty of them.
  const Index parameters = parameters_of(source, kind, experts);
  Index search_rows = n;
  if (options.rows > 0) search_rows = std::min(n, std::max(options.rows, 50 * parameters));

  DrivenFit out;
  StartOptions starts = options;
  starts.all_rows = n;
  const auto search = [&](const HeldSource& sample) {
    out.search = search_maximum(sample, kind, experts, rule, fit_options, starts, services);
    std::vector<FitResult> maxima;
    for (const Maximum& m : out.search.maxima) maxima.push_back(m.fit);
    return maxima;
  };
  if (search_rows == n) {
    const HeldSource all(source);
    const std::vector<FitResult> maxima = search(all);
    out.fit = fit(all, maxima.front().model, rule, fit_options, services);
    // What was not quite at its end may become degenerate on the way there: then the next best.
    for (std::size_t i = 1; i < maxima.size() && i < 8 && better(maxima[i], out.fit); ++i) {
      FitResult next = fit(all, maxima[i].model, rule, fit_options, services);
      if (better(next, out.fit)) out.fit = std::move(next);
    }
  } else {
    Ladder ladder(data, source, scaling, kind, experts, search_rows, services);
    out.fit = ladder.climb(search(ladder.lowest()), starts.neighbours, rule, fit_options, services);
  }
  return out;
}

}  // namespace distmoe
