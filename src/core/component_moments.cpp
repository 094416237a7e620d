#include "component_moments.h"

#include "gram.h"

namespace distmoe {

namespace {

const Index few_rows = 8;                // of these the moments are summed point by point
const Index components_at_a_time = 512;  // dealt out to threads

// The quadratic forms of packed symmetric m (both triangles of it) at the columns of gap.
void add_quadratic_forms(const double* m, const MatrixXd& gap, VectorXd& out) {
  const Index p = gap.rows();
  for (Index j = 0; j < p; m += p - j, ++j) {
    const Eigen::Map<const VectorXd> below(m + 1, p - j - 1);
    for (Index k = 0; k < gap.cols(); ++k) {
      const double g = gap(j, k);
      out(k) += g * (m[0] * g + 2.0 * below.dot(gap.col(k).tail(p - j - 1)));
    }
  }
}

// Packed symmetric m times a vector.
VectorXd multiply_packed(const double* m, const VectorXd& v) {
  const Index p = v.size();
  VectorXd out = VectorXd::Zero(p);
  for (Index j = 0; j < p; m += p - j, ++j) {
    const Eigen::Map<const VectorXd> below(m + 1, p - j - 1);
    out(j) += m[0] * v(j) + below.dot(v.tail(p - j - 1));
    out.tail(p - j - 1) += below * v(j);
  }
  return out;
}

// to += mass x x', packed.
void add_outer(const VectorXd& x, double mass, double* to) {
  const Index p = x.size();
  for (Index j = 0; j < p; to += p - j, ++j) {
    Eigen::Map<VectorXd>(to, p - j) += (mass * x(j)) * x.tail(p - j);
  }
}

}  // namespace

MatrixXd gaussian_constants(const VectorXd& dispersion, const Model& to) {
  if (to.family != FamilyKind::gaussian) return MatrixXd();
  MatrixXd out(to.experts(), dispersion.size());
  for (Index l = 0; l < out.cols(); ++l) {
    for (Index k = 0; k < out.rows(); ++k) {
      const double ratio = dispersion(l) / to.dispersion(k);
      out(k, l) = 0.5 * (ratio - 1.0 - std::log(ratio));
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
    : components_(components),
      services_(services),
      moments_(MatrixXd::Zero(triangle_size(components.beta.rows()), components.count())),
      mass_(VectorXd::Zero(components.count())) {
  const MatrixXd& x = components.points().x;
  components.visit_masses([&](Index first, Index row, const MatrixXd& mass) {
    const Index rows = mass.rows(), count = mass.cols();
    mass_.segment(first, count) += mass.colwise().sum().transpose();
    if (rows <= few_rows) {
      for (Index s = 0; s < rows; ++s) {
        const VectorXd point = x.row(row + s).transpose();
        for (Index l = 0; l < count; ++l) add_outer(point, mass(s, l), &moments_(0, first + l));
      }
      return;
    }
    MatrixXd part = MatrixXd::Zero(count, moments_.rows());
    add_weighted_grams(x.middleRows(row, rows), mass, part);
    moments_.middleCols(first, count) += part.transpose();
  });
}

MatrixXd ComponentMoments::cost(const Model& to) const {
  // (S6) summed over the points, of which only the moments are left.
  const MatrixXd constant = gaussian_constants(components_.dispersion, to);
  MatrixXd cost(components_.count(), to.experts());
  const Index parts = (components_.count() + components_at_a_time - 1) / components_at_a_time;
  in_parallel(parts, services_.threads, [&](Index part) {
    const Index start = part * components_at_a_time;
    const Index end = std::min(components_.count(), start + components_at_a_time);
    MatrixXd gap(to.beta.rows(), to.experts());
    VectorXd form(to.experts());
    for (Index l = start; l < end; ++l) {
      gap = to.beta.colwise() - components_.beta.col(l);
      form.setZero();
      add_quadratic_forms(&moments_(0, l), gap, form);
      for (Index k = 0; k < to.experts(); ++k) {
        cost(l, k) = mass_(l) * constant(k, l) + 0.5 * form(k) / to.dispersion(k);
      }
    }
  });
  return cost / components_.total;
}

// What the components start .. end - 1 add to the sums of (S8) at a model.
ExpertSums ComponentMoments::sums_to(const Model& to, const std::vector<Index>& target, Index start,
                             Index end) const {
  ExpertSums sums(to.beta.rows(), to.experts());
  MatrixXd gram = MatrixXd::Zero(moments_.rows(), to.experts());
  for (Index l = start; l < end; ++l) {
    const Index k = target[static_cast<std::size_t>(l)];
    const VectorXd gap = components_.beta.col(l) - to.beta.col(k);
    const VectorXd moved = multiply_packed(&moments_(0, l), gap);
    sums.mass(k) += mass_(l);
    gram.col(k) += moments_.col(l);
    sums.score.col(k) += moved;
    sums.deviation(k) += mass_(l) * components_.dispersion(l) + gap.dot(moved);
  }
  sums.gram = gram.transpose();
  return sums;
}

void ComponentMoments::update(Model& to, const std::vector<Index>& target) const {
  // Sums are added in the same order whatever the number of threads.
  const Index parts = (components_.count() + components_at_a_time - 1) / components_at_a_time;
  std::vector<ExpertSums> part(static_cast<std::size_t>(parts),
                               ExpertSums(to.beta.rows(), to.experts()));
  in_parallel(parts, services_.threads, [&](Index i) {
    const Index start = i * components_at_a_time;
    part[static_cast<std::size_t>(i)] =
        sums_to(to, target, start, std::min(components_.count(), start + components_at_a_time));
  });
  ExpertSums sums(to.beta.rows(), to.experts());
  for (const ExpertSums& p : part) sums += p;
  const ExpertStep step = expert_step(to, sums, 0.0, 0.0);
  to.beta += step.delta;
  to.dispersion = step.dispersion;
}

}  // namespace distmoe
