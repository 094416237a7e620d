#include "driver.h"

#include <deque>

namespace distmoe {

DrivenFit fit_from_starts(const Data& data, const Scaling& scaling, const ExpertKind& kind, Index experts,
                          const GatePrior& prior, const FitOptions& fit_options,
                          const StartOptions& options, const Services& services) {
  const ScaledSource source(data, takes_offset(kind.family), &scaling);
  const Index n = source.rows();
  // Enough rows for every parameter to be seen by some fifty of them.
  const Index parameters = experts * source.x_columns() + (experts - 1) * source.z_columns();
  Index search_rows = n;
  if (options.rows > 0) search_rows = std::min(n, std::max(options.rows, 50 * parameters));

  DrivenFit out;
  out.start_rows = search_rows;
  const auto search = [&](const HeldSource& sample) {
    const StartResult best =
        best_start(sample, kind, experts, prior, fit_options, options, services);
    out.records = best.records;
    out.moves = best.moves;
    return best.model;
  };
  if (search_rows == n) {
    const HeldSource all(source);
    out.fit = fit(all, search(all), prior, fit_options, services);
    return out;
  }

  // Samples within samples, largest first.
  std::vector<Index> sizes(1, search_rows);
  while (3 * sizes.back() <= n / 8) sizes.push_back(3 * sizes.back());
  std::deque<HeldSource> samples;
  for (std::size_t i = sizes.size(); i-- > 0;) {
    if (samples.empty()) {
      samples.emplace_back(ScaledSource(data, takes_offset(kind.family), &scaling,
                                        sample_rows(n, sizes[i], services)));
    } else {
      samples.emplace_back(samples.back(), sample_rows(sizes[i + 1], sizes[i], services));
    }
  }
  Model model = search(samples.back());
  FitOptions rough = fit_options;
  rough.tolerance = 1e-2;  // far below what a sample itself is worth
  for (std::size_t i = samples.size() - 1; i-- > 0;) {
    model = fit(samples[i], model, prior, rough, services, &samples[i + 1]).model;
    samples.pop_back();
  }
  out.fit = fit(source, model, prior, fit_options, services, &samples.front());
  return out;
}

}  // namespace distmoe
