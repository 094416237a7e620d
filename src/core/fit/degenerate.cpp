#include "fit/degenerate.h"

#include "model/parameters.h"

namespace distmoe {

std::vector<bool> degenerate_experts(const Model& model, const VectorXd& mass, double mean_weight,
                                     const VariancePrior& prior, double floor) {
  const Index k = model.experts();
  const bool has_dispersion = family_of(model.family).has_dispersion();
  const bool collapses = family_of(model.family).collapses();
  const double parameters = static_cast<double>(model.beta.rows() * model.parts() + (has_dispersion ? 1 : 0));
  const double largest = std::sqrt(model.dispersion.maxCoeff());
  std::vector<bool> out;
  for (Index j = 0; j < k; ++j) {
    const double rows = mass(j) / mean_weight, variance = model.dispersion(j);
    bool bad = k > 1 && rows <= parameters + 1.0;
    if (collapses) {
      const double spread = std::sqrt(variance) / largest, rows_each = rows / parameters;
      const bool collapsed = std::sqrt(variance / prior.s2) < collapsed_spread &&
                             prior.share(variance, mass(j)) >= prior_part;
      bad = bad || at_floor(model, j, floor) || collapsed || (spread < small_spread && rows_each < rows_by_chance) ||
            (spread < tight_spread && rows_each < few_rows);
    }
    out.push_back(bad);
  }
  return out;
}

}  // namespace distmoe
