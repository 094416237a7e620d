#include "information.h"

#include "gating.h"
#include "gram.h"
#include "mixture.h"

namespace distmoe {

namespace {

// Where each kind of parameter starts in the vector.
struct Layout {
  Index p, q, k, gate, dispersion, size;
  explicit Layout(const Model& m)
      : p(m.beta.rows()), q(m.alpha.rows()), k(m.experts()), gate(p * k),
        dispersion(gate + q * (k - 1)),
        size(dispersion + (family_of(m.family).has_dispersion() ? k : 0)) {}
  bool has_dispersion() const { return size > dispersion; }
};

}  // namespace

Index parameter_count(const Model& model) { return Layout(model).size; }

VectorXd to_vector(const Model& model) {
  const Layout at(model);
  VectorXd v(at.size);
  v.head(at.gate) = Eigen::Map<const VectorXd>(model.beta.data(), at.gate);
  v.segment(at.gate, at.q * (at.k - 1)) =
      Eigen::Map<const VectorXd>(model.alpha.data(), at.q * (at.k - 1));
  if (at.has_dispersion()) v.tail(at.k) = model.dispersion.array().log().matrix();
  return v;
}

Model from_vector(const Model& shape, const VectorXd& parameters) {
  const Layout at(shape);
  Model m = shape;
  m.beta = Eigen::Map<const MatrixXd>(parameters.data(), at.p, at.k);
  m.alpha = Eigen::Map<const MatrixXd>(parameters.data() + at.gate, at.q, at.k - 1);
  if (at.has_dispersion()) m.dispersion = parameters.tail(at.k).array().exp().matrix();
  return m;
}

Information& Information::operator+=(const Information& other) {
  log_lik += other.log_lik;
  score += other.score;
  hessian += other.hessian;
  return *this;
}

// With u_k = log pi_k + log phi_k and responsibilities r_k,
//   grad log f = sum_k r_k grad u_k,
//   hess log f = sum_k r_k (hess u_k + grad u_k grad u_k') - (grad log f)(grad log f)'.
// grad_beta_k u_k = a_k x with a_k = (y - mean_k) / dispersion_k; d u_k / d log dispersion_k = b_k;
// grad_alpha_j u_k = (delta_jk - pi_j) z. Every block below is a weighted sum of x x', z z', x z'.
Information information(const Block& block, const Model& model) {
  const Layout at(model);
  const Index n = block.rows();
  const Index k = at.k;
  Information out(at.size);
  const Evaluation e = evaluate(block, model);
  const Family& f = family_of(model.family);
  ArrayXd w = ArrayXd::Ones(n);
  if (block.weight.size() > 0) w = block.weight.array();
  out.log_lik = (w * e.log_lik).sum();

  const ArrayXXd& r = e.posterior;
  const ArrayXXd pi = e.log_gate.exp();
  ArrayXXd ra(n, k), curvature(n, k), rb = ArrayXXd::Zero(n, k), b = rb;
  for (Index j = 0; j < k; ++j) {
    const ArrayXd mean = f.mean(e.eta.col(j).array());
    const ArrayXd a = (block.y.array() - mean) / model.dispersion(j);
    ra.col(j) = r.col(j) * a;
    curvature.col(j) = r.col(j) * (a.square() - f.variance(mean) / model.dispersion(j));
    if (at.has_dispersion()) {
      b.col(j) = 0.5 * (a.square() * model.dispersion(j) - 1.0);
      rb.col(j) = r.col(j) * b.col(j);
    }
  }

  // Score.
  MatrixXd score_x = block.x.transpose() * (ra.colwise() * w).matrix();
  out.score.head(at.gate) = Eigen::Map<VectorXd>(score_x.data(), at.gate);
  MatrixXd score_z = block.z.transpose() * ((r - pi).leftCols(k - 1).colwise() * w).matrix();
  out.score.segment(at.gate, score_z.size()) = Eigen::Map<VectorXd>(score_z.data(), score_z.size());
  if (at.has_dispersion()) out.score.tail(k) = (rb.colwise() * w).colwise().sum().transpose();

  // Experts with experts, gates with gates: packed grams, lower pairs (i, j <= i).
  MatrixXd weight_x(n, k * (k + 1) / 2), weight_z(n, k * (k - 1) / 2), weight_xz(n, k * (k - 1));
  Index cx = 0, cz = 0, cxz = 0;
  for (Index i = 0; i < k; ++i) {
    for (Index j = 0; j <= i; ++j) {
      ArrayXd v = -ra.col(i) * ra.col(j);
      if (i == j) v += curvature.col(i);
      weight_x.col(cx++) = (w * v).matrix();
      if (i + 1 == k) continue;
      v = pi.col(i) * pi.col(j) - r.col(i) * r.col(j);
      if (i == j) v += r.col(i) - pi.col(i);
      weight_z.col(cz++) = (w * v).matrix();
    }
  }
  for (Index j = 0; j + 1 < k; ++j) {
    for (Index i = 0; i < k; ++i) {
      const double same = i == j ? 1.0 : 0.0;
      weight_xz.col(cxz++) = (w * ra.col(i) * (same - r.col(j))).matrix();
    }
  }
  MatrixXd gram_x = MatrixXd::Zero(weight_x.cols(), triangle_size(at.p));
  MatrixXd gram_z = MatrixXd::Zero(weight_z.cols(), triangle_size(at.q));
  MatrixXd cross = MatrixXd::Zero(weight_xz.cols(), at.p * at.q);
  add_weighted_grams(block.x, weight_x, gram_x);
  add_weighted_grams(block.z, weight_z, gram_z);
  add_weighted_cross(block.x, block.z, weight_xz, cross);
  cx = 0;
  for (Index i = 0; i < k; ++i) {
    for (Index j = 0; j <= i; ++j) {
      out.hessian.block(i * at.p, j * at.p, at.p, at.p) = unpack_symmetric(gram_x, cx++, at.p);
    }
  }
  out.hessian.block(at.gate, at.gate, at.q * (k - 1), at.q * (k - 1)) =
      unpack_gate_blocks(gram_z, at.q, k - 1);
  cxz = 0;
  for (Index j = 0; j + 1 < k; ++j) {
    for (Index i = 0; i < k; ++i) {
      const VectorXd row = cross.row(cxz++).transpose();
      out.hessian.block(at.gate + j * at.q, i * at.p, at.q, at.p) =
          Eigen::Map<const MatrixXd>(row.data(), at.p, at.q).transpose();
    }
  }

  // Log dispersions with everything: d a / d log dispersion = -a, d b / d log dispersion = -b - 1/2.
  for (Index l = 0; at.has_dispersion() && l < k; ++l) {
    const Index row = at.dispersion + l;
    for (Index i = 0; i < k; ++i) {
      ArrayXd v = -ra.col(i) * rb.col(l);
      ArrayXd d = -rb.col(i) * rb.col(l);
      if (i == l) {
        v += ra.col(i) * (b.col(i) - 1.0);
        d += r.col(i) * (b.col(i).square() - b.col(i) - 0.5);
      }
      out.hessian.block(row, i * at.p, 1, at.p) = ((w * v).matrix().transpose() * block.x);
      out.hessian(row, at.dispersion + i) = (w * d).sum();
      if (i + 1 == k) continue;
      const double same = i == l ? 1.0 : 0.0;
      const ArrayXd g = w * rb.col(l) * (same - r.col(i));
      out.hessian.block(row, at.gate + i * at.q, 1, at.q) = g.matrix().transpose() * block.z;
    }
  }
  out.hessian.triangularView<Eigen::StrictlyUpper>() =
      out.hessian.transpose().triangularView<Eigen::StrictlyUpper>();
  return out;
}

}  // namespace distmoe
