#include "fit/starts.h"

#include <algorithm>
#include <numeric>

#include "base/kmeans.h"
#include "model/mixture.h"

namespace distmoe {

namespace {

// The columns of `from` that vary, `extra` columns of zeros after them.
MatrixXd varying_columns(const MatrixXd& from, Index extra) {
  std::vector<Index> kept;
  for (Index j = 0; j < from.cols(); ++j) {
    if (from.col(j).maxCoeff() > from.col(j).minCoeff()) kept.push_back(j);
  }
  MatrixXd out = MatrixXd::Zero(from.rows(), static_cast<Index>(kept.size()) + extra);
  for (std::size_t i = 0; i < kept.size(); ++i) out.col(static_cast<Index>(i)) = from.col(kept[i]);
  return out;
}

Services services_of(Random& random) {
  Services out;
  out.uniform = [&random] { return random.uniform(); };
  return out;
}

}  // namespace

MatrixXd response_points(const HeldSource& sample, const ExpertKind& kind) {
  const Family& f = family_of(kind.family);
  return f.starts_on_log() ? MatrixXd(log_response(kind.family, sample.y))
                           : f.response(sample.y.array(), kind.parts).matrix();
}

StartMaterial::StartMaterial(const HeldSource& from, const ExpertKind& kind_of_expert, const PenaltyRule& penalty,
                             double least, const Services& services)
    : Ground{from, kind_of_expert, penalty, least} {
  const MatrixXd response = response_points(sample, kind);
  const MatrixXd& z = sample.shared || sample.z.cols() <= 1 ? sample.x : sample.z;
  x = varying_columns(z, 0);
  xy = varying_columns(z, kind.parts);
  xy.rightCols(kind.parts) = response;
  const Family& f = family_of(kind.family);
  const Model one = model_from(sample, kind, MatrixXd::Ones(1, 1), rule.for_experts(1), floor, services);
  MatrixXd mean = linear_predictors(sample.x, one.beta, sample.offset);
  if (!f.starts_on_log()) mean = expert_means(kind.family, mean, kind.parts);
  residual = response - mean;
}

std::vector<Index> sample_rows(Index n, Index size, const Services& services) {
  std::vector<Index> rows;
  rows.reserve(static_cast<std::size_t>(size));
  // Selection sampling: each row is taken with the chance that keeps the rest possible.
  for (Index i = 0; i < n && static_cast<Index>(rows.size()) < size; ++i) {
    const double wanted = static_cast<double>(size - static_cast<Index>(rows.size()));
    if (services.uniform() * static_cast<double>(n - i) < wanted) rows.push_back(i);
  }
  return rows;
}

VectorXd along_direction(const MatrixXd& points, Random& random) {
  VectorXd direction(points.cols());
  for (Index j = 0; j < direction.size(); ++j) direction(j) = random.normal();
  return points * direction;
}

std::vector<Index> regression_labels(const Ground& g, Index k, int passes, Random& random) {
  const Services services = services_of(random);
  const Index n = g.sample.rows(), count = std::min(n, g.sample.x_columns() * g.kind.parts + 1);
  const PenaltyRule one = g.rule.for_experts(1);
  ArrayXXd explained(n, k);
  for (Index j = 0; j < k; ++j) {
    const HeldSource few(g.sample, sample_rows(n, count, services));
    const Model expert = model_from(few, g.kind, MatrixXd::Ones(1, 1), one, g.floor, services);
    explained.col(j) = fitness(g.sample, expert).col(0);
  }
  if (passes > 1) {
    explained = fitness(g.sample, settle(g.sample, g.kind, explained, passes - 1, g.rule.for_experts(k), g.floor,
                                         services));
  }
  return best_columns(explained);
}

namespace {

// Slices of the rows by their order in `value`, at random ranks, none with fewer than a quarter of its share.
std::vector<Index> slices(const VectorXd& value, Index k, Random& random) {
  const Index n = value.size();
  std::vector<Index> order(static_cast<std::size_t>(n)), labels(order.size());
  std::iota(order.begin(), order.end(), Index(0));
  std::stable_sort(order.begin(), order.end(), [&](Index a, Index b) { return value(a) < value(b); });
  VectorXd share(k);
  for (Index j = 0; j < k; ++j) share(j) = 0.25 - std::log(1.0 - random.uniform());
  share *= static_cast<double>(n) / share.sum();
  double end = share(0);
  Index label = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    while (label + 1 < k && static_cast<double>(i) >= end) end += share(++label);
    labels[static_cast<std::size_t>(order[i])] = label;
  }
  return labels;
}

std::vector<Index> random_labels(Index n, Index k, Random& random) {
  std::vector<Index> labels(static_cast<std::size_t>(n));
  for (Index& label : labels) label = random.below(k);
  return labels;
}

// Boxes: the parts are cut one after the other, larger ones rather, at the value of a random row that is not among
// the `least` outermost (or the tenth).
std::vector<Index> boxes(const MatrixXd& x, Index k, Index least, Random& random) {
  std::vector<Index> labels(static_cast<std::size_t>(x.rows()), 0);
  if (x.cols() == 0) return random_labels(x.rows(), k, random);
  for (Index next = 1; next < k; ++next) {
    const Index of = labels[static_cast<std::size_t>(random.below(x.rows()))], column = random.below(x.cols());
    std::vector<double> value;
    for (Index i = 0; i < x.rows(); ++i) {
      if (labels[static_cast<std::size_t>(i)] == of) value.push_back(x(i, column));
    }
    std::sort(value.begin(), value.end());
    const Index count = static_cast<Index>(value.size());
    const Index edge = std::min(count / 10, least);
    const double at = value[static_cast<std::size_t>(edge + random.below(count - 2 * edge))];
    for (Index i = 0; i < x.rows(); ++i) {
      Index& label = labels[static_cast<std::size_t>(i)];
      if (label == of && x(i, column) > at) label = next;
    }
  }
  return labels;
}

// The nearest of k random rows, in a random choice of the columns (each with the chance one half).
std::vector<Index> around_centres(const MatrixXd& points, Index k, Random& random) {
  std::vector<Index> columns;
  while (columns.empty()) {
    for (Index j = 0; j < points.cols(); ++j) {
      if (random.uniform() < 0.5) columns.push_back(j);
    }
  }
  ArrayXXd nearness = ArrayXXd::Zero(points.rows(), k);
  for (Index j = 0; j < k; ++j) {
    const Index centre = random.below(points.rows());
    for (Index c : columns) nearness.col(j) -= (points.col(c).array() - points(centre, c)).square();
  }
  return best_columns(nearness);
}

VectorXd random_residual(const StartMaterial& m, Random& random) {
  VectorXd value = m.residual.cols() == 1 ? VectorXd(m.residual.col(0)) : along_direction(m.residual, random);
  if (random.uniform() < 0.5) value = value.cwiseAbs();
  return value;
}

}  // namespace

Model make_start(StartKind how, const StartMaterial& m, Index experts, Random& random) {
  const Services services = services_of(random);
  const Index n = m.sample.rows();
  std::vector<Index> labels;
  switch (how) {
    case StartKind::regressions: return grown_start(m.sample, m.x, m.kind, experts, m.rule, m.floor, services);
    case StartKind::subsets:
      labels = regression_labels(m, experts, 2, random);
      break;
    case StartKind::kmeans_x: labels = kmeans(m.x, experts, services); break;
    case StartKind::kmeans_xy: labels = kmeans(m.xy, experts, services); break;
    case StartKind::cut_x: labels = slices(along_direction(m.x, random), experts, random); break;
    case StartKind::cut_xy: labels = slices(along_direction(m.xy, random), experts, random); break;
    case StartKind::tree: labels = boxes(m.x, experts, m.sample.x_columns() * m.kind.parts + 1, random); break;
    case StartKind::centres: labels = around_centres(m.xy, experts, random); break;
    case StartKind::residuals: labels = slices(random_residual(m, random), experts, random); break;
    default: labels = random_labels(n, experts, random);
  }
  MatrixXd responsibility = one_hot(labels, experts);
  // Now and then half-hearted: a start nearer to the middle.
  if (random.uniform() < 0.3) {
    const double even = 0.05 + 0.35 * random.uniform();
    responsibility = ((responsibility.array() + even) / (1.0 + static_cast<double>(experts) * even)).matrix();
  }
  return model_from(m.sample, m.kind, responsibility, m.rule, m.floor, services);
}

}  // namespace distmoe
