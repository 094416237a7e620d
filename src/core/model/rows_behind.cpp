#include "model/rows_behind.h"

#include <Eigen/Eigenvalues>
#include <cmath>
#include <limits>

#include "model/mixture.h"

namespace distmoe {

namespace {

double weight_of(const Block& block, Index i) { return block.weight.size() > 0 ? block.weight(i) : 1.0; }

// The leverages of rows over some columns: a pass for the Gram matrix, and one for the rows.
class Leverage {
 public:
  explicit Leverage(std::vector<Index> columns)
      : columns_(std::move(columns)),
        gram_(MatrixXd::Zero(static_cast<Index>(columns_.size()), static_cast<Index>(columns_.size()))) {}

  void first(const Block& block, const MatrixView& x) {
    const MatrixXd a = rows(block, x);
    gram_.noalias() += a.transpose() * a;
  }

  // A root of the inverse, of columns of one size; what other columns say already has no part in it.
  void between() {
    VectorXd scale = gram_.diagonal().cwiseSqrt();
    scale = (scale.array() > 0).select(1 / scale.array().max(1e-300), 0.0);
    if (scale.size() == 0) return;
    const Eigen::SelfAdjointEigenSolver<MatrixXd> eigen(scale.asDiagonal() * gram_ * scale.asDiagonal());
    VectorXd root = eigen.eigenvalues();
    root = (root.array() > 1e-9).select(root.array().max(1e-300).rsqrt(), 0.0);
    root_ = scale.asDiagonal() * eigen.eigenvectors() * root.asDiagonal();
  }

  void second(const Block& block, const MatrixView& x) {
    if (root_.size() == 0) return;
    largest_ = std::max(largest_, (rows(block, x) * root_).rowwise().squaredNorm().maxCoeff());
  }

  double largest() const { return largest_; }

 private:
  MatrixXd rows(const Block& block, const MatrixView& x) const {
    MatrixXd a(x.rows(), static_cast<Index>(columns_.size()));
    for (std::size_t j = 0; j < columns_.size(); ++j) a.col(static_cast<Index>(j)) = x.col(columns_[j]);
    if (block.weight.size() > 0) a.array().colwise() *= block.weight.array().sqrt();
    return a;
  }

  std::vector<Index> columns_;
  MatrixXd gram_, root_;
  double largest_ = 0;
};

std::vector<Index> places(Index count, const std::vector<bool>* asked) {
  std::vector<Index> out;
  for (Index j = 0; j < count; ++j) {
    if (!asked || (*asked)[static_cast<std::size_t>(j)]) out.push_back(j);
  }
  return out;
}

// Two passes over the columns of one design.
class Columns {
 public:
  Columns(Index count, const std::vector<bool>& asked)
      : least_(VectorXd::Constant(count, std::numeric_limits<double>::infinity())),
        most_(-least_),
        sum_(VectorXd::Zero(count)),
        square_(VectorXd::Zero(count)),
        fourth_(VectorXd::Zero(count)),
        bins_(MatrixXd::Zero(bins, count)),
        all_(places(count, nullptr)),
        asked_(places(count, &asked)) {}

  void first(const Block& block, const MatrixView& x) {
    for (Index j = 0; j < x.cols(); ++j) {
      for (Index i = 0; i < x.rows(); ++i) {
        const double w = weight_of(block, i), v = x(i, j);
        if (w <= 0) continue;
        sum_(j) += w * v;
        least_(j) = std::min(least_(j), v);
        most_(j) = std::max(most_(j), v);
      }
    }
    all_.first(block, x);
    asked_.first(block, x);
  }

  void between(double weight) {
    mean_ = sum_ / weight;
    all_.between();
    asked_.between();
  }

  void second(const Block& block, const MatrixView& x) {
    for (Index j = 0; j < x.cols(); ++j) {
      const double range = most_(j) - least_(j);
      for (Index i = 0; i < x.rows(); ++i) {
        const double w = weight_of(block, i);
        if (w <= 0) continue;
        const double gap = x(i, j) - mean_(j), u = w * gap * gap;
        square_(j) += u;
        fourth_(j) += u * u;
        const double at = range > 0 ? bins * ((x(i, j) - least_(j)) / range) : 0.0;
        bins_(std::min<Index>(bins - 1, static_cast<Index>(at)), j) += 1;
      }
    }
    all_.second(block, x);
    asked_.second(block, x);
  }

  ColumnsBehind result() const {
    const Index count = sum_.size();
    ColumnsBehind out{bins_.colwise().sum().transpose(), VectorXd::Zero(count), all_.largest(), asked_.largest()};
    for (Index j = 0; j < count; ++j) {
      const VectorXd pairs = bins_.col(j).head(bins - 1) + bins_.col(j).tail(bins - 1);
      out.differ(j) -= pairs.maxCoeff();
      if (fourth_(j) > 0) out.carry(j) = square_(j) * square_(j) / fourth_(j);
    }
    return out;
  }

 private:
  static const Index bins = 128;
  VectorXd least_, most_, sum_, mean_, square_, fourth_;
  MatrixXd bins_;
  Leverage all_, asked_;
};

}  // namespace

RowsBehind rows_behind(const Source& source, const Model& model, const std::vector<bool>& x_asked,
                       const std::vector<bool>& z_asked, Index classes, const Services& services) {
  RowsBehind out;
  VectorXd mass = VectorXd::Zero(model.experts()), mass_weight = mass;
  out.classes = VectorXd::Zero(classes);
  double weight = 0, weight_square = 0;
  Columns x(source.x_columns(), x_asked), z(source.z_columns(), z_asked);
  bool shared = true;
  source.visit([&](const Block& block) {
    services.interrupt();
    shared = block.shares_design();
    x.first(block, block.x);
    if (!shared) z.first(block, block.z);
    const ArrayXXd posterior = evaluate(block, model).posterior;
    for (Index i = 0; i < block.rows(); ++i) {
      const double w = weight_of(block, i);
      if (w <= 0) continue;
      out.rows += 1;
      weight += w;
      weight_square += w * w;
      mass += w * posterior.row(i).matrix().transpose();
      mass_weight += w * w * posterior.row(i).matrix().transpose();
      if (classes > 0) out.classes(static_cast<Index>(std::lround(block.y(i)))) += 1;
    }
  });
  out.effective = weight * weight / weight_square;
  out.experts = mass.array().square() / mass_weight.array().max(1e-300);
  x.between(weight);
  if (!shared) z.between(weight);
  source.visit([&](const Block& block) {
    services.interrupt();
    x.second(block, block.x);
    if (!shared) z.second(block, block.z);
  });
  out.x = x.result();
  if (!shared) out.z = z.result();
  return out;
}

}  // namespace distmoe
