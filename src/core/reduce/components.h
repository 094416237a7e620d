// The components of all local models at the support points, a tile at a time.
#ifndef DISTMOE_REDUCE_COMPONENTS_H
#define DISTMOE_REDUCE_COMPONENTS_H

#include "base/source.h"

namespace distmoe {

// Some points and some components. Columns are `height` apart: the rows filled up to whole vectors,
// with mass 0 behind the last.
struct Tile {
  Index row, rows, height;
  Index first, count;       // components
  const double* mass;       // height x count: v_s lambda_m gate_l(x_s)
  const double* eta;        // height x count parts: linear predictors
  const double* mean;       // the same: b'(eta); null where the mean is the predictor
  const double* potential;  // height x count: b(eta); likewise
  bool begins, ends;        // the first, the last tile of these rows
};

class Components {
 public:
  // `site` empty: every model at every point, weighted by `lambda` (1 x M, or S x M where the weights
  // change with the point; rows sum to 1). Otherwise the model of
  // each point, in non-decreasing order: only that model is asked there, with weight 1.
  // Tiles are kept, once made, when all need less than `cache_bytes` together. Every memory but that
  // of the tiles kept is linear in the numbers of points and of components, never in their product.
  Components(const HeldSource& points, const std::vector<Model>& models, const MatrixXd& lambda,
             const std::vector<Index>& site, double cache_bytes, const Services& services);

  FamilyKind family() const { return family_; }
  Index parts() const { return parts_; }
  Index count() const { return dispersion.size(); }
  const HeldSource& points() const { return points_; }

  // Points are dealt out to chunks, whatever the number of threads: chunks are visited at the same
  // time, the tiles of a chunk in order. With `masses_only` a tile's other columns may be missing.
  Index chunks() const { return static_cast<Index>(chunk_.size()) - 1; }
  Index first_seen(Index chunk) const { return first(chunk_rows(chunk).model); }
  Index count_seen(Index chunk) const;  // components that a chunk sees, a range of all
  void visit(const std::function<void(Index chunk, const Tile&)>& see, bool masses_only = false) const;

  // The masses of a few components (the same few again for the next rows) in long columns: for sums
  // over points by component. Calls with different `first` may come at the same time, those with the
  // same in order of rows.
  void visit_masses(const std::function<void(Index first, Index row, const MatrixXd& mass)>& see) const;

  // x'beta (and the offset) at a tile's points, in a buffer of its height.
  void predictors(const Tile& tile, const MatrixView& beta, double* out) const;
  // b'(eta) and b(eta) of `count` experts at a tile's points.
  void natural(const Tile& tile, Index count, const double* eta, double* mean,
               double* potential) const;

  MatrixXd beta;        // p x L parts
  VectorXd dispersion;  // L
  double total = 0.0;   // sum of the points' weights

 private:
  // Points at which the same models are asked, and parts of them.
  struct Run {
    Index row, rows, model, models;
  };
  Index first(Index model) const { return first_[static_cast<std::size_t>(model)]; }
  // The end of a group of models from `model` on that has up to `most` components (one model at least).
  Index group_end(Index model, Index end, Index most) const;
  const Run& chunk_rows(Index chunk) const {
    return rows_[chunk_[static_cast<std::size_t>(chunk)]];
  }
  void add_run(const Run& run);
  void deal_out();
  void fill_masses(const Run& part, Index height, double* out) const;
  void fill(const Run& part, bool masses_only, Tile& tile, double* buffer) const;
  void visit_chunk(Index chunk, bool masses_only, double* keep,
                   const std::function<void(Index, const Tile&)>& see) const;

  const HeldSource& points_;
  const MatrixXd& z_;
  const Services& services_;
  FamilyKind family_;
  Index parts_;      // predictors of an expert
  MatrixXd alpha_;   // q x L, zeros for the reference gates
  MatrixXd lambda_;  // empty (ones), or 1 x M or S x M
  VectorXd point_weight_;
  std::vector<Index> first_;        // first component of every model, and their number
  std::vector<Run> runs_, rows_;    // rows_: runs cut into the heights of tiles
  std::vector<std::size_t> chunk_;  // first of rows_ of every chunk, and their number
  std::vector<Index> offset_;       // of every one of rows_ in the cache, and the cache's size
  Index fields_;                    // columns of a component in a tile
  Index widest_ = 0;                // doubles of the largest tile
  bool keeps_;
  mutable VectorXd cache_;
};

}  // namespace distmoe

#endif
