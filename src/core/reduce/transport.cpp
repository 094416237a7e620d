#include "reduce/transport.h"

#include <stdexcept>

#include "model/mixture.h"
#include "reduce/cost.h"
#include "reduce/expert_moments.h"

namespace distmoe {

namespace {

// A model at the points of a block: what costs and plans are made of.
struct Seen {
  ArrayXXd gate;
  MatrixXd eta;
  Seen(const Model& m, const Block& block)
      : gate(gates(block.z, m.alpha, block.gate_offset).probability),
        eta(linear_predictors(block.x, m.beta, block.offset)) {}
};

VectorXd weights_of(const Block& block) {
  return block.weight.size() > 0 ? VectorXd(block.weight) : VectorXd::Ones(block.rows());
}

// Sums over points, of two models of which the first has L experts and the second K.
struct Sums {
  double value = 0.0;
  VectorXd mass;        // L, of from's gates
  MatrixXd plan, cost;  // L x K
  Sums(Index l_count, Index k_count)
      : mass(VectorXd::Zero(l_count)),
        plan(MatrixXd::Zero(l_count, k_count)),
        cost(MatrixXd::Zero(l_count, k_count)) {}
};

// Two models compared at one block after another; scratch is made once.
class Comparison {
 public:
  Comparison(Index l_count, Index k_count, CostKind kind)
      : cost_function_(cost_of(kind)), problem_(l_count, k_count) {}

  // c(from_l, to_k) at every point, and its sums over from's mass.
  void add_costs(const Model& from, const Seen& a, const VectorXd& dispersion_to,
                 const MatrixXd& eta_to, const VectorXd& weight, Sums& sums) {
    const Index k_count = dispersion_to.size();
    cost_function_.values(from, a.eta, dispersion_to, eta_to, cost_);
    for (Index l = 0; l < from.experts(); ++l) {
      mass_ = weight.array() * a.gate.col(l);
      sums.mass(l) += mass_.sum();
      sums.cost.row(l).noalias() +=
          mass_.matrix().transpose() * cost_.middleCols(l * k_count, k_count).matrix();
    }
  }

  // The exact plans (9) for the costs added last.
  void add_exact(const Seen& a, const Seen& b, const VectorXd& weight, Sums& sums) {
    for (Index s = 0; s < weight.size(); ++s) {
      for (Index l = 0; l < a.gate.cols(); ++l) problem_.supply(l) = a.gate(s, l);
      for (Index k = 0; k < b.gate.cols(); ++k) problem_.demand(k) = b.gate(s, k);
      for (Index l = 0, column = 0; l < a.gate.cols(); ++l) {
        for (Index k = 0; k < b.gate.cols(); ++k, ++column) problem_.cost(l, k) = cost_(s, column);
      }
      sums.value += weight(s) * problem_.solve();  // (9)
      sums.plan += weight(s) * problem_.plan;
    }
  }

  // The plans (16) for the costs added last: to's gates are free.
  void add_pointwise(const Seen& a, const VectorXd& weight, Sums& sums) const {
    const Index k_count = sums.plan.cols();
    for (Index l = 0; l < a.gate.cols(); ++l) {
      for (Index s = 0; s < weight.size(); ++s) {
        Index best = 0;  // (16)
        for (Index k = 1; k < k_count; ++k) {
          if (cost_(s, l * k_count + k) < cost_(s, l * k_count + best)) best = k;
        }
        const double mass = weight(s) * a.gate(s, l);
        sums.value += mass * cost_(s, l * k_count + best);  // (11)
        sums.plan(l, best) += mass;
      }
    }
  }

 private:
  const Cost& cost_function_;
  ArrayXXd cost_;  // column l K + k: expert l to expert k
  ArrayXd mass_;
  TransportProblem problem_;
};

// Every expert as a whole goes to the one of least expected cost.
void set_component_plan(Sums& sums) {
  for (Index l = 0; l < sums.cost.rows(); ++l) {
    Index best;
    sums.value += sums.cost.row(l).minCoeff(&best);
    sums.plan(l, best) = sums.mass(l);
  }
}

// E[ gate_l(x) c(phi_l, phi_k)(x) ] up to the points' total weight: the reference's experts l, each
// model's experts k.
std::vector<MatrixXd> costs_of_experts(const Model& reference, const std::vector<Model>& models,
                                       const Source& points, const Services& services) {
  std::vector<MatrixXd> out;
  // Three times as many models as columns: there the factors are cheaper than the points.
  if (family_of(reference.family).moments_suffice() &&
      static_cast<Index>(models.size()) > 3 * reference.beta.rows()) {
    ExpertMoments moments(reference.beta.rows(), reference.experts());
    points.visit([&](const Block& block) {
      services.interrupt();
      moments += expert_moments(block, reference);
    });
    for (const Model& m : models) out.push_back(distmoe::costs(moments, reference, m));
    return out;
  }
  std::vector<Sums> sums;
  for (const Model& m : models) sums.emplace_back(reference.experts(), m.experts());
  Comparison comparison(reference.experts(), reference.experts(), CostKind::kl);
  points.visit([&](const Block& block) {
    services.interrupt();
    const Seen a(reference, block);
    const VectorXd weight = weights_of(block);
    for (std::size_t m = 0; m < models.size(); ++m) {
      comparison.add_costs(reference, a, models[m].dispersion,
                           linear_predictors(block.x, models[m].beta, block.offset), weight,
                           sums[m]);
    }
  });
  for (const Sums& s : sums) out.push_back(s.cost);
  return out;
}

}  // namespace

Divergence divergence(const Model& from, const Model& to, const Source& points, PlanKind plan,
                      CostKind cost) {
  Sums sums(from.experts(), to.experts());
  Comparison comparison(from.experts(), to.experts(), cost);
  double total = 0.0;
  points.visit([&](const Block& block) {
    const Seen a(from, block), b(to, block);
    const VectorXd weight = weights_of(block);
    total += weight.sum();
    comparison.add_costs(from, a, to.dispersion, b.eta, weight, sums);
    if (plan == PlanKind::exact) comparison.add_exact(a, b, weight, sums);
    if (plan == PlanKind::pointwise) comparison.add_pointwise(a, weight, sums);
  });
  if (plan == PlanKind::component) set_component_plan(sums);
  return Divergence{sums.value / total, sums.plan / total, sums.cost / total};
}

MatrixXd pairwise_divergence(const std::vector<Model>& models, const Source& points, CostKind cost,
                             const Services& services) {
  const std::size_t count = models.size();
  MatrixXd out = MatrixXd::Zero(static_cast<Index>(count), static_cast<Index>(count));
  double total = 0.0;
  points.visit([&](const Block& block) {
    const VectorXd weight = weights_of(block);
    total += weight.sum();
    std::vector<Seen> seen;
    seen.reserve(count);
    for (const Model& m : models) seen.emplace_back(m, block);
    for (std::size_t a = 0; a < count; ++a) {
      services.interrupt();
      for (std::size_t b = 0; b < count; ++b) {
        if (a == b) continue;
        Sums sums(models[a].experts(), models[b].experts());
        Comparison comparison(models[a].experts(), models[b].experts(), cost);
        comparison.add_costs(models[a], seen[a], models[b].dispersion, seen[b].eta, weight, sums);
        comparison.add_exact(seen[a], seen[b], weight, sums);
        out(static_cast<Index>(a), static_cast<Index>(b)) += sums.value;
      }
    }
  });
  return out / total;
}

std::vector<std::vector<Index>> match_experts(const Model& reference,
                                              const std::vector<Model>& models,
                                              const Source& points, const Services& services) {
  for (const Model& m : models) {
    if (m.experts() != reference.experts()) {
      throw std::invalid_argument("models with different numbers of experts");
    }
  }
  std::vector<std::vector<Index>> out;
  for (const MatrixXd& cost : costs_of_experts(reference, models, points, services)) {
    out.push_back(best_matching(cost));
  }
  return out;
}

}  // namespace distmoe
