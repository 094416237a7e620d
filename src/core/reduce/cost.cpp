#include "reduce/cost.h"

#include <stdexcept>

#include "base/gram.h"
#include "base/parallel.h"
#include "kernels/kernels.h"
#include "model/experts.h"
#include "model/mixture.h"

namespace distmoe {

namespace {

ArrayXd kl(const ExpertAt& from, const ExpertAt& to) { return family_of(from.family).divergence(from, to); }

// The least squares or weighted regression of (17) for KL: of the family itself, or of a Gaussian one.
void regress(Model& model, const MatrixView& x, const VectorView& offset, const PullSums& sums,
             int threads) {
  model.beta = fit_experts(model, x, offset, sums.response, sums.weight, sums.deviation,
                           model.dispersion, threads);
}

// KL(from || to): the experts' means are regressed on x, (S8), (S15).
class Forward : public Cost {
 public:
  double longest_step(const Family& family) const override { return family.deviation_is_hidden() ? 256.0 : 1.0; }

  ArrayXd value(const ExpertAt& from, const ExpertAt& to) const override { return kl(from, to); }

  void values(const Model& from, const MatrixXd& eta_from, const VectorXd& dispersion_to,
              const MatrixXd& eta_to, ArrayXXd& cost) const override {
    const Family& f = family_of(from.family);
    if (f.plain_divergence()) f.divergences(eta_from, from.dispersion, eta_to, dispersion_to, cost);
    else Cost::values(from, eta_from, dispersion_to, eta_to, cost);
  }

  Pull pull(const ExpertAt& from, const ExpertAt& to) const override {
    return {ArrayXd::Ones(from.eta.rows()), from.mean, family_of(from.family).expected_deviation(from, to)};
  }

  void update(Model& model, const MatrixView& x, const VectorView& offset, const PullSums& sums,
              int threads) const override {
    regress(model, x, offset, sums, threads);
  }
};

// The predictors that minimise the sum of KL(expert || component), by (Gauss-)Newton steps.
MatrixXd reverse_fit(const Model& model, Index k, const MatrixView& x, const VectorView& offset,
                     const MatrixXd& r, const VectorXd& w) {
  const Model one = model_of_expert(model, k);
  const Family& f = family_of(one.family);
  const auto look = [&](const MatrixXd& beta) {
    return ExpertAt(one.family, linear_predictors(x, beta, offset).array(), 1.0);
  };
  ExpertAt at = look(one.beta);
  double value = f.reverse_value(at, r, w);
  const auto sums_here = [&] {
    ExpertSums sums(x.cols(), 1, model.parts());
    sums.mass(0) = w.sum();
    sums.score = transposed_multiply(x, -f.reverse_slope(at, r, w).matrix());
    add_weighted_grams(x, f.reverse_curvature(at, r, w).matrix(), sums.gram);
    return sums;
  };
  return fit_by_halved_steps(one, sums_here, [&](const MatrixXd& beta) {
    const ExpertAt there = look(beta);
    const double next = f.reverse_value(there, r, w);
    if (!(next < value)) return false;
    at = there;
    value = next;
    return true;
  });
}

// KL(to || from). Gaussian experts: least squares with the components' precisions as weights, and the
// mean of these precisions, as of others with a dispersion. The others: their predictors, not their means, are
// regressed.
class Reverse : public Cost {
 public:
  bool suits(const Family& family) const override { return family.has_reverse(); }
  ArrayXd value(const ExpertAt& from, const ExpertAt& to) const override { return kl(to, from); }

  Pull pull(const ExpertAt& from, const ExpertAt&) const override {
    const double precision = 1.0 / from.dispersion;
    const ArrayXd one = ArrayXd::Ones(from.eta.rows());
    return {precision * one, precision * family_of(from.family).reverse_response(from), one};
  }

  void update(Model& model, const MatrixView& x, const VectorView& offset, const PullSums& sums,
              int threads) const override {
    const Family& f = family_of(model.family);
    const VectorXd old = model.dispersion;
    if (f.least_squares()) {
      regress(model, x, offset, sums, threads);
    } else {
      const Index parts = model.parts();
      MatrixXd beta = model.beta;
      in_parallel(model.experts(), threads, [&](Index k) {
        beta.middleCols(k * parts, parts) = reverse_fit(
            model, k, x, offset, sums.response.middleCols(k * parts, parts), sums.weight.col(k));
      });
      model.beta = beta;
    }
    if (!f.has_dispersion()) return;
    const VectorXd precision = sums.weight.colwise().sum().transpose();
    model.dispersion = (precision.array() > 0).select(sums.deviation.array() / precision.array(), old);
  }
};

// Squared 2-Wasserstein distance of Gaussian experts, (gap of means)^2 + (gap of standard deviations)^2:
// the predictors are regressed as for KL, standard deviations are averaged.
class Wasserstein : public Cost {
 public:
  bool suits(const Family& family) const override { return family.location_scale(); }
  double unit(double y_scale) const override { return y_scale * y_scale; }

  ArrayXd value(const ExpertAt& from, const ExpertAt& to) const override {
    const double gap = std::sqrt(from.dispersion) - std::sqrt(to.dispersion);
    return (from.eta.col(0) - to.eta.col(0)).square() + gap * gap;
  }

  Pull pull(const ExpertAt& from, const ExpertAt&) const override {
    const ArrayXd one = ArrayXd::Ones(from.eta.rows());
    return {one, from.eta, std::sqrt(from.dispersion) * one};
  }

  void update(Model& model, const MatrixView& x, const VectorView& offset, const PullSums& sums,
              int threads) const override {
    const VectorXd old = model.dispersion;
    regress(model, x, offset, sums, threads);
    const VectorXd mass = sums.weight.colwise().sum().transpose();
    model.dispersion = (mass.array() > 0).select((sums.deviation.array() / mass.array()).square(), old);
  }
};

// Squared Hellinger distance 1 - BC, BC the Bhattacharyya coefficient. With mid the density that is the root of
// both over BC, Jensen's inequality has log BC at other experts above its value here by at least half the fall of
// KL(mid || to), and exp is convex, so that the sum of BC lies above what its tangent gives: but for a constant,
// minus half the sum of BC KL(mid || to). So a step is the update of KL with every component moved to the middle
// and weighted by BC. The sum of 1 - BC never rises.
class Hellinger : public Cost {
 public:
  bool suits(const Family& family) const override { return family.has_middle(); }
  double longest_step(const Family&) const override { return 2.0; }  // towards midpoints: half the way

  ArrayXd value(const ExpertAt& from, const ExpertAt& to) const override {
    return 1.0 - coefficient(from, to);
  }

  Pull pull(const ExpertAt& from, const ExpertAt& to) const override {
    ArrayXd weight = coefficient(from, to);
    Family::Middle middle = family_of(from.family).middle(from, to);
    middle.mean.colwise() *= weight;
    middle.deviation *= weight;
    return {std::move(weight), std::move(middle.mean), std::move(middle.deviation)};
  }

  void update(Model& model, const MatrixView& x, const VectorView& offset, const PullSums& sums,
              int threads) const override {
    regress(model, x, offset, sums, threads);
  }

 private:
  // BC.
  static ArrayXd coefficient(const ExpertAt& from, const ExpertAt& to) {
    ArrayXd out = -family_of(from.family).bhattacharyya(from, to);
    kernels().exponential(out.size(), out.data());
    return out.min(1.0);
  }
};

}  // namespace

void Cost::values(const Model& from, const MatrixXd& eta_from, const VectorXd& dispersion_to,
                  const MatrixXd& eta_to, ArrayXXd& cost) const {
  const Index parts = from.parts(), k_count = dispersion_to.size();
  cost.resize(eta_from.rows(), from.experts() * k_count);
  std::vector<ExpertAt> to;
  for (Index k = 0; k < k_count; ++k) {
    to.emplace_back(from.family, eta_to.middleCols(k * parts, parts).array(), dispersion_to(k));
  }
  for (Index l = 0; l < from.experts(); ++l) {
    const ExpertAt at(from.family, eta_from.middleCols(l * parts, parts).array(), from.dispersion(l));
    for (Index k = 0; k < k_count; ++k) {
      cost.col(l * k_count + k) = value(at, to[static_cast<std::size_t>(k)]);
    }
  }
}

const Cost& cost_of(CostKind kind) {
  static const Forward forward;
  static const Reverse reverse;
  static const Wasserstein wasserstein;
  static const Hellinger hellinger;
  switch (kind) {
    case CostKind::kl: return forward;
    case CostKind::reverse_kl: return reverse;
    case CostKind::wasserstein: return wasserstein;
    case CostKind::hellinger: return hellinger;
  }
  throw std::invalid_argument("unknown kind of cost");
}

}  // namespace distmoe
