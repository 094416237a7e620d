#include "reduce/homogeneity.h"

#include <Eigen/Cholesky>

namespace distmoe {

namespace {

VectorXd to_own(const SiteEstimate& site, const std::vector<ParameterBlock>& blocks, const VectorXd& common) {
  VectorXd out = site.size.cwiseProduct(common);
  for (const ParameterBlock& b : blocks) {
    if (b.intercept < 0) continue;
    out(b.from + b.intercept) += site.shift.segment(b.from, b.size).dot(common.segment(b.from, b.size));
  }
  return out;
}

// Adds map' own to `to`, from the first of these blocks on.
template <class Column>
void add_common(const SiteEstimate& site, const std::vector<ParameterBlock>& blocks, std::size_t first,
                const VectorXd& own, double weight, Column to) {
  for (std::size_t i = first; i < blocks.size(); ++i) {
    const ParameterBlock& b = blocks[i];
    const auto size = site.size.segment(b.from, b.size);
    to.segment(b.from, b.size) += weight * size.cwiseProduct(own.segment(b.from, b.size));
    if (b.intercept < 0) continue;
    to.segment(b.from, b.size) += weight * own(b.from + b.intercept) * site.shift.segment(b.from, b.size);
  }
}

}  // namespace

VectorXd site_distances(const std::vector<SiteEstimate>& sites, const std::vector<ParameterBlock>& blocks) {
  const Index size = sites.front().at.size();
  MatrixXd total = MatrixXd::Zero(size, size);
  VectorXd pull = VectorXd::Zero(size), column(size);
  for (const SiteEstimate& site : sites) {
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      const ParameterBlock& b = blocks[i];
      const Index rest = size - b.from;  // what stands above is in the upper triangle
      for (Index j = b.from; j < b.from + b.size; ++j) {
        column.tail(rest) = site.size(j) * site.curvature.col(j).tail(rest);
        if (b.intercept >= 0) column.tail(rest) += site.shift(j) * site.curvature.col(b.from + b.intercept).tail(rest);
        add_common(site, blocks, i, column, site.weight, total.col(j));
      }
    }
    const VectorXd known = site.curvature * to_own(site, blocks, site.at);
    add_common(site, blocks, 0, known, site.weight, pull.col(0));
  }
  if ((total.diagonal().array() <= 0).any()) return VectorXd();
  const VectorXd unit = total.diagonal().cwiseSqrt().cwiseInverse();
  const Eigen::LLT<MatrixXd> factor(unit.asDiagonal() * total * unit.asDiagonal());
  if (factor.info() != Eigen::Success) return VectorXd();
  const VectorXd mean = unit.cwiseProduct(factor.solve(unit.cwiseProduct(pull)));
  VectorXd out(static_cast<Index>(sites.size()));
  for (std::size_t m = 0; m < sites.size(); ++m) {
    const VectorXd gap = to_own(sites[m], blocks, sites[m].at - mean);
    out(static_cast<Index>(m)) = sites[m].weight * gap.dot(sites[m].curvature * gap);
  }
  return out;
}

}  // namespace distmoe
