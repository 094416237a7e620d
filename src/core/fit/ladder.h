// Samples within samples: how the maxima of a small sample of the rows come to all of them.
#ifndef DISTMOE_FIT_LADDER_H
#define DISTMOE_FIT_LADDER_H

#include <deque>

#include "fit/search.h"

namespace distmoe {

// What a sample says of columns that it hardly sees (a rare level of a factor) may lead a fit to all
// rows astray: a level of a few rows is separable, and one of none is a column of one value, whose
// coefficient can be anything. Such columns are left out of the sample's fit.
class Sample {
 public:
  Sample(HeldSource&& rows, const Scaling& scaling, const ExpertKind& kind, Index experts,
         const Services& services);
  HeldSource& rows() { return rows_; }
  // Does its curvature tell of every column?
  const Source* hessian_for(const Sample& other) const {
    return x_out_ == other.x_out_ && z_out_ == other.z_out_ ? &rows_ : nullptr;
  }
  const Source* hessian_for_all() {
    rows_.put_back();
    return sees_all_ ? &rows_ : nullptr;
  }
  void leave_out() {
    if (differs_) rows_.leave_out(x_out_, z_out_);
  }

 private:
  HeldSource rows_;
  std::vector<bool> x_out_, z_out_;  // columns
  bool sees_all_, differs_;
};

// Samples of all rows, each of three times as many rows as the next, the largest first.
class Ladder {
 public:
  // `lowest`: rows of the smallest. The largest has an eighth of all rows at most, but three times `lowest`
  // or all.
  Ladder(const Data& data, const ScaledSource& all, const Scaling& scaling, const ExpertKind& kind, Index experts,
         Index lowest, const Services& services);
  const HeldSource& lowest() { return samples_.back().rows(); }

  // Takes finished fits to the smallest sample, different maxima, the best first, from sample to sample. Before they
  // are fitted to the next sample they are judged by it: of its rows they have seen a part at most, and the maxima of
  // a small sample differ by more than chance in what they owe to it alone. The best on all rows of the last two is
  // fitted to them. On every sample moves (moves.h) are tried with the best: an expert with few rows shows on a larger
  // one first. `neighbours`, maxima of all rows with one expert less or more, lead to further ones on the largest
  // sample.
  FitResult climb(std::vector<FitResult> field, const std::vector<Model>& neighbours, const PenaltyRule& rule,
                  const FitOptions& fit_options, const Services& services);

 private:
  const ScaledSource& all_;
  std::deque<Sample> samples_;
};

// Of finished fits, at most `most` of those that are different maxima and not worse on `rows` than the best by more
// than chance: four times the standard error of the difference in log-likelihood between two models (Q. H. Vuong 1989).
// The best first.
std::vector<FitResult> still_in_race(const Source& rows, std::vector<FitResult> field, std::size_t most,
                                     const Services& services);

}  // namespace distmoe

#endif
