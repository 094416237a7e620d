// Data as fitting sees them: something that shows its rows block by block.
#ifndef DISTMOE_BASE_SOURCE_H
#define DISTMOE_BASE_SOURCE_H

#include "base/parallel.h"
#include "base/scaling.h"

namespace distmoe {

// Rows a block: its columns stay in the second cache, and do not fall on each other in the first.
const Index default_block_rows = 1800;

class Source {
 public:
  virtual ~Source() = default;
  virtual Index rows() const = 0;
  virtual Index x_columns() const = 0;
  virtual Index z_columns() const = 0;
  virtual Index block_rows() const { return default_block_rows; }
  // Calls `see` with rows start .. start + count - 1, valid only during the call. Several threads may
  // ask at the same time.
  virtual void show(Index start, Index count,
                    const std::function<void(const Block&)>& see) const = 0;

  Index blocks() const { return (rows() + block_rows() - 1) / block_rows(); }
  void show_block(Index index, const std::function<void(const Block&)>& see) const;
  // All blocks in order.
  void visit(const std::function<void(const Block&)>& see) const;
};

inline Index numbers_in(const MatrixXd& sums) { return sums.size(); }

// Map and reduce: zero plus the sum over all blocks of map(block). Blocks are added in their order,
// whatever the number of threads.
template <class Sums, class Map>
Sums sum_over(const Source& source, const Sums& zero, const Services& services, Map map) {
  Sums total = zero;
  // Blocks whose sums are held before they are added: for many parameters few, for the memory's sake.
  const Index room = 4000000 / std::max<Index>(1, numbers_in(zero));
  const Index wave = services.threads > 1 ? std::min<Index>(64, std::max<Index>(2 * services.threads, room)) : 1;
  for (Index start = 0, seen = 0; start < source.blocks(); start += wave, ++seen) {
    if (wave > 1 || seen % 64 == 0) services.interrupt();
    const Index count = std::min(wave, source.blocks() - start);
    add_pieces(
        count, zero, services.threads, [&](Index i) {
          Sums part = zero;
          source.show_block(start + i, [&](const Block& block) { part = map(block); });
          return part;
        },
        total);
  }
  return total;
}

struct Data;

// Reads rows that are not in memory. Several threads may ask at the same time.
class RowReader {
 public:
  virtual ~RowReader() = default;
  virtual Index rows() const = 0;
  // Calls `see` with rows start .. start + count - 1, valid only during the call.
  virtual void read(Index start, Index count, const std::function<void(const Data&)>& see) const = 0;
};

// Matrices in memory and the columns of ones that are not stored in them.
struct Data {
  Block rows;
  bool x_adds_one = false;  // a column of ones stands before the columns of x (of z)
  bool z_adds_one = false;
  const RowReader* reader = nullptr;  // rows elsewhere: the matrices of `rows` tell their columns alone

  Index count() const { return reader ? reader->rows() : rows.rows(); }
  Index x_columns() const { return rows.x.cols() + (x_adds_one ? 1 : 0); }
  Index z_columns() const { return rows.z.cols() + (z_adds_one ? 1 : 0); }
};

// Rows in memory or elsewhere, shown standardised. Matrices are not copied; a block is, as it passes.
class ScaledSource : public Source {
 public:
  // The memory behind `data` must outlive the source. `rows` picks rows in memory (empty: all, in order).
  // With `scaling` null the columns are shown as they are. With `take_offset` the offset is taken
  // off y once and for all, as some families allow (Family::location_scale); y is then standardised too.
  ScaledSource(const Data& data, bool take_offset, const Scaling* scaling = nullptr,
               std::vector<Index> rows = {}, Index block_rows = default_block_rows);
  Index rows() const override;
  Index x_columns() const override { return data_.x_columns(); }
  Index z_columns() const override { return data_.z_columns(); }
  Index block_rows() const override { return block_rows_; }
  void show(Index start, Index count, const std::function<void(const Block&)>& see) const override;

 private:
  // `count` rows of `data` from `start` on, which are those of the source from `first` on.
  void show_part(const Data& data, Index start, Index first, Index count,
                 const std::function<void(const Block&)>& see) const;
  void standardise(const MatrixView& from, bool adds_one, const ColumnScaling& s, Index start,
                   Index count, Eigen::Ref<MatrixXd> to) const;
  VectorXd gather(const VectorView& from, Index start, Index count) const;
  Index row(Index i) const { return rows_.empty() ? i : rows_[static_cast<std::size_t>(i)]; }

  const Data data_;
  bool take_offset_;
  Scaling scaling_;
  std::vector<Index> rows_;
  Index block_rows_;
};

// A copy of a source's rows, kept: what starts work on.
class HeldSource : public Source {
 public:
  explicit HeldSource(const Source& from);
  HeldSource(const Source& from, std::vector<Index> rows);  // these rows only
  Index rows() const override { return x.rows(); }
  Index x_columns() const override { return x.cols(); }
  Index z_columns() const override { return z.cols(); }
  Index block_rows() const override { return unit.size() > 0 ? std::max<Index>(1, x.rows()) : default_block_rows; }
  void show(Index start, Index count, const std::function<void(const Block&)>& see) const override;
  Block all() const;  // every row in one block

  // Shows these columns as 0, until they are put back.
  void leave_out(const std::vector<bool>& x_columns, const std::vector<bool>& z_columns);
  void put_back();

  MatrixXd x, z;  // z is empty where the designs are shared
  VectorXd y, weight, offset, gate_offset, trials, unit;
  bool shared = false;
  double log_scale = 0.0;  // as of the blocks

 private:
  struct Aside {
    bool of_x;
    Index column;
    VectorXd values;
  };
  std::vector<Aside> aside_;
  bool was_shared_ = false;
};

// The moments of all rows. takes_y: y is standardised too, after its offset is taken off it (Family::location_scale).
// `x_intercept`, `z_intercept`: the columns of ones, or -1.
CentredMoments centred_moments(const Data& data, bool takes_y, Index x_intercept, Index z_intercept,
                               const Services& services);
// The standardisation of some data, scaling_from() their moments.
Scaling find_scaling(const Data& data, bool takes_y, Index x_intercept, Index z_intercept,
                     const Services& services);

}  // namespace distmoe

#endif
