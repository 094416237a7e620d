#include "reduce/hierarchy.h"

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>
#include <deque>

#include "reduce/hierarchy_marginal.h"

namespace distmoe {

namespace {

using Cholesky = Eigen::LLT<MatrixXd>;

// EM's step, T + T (2 / M slope) T within the blocks: it always rises.
MatrixXd em_step(const MarginalLikelihood& at, const MatrixXd& t, const MatrixXd& slope) {
  MatrixXd out = t;
  for (const auto& block : at.blocks()) {
    const MatrixXd own = take(t, block);
    put(out, block, own + own * take(slope, block) * own * (2.0 / at.count()));
  }
  return out;
}

// A step by an information matrix (Fisher's, or the observed one) among the variances that are positive or want to be;
// those that would be negative become 0. No step (t) where the matrix is not positive definite.
MatrixXd scoring(const MarginalLikelihood& at, const MatrixXd& t, const MatrixXd& slope, const MatrixXd& information,
                 double length, double& promise) {
  std::vector<Index> free;
  for (const auto& block : at.blocks()) {
    const Index j = block.front();
    if (information(j, j) > 0 && (t(j, j) > 0 || slope(j, j) > 0)) free.push_back(j);
  }
  promise = 0.0;
  MatrixXd out = t;
  for (bool again = !free.empty(); again;) {
    again = false;
    const MatrixXd own = take(information, free);
    const VectorXd unit = own.diagonal().cwiseSqrt().cwiseInverse();
    MatrixXd scaled = unit.asDiagonal() * own * unit.asDiagonal();
    scaled.diagonal().array() += 1e-9;
    const Cholesky factor(scaled);
    if (factor.info() != Eigen::Success) return t;
    VectorXd g(unit.size());
    for (Index i = 0; i < g.size(); ++i) {
      const Index j = free[static_cast<std::size_t>(i)];
      g(i) = slope(j, j);
    }
    const VectorXd step = unit.asDiagonal() * factor.solve(unit.cwiseProduct(g));
    promise = 0.0;
    std::vector<Index> kept;
    for (Index i = 0; i < g.size(); ++i) {
      const Index j = free[static_cast<std::size_t>(i)];
      // At 0, and sent below by what is done to the others: out, or it would hold them up.
      if (t(j, j) <= 0 && step(i) < 0) continue;
      kept.push_back(j);
      const double to = std::max(0.0, t(j, j) + length * step(i));
      out(j, j) = to;
      promise += g(i) * (to - t(j, j));
    }
    if (kept.size() < free.size()) {
      free = kept;
      out = t;
      again = !free.empty();
    }
  }
  return out;
}

// What sites' estimates vary by beyond their information, every parameter by itself, where that is plain.
MatrixXd first_guess(MarginalLikelihood& at) {
  if (!at.diagonal()) return at.first_guess();
  MatrixXd out = MatrixXd::Zero(at.size(), at.size()), slope, fisher;
  at.look_at(out);
  at.derivatives(slope, fisher);
  for (const auto& block : at.blocks()) {
    const Index j = block.front();
    if (slope(j, j) > 3.0 * std::sqrt(fisher(j, j))) out(j, j) = slope(j, j) / fisher(j, j);
  }
  return out;
}

// The same for blocks with covariances: EM's step in units of T, longer where sites tell little about it.
MatrixXd block_step(const MarginalLikelihood& at, const MatrixXd& t, const MatrixXd& slope, double length,
                    double& promise) {
  promise = 0.0;
  MatrixXd out = t;
  for (const auto& block : at.blocks()) {
    const MatrixXd root = covariance_root(take(t, block));
    const MatrixXd g = root.transpose() * take(slope, block) * root;
    const Eigen::SelfAdjointEigenSolver<MatrixXd> told(at.told(block, root));
    const MatrixXd by = told.eigenvectors() * told.eigenvalues().cwiseMax(0.02).cwiseInverse().asDiagonal() *
                        told.eigenvectors().transpose();
    const Eigen::SelfAdjointEigenSolver<MatrixXd> move(length * (2.0 / at.count()) * by * g * by);
    const VectorXd shrunk = move.eigenvalues().cwiseMax(-0.95).cwiseMin(20.0);
    const MatrixXd change = move.eigenvectors() * shrunk.asDiagonal() * move.eigenvectors().transpose();
    promise += change.cwiseProduct(g).sum();
    put(out, block, take(t, block) + root * change * root.transpose());
  }
  return out;
}

// Blocks with covariances, to the end: the limited-memory method of Broyden, Fletcher, Goldfarb and Shanno on the
// entries of T's roots, which may lose a dimension. Units are those of `t`'s diagonal.
class Roots {
 public:
  Roots(MarginalLikelihood& at, const MatrixXd& t) : at_(at), unit_(t.diagonal().cwiseMax(1e-300).cwiseSqrt()) {
    for (const auto& block : at.blocks()) count_ += static_cast<Index>(block.size() * block.size());
    at_vector_.resize(count_);
    Index from = 0;
    for (const auto& block : at.blocks()) {
      const Index n = static_cast<Index>(block.size());
      const MatrixXd own = take(t, block);
      const Eigen::SelfAdjointEigenSolver<MatrixXd> eigen(own);
      MatrixXd root = eigen.operatorSqrt();
      for (Index i = 0; i < n; ++i) root.row(i) /= unit_(block[static_cast<std::size_t>(i)]);
      Eigen::Map<MatrixXd>(at_vector_.data() + from, n, n) = root;
      from += n * n;
    }
  }

  MatrixXd covariance(const VectorXd& v) const {
    MatrixXd t = MatrixXd::Zero(unit_.size(), unit_.size());
    Index from = 0;
    for (const auto& block : at_.blocks()) {
      const MatrixXd root = block_root(block, v, from);
      put(t, block, root * root.transpose());
    }
    return t;
  }

  VectorXd gradient(const VectorXd& v) const {
    MatrixXd slope, fisher;
    at_.derivatives(slope, fisher);
    VectorXd out(count_);
    Index from = 0;
    for (const auto& block : at_.blocks()) {
      const Index n = static_cast<Index>(block.size()), here = from;
      MatrixXd g = 2.0 * take(slope, block) * block_root(block, v, from);
      for (Index i = 0; i < n; ++i) g.row(i) *= unit_(block[static_cast<std::size_t>(i)]);
      Eigen::Map<MatrixXd>(out.data() + here, n, n) = g;
    }
    return out;
  }

  const VectorXd& start() const { return at_vector_; }

 private:
  MatrixXd block_root(const std::vector<Index>& block, const VectorXd& v, Index& from) const {
    const Index n = static_cast<Index>(block.size());
    MatrixXd root = Eigen::Map<const MatrixXd>(v.data() + from, n, n);
    for (Index i = 0; i < n; ++i) root.row(i) *= unit_(block[static_cast<std::size_t>(i)]);
    from += n * n;
    return root;
  }

  MarginalLikelihood& at_;
  VectorXd unit_, at_vector_;
  Index count_ = 0;
};

void finish_blocks(MarginalLikelihood& at, const HierarchyOptions& options, HierarchyFit& out) {
  const Roots roots(at, out.covariance);
  VectorXd v = roots.start();
  out.covariance = roots.covariance(v);
  double value = at.look_at(out.covariance);
  VectorXd g = roots.gradient(v);
  struct Pair {
    VectorXd step, fall;
  };
  std::deque<Pair> known;
  for (int i = 0; i < options.max_iterations; ++i) {
    VectorXd way = g;
    std::vector<double> share;
    for (auto p = known.rbegin(); p != known.rend(); ++p) {
      share.push_back(p->step.dot(way) / p->step.dot(p->fall));
      way -= share.back() * p->fall;
    }
    if (!known.empty()) way *= known.back().step.dot(known.back().fall) / known.back().fall.squaredNorm();
    else way *= std::min(1.0, 0.1 / std::max(way.norm(), 1e-300));
    for (const Pair& p : known) {
      way += (share.back() - p.fall.dot(way) / p.step.dot(p.fall)) * p.step;
      share.pop_back();
    }
    const double promise = 0.5 * way.dot(g);
    out.converged = promise <= options.tolerance;
    if (out.converged) return;
    bool moved = false;
    for (double length = 1.0; length > 1e-6 && !moved; length /= 3) {
      const VectorXd to = v + length * way;
      const MatrixXd t = roots.covariance(to);
      const double there = at.look_at(t);
      moved = there > value + 1e-4 * length * promise;
      if (!moved) continue;
      const VectorXd slope = roots.gradient(to);
      const Pair learned{to - v, g - slope};
      if (learned.step.dot(learned.fall) > 1e-10 * learned.step.norm() * learned.fall.norm()) known.push_back(learned);
      if (known.size() > 30) known.pop_front();
      v = to;
      g = slope;
      value = there;
      out.covariance = t;
      out.objective.push_back(value);
    }
    if (!moved && known.empty()) {
      out.converged = true;  // to rounding
      return;
    }
    if (!moved) known.clear(), at.look_at(out.covariance);
  }
}

}  // namespace

HierarchyFit fit_hierarchy(const std::vector<SiteQuadratic>& sites, const std::vector<int>& block,
                           const MatrixXd* start, bool fixed, const HierarchyOptions& options) {
  MarginalLikelihood at(sites, block, options);
  HierarchyFit out;
  out.covariance = start ? *start : first_guess(at);
  double value = at.look_at(out.covariance);
  out.objective.push_back(value);
  out.converged = fixed || at.blocks().empty();
  MatrixXd slope, fisher;
  // Steps with covariances are good far from the end, and slow near it.
  const int most = at.diagonal() ? options.max_iterations : 10;
  for (int i = 0; i < most && !out.converged; ++i) {
    at.derivatives(slope, fisher);
    const double rounding = 1e-13 * (1.0 + std::abs(value));
    double promise = 0.0;
    bool moved = false;
    if (at.diagonal() && !options.reml) {
      // Near the end Newton's steps are better than Fisher's.
      scoring(at, out.covariance, slope, fisher, 1.0, promise);
      double more = 0.0;
      const MatrixXd to = promise < 0.5 ? scoring(at, out.covariance, slope, at.observed(), 1.0, more) : fisher;
      if (promise < 0.5 && more > options.tolerance) {
        const double there = at.look_at(to);
        moved = there > value + std::max(rounding, 0.25 * more);
        if (moved) out.covariance = to, value = there;
      }
    }
    for (double length = 1.0; length > 1e-4 && !moved; length /= 4) {
      const MatrixXd to = at.diagonal() ? scoring(at, out.covariance, slope, fisher, length, promise)
                                        : block_step(at, out.covariance, slope, length, promise);
      if (promise <= options.tolerance) break;
      const double there = at.look_at(to);
      moved = there > value + rounding;
      if (!moved) continue;
      out.covariance = to;
      value = there;
    }
    const MatrixXd careful = em_step(at, out.covariance, slope);
    if (!moved && slope.cwiseProduct(careful - out.covariance).sum() > options.tolerance) {
      const double there = at.look_at(careful);
      moved = there > value + rounding;
      if (moved) out.covariance = careful, value = there;
    }
    out.converged = !moved;
    if (moved) out.objective.push_back(value);
  }
  if (!at.diagonal() && !fixed) finish_blocks(at, options, out);
  if (!(at.last() == out.covariance)) at.look_at(out.covariance);
  out.mean = at.mean();
  out.mean_covariance = at.mean_covariance();
  out.effects.resize(out.mean.size(), static_cast<Index>(sites.size()));
  for (std::size_t m = 0; m < sites.size(); ++m) out.effects.col(static_cast<Index>(m)) = at.effect(m);
  return out;
}

}  // namespace distmoe
