#include "base/scaling.h"

#include "base/gram.h"
#include "base/numerics.h"

namespace distmoe {

namespace {

// Coefficients of standardised columns from those of the user's columns, and back. What centring
// takes out of the slopes goes to the intercept.
MatrixXd standardised(const ColumnScaling& s, const MatrixXd& user) {
  MatrixXd out = s.scale.asDiagonal() * user;
  if (s.intercept >= 0) out.row(s.intercept) = user.row(s.intercept) + s.centre.transpose() * user;
  return out;
}

// Moves aliased columns' coefficients to the columns that they are made of.
MatrixXd carry_over(const ColumnScaling& s, MatrixXd coefficients) {
  for (std::size_t j = 0; j < s.aliased.size(); ++j) {
    if (!s.aliased[j]) continue;
    const Eigen::RowVectorXd moved = coefficients.row(static_cast<Index>(j));
    coefficients.row(static_cast<Index>(j)).setZero();
    coefficients += s.combination.col(static_cast<Index>(j)) * moved;
  }
  return coefficients;
}

// The other way: aliased columns get the coefficients that they have in `kept`.
MatrixXd carry_back(const ColumnScaling& s, MatrixXd coefficients, const MatrixXd& kept) {
  for (std::size_t j = 0; j < s.aliased.size(); ++j) {
    if (!s.aliased[j]) continue;
    const Eigen::RowVectorXd moved = kept.row(static_cast<Index>(j));
    coefficients -= s.combination.col(static_cast<Index>(j)) * moved;
    coefficients.row(static_cast<Index>(j)) = moved;
  }
  return coefficients;
}

MatrixXd coefficients_out(const ColumnScaling& s, const MatrixXd& internal) {
  MatrixXd out = s.scale.cwiseInverse().asDiagonal() * internal;
  if (s.intercept >= 0) {
    out.row(s.intercept).setZero();
    const Eigen::RowVectorXd shift = s.centre.transpose() * out;
    out.row(s.intercept) = internal.row(s.intercept) - shift;
  }
  return out;
}

}  // namespace

ColumnScaling ColumnScaling::identity(Index columns) {
  ColumnScaling s;
  s.centre = VectorXd::Zero(columns);
  s.scale = VectorXd::Ones(columns);
  s.aliased.assign(static_cast<std::size_t>(columns), false);
  s.combination = MatrixXd::Zero(columns, columns);
  return s;
}

VectorXd ColumnScaling::slopes(double value) const {
  VectorXd out = VectorXd::Constant(centre.size(), value);
  for (Index j = 0; j < out.size(); ++j) {
    if (j == intercept || aliased[static_cast<std::size_t>(j)]) out(j) = 0.0;
  }
  return out;
}

MatrixXd ColumnScaling::to_internal(const MatrixXd& user) const {
  return carry_over(*this, standardised(*this, user));
}

MatrixXd ColumnScaling::to_user(const MatrixXd& internal, const MatrixXd* kept) const {
  const MatrixXd undetermined =
      kept ? standardised(*this, *kept) : MatrixXd(MatrixXd::Zero(internal.rows(), internal.cols()));
  return coefficients_out(*this, carry_back(*this, internal, undetermined));
}

Model Scaling::to_internal(const Model& user) const {
  Model m = user;
  m.beta = x.to_internal(user.beta);
  m.alpha = z.to_internal(user.alpha);
  if (takes_y()) {
    if (x.intercept >= 0) m.beta.row(x.intercept).array() -= y_centre;
    m.beta /= y_scale;
    m.dispersion /= y_scale * y_scale;
  }
  return m;
}

Model Scaling::to_user(const Model& internal, const Model* kept) const {
  Model m = internal;
  if (takes_y()) {
    m.beta *= y_scale;
    m.dispersion *= y_scale * y_scale;
  }
  m.beta = x.to_user(m.beta, kept ? &kept->beta : nullptr);
  m.alpha = z.to_user(m.alpha, kept ? &kept->alpha : nullptr);
  if (takes_y() && x.intercept >= 0) m.beta.row(x.intercept).array() += y_centre;
  return m;
}

Moments::Moments(Index p, Index q)
    : sum_x(VectorXd::Zero(p)),
      sum_z(VectorXd::Zero(q)),
      gram_x(MatrixXd::Zero(1, triangle_size(p))),
      gram_z(MatrixXd::Zero(1, triangle_size(q))),
      sum_xy(VectorXd::Zero(p)) {}

Moments& Moments::operator+=(const Moments& other) {
  weight += other.weight;
  sum_x += other.sum_x;
  sum_z += other.sum_z;
  gram_x += other.gram_x;
  gram_z += other.gram_z;
  sum_y += other.sum_y;
  sum_yy += other.sum_yy;
  sum_xy += other.sum_xy;
  return *this;
}

namespace {

// Moves what two sets of rows know to their common centre.
void add_centred(double weight, double more, VectorXd& centre, const VectorXd& other, MatrixXd& gram,
                 const MatrixXd& other_gram) {
  const VectorXd gap = other - centre;
  const double total = weight + more;
  gram += other_gram + (weight * more / total) * gap * gap.transpose();
  centre += (more / total) * gap;
}

ColumnScaling column_scaling(const VectorXd& mean, const VectorXd& centre, MatrixXd gram, double weight,
                             Index intercept) {
  const Index p = mean.size();
  ColumnScaling s = ColumnScaling::identity(p);
  s.intercept = intercept;
  for (Index j = 0; j < p; ++j) {
    if (j == intercept) continue;
    const double rms = std::sqrt(std::max(gram(j, j) / weight, 0.0));
    s.centre(j) = centre(j);
    // Below rounding of the column's own size a spread is none: the column is constant.
    if (rms > 1e-12 * std::abs(mean(j)) && rms > 0) {
      s.scale(j) = rms;
    } else {
      gram.row(j).setZero();
      gram.col(j).setZero();
    }
  }
  gram = s.scale.cwiseInverse().asDiagonal() * gram * s.scale.cwiseInverse().asDiagonal();
  s.aliased = aliased_columns(gram, s.combination);
  return s;
}

// The share of the spread of y that one regression on the experts' columns leaves. A regression that
// fits exactly still leaves rounding.
double residual_share(const CentredMoments& m, const ColumnScaling& x) {
  const double rounding = 1e-10;
  if (!(m.square_y > 0)) return 1.0;
  std::vector<Index> own;
  for (Index j = 0; j < m.cross_y.size(); ++j) {
    if (!x.aliased[static_cast<std::size_t>(j)]) own.push_back(j);
  }
  const Index p = static_cast<Index>(own.size());
  MatrixXd gram(p, p);
  VectorXd cross(p);
  for (Index a = 0; a < p; ++a) {
    const Index j = own[static_cast<std::size_t>(a)];
    cross(a) = m.cross_y(j) / x.scale(j);
    for (Index b = 0; b < p; ++b) {
      const Index l = own[static_cast<std::size_t>(b)];
      gram(a, b) = m.gram_x(j, l) / (x.scale(j) * x.scale(l));
    }
  }
  const double explained = cross.dot(solve_symmetric(gram, cross).x);
  return std::min(1.0, std::max(rounding, 1.0 - explained / m.square_y));
}

}  // namespace

CentredMoments& CentredMoments::operator+=(const CentredMoments& other) {
  if (other.weight <= 0.0) return *this;
  if (weight <= 0.0) return *this = other;
  const double share = other.weight / (weight + other.weight), gap = other.centre_y - centre_y;
  mean_x += share * (other.mean_x - mean_x);
  mean_z += share * (other.mean_z - mean_z);
  mean_y += share * (other.mean_y - mean_y);
  cross_y += other.cross_y + weight * share * gap * (other.centre_x - centre_x);
  add_centred(weight, other.weight, centre_x, other.centre_x, gram_x, other.gram_x);
  add_centred(weight, other.weight, centre_z, other.centre_z, gram_z, other.gram_z);
  square_y += other.square_y + weight * share * gap * gap;
  centre_y += share * gap;
  weight += other.weight;
  return *this;
}

Scaling scaling_from(const CentredMoments& m, bool takes_y, Index x_intercept, Index z_intercept) {
  Scaling scaling{column_scaling(m.mean_x, m.centre_x, m.gram_x, m.weight, x_intercept),
                  column_scaling(m.mean_z, m.centre_z, m.gram_z, m.weight, z_intercept)};
  if (!takes_y) return scaling;
  scaling.y_centre = m.centre_y;
  const double rms = std::sqrt(m.square_y / m.weight);
  if (rms > 1e-12 * std::abs(m.mean_y)) scaling.y_scale = rms;
  scaling.y_residual = residual_share(m, scaling.x);
  return scaling;
}

Moments moments(const Block& block, bool second) {
  Moments m(block.x.cols(), block.z.cols());
  VectorXd w = VectorXd::Ones(block.rows());
  if (block.weight.size() > 0) w = block.weight;
  m.weight = w.sum();
  m.sum_x = transposed_multiply(block.x, w);
  m.sum_z = block.shares_design() ? m.sum_x : VectorXd(transposed_multiply(block.z, w));
  if (second) {
    add_weighted_grams(block.x, w, m.gram_x);
    if (block.shares_design()) m.gram_z = m.gram_x;
    else add_weighted_grams(block.z, w, m.gram_z);
  }
  if (block.y.size() > 0) {
    m.sum_y = w.dot(block.y);
    m.sum_yy = (w.array() * block.y.array().square()).sum();
    if (second) m.sum_xy = transposed_multiply(block.x, w.cwiseProduct(block.y));
  }
  return m;
}

}  // namespace distmoe
