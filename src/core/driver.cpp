#include "driver.h"

#include <algorithm>
#include <deque>

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

// What a sample says of columns that it hardly sees (a rare level of a factor) may lead a fit to all
// rows astray: a level of a few rows is separable, and one of none is a column of one value, whose
// coefficient can be anything. Such columns are left out of the sample's fit.
class Sample {
 public:
  Sample(HeldSource&& rows, const Scaling& scaling, const ExpertKind& kind, Index experts,
         const Services& services)
      : rows_(std::move(rows)) {
    const Scaling own = find_scaling(Data{rows_.all(), false, false}, FamilyKind::binomial,
                                     scaling.x.intercept, scaling.z.intercept, services);
    const MatrixXd& z = rows_.shared ? rows_.x : rows_.z;
    // A few Gaussian rows tell their mean, and leaving it out would make outliers of them; classes and
    // counts tell little, and a coefficient on few of them is soon infinite.
    const Index least = 25 * experts, least_x = kind.family == FamilyKind::gaussian ? 8 : least;
    x_out_ = either(own.x.aliased, thin_columns(rows_.x, scaling.x.intercept, least_x));
    z_out_ = either(own.z.aliased, thin_columns(z, scaling.z.intercept, least));
    sees_all_ = own.x.aliased == scaling.x.aliased && own.z.aliased == scaling.z.aliased;
    differs_ = x_out_ != scaling.x.aliased || z_out_ != scaling.z.aliased;
  }

  HeldSource& rows() { return rows_; }
  // Does its curvature tell of every column?
  const Source* hessian_for(const Sample& other) const {
    return x_out_ == other.x_out_ && z_out_ == other.z_out_ ? &rows_ : nullptr;
  }
  const Source* hessian_for_all() {
    rows_.put_back();
    return sees_all_ ? &rows_ : nullptr;
  }
  void leave_out() {
    if (differs_) rows_.leave_out(x_out_, z_out_);
  }

 private:
  HeldSource rows_;
  Columns x_out_, z_out_;
  bool sees_all_, differs_;
};

}  // namespace

DrivenFit fit_from_starts(const Data& data, const Scaling& scaling, const ExpertKind& kind, Index experts,
                          const PenaltyRule& rule, const FitOptions& fit_options,
                          const StartOptions& options, const Services& services) {
  const ScaledSource source(data, takes_offset(kind.family), &scaling);
  const Index n = source.rows();
  // Enough rows for every parameter to be seen by some fifty of them.
  const Index parameters = experts * kind.parts * source.x_columns() + (experts - 1) * source.z_columns();
  Index search_rows = n;
  if (options.rows > 0) search_rows = std::min(n, std::max(options.rows, 50 * parameters));

  DrivenFit out;
  const auto search = [&](const HeldSource& sample) {
    out.search = search_maximum(sample, kind, experts, rule, fit_options, options, services);
    return out.search.maxima.front().fit.model;
  };
  if (search_rows == n) {
    const HeldSource all(source);
    out.fit = fit(all, search(all), rule, fit_options, services);
    return out;
  }

  // Samples within samples, largest first.
  std::vector<Index> sizes = {search_rows, std::min(n, 3 * search_rows)};
  while (3 * sizes.back() <= n / 8) sizes.push_back(3 * sizes.back());
  std::deque<Sample> samples;
  for (std::size_t i = sizes.size(); i-- > 0;) {
    const std::vector<Index> rows =
        sample_rows(samples.empty() ? n : sizes[i + 1], sizes[i], services);
    samples.emplace_back(
        !samples.empty() ? HeldSource(samples.back().rows(), rows)
        : data.reader    ? HeldSource(source, rows)
                         : HeldSource(ScaledSource(data, takes_offset(kind.family), &scaling, rows)),
        scaling, kind, experts, services);
  }
  for (Sample& sample : samples) sample.leave_out();
  Model model = search(samples.back().rows());
  FitOptions rough = fit_options;
  rough.tolerance = 1e-2;  // far below what a sample itself is worth
  for (std::size_t i = samples.size() - 1; i-- > 0;) {
    model = fit(samples[i].rows(), model, rule, rough, services, samples[i + 1].hessian_for(samples[i])).model;
    samples.pop_back();
  }
  out.fit = fit(source, model, rule, fit_options, services, samples.front().hessian_for_all());
  return out;
}

}  // namespace distmoe
