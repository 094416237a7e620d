// Data as fitting sees them: something that shows its rows block by block.
#ifndef DISTMOE_CORE_SOURCE_H
#define DISTMOE_CORE_SOURCE_H

#include "scaling.h"

namespace distmoe {

class Source {
 public:
  virtual ~Source() = default;
  virtual Index rows() const = 0;
  virtual Index x_columns() const = 0;
  virtual Index z_columns() const = 0;
  // Calls `see` with every block in order; a block is valid only during the call.
  virtual void visit(const std::function<void(const Block&)>& see) const = 0;
};

// Map and reduce: the sum over all blocks of map(block).
template <class Sums, class Map>
Sums sum_over(const Source& source, Sums total, Map map) {
  source.visit([&](const Block& block) { total += map(block); });
  return total;
}

// Matrices in memory and the columns of ones that are not stored in them.
struct Data {
  Block rows;
  bool x_adds_one = false;  // a column of ones stands before the columns of x (of z)
  bool z_adds_one = false;

  Index x_columns() const { return rows.x.cols() + (x_adds_one ? 1 : 0); }
  Index z_columns() const { return rows.z.cols() + (z_adds_one ? 1 : 0); }
};

// Matrices in memory, shown standardised. The matrices are not copied; a block is, as it passes.
class ScaledSource : public Source {
 public:
  // The memory behind `data` must outlive the source. `rows` picks rows (empty: all, in order).
  // With `scaling` null the columns are shown as they are. With `take_offset` the offset is taken
  // off y once and for all, as Gaussian experts allow; y is then standardised too.
  ScaledSource(const Data& data, bool take_offset, const Scaling* scaling = nullptr,
               std::vector<Index> rows = {}, Index block_rows = 2048);
  Index rows() const override;
  Index x_columns() const override { return data_.x_columns(); }
  Index z_columns() const override { return data_.z_columns(); }
  void visit(const std::function<void(const Block&)>& see) const override;

 private:
  const Data data_;
  bool take_offset_;
  Scaling scaling_;
  std::vector<Index> rows_;
  Index block_rows_;
};

// Does the family let an offset be taken off y?
inline bool takes_offset(FamilyKind family) { return family == FamilyKind::gaussian; }

// A copy of a source's rows, kept: what starts work on.
class HeldSource : public Source {
 public:
  explicit HeldSource(const Source& from);
  HeldSource(const Source& from, std::vector<Index> rows);  // these rows only
  Index rows() const override { return x.rows(); }
  Index x_columns() const override { return x.cols(); }
  Index z_columns() const override { return z.cols(); }
  void visit(const std::function<void(const Block&)>& see) const override;
  Block all() const;  // every row in one block

  MatrixXd x, z;  // z is empty where the designs are shared
  VectorXd y, weight, offset, gate_offset;
  bool shared = false;
};

// The standardisation of some data: weighted means and root mean squares of the centred columns.
// `x_intercept`, `z_intercept`: the columns of ones, or -1. Sets `aliased` of both designs.
Scaling find_scaling(const Data& data, FamilyKind family, Index x_intercept, Index z_intercept);

}  // namespace distmoe

#endif
