#include "reduce/hierarchy_marginal.h"

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>

#include "base/parallel.h"

namespace distmoe {

namespace {

using Cholesky = Eigen::LLT<MatrixXd>;

// Blocks that vary, each by the numbers of its parameters.
Blocks varying_blocks(const std::vector<int>& block) {
  Blocks out;
  for (std::size_t j = 0; j < block.size(); ++j) {
    if (block[j] < 0) continue;
    const auto b = static_cast<std::size_t>(block[j]);
    if (out.size() <= b) out.resize(b + 1);
    out[b].push_back(static_cast<Index>(j));
  }
  return out;
}

}  // namespace

MarginalLikelihood::MarginalLikelihood(const std::vector<SiteQuadratic>& sites, const std::vector<int>& block,
                                       const HierarchyOptions& options)
    : sites_(sites), options_(options), blocks_(varying_blocks(block)), size_(static_cast<Index>(block.size())),
      marginal_(sites.size()) {
  MatrixXd total = MatrixXd::Zero(size_, size_);
  for (const SiteQuadratic& site : sites_) total += site.curvature;
  // Directions of the mean that some site determines.
  VectorXd unit = total.diagonal().cwiseMax(0.0).cwiseSqrt();
  unit = (unit.array() > 0).select(unit.cwiseInverse(), 0.0);
  const MatrixXd scaled = unit.asDiagonal() * total * unit.asDiagonal();
  const Eigen::SelfAdjointEigenSolver<MatrixXd> eigen(scaled);
  const double most = eigen.eigenvalues().size() ? eigen.eigenvalues().maxCoeff() : 0.0;
  Index rank = 0;
  for (Index i = 0; i < size_; ++i) rank += eigen.eigenvalues()(i) > 1e-11 * most;
  basis_ = unit.asDiagonal() * eigen.eigenvectors().rightCols(rank);
  mean_information_ = total.diagonal() / static_cast<double>(sites_.size());
}

MatrixXd MarginalLikelihood::first_guess() const {
  MatrixXd t = MatrixXd::Zero(size_, size_);
  for (const auto& block : blocks_) {
    for (Index j : block) t(j, j) = mean_information_(j) > 0 ? 1.0 / mean_information_(j) : 0.0;
  }
  return t;
}

double MarginalLikelihood::look_at(const MatrixXd& t) {
  t_ = t;
  root_ = covariance_root(t);
  alone_.clear();
  if (t.isDiagonal(0.0)) {
    for (Index j = 0; j < size_; ++j) {
      if (t(j, j) > 0) alone_.push_back(j);
    }
  }
  in_parallel(static_cast<Index>(sites_.size()), options_.threads,
              [&](Index m) { marginal_[static_cast<std::size_t>(m)] = marginal(sites_[static_cast<std::size_t>(m)]); });
  MatrixXd w = MatrixXd::Zero(size_, size_);
  VectorXd part = VectorXd::Zero(size_);
  double value = 0.0;
  for (const Marginal& site : marginal_) {
    w += site.w;
    part += site.part;
    value += site.value;
  }
  const Cholesky precision(basis_.transpose() * w * basis_);
  const VectorXd slope = basis_.transpose() * part, at = precision.solve(slope);
  mean_ = basis_ * at;
  mean_root_ = precision.matrixL().solve(basis_.transpose()).transpose();
  for (Marginal& site : marginal_) site.left = site.part - site.w * mean_;
  value += 0.5 * at.dot(slope);
  if (options_.reml) value -= MatrixXd(precision.matrixL()).diagonal().array().log().sum();
  return value;
}

void MarginalLikelihood::derivatives(MatrixXd& slope, MatrixXd& fisher) const {
  slope = MatrixXd::Zero(size_, size_);
  fisher = slope;
  const bool diagonal = this->diagonal();
  for (const Marginal& site : marginal_) {
    const VectorXd& left = site.left;
    // Covariances are no part of a diagonal T.
    if (diagonal) slope.diagonal() += left.cwiseAbs2() - site.w.diagonal();
    else slope += left * left.transpose() - site.w;
    if (options_.reml) {
      const MatrixXd known = site.w * mean_root_;
      slope += known * known.transpose();
    }
    fisher += 0.5 * site.w.cwiseAbs2();
  }
  slope *= 0.5;
}

MatrixXd MarginalLikelihood::observed() const {
  MatrixXd out = MatrixXd::Zero(size_, size_), pull = out;
  for (const Marginal& site : marginal_) {
    const VectorXd& left = site.left;
    for (Index j = 0; j < size_; ++j) {
      const auto column = site.w.col(j).array();
      out.col(j).array() += column * (left(j) * left.array() - 0.5 * column);
      pull.col(j).array() += left(j) * column;
    }
  }
  const MatrixXd moved = mean_root_.transpose() * pull;
  out.noalias() -= moved.transpose() * moved;
  return out;
}

MatrixXd MarginalLikelihood::told(const std::vector<Index>& block, const MatrixXd& root) const {
  MatrixXd out = MatrixXd::Zero(root.cols(), root.cols());
  for (const Marginal& site : marginal_) out += root.transpose() * take(site.w, block) * root;
  return out / static_cast<double>(sites_.size());
}

VectorXd MarginalLikelihood::effect(std::size_t site) const {
  return mean_ + t_ * marginal_[site].left;
}

bool MarginalLikelihood::diagonal() const {
  for (const auto& block : blocks_) {
    if (block.size() > 1) return false;
  }
  return true;
}

Marginal MarginalLikelihood::marginal(const SiteQuadratic& site) const {
  Marginal out;
  const Index rank = root_.cols();
  if (rank == 0) {  // nothing varies
    out.w = site.curvature;
    out.part = site.slope;
    out.value = 0.0;
    return out;
  }
  MatrixXd seen(size_, rank), inner(rank, rank);
  VectorXd pull(rank);
  if (alone_.empty()) {
    seen.noalias() = site.curvature * root_;
    inner.noalias() = root_.transpose() * seen;
    pull.noalias() = root_.transpose() * site.slope;
  } else {
    // Every column of the root has one entry.
    for (Index j = 0; j < rank; ++j) {
      const Index at = alone_[static_cast<std::size_t>(j)];
      seen.col(j) = root_(at, j) * site.curvature.col(at);
      pull(j) = root_(at, j) * site.slope(at);
    }
    for (Index i = 0; i < rank; ++i) {
      const Index at = alone_[static_cast<std::size_t>(i)];
      inner.row(i) = root_(at, i) * seen.row(at);
    }
  }
  inner.diagonal().array() += 1.0;
  const Cholesky factor(inner);
  const MatrixXd half = factor.matrixL().solve(seen.transpose());
  const VectorXd pulled = factor.matrixL().solve(pull);
  out.w = site.curvature;
  out.w.selfadjointView<Eigen::Lower>().rankUpdate(half.transpose(), -1.0);
  out.w.triangularView<Eigen::StrictlyUpper>() = out.w.transpose().triangularView<Eigen::StrictlyUpper>();
  out.part = site.slope - half.transpose() * pulled;
  out.value = 0.5 * pulled.squaredNorm() - MatrixXd(factor.matrixL()).diagonal().array().log().sum();
  return out;
}

MatrixXd take(const MatrixXd& from, const std::vector<Index>& at) {
  const Index n = static_cast<Index>(at.size());
  MatrixXd out(n, n);
  for (Index i = 0; i < n; ++i) {
    for (Index j = 0; j < n; ++j) out(i, j) = from(at[static_cast<std::size_t>(i)], at[static_cast<std::size_t>(j)]);
  }
  return out;
}

void put(MatrixXd& to, const std::vector<Index>& at, const MatrixXd& from) {
  for (std::size_t i = 0; i < at.size(); ++i) {
    for (std::size_t j = 0; j < at.size(); ++j) to(at[i], at[j]) = from(static_cast<Index>(i), static_cast<Index>(j));
  }
}

MatrixXd site_covariance(const MatrixXd& curvature, const MatrixXd& covariance) {
  const MatrixXd root = covariance_root(covariance);
  MatrixXd inner = root.transpose() * curvature * root;
  inner.diagonal().array() += 1.0;
  const MatrixXd half = Cholesky(inner).matrixL().solve(root.transpose());
  return half.transpose() * half;
}

MatrixXd covariance_root(const MatrixXd& a) {
  std::vector<Index> some;
  for (Index j = 0; j < a.rows(); ++j) {
    if (a(j, j) > 0) some.push_back(j);
  }
  const Index n = static_cast<Index>(some.size());
  const MatrixXd own = take(a, some);
  MatrixXd part;
  if (own.isDiagonal(0.0)) {
    part = own.diagonal().cwiseSqrt().asDiagonal();
  } else {
    const VectorXd size = own.diagonal().cwiseSqrt(), unit = size.cwiseInverse();
    const Eigen::SelfAdjointEigenSolver<MatrixXd> eigen(unit.asDiagonal() * own * unit.asDiagonal());
    const double cut = n ? 1e-14 * eigen.eigenvalues().maxCoeff() : 0.0;
    Index rank = 0;
    for (Index i = 0; i < n; ++i) rank += eigen.eigenvalues()(i) > cut;
    part = size.asDiagonal() * eigen.eigenvectors().rightCols(rank) *
           eigen.eigenvalues().tail(rank).cwiseSqrt().asDiagonal();
  }
  MatrixXd out = MatrixXd::Zero(a.rows(), part.cols());
  for (Index i = 0; i < n; ++i) out.row(some[static_cast<std::size_t>(i)]) = part.row(i);
  return out;
}

MatrixXd congruent(const MatrixXd& a, const MatrixXd& map) {
  const auto right = [&map](const MatrixXd& m) {
    MatrixXd out = MatrixXd::Zero(m.rows(), map.cols());
    for (Index j = 0; j < map.cols(); ++j) {
      for (Index i = 0; i < map.rows(); ++i) {
        if (map(i, j) != 0) out.col(j) += map(i, j) * m.col(i);
      }
    }
    return out;
  };
  return right(right(a).transpose()).transpose();
}

MatrixXd positive_part(const MatrixXd& a) {
  const VectorXd size = a.diagonal().cwiseAbs().cwiseSqrt();
  const VectorXd unit = (size.array() > 0).select(size.cwiseInverse(), 0.0);
  MatrixXd scaled = unit.asDiagonal() * a * unit.asDiagonal();
  MatrixXd raised = scaled;
  raised.diagonal().array() += 1e-12;
  if (Cholesky(raised).info() == Eigen::Success) return a;
  const Eigen::SelfAdjointEigenSolver<MatrixXd> eigen(scaled);
  scaled = eigen.eigenvectors() * eigen.eigenvalues().cwiseMax(0.0).asDiagonal() * eigen.eigenvectors().transpose();
  return size.asDiagonal() * scaled * size.asDiagonal();
}

}  // namespace distmoe
