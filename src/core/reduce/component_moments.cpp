#include "reduce/component_moments.h"

#include "base/gram.h"
#include "kernels/kernels.h"

namespace distmoe {

namespace {

const Index few_rows = 8;           // of these the moments are summed point by point
const Index side = 8;               // components side by side
const Index blocks_at_a_time = 64;  // dealt out to threads

// to += mass x x', packed; entries are `side` apart.
void add_outer(const VectorXd& x, double mass, double* to) {
  for (Index j = 0; j < x.size(); ++j) {
    const double factor = mass * x(j);
    for (Index l = j; l < x.size(); ++l, to += side) *to += factor * x(l);
  }
}

}  // namespace

MatrixXd divergence_constants(const VectorXd& dispersion, const Model& to) {
  const Family& family = family_of(to.family);
  if (!family.moments_suffice()) return MatrixXd();
  MatrixXd out(to.experts(), dispersion.size());
  for (Index l = 0; l < out.cols(); ++l) {
    for (Index k = 0; k < out.rows(); ++k) {
      out(k, l) = family.divergence_constant(dispersion(l), to.dispersion(k));
    }
  }
  return out;
}

VectorXd component_masses(const Components& components) {
  VectorXd mass = VectorXd::Zero(components.count());
  components.visit_masses([&](Index first, Index, const MatrixXd& m) {
    mass.segment(first, m.cols()) += m.colwise().sum().transpose();
  });
  return mass;
}

ComponentMoments::ComponentMoments(const Components& components, const Services& services)
    : components_(components), services_(services), total_(components.total) {
  make_room();
  const MatrixXd& x = components.points().x;
  const Index size = triangle_size(x.cols());
  components.visit_masses([&](Index first, Index row, const MatrixXd& mass) {
    const Index rows = mass.rows(), count = mass.cols();
    mass_.segment(first, count) += mass.colwise().sum().transpose();
    if (rows <= few_rows) {
      for (Index s = 0; s < rows; ++s) {
        const VectorXd point = x.row(row + s).transpose();
        for (Index l = 0; l < count; ++l) add_outer(point, mass(s, l), place(moments_, first + l));
      }
      return;
    }
    MatrixXd part = MatrixXd::Zero(count, size);
    add_weighted_grams(x.middleRows(row, rows), mass, part);
    for (Index l = 0; l < count; ++l) {
      double* to = place(moments_, first + l);
      for (Index e = 0; e < size; ++e) to[e * side] += part(l, e);
    }
  });
}

ComponentMoments::ComponentMoments(const Components& components,
                                   const std::vector<ExpertMoments>& given, const ColumnScaling& x,
                                   const Services& services)
    : components_(components), services_(services), total_(0.0) {
  make_room();
  Index l = 0;
  for (const ExpertMoments& site : given) {
    for (Index k = 0; k < site.mass.size(); ++k, ++l) {
      mass_(l) = site.mass(k);
      total_ += mass_(l);
      const MatrixXd moments = standardised_moments(site, k, x);
      double* to = place(moments_, l);
      for (Index i = 0; i < moments.rows(); ++i) {
        for (Index j = i; j < moments.cols(); ++j, to += side) *to = moments(i, j);
      }
    }
  }
}

void ComponentMoments::make_room() {
  const Index p = components_.beta.rows(), blocks = (components_.count() + side - 1) / side;
  mass_ = VectorXd::Zero(components_.count());
  moments_ = MatrixXd::Zero(triangle_size(p) * side, blocks);
  beta_ = MatrixXd::Zero(p * side, blocks);
  for (Index l = 0; l < components_.count(); ++l) {
    for (Index j = 0; j < p; ++j) place(beta_, l)[j * side] = components_.beta(j, l);
  }
}

double* ComponentMoments::place(MatrixXd& in, Index l) const { return &in(l % side, l / side); }

MatrixXd ComponentMoments::cost(const Model& to) const {
  // (S6) summed over the points, of which only the moments are left.
  const Index k_count = to.experts();
  const Family& family = family_of(to.family);
  MatrixXd cost(components_.count(), k_count);
  const Index pieces = (blocks() + blocks_at_a_time - 1) / blocks_at_a_time;
  in_parallel(pieces, services_.threads, [&](Index piece) {
    MatrixXd form(side, k_count);
    const Index end = std::min(blocks(), (piece + 1) * blocks_at_a_time);
    for (Index b = piece * blocks_at_a_time; b < end; ++b) {
      kernels().moment_forms(to.beta.rows(), &moments_(0, b), &beta_(0, b), k_count, to.beta.data(),
                             form.data());
      const Index count = std::min(side, components_.count() - b * side);
      for (Index k = 0; k < k_count; ++k) {
        for (Index i = 0, l = b * side; i < count; ++i, ++l) {
          cost(l, k) = family.summed_divergence(mass_(l), form(i, k), components_.dispersion(l), to.dispersion(k)) /
                       total_;
        }
      }
    }
  });
  return cost;
}

// What the components of blocks start .. end - 1 add to the sums of (S8) at a model.
ExpertSums ComponentMoments::sums_to(const Model& to, const std::vector<Index>& target, Index start,
                                     Index end) const {
  const Index p = to.beta.rows(), k_count = to.experts();
  ExpertSums sums(p, k_count, 1);
  MatrixXd grams = MatrixXd::Zero(moments_.rows(), k_count), gap(side, p), moved(side, p);
  for (Index b = start; b < end; ++b) {
    const Index count = std::min(side, components_.count() - b * side);
    MatrixXd chosen = MatrixXd::Zero(side, k_count);
    gap.setZero();
    for (Index i = 0, l = b * side; i < count; ++i, ++l) {
      const Index k = target[static_cast<std::size_t>(l)];
      chosen(i, k) = 1.0;
      gap.row(i) = (components_.beta.col(l) - to.beta.col(k)).transpose();
    }
    kernels().moment_sums(p, &moments_(0, b), gap.data(), k_count, chosen.data(), moved.data(),
                          grams.data());
    sums.score.noalias() += moved.transpose() * chosen;
    for (Index i = 0, l = b * side; i < count; ++i, ++l) {
      const Index k = target[static_cast<std::size_t>(l)];
      sums.mass(k) += mass_(l);
      // (S8b), corrected: the spread of each component about expert k, and no cross terms.
      sums.deviation(k) += mass_(l) * components_.dispersion(l) + gap.row(i).dot(moved.row(i));
    }
  }
  for (Index k = 0; k < k_count; ++k) {
    for (Index e = 0; e < sums.gram.cols(); ++e) {
      sums.gram(k, e) = grams.col(k).segment(e * side, side).sum();
    }
  }
  return sums;
}

void ComponentMoments::update(Model& to, const std::vector<Index>& target) const {
  const Index pieces = (blocks() + blocks_at_a_time - 1) / blocks_at_a_time;
  const ExpertSums zero(to.beta.rows(), to.experts(), 1);
  ExpertSums sums = zero;
  add_pieces(
      pieces, zero, services_.threads, [&](Index i) {
        return sums_to(to, target, i * blocks_at_a_time, std::min(blocks(), (i + 1) * blocks_at_a_time));
      },
      sums);
  // (S8a), (S8b)
  const ExpertStep step = expert_step(to, sums, 0.0, 0.0);
  to.beta += step.delta;
  to.dispersion = step.dispersion;
}

}  // namespace distmoe
