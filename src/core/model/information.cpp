#include "model/information.h"

#include "base/gram.h"
#include "model/gating.h"
#include "model/mixture.h"
#include "model/units.h"

namespace distmoe {

namespace {

// With u_k = log pi_k + log phi_k and responsibilities r_k,
//   grad log f = sum_k r_k grad u_k,
//   hess log f = sum_k r_k (hess u_k + grad u_k grad u_k') - (grad log f)(grad log f)'.
// grad_beta_k u_k = a_k x for each predictor of the expert, a_k = (y - mean_k) / dispersion_k where the link is
// canonical; d u_k / d log dispersion_k = b_k;
// grad_alpha_j u_k = (delta_jk - pi_j) z. Every sum below is one of x, z, x x', z z' or x z', weighted.
//
// Of units (Block::unit) grad u_k is the sum over the unit's rows, whose products are no sums of x x': they are added
// by add_unit_products(), and here left out of `curvature` and `bend`.
struct Derivatives {
  bool units;
  ArrayXd w, log_lik;
  ArrayXXd pi, r, rb, b;  // n x K; rb, b empty where the family has no dispersion
  ArrayXXd bend;          // n x K, likewise: d b / d log dispersion + b^2
  ArrayXXd fade;          // n x K, likewise: minus d log a / d log dispersion
  ArrayXXd ra;            // n x K R
  ArrayXXd curvature;     // n x K R (R + 1) / 2, weight of x x' in r_k (hess u_k + grad u_k grad u_k')

  Derivatives(const Block& block, const Model& model, bool second) {
    const Evaluation e = evaluate(block, model);
    const Family& f = family_of(model.family);
    const Index n = block.rows(), k = model.experts();
    units = block.unit.size() > 0;
    w = block.weight.size() > 0 ? ArrayXd(block.weight.array()) : ArrayXd::Ones(n);
    log_lik = e.log_lik;
    pi = e.gate;
    r = e.posterior;
    const Index parts = model.parts(), pairs = pairs_of(parts);
    ra.resize(n, k * parts);
    if (second) curvature.resize(n, k * pairs);
    if (f.has_dispersion()) b.resize(n, k);
    if (f.has_dispersion() && second) bend.resize(n, k);
    if (f.has_dispersion() && second) fade = ArrayXXd::Ones(n, k);
    const ArrayXXd response = f.response(block.y.array(), parts);
    for (Index j = 0; j < k; ++j) {
      ArrayXXd mean = e.mean().middleCols(j * parts, parts).array();
      // A rate may be infinite on rows that are not the expert's.
      for (Index i = 0; i < parts; ++i) mean.col(i) = (r.col(j) > 0).select(mean.col(i), response.col(i));
      const double dispersion = model.dispersion(j), precision = 1.0 / dispersion;
      ArrayXXd a = response - mean;
      f.to_score(mean, dispersion, a);
      a *= precision;
      if (f.has_dispersion()) b.col(j) = f.dispersion_slope(response.col(0), mean.col(0), a.col(0), dispersion);
      if (f.has_dispersion() && second) {
        bend.col(j) = f.dispersion_bend(response.col(0), mean.col(0), b.col(j), dispersion);
        if (units) bend.col(j) = (bend.col(j) - b.col(j).square()) * block.trials.array();
      }
      ArrayXXd bent;
      if (second) bent = f.observed_curvature(response, mean, dispersion) * precision;
      if (block.trials.size() > 0) {
        a.colwise() *= block.trials.array();
        bent.colwise() *= block.trials.array().head(bent.rows());
        if (f.has_dispersion()) b.col(j) *= block.trials.array();
      }
      ra.middleCols(j * parts, parts) = a.colwise() * r.col(j);
      if (!second) continue;
      const ArrayXd part = f.score_fade(mean.col(0), dispersion);
      if (part.size() > 0) fade.col(j) = part;
      Index pair = 0;
      for (Index i = 0; i < parts; ++i) {
        for (Index l = 0; l <= i; ++l, ++pair) {
          curvature.col(j * pairs + pair) = -r.col(j) * bent.col(pair);
          if (!units) curvature.col(j * pairs + pair) += r.col(j) * a.col(i) * a.col(l);
        }
      }
    }
    rb = b.size() > 0 ? ArrayXXd(r * b) : b;
  }
};

VectorXd gradient(const Block& block, const ParameterLayout& at, const Derivatives& d) {
  MatrixXd weight(block.rows(), at.width + at.k - 1);
  weight.leftCols(at.width) = d.ra.matrix();
  weight.rightCols(at.k - 1) = (d.r - d.pi).leftCols(at.k - 1).matrix();
  if (block.weight.size() > 0) weight.array().colwise() *= d.w;
  VectorXd out(at.size);
  const auto put = [&](const MatrixXd& sums, Index from) {
    out.segment(from, sums.size()) = Eigen::Map<const VectorXd>(sums.data(), sums.size());
  };
  if (block.shares_design()) {
    const MatrixXd sums = transposed_multiply(block.x, weight);
    put(sums, 0);  // experts, then gates, as in the vector of parameters
  } else {
    put(transposed_multiply(block.x, weight.leftCols(at.width)), 0);
    put(transposed_multiply(block.z, weight.rightCols(at.k - 1)), at.gate);
  }
  if (at.has_dispersion()) out.tail(at.k) = (d.rb.colwise() * d.w).colwise().sum().transpose();
  return out;
}

// Weights of the products of columns: experts' predictors with each other and gates with gates (pairs
// j <= i), gates j with predictors i.
struct ProductWeights {
  MatrixXd all;
  Index xx, zz, xz;  // how many of each, in this order

  ProductWeights(const ParameterLayout& at, const Derivatives& d)
      : xx(pairs_of(at.width)), zz(pairs_of(at.k - 1)), xz(at.width * (at.k - 1)) {
    all.resize(d.w.size(), xx + zz + xz);
    Index x = 0, z = xx, c = xx + zz;
    ArrayXd v;
    for (Index i = 0, own = 0; i < at.width; ++i) {
      for (Index j = 0; j <= i; ++j) {
        if (d.units) v.setZero(d.w.size());
        else v = -d.ra.col(i) * d.ra.col(j);
        if (i / at.parts == j / at.parts) v += d.curvature.col(own++);
        all.col(x++) = (d.w * v).matrix();
      }
    }
    for (Index i = 0; i + 1 < at.k; ++i) {
      for (Index j = 0; j <= i; ++j) {
        v = d.pi.col(i) * d.pi.col(j) - d.r.col(i) * d.r.col(j);
        if (i == j) v += d.r.col(i) - d.pi.col(i);
        all.col(z++) = (d.w * v).matrix();
      }
    }
    for (Index j = 0; j + 1 < at.k; ++j) {
      for (Index i = 0; i < at.width; ++i) {
        const double same = i / at.parts == j ? 1.0 : 0.0;
        all.col(c++) = (d.w * d.ra.col(i) * (same - d.r.col(j))).matrix();
      }
    }
  }
};

void add_products(const Block& block, const ParameterLayout& at, const Derivatives& d, MatrixXd& hessian) {
  const ProductWeights weight(at, d);
  MatrixXd gram_x, gram_z, cross;
  const bool shared = block.shares_design();
  if (shared) {
    // x z' is symmetric too: one triangle of every product does.
    MatrixXd grams = MatrixXd::Zero(weight.all.cols(), triangle_size(at.p));
    add_weighted_grams(block.x, weight.all, grams);
    gram_x = grams.topRows(weight.xx);
    gram_z = grams.middleRows(weight.xx, weight.zz);
    cross = grams.bottomRows(weight.xz);
  } else {
    gram_x = MatrixXd::Zero(weight.xx, triangle_size(at.p));
    gram_z = MatrixXd::Zero(weight.zz, triangle_size(at.q));
    cross = MatrixXd::Zero(weight.xz, at.p * at.q);
    add_weighted_grams(block.x, weight.all.leftCols(weight.xx), gram_x);
    add_weighted_grams(block.z, weight.all.middleCols(weight.xx, weight.zz), gram_z);
    add_weighted_cross(block.x, block.z, weight.all.rightCols(weight.xz), cross);
  }
  Index pair = 0;
  for (Index i = 0; i < at.width; ++i) {
    for (Index j = 0; j <= i; ++j) {
      hessian.block(i * at.p, j * at.p, at.p, at.p) = unpack_symmetric(gram_x, pair++, at.p);
    }
  }
  hessian.block(at.gate, at.gate, at.q * (at.k - 1), at.q * (at.k - 1)) =
      unpack_blocks(gram_z, at.q, at.k - 1);
  pair = 0;
  for (Index j = 0; j + 1 < at.k; ++j) {
    for (Index i = 0; i < at.width; ++i) {
      auto to = hessian.block(at.gate + j * at.q, i * at.p, at.q, at.p);
      if (shared) {
        to = unpack_symmetric(cross, pair++, at.p);
      } else {
        const VectorXd row = cross.row(pair++).transpose();
        to = Eigen::Map<const MatrixXd>(row.data(), at.p, at.q).transpose();
      }
    }
  }
}

// Log dispersions with everything: d a / d log dispersion = -a fade.
void add_dispersions(const Block& block, const ParameterLayout& at, const Derivatives& d, MatrixXd& hessian) {
  for (Index l = 0; l < at.k; ++l) {
    const Index row = at.dispersion + l;
    MatrixXd with_x(block.rows(), at.k), with_z(block.rows(), at.k - 1);
    for (Index i = 0; i < at.k; ++i) {
      const double products = d.units ? 0.0 : 1.0;
      ArrayXd v = -products * d.ra.col(i) * d.rb.col(l);
      ArrayXd own = -products * d.rb.col(i) * d.rb.col(l);
      if (i == l) {
        v += d.ra.col(i) * (products * d.b.col(i) - d.fade.col(i));
        own += d.r.col(i) * d.bend.col(i);
      }
      with_x.col(i) = (d.w * v).matrix();
      hessian(row, at.dispersion + i) = (d.w * own).sum();
      if (i + 1 == at.k) continue;
      const double same = i == l ? 1.0 : 0.0;
      with_z.col(i) = (d.w * d.rb.col(l) * (same - d.r.col(i))).matrix();
    }
    const MatrixXd sums_x = transposed_multiply(block.x, with_x);
    const MatrixXd sums_z = transposed_multiply(block.z, with_z);
    hessian.block(row, 0, 1, at.gate) = Eigen::Map<const Eigen::RowVectorXd>(sums_x.data(), sums_x.size());
    hessian.block(row, at.gate, 1, sums_z.size()) =
        Eigen::Map<const Eigen::RowVectorXd>(sums_z.data(), sums_z.size());
  }
}

// The rows' scores, each times a number.
MatrixXd scores_times(const Block& block, const Model& model, const ArrayXd& by) {
  const ParameterLayout at(model);
  const Derivatives d(block, model, false);
  MatrixXd rows(block.rows(), at.size);
  Index column = 0;
  for (Index i = 0; i < at.width; ++i) {
    const VectorXd weight = (d.ra.col(i) * by).matrix();
    for (Index j = 0; j < at.p; ++j) rows.col(column++) = block.x.col(j).cwiseProduct(weight);
  }
  for (Index i = 0; i + 1 < at.k; ++i) {
    const VectorXd weight = ((d.r.col(i) - d.pi.col(i)) * by).matrix();
    for (Index j = 0; j < at.q; ++j) rows.col(column++) = block.z.col(j).cwiseProduct(weight);
  }
  if (at.has_dispersion()) rows.rightCols(at.k) = (d.rb.colwise() * by).matrix();
  return rows;
}

}  // namespace

Score& Score::operator+=(const Score& other) {
  rows += other.rows;
  weight += other.weight;
  log_lik += other.log_lik;
  mass += other.mass;
  gradient += other.gradient;
  return *this;
}

Information& Information::operator+=(const Information& other) {
  weight += other.weight;
  log_lik += other.log_lik;
  score += other.score;
  hessian += other.hessian;
  return *this;
}

Score score(const Block& block, const Model& model) {
  const ParameterLayout at(model);
  const Derivatives d(block, model, false);
  Score out(at.k, at.size);
  out.rows = block.rows();
  out.weight = d.w.sum();
  out.log_lik = (d.w * d.log_lik).sum();
  out.mass = (d.r.colwise() * d.w).colwise().sum().transpose();
  out.gradient = gradient(block, at, d);
  return out;
}

Information information(const Block& block, const Model& model) {
  const ParameterLayout at(model);
  const Derivatives d(block, model, true);
  Information out(at.size);
  out.weight = d.w.sum();
  out.log_lik = (d.w * d.log_lik).sum();
  out.score = gradient(block, at, d);
  add_products(block, at, d, out.hessian);
  if (at.has_dispersion()) add_dispersions(block, at, d, out.hessian);
  if (d.units) add_unit_products(block, at, d.w, d.r, d.ra, d.rb, out.hessian);
  out.hessian.triangularView<Eigen::StrictlyUpper>() =
      out.hessian.transpose().triangularView<Eigen::StrictlyUpper>();
  return out;
}

MatrixXd row_scores(const Block& block, const Model& model) {
  return scores_times(block, model, ArrayXd::Ones(block.rows()));
}

MatrixXd score_products(const Block& block, const Model& model) {
  ArrayXd root = block.weight.size() > 0 ? ArrayXd(block.weight.array().sqrt()) : ArrayXd::Ones(block.rows());
  const bool units = block.unit.size() > 0;
  if (units) root /= block.trials.array().sqrt();
  MatrixXd rows = scores_times(block, model, root);
  if (units) rows = sums_of_units(block.unit, rows);
  MatrixXd out = MatrixXd::Zero(rows.cols(), rows.cols());
  out.selfadjointView<Eigen::Lower>().rankUpdate(rows.transpose());
  out.triangularView<Eigen::StrictlyUpper>() = out.transpose().triangularView<Eigen::StrictlyUpper>();
  return out;
}

}  // namespace distmoe
