#include "fit/separation.h"

#include <Eigen/Eigenvalues>

#include "base/gram.h"
#include "model/family.h"
#include "model/mixture.h"

namespace distmoe {

namespace {

const double near_zero = 1e-6;          // probabilities (rates) below, or above one less this
const double least_information = 1e-3;  // in rows
const double least_of_gates = 0.03;     // the same of gates, which a weak prior holds
const double large_part = 0.25;         // of the largest coefficient: a column takes part in a direction

struct Extreme {
  VectorXd mass, weight;  // K: of all rows, and of those with a fitted value near its bound
  double total = 0.0, rows = 0.0;

  explicit Extreme(Index k) : mass(VectorXd::Zero(k)), weight(mass) {}
  Extreme& operator+=(const Extreme& other) {
    mass += other.mass;
    weight += other.weight;
    total += other.total;
    rows += other.rows;
    return *this;
  }
};

Index numbers_in(const Extreme& sums) { return sums.mass.size(); }

// Gram matrices of every expert's rows: with the variances of its pairs of predictors, and without.
struct Grams {
  MatrixXd with, without;

  Grams(Index p, Index k, Index parts)
      : with(MatrixXd::Zero(k * pairs_of(parts), triangle_size(p))), without(MatrixXd::Zero(k, triangle_size(p))) {}
  Grams& operator+=(const Grams& other) {
    with += other.with;
    without += other.without;
    return *this;
  }
};

Index numbers_in(const Grams& sums) { return sums.with.size() + sums.without.size(); }

MatrixXd weighted_posterior(const Block& block, const Evaluation& e) {
  MatrixXd out = e.posterior.matrix();
  if (block.weight.size() > 0) out.array().colwise() *= block.weight.array();
  return out;
}

Extreme extreme(const Block& block, const Model& model) {
  const Evaluation e = evaluate(block, model);
  const MatrixXd weighted = weighted_posterior(block, e);
  const Index parts = model.parts();
  Extreme out(model.experts());
  for (Index k = 0; k < model.experts(); ++k) {
    const auto mean = e.mean().middleCols(k * parts, parts).array();
    const ArrayXd least = family_of(model.family).to_bound(mean);
    out.mass(k) = weighted.col(k).sum();
    out.weight(k) = (least < near_zero).select(weighted.col(k).array(), 0.0).sum();
  }
  out.total = weighted.sum();
  out.rows = static_cast<double>(block.rows());
  return out;
}

Grams grams(const Block& block, const Model& model) {
  const Evaluation e = evaluate(block, model);
  const MatrixXd weighted = weighted_posterior(block, e);
  const Index parts = model.parts(), pairs = pairs_of(parts);
  const Family& f = family_of(model.family);
  Grams out(block.x.cols(), model.experts(), parts);
  MatrixXd with(block.rows(), model.experts() * pairs);
  for (Index k = 0; k < model.experts(); ++k) {
    const auto mean = e.mean().middleCols(k * parts, parts).array();
    const ArrayXXd curvature = f.curvature(mean, model.dispersion(k));
    with.middleCols(k * pairs, pairs) = (curvature.colwise() * weighted.col(k).array()).matrix();
  }
  if (block.trials.size() > 0) with.array().colwise() *= block.trials.array();
  add_weighted_grams(block.x, with, out.with);
  add_weighted_grams(block.x, weighted, out.without);
  return out;
}

// The part of an expert's coefficients b (p R, standardised columns) that lies in separated directions; 0
// where there is none. rows: its mass in units of the mean weight.
VectorXd separated_part(const MatrixXd& with, const MatrixXd& without, const VectorXd& b, double rows, double least) {
  const Index p = without.rows(), parts = with.rows() / p;
  const Eigen::SelfAdjointEigenSolver<MatrixXd> spread(without);
  const double cut = 1e-6 * spread.eigenvalues().maxCoeff();
  const Index kept = (spread.eigenvalues().array() > cut).count();  // eigenvalues rise
  // Coordinates in which the rows' own products of columns are the identity.
  MatrixXd white = MatrixXd::Zero(p * parts, kept * parts), back = white;
  const VectorXd root = spread.eigenvalues().tail(kept).cwiseSqrt();
  const MatrixXd vectors = spread.eigenvectors().rightCols(kept);
  for (Index i = 0; i < parts; ++i) {
    white.block(i * p, i * kept, p, kept) = vectors * root.cwiseInverse().asDiagonal();
    back.block(i * p, i * kept, p, kept) = vectors * root.asDiagonal();
  }
  const Eigen::SelfAdjointEigenSolver<MatrixXd> told(white.transpose() * with * white);
  const VectorXd along = told.eigenvectors().transpose() * (back.transpose() * b);
  const VectorXd low = (told.eigenvalues().array() * rows < least).select(along, 0.0);
  return white * (told.eigenvectors() * low);
}

// Which columns take part.
std::vector<bool> columns_of(const VectorXd& part, Index p, Index intercept) {
  ArrayXd size = Eigen::Map<const MatrixXd>(part.data(), p, part.size() / p).rowwise().lpNorm<Eigen::Infinity>();
  double constant = 0.0;
  if (intercept >= 0) std::swap(constant, size(intercept));
  const bool slopes = size.maxCoeff() > large_part * constant;
  if (!slopes) {
    size.setZero();
    size(intercept) = constant;
  }
  std::vector<bool> out;
  for (Index j = 0; j < p; ++j) out.push_back(size(j) > 0 && size(j) >= large_part * size.maxCoeff());
  return out;
}

// Experts' gates, and the rows looked at.
struct Shares {
  VectorXd mass;  // K
  double total = 0.0, rows = 0.0;

  explicit Shares(Index k) : mass(VectorXd::Zero(k)) {}
  Shares& operator+=(const Shares& other) {
    mass += other.mass;
    total += other.total;
    rows += other.rows;
    return *this;
  }
};

Index numbers_in(const Shares& sums) { return sums.mass.size(); }

// The first rows of a block, of all blocks together about as many as are wanted.
Index rows_of(const Block& block, double part) {
  return std::max<Index>(1, static_cast<Index>(std::ceil(part * static_cast<double>(block.rows()))));
}

VectorXd weights_of(const Block& block, Index rows) {
  return block.weight.size() > 0 ? VectorXd(block.weight.head(rows)) : VectorXd::Ones(rows);
}

ArrayXXd gate_probabilities(const Block& block, const Model& model, Index rows) {
  const VectorView offset = block.gate_offset.size() > 0 ? block.gate_offset.head(rows) : block.gate_offset;
  return gates(block.z.topRows(rows), model.alpha, offset).probability;
}

Shares gate_mass(const Block& block, const Model& model, double part) {
  const Index rows = rows_of(block, part);
  const VectorXd weight = weights_of(block, rows);
  Shares out(model.experts());
  out.mass = gate_probabilities(block, model, rows).matrix().transpose() * weight;
  out.total = weight.sum();
  out.rows = static_cast<double>(rows);
  return out;
}

// `free`: the experts whose gates are looked at.
Grams gate_grams(const Block& block, const Model& model, const std::vector<Index>& free, double part) {
  const Index rows = rows_of(block, part), parts = static_cast<Index>(free.size());
  const VectorXd weight = weights_of(block, rows);
  const ArrayXXd g = gate_probabilities(block, model, rows);
  MatrixXd with(rows, pairs_of(parts));
  for (Index i = 0, pair = 0; i < parts; ++i) {
    const auto own = g.col(free[static_cast<std::size_t>(i)]);
    for (Index j = 0; j < i; ++j, ++pair) {
      with.col(pair) = (-own * g.col(free[static_cast<std::size_t>(j)]) * weight.array()).matrix();
    }
    with.col(pair++) = (own * (1.0 - own) * weight.array()).matrix();
  }
  Grams out(block.z.cols(), 1, parts);
  add_weighted_grams(block.z.topRows(rows), with, out.with);
  add_weighted_grams(block.z.topRows(rows), weight, out.without);
  return out;
}

}  // namespace

std::vector<std::vector<bool>> separated_gates(const Source& source, const Model& model, Index intercept,
                                               const Services& services) {
  std::vector<std::vector<bool>> out;
  Index reference = 0;
  const Index k = model.experts(), q = model.alpha.rows();
  // Gates that are constant are shares; without rows they are named as empty experts.
  if (k == 1 || q < 2) return out;
  const double some = std::min(1.0, 20000.0 / static_cast<double>(source.rows()));
  for (const double part : {some, 1.0}) {
    services.interrupt();
    const Shares seen = sum_over(source, Shares(k), services,
                                 [&](const Block& block) { return gate_mass(block, model, part); });
    seen.mass.maxCoeff(&reference);
    std::vector<Index> free;
    for (Index i = 0; i < k; ++i) {
      if (i != reference && seen.mass(i) * seen.rows > 0.5 * seen.total) free.push_back(i);
    }
    const Index parts = static_cast<Index>(free.size());
    if (parts == 0) return out;
    const Grams sums = sum_over(source, Grams(q, 1, parts), services,
                                [&](const Block& block) { return gate_grams(block, model, free, part); });
    const auto alpha = [&](Index i) { return i < k - 1 ? VectorXd(model.alpha.col(i)) : VectorXd::Zero(q).eval(); };
    MatrixXd b(q, parts);
    for (Index i = 0; i < parts; ++i) b.col(i) = alpha(free[static_cast<std::size_t>(i)]) - alpha(reference);
    const VectorXd low = separated_part(unpack_blocks(sums.with, q, parts), unpack_symmetric(sums.without, 0, q),
                                        Eigen::Map<const VectorXd>(b.data(), b.size()), seen.rows, least_of_gates);
    if (!(low.cwiseAbs().maxCoeff() > 0)) return out;
    if (part < 1.0) continue;
    out.assign(static_cast<std::size_t>(k), std::vector<bool>(static_cast<std::size_t>(q), false));
    const double largest = low.cwiseAbs().maxCoeff();
    for (Index i = 0; i < parts; ++i) {
      const VectorXd own = low.segment(i * q, q);
      if (own.cwiseAbs().maxCoeff() < large_part * largest) continue;
      out[static_cast<std::size_t>(free[static_cast<std::size_t>(i)])] = columns_of(own, q, intercept);
    }
  }
  return out;
}

std::vector<std::vector<bool>> separated_columns(const Source& source, const Model& model, Index intercept,
                                                 const Services& services) {
  if (family_of(model.family).identity_link()) return {};
  services.interrupt();
  const Extreme seen = sum_over(source, Extreme(model.experts()), services,
                                [&](const Block& block) { return extreme(block, model); });
  const double unit = seen.total / seen.rows;
  if (!(seen.weight.maxCoeff() > 0.5 * unit)) return {};
  services.interrupt();
  const Index p = model.beta.rows(), parts = model.parts(), pairs = pairs_of(parts);
  const Grams sums = sum_over(source, Grams(p, model.experts(), parts), services,
                              [&](const Block& block) { return grams(block, model); });
  std::vector<std::vector<bool>> out;
  bool any = false;
  for (Index k = 0; k < model.experts(); ++k) {
    out.emplace_back(static_cast<std::size_t>(p), false);
    if (!(seen.weight(k) > 0.5 * unit)) continue;
    const MatrixXd b = model.beta.middleCols(k * parts, parts);
    const VectorXd part = separated_part(unpack_blocks(sums.with.middleRows(k * pairs, pairs), p, parts),
                                         unpack_symmetric(sums.without, k, p),
                                         Eigen::Map<const VectorXd>(b.data(), b.size()), seen.mass(k) / unit,
                                         least_information);
    if (!(part.cwiseAbs().maxCoeff() > 0)) continue;
    out.back() = columns_of(part, p, intercept);
    any = true;
  }
  if (!any) out.clear();
  return out;
}

}  // namespace distmoe
