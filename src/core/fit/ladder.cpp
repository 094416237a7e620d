#include "fit/ladder.h"

#include <algorithm>
#include <numeric>

#include "model/mixture.h"

namespace distmoe {

namespace {

using Columns = std::vector<bool>;

// Rows of a sample that tell a column's coefficient: those with another value than most have.
Index telling_rows(const MatrixXd& m, Index column) {
  std::vector<double> v(m.col(column).data(), m.col(column).data() + m.rows());
  const auto middle = v.begin() + m.rows() / 2;
  std::nth_element(v.begin(), middle, v.end());
  const double usual = *middle;
  return m.rows() - static_cast<Index>((m.col(column).array() == usual).count());
}

Columns either(const Columns& a, const Columns& b) {
  Columns out(a);
  for (std::size_t j = 0; j < b.size(); ++j) out[j] = out[j] || b[j];
  return out;
}

Columns thin_columns(const MatrixXd& m, Index intercept, Index least) {
  Columns out(static_cast<std::size_t>(m.cols()));
  for (Index j = 0; j < m.cols(); ++j) {
    out[static_cast<std::size_t>(j)] = j != intercept && telling_rows(m, j) < least;
  }
  return out;
}

// Sums over rows of how much better the first of some models explains them than each other does.
MatrixXd leads_over(const Source& rows, const std::vector<FitResult>& field, const Services& services) {
  const Index models = static_cast<Index>(field.size());
  return sum_over(rows, MatrixXd(MatrixXd::Zero(models, 2)), services, [&](const Block& block) {
    MatrixXd out = MatrixXd::Zero(models, 2);
    const ArrayXd first = evaluate(block, field[0].model).log_lik;
    for (Index j = 1; j < models; ++j) {
      const ArrayXd lead = first - evaluate(block, field[static_cast<std::size_t>(j)].model).log_lik;
      const ArrayXd weighted = block.weight.size() > 0 ? ArrayXd(lead * block.weight.array()) : lead;
      out(j, 0) = weighted.sum();
      out(j, 1) = (weighted * lead).sum();
    }
    return out;
  });
}

// All rows of some units, about `size` of them.
std::vector<Index> sample_units(const VectorView& unit, Index size, const Services& services) {
  std::vector<double> numbers(unit.data(), unit.data() + unit.size());
  std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  const Index units = static_cast<Index>(numbers.size());
  std::vector<bool> taken(static_cast<std::size_t>(numbers.back()) + 1, false);
  for (Index i : sample_rows(units, std::min(units, 1 + size * units / unit.size()), services)) {
    taken[static_cast<std::size_t>(numbers[static_cast<std::size_t>(i)])] = true;
  }
  std::vector<Index> rows;
  for (Index i = 0; i < unit.size(); ++i) {
    if (taken[static_cast<std::size_t>(unit(i))]) rows.push_back(i);
  }
  return rows;
}

// A move is run, until one fails, whose mixture explains the rows better than the model does, before any
// further step, by more than an expert's coefficients do of themselves: by about half a unit to a unit for
// each coefficient, whatever the truth.
void improve_by_moves(const HeldSource& sample, FitResult& best, const PenaltyRule& rule,
                      const FitOptions& fit_options, const Services& services) {
  const Ground ground{sample, best.model.kind(), rule, fit_options.dispersion_floor};
  const double least = static_cast<double>(sample.x_columns() * best.model.parts() + sample.z_columns()) *
                       best.mean_weight;
  Random random(draw_seed(services));
  while (best.model.experts() > 2) {
    const Moves moves(ground, best.model);
    Proposal move = moves.grow_and_drop(random, services);
    for (Index i = 0; i < 2 * best.model.experts() + 2; ++i) {
      Proposal other = i < 2 ? moves.grow_and_drop(random, services)
                             : moves.split_and_merge(i / 2 - 1, random, services);
      if (other.gain > move.gain) move = std::move(other);
    }
    if (!(move.gain >= least)) return;
    FitOptions enough = run_on_sample(fit_options);
    if (!spurious(best)) enough.worth = best.objective.back();
    const Model start = model_from(sample, ground.kind, move.responsibility, rule, ground.floor, services);
    const FitResult run = fit(sample, start, rule, enough, services);
    if (!better(run, best) || run.objective.back() < best.objective.back() + 0.1 * best.mean_weight) return;
    best = run;
  }
}

// To `field`, the three ways from each neighbour that promise most.
void join_neighbours(const HeldSource& sample, std::vector<FitResult>& field, const std::vector<Model>& neighbours,
                     const PenaltyRule& rule, const FitOptions& options, const Services& services) {
  if (neighbours.empty()) return;
  const Model& any = field.front().model;
  const Ground ground{sample, any.kind(), rule, options.dispersion_floor};
  const Index experts = any.experts();
  Random random(draw_seed(services));
  for (const Model& neighbour : neighbours) {
    std::vector<Proposal> ways = from_neighbour(ground, neighbour, experts, random, services);
    std::stable_sort(ways.begin(), ways.end(), [](const Proposal& a, const Proposal& b) { return a.gain > b.gain; });
    ways.resize(std::min<std::size_t>(ways.size(), 3));
    for (const Proposal& way : ways) {
      const Model start = model_from(sample, ground.kind, way.responsibility, rule, ground.floor, services);
      field.push_back(fit(sample, start, rule, options, services));
    }
  }
}

// By the log-likelihood of `rows`, of which the fits have seen a part at most.
void sort_best_on(const Source& rows, std::vector<FitResult>& field, const Services& services) {
  const MatrixXd leads = leads_over(rows, field, services);
  std::vector<std::size_t> order(field.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return leads(static_cast<Index>(a), 0) < leads(static_cast<Index>(b), 0);
  });
  std::vector<FitResult> sorted;
  for (std::size_t j : order) sorted.push_back(std::move(field[j]));
  field = std::move(sorted);
}

void sort_best_first(std::vector<FitResult>& field) { std::stable_sort(field.begin(), field.end(), better); }

}  // namespace

std::vector<FitResult> still_in_race(const Source& rows, std::vector<FitResult> field, std::size_t most,
                                     const Services& services) {
  std::vector<FitResult> out;
  if (field.size() < 2) return field;
  sort_best_on(rows, field, services);
  const MatrixXd leads = leads_over(rows, field, services);
  for (std::size_t j = 0; j < field.size() && out.size() < most; ++j) {
    const double unit = field[j].mean_weight, lead = leads(static_cast<Index>(j), 0) / unit;
    const double squares = leads(static_cast<Index>(j), 1) / unit;
    const double chance = std::sqrt(std::max(0.0, squares - lead * lead / static_cast<double>(rows.rows())));
    // Twice the same maximum, as far as it was reached, differs by less than one standard error or so altogether.
    if (j > 0 && (squares < 1.0 || lead > 4 * chance)) continue;
    out.push_back(std::move(field[j]));
  }
  return out;
}

Sample::Sample(HeldSource&& rows, const Scaling& scaling, const ExpertKind& kind, Index experts,
               const Services& services)
    : rows_(std::move(rows)) {
  const Scaling own = find_scaling(Data{rows_.all(), false, false}, false, scaling.x.intercept,
                                   scaling.z.intercept, services);
  const MatrixXd& z = rows_.shared ? rows_.x : rows_.z;
  // A few rows tell their mean where that is the predictor, and leaving it out would make outliers of them;
  // classes and counts tell little, and a coefficient on few of them is soon infinite.
  const Index least = 25 * experts, least_x = family_of(kind.family).identity_link() ? 8 : least;
  x_out_ = either(own.x.aliased, thin_columns(rows_.x, scaling.x.intercept, least_x));
  z_out_ = either(own.z.aliased, thin_columns(z, scaling.z.intercept, least));
  sees_all_ = own.x.aliased == scaling.x.aliased && own.z.aliased == scaling.z.aliased;
  differs_ = x_out_ != scaling.x.aliased || z_out_ != scaling.z.aliased;
}

Ladder::Ladder(const Data& data, const ScaledSource& all, const Scaling& scaling, const ExpertKind& kind,
               Index experts, Index lowest, const Services& services)
    : all_(all) {
  const Index n = all.rows();
  std::vector<Index> sizes = {lowest, std::min(n, 3 * lowest)};
  while (3 * sizes.back() <= n / 8) sizes.push_back(3 * sizes.back());
  for (std::size_t i = sizes.size(); i-- > 0;) {
    const VectorView unit = samples_.empty() ? data.rows.unit : VectorView(samples_.back().rows().unit);
    const std::vector<Index> rows = unit.size() > 0
                                        ? sample_units(unit, sizes[i], services)
                                        : sample_rows(samples_.empty() ? n : sizes[i + 1], sizes[i], services);
    samples_.emplace_back(
        !samples_.empty() ? HeldSource(samples_.back().rows(), rows)
        : data.reader     ? HeldSource(all, rows)
                          : HeldSource(ScaledSource(data, takes_offset(kind.family), &scaling, rows)),
        scaling, kind, experts, services);
  }
  for (Sample& sample : samples_) sample.leave_out();
}

FitResult Ladder::climb(std::vector<FitResult> field, const std::vector<Model>& neighbours, const PenaltyRule& rule,
                        const FitOptions& fit_options, const Services& services) {
  FitOptions rough = fit_options;
  // What a sample's optimum lacks on all rows is about half a unit for each coefficient.
  const Model& any = field.front().model;
  rough.tolerance = 0.01 * static_cast<double>(parameters_of(all_, any.kind(), any.experts()));
  // As many maxima are fitted to the second sample as have a quarter of all rows together, three to eight; then three.
  const auto affordable = [&](Index rows) {
    return static_cast<std::size_t>(std::max<Index>(3, std::min<Index>(all_.rows() / (4 * rows), 8)));
  };
  if (field.size() > 24) field.resize(24);
  for (std::size_t i = samples_.size() - 1; i-- > 0;) {
    const HeldSource& rows = samples_[i].rows();
    const std::size_t most = i + 2 == samples_.size() ? affordable(rows.rows()) : 3;
    field = still_in_race(rows, std::move(field), most, services);
    const Source* hessian = samples_[i + 1].hessian_for(samples_[i]);
    for (FitResult& run : field) run = fit(rows, run.model, rule, rough, services, hessian);
    if (i == 0) join_neighbours(rows, field, neighbours, rule, rough, services);
    sort_best_first(field);
    improve_by_moves(rows, field.front(), rule, fit_options, services);
    samples_.pop_back();
  }
  if (field.size() > 1 && !spurious(field[1])) {
    field.erase(field.begin() + 2, field.end());
    sort_best_on(all_, field, services);
  }
  return fit(all_, field.front().model, rule, fit_options, services, samples_.front().hessian_for_all());
}

}  // namespace distmoe
