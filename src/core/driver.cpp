#include "driver.h"

namespace distmoe {

DrivenFit fit_from_starts(const Data& data, const Scaling& scaling, FamilyKind family, Index experts,
                          const GatePrior& prior, const FitOptions& fit_options,
                          const StartOptions& options, const Services& services) {
  const ScaledSource source(data, takes_offset(family), &scaling);
  const Index n = source.rows();
  // Enough rows for every parameter to be seen by some fifty of them.
  const Index parameters = experts * source.x_columns() + (experts - 1) * source.z_columns();
  Index search_rows = n;
  if (options.rows > 0) search_rows = std::min(n, std::max(options.rows, 50 * parameters));

  DrivenFit out;
  out.start_rows = search_rows;
  const auto search = [&](const HeldSource& sample) {
    const StartResult best =
        best_start(sample, family, experts, prior, fit_options, options, services);
    out.records = best.records;
    out.moves = best.moves;
    return best.model;
  };
  const auto held = [&](Index count) {
    return HeldSource(ScaledSource(data, takes_offset(family), &scaling,
                                   sample_rows(n, count, services)));
  };

  if (search_rows == n) {
    const HeldSource all(source);
    out.fit = fit(all, search(all), prior, fit_options, services);
  } else if (n < 4 * search_rows) {
    const HeldSource sample = held(search_rows);
    out.fit = fit(source, search(sample), prior, fit_options, services, &sample);
  } else {
    const HeldSource middle = held(static_cast<Index>(
        std::sqrt(static_cast<double>(n) * static_cast<double>(search_rows))));
    const HeldSource sample(middle, sample_rows(middle.rows(), search_rows, services));
    const Model best = search(sample);
    FitOptions rough = fit_options;
    rough.tolerance = 1e-2;  // far below what the sample itself is worth
    const FitResult better = fit(middle, best, prior, rough, services, &sample);
    out.fit = fit(source, better.model, prior, fit_options, services, &middle);
  }
  return out;
}

}  // namespace distmoe
