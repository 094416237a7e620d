// Moves: ways out of a maximum in which experts are shared out badly, and from models of K - 1 or K + 1
// experts to one of K. Split-and-merge EM (Ueda et al. 2000), with cuts of many kinds.
#ifndef DISTMOE_FIT_MOVES_H
#define DISTMOE_FIT_MOVES_H

#include "fit/starts.h"

namespace distmoe {

// Responsibilities to go on from, and how far the log-likelihood of the mixture that they were taken from
// lies above that of the model moved; -inf: no such move.
struct Proposal {
  MatrixXd responsibility;  // n x K
  double gain;
};

// Ways out of one maximum: what they share is found once.
class Moves {
 public:
  Moves(const Ground& ground, const Model& model);

  // One more expert: `which` is split. Its rows are cut at random (along a direction or a column of x, by the
  // sign or the size of their residuals, between two regressions), and a mixture of two fitted to them.
  Proposal split(Index which, Random& random, const Services& services) const;
  // One less: two experts become one, at random with the probability `chance`, else those of which the
  // mixture loses least.
  Proposal merge(double chance, Random& random) const;
  // As many: an expert is split, or a new one grown on the rows that are explained worst, and the expert
  // of which the mixture loses least leaves its gate to another.
  Proposal split_and_merge(Index which, Random& random, const Services& services) const;
  Proposal grow_and_drop(Random& random, const Services& services) const;
  // As many, out of this model's experts and those of `other`: all together, and one after the other
  // dropped, of the three of which the mixture loses least.
  Proposal cross(const Moves& other, Random& random) const;

 private:
  // Rows as the parts of a mixture see them: logs of gates and densities, n x parts.
  struct Parts {
    ArrayXXd gate, density;
  };
  struct Drop {
    double cost;  // log-likelihood without the part, above that of all parts
    Index part, heir;
  };

  static Parts parts_of(const HeldSource& sample, const Model& model);
  Parts split_parts(Index which, Random& random, const Services& services) const;
  std::vector<Index> cut(const HeldSource& rows, Index which, Random& random) const;
  // What dropping each part costs, cheapest first; part `kept` is not dropped.
  std::vector<Drop> drops(const Parts& parts, Index kept = -1) const;
  static void drop(Parts& parts, const Drop& which);
  Proposal proposal(const Parts& parts) const;
  double weighted_sum(const ArrayXd& value) const;

  const Ground& m_;
  const Model& model_;
  Parts now_;
  ArrayXXd share_;       // n x K, responsibilities
  ArrayXd row_log_lik_;  // n
  double log_lik_;
};

// From a maximum with one expert less or more to one of `experts`: each expert split, three times, or two merged, three
// times. What can't be done is left out.
std::vector<Proposal> from_neighbour(const Ground& ground, const Model& neighbour, Index experts, Random& random,
                                     const Services& services);

// Where at most eight EM steps, and Newton's where these get near, lead from `model` when the rows have random
// weights (exponential ones, as in the Bayesian bootstrap): a start near by, in another valley perhaps (the ratchet
// of Nixon 1999).
Model shaken(const Ground& ground, const Model& model, Random& random, const Services& services);

}  // namespace distmoe

#endif
