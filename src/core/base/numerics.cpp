#include "base/numerics.h"

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>
#include <array>

#include "kernels/kernels.h"

namespace distmoe {

AlignedMatrix::AlignedMatrix(Index rows, Index cols)
    : rows_(rows), cols_(cols), stride_((rows + 7) / 8 * 8), memory_(stride_ * cols + 8) {
  const std::uintptr_t line = 64, past = reinterpret_cast<std::uintptr_t>(memory_.data()) % line;
  start_ = memory_.data() + (past == 0 ? 0 : (line - past) / sizeof(double));
}

ArrayXd softmax_rows(ArrayXXd& a) {
  ArrayXd total(a.rows());
  kernels().softmax(a.rows(), a.cols(), a.data(), a.outerStride(), total.data());
  return total;
}

// Summed where it is small, by Stirling's series where it is large.
double log_factorial(double n) {
  static const std::array<double, 256> small = [] {
    std::array<double, 256> table{};
    for (std::size_t i = 1; i < table.size(); ++i) {
      table[i] = table[i - 1] + std::log(static_cast<double>(i));
    }
    return table;
  }();
  if (n < 255.5) return small[static_cast<std::size_t>(n + 0.5)];
  const double inverse = 1.0 / n;
  return (n + 0.5) * std::log(n) - n + 0.91893853320467274178 +
         inverse * (1.0 / 12 - inverse * inverse * (1.0 / 360 - inverse * inverse / 1260));
}

Solve ascent_direction(MatrixXd a, const VectorXd& b) {
  Solve out;
  const Index n = a.rows();
  if (n == 0) return out;
  const double typical = a.diagonal().cwiseAbs().maxCoeff();
  VectorXd scale(n);
  for (Index i = 0; i < n; ++i) {
    if (a(i, i) == 0 && b(i) == 0) a(i, i) = 1.0;
    const double size = std::max(std::abs(a(i, i)), 1e-14 * typical);
    scale(i) = size > 0 ? 1.0 / std::sqrt(size) : 1.0;
  }
  const MatrixXd scaled = scale.asDiagonal() * a * scale.asDiagonal();
  for (double added = 0.0; added <= 1e4; added = added == 0 ? 1e-3 : 3.0 * added) {
    MatrixXd shifted = scaled;
    shifted.diagonal().array() += added;
    const Eigen::LLT<MatrixXd> llt(shifted);
    if (llt.info() != Eigen::Success || !(llt.matrixLLT().diagonal().minCoeff() > 1e-6)) continue;
    out.x = scale.asDiagonal() * llt.solve(VectorXd(scale.asDiagonal() * b));
    out.positive = added == 0;
    out.rank = n;
    return out;
  }
  return solve_symmetric(a, b);
}

Solve solve_symmetric(const MatrixXd& a, const VectorXd& b) {
  const Index n = a.rows();
  // Equilibrating makes "small" mean the same thing for every unknown.
  VectorXd scale(n);
  for (Index i = 0; i < n; ++i) scale(i) = a(i, i) > 0 ? 1.0 / std::sqrt(a(i, i)) : 0.0;
  Solve out;
  if (n == 0) return out;
  if (scale.minCoeff() > 0) {
    MatrixXd scaled = scale.asDiagonal() * a * scale.asDiagonal();
    Eigen::LLT<MatrixXd> llt(scaled);
    const VectorXd pivots = llt.matrixLLT().diagonal();
    if (llt.info() == Eigen::Success && pivots.minCoeff() > 1e-6) {
      out.x = scale.asDiagonal() * llt.solve(VectorXd(scale.asDiagonal() * b));
      out.rank = n;
      return out;
    }
  }
  const double typical = a.diagonal().cwiseAbs().maxCoeff();
  for (Index i = 0; i < n; ++i) {
    if (std::abs(a(i, i)) > 1e-14 * typical) scale(i) = 1.0 / std::sqrt(std::abs(a(i, i)));
    else scale(i) = typical > 0 ? 1.0 / std::sqrt(typical) : 1.0;
  }
  const MatrixXd scaled = scale.asDiagonal() * a * scale.asDiagonal();
  Eigen::SelfAdjointEigenSolver<MatrixXd> eigen(scaled);
  const VectorXd& values = eigen.eigenvalues();
  const double cut = 1e-10 * values.cwiseAbs().maxCoeff();
  VectorXd along = eigen.eigenvectors().transpose() * (scale.asDiagonal() * b);
  for (Index i = 0; i < n; ++i) {
    if (values(i) < -cut) out.positive = false;
    if (std::abs(values(i)) > cut) {
      along(i) /= std::abs(values(i));
      ++out.rank;
    } else {
      along(i) = 0.0;
    }
  }
  out.x = scale.asDiagonal() * (eigen.eigenvectors() * along);
  return out;
}

std::vector<bool> aliased_columns(const MatrixXd& gram, MatrixXd& combination, double tolerance) {
  const Index p = gram.rows();
  MatrixXd left = gram;
  std::vector<bool> aliased(static_cast<std::size_t>(p), false);
  std::vector<Index> own;
  // Cholesky, column by column in the user's order: what is left on the diagonal is the square
  // norm of the column after regression on the earlier ones.
  for (Index j = 0; j < p; ++j) {
    if (!(gram(j, j) > 0) || left(j, j) <= tolerance * gram(j, j)) {
      aliased[static_cast<std::size_t>(j)] = true;
      continue;
    }
    own.push_back(j);
    const VectorXd column = left.col(j) / left(j, j);
    for (Index l = j + 1; l < p; ++l) left.col(l) -= column * left(j, l);
  }
  combination = MatrixXd::Zero(p, p);
  const Index kept = static_cast<Index>(own.size());
  if (kept == p || kept == 0) return aliased;
  MatrixXd own_gram(kept, kept);
  for (Index a = 0; a < kept; ++a) {
    for (Index b = 0; b < kept; ++b) {
      own_gram(a, b) = gram(own[static_cast<std::size_t>(a)], own[static_cast<std::size_t>(b)]);
    }
  }
  const Eigen::LDLT<MatrixXd> solver(own_gram);
  for (Index j = 0; j < p; ++j) {
    if (!aliased[static_cast<std::size_t>(j)]) continue;
    VectorXd cross(kept);
    for (Index a = 0; a < kept; ++a) cross(a) = gram(own[static_cast<std::size_t>(a)], j);
    const VectorXd solved = solver.solve(cross);
    for (Index a = 0; a < kept; ++a) combination(own[static_cast<std::size_t>(a)], j) = solved(a);
  }
  return aliased;
}

Index draw_index(const VectorXd& weight, const std::function<double()>& uniform) {
  double left = uniform() * weight.sum();
  Index last = 0;
  for (Index i = 0; i < weight.size(); ++i) {
    if (weight(i) <= 0) continue;
    last = i;
    left -= weight(i);
    if (left <= 0) break;
  }
  return last;
}

}  // namespace distmoe
