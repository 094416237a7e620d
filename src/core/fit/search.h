// The search for the maximum on a sample: rounds, until the best maximum was reached again and again.
#ifndef DISTMOE_FIT_SEARCH_H
#define DISTMOE_FIT_SEARCH_H

#include "fit/rounds.h"

namespace distmoe {

// A maximum of the objective on the sample, and how it was reached.
struct Maximum {
  FitResult fit;
  int reached = 0;               // by how many finished runs
  std::vector<StartKind> kinds;  // of these
};

enum class SearchStop {
  often_enough,
  most_effort,
  fixed
};

struct Search {
  std::vector<Maximum> maxima;  // best first
  int runs = 0;                 // starts and moves that were run
  int rounds = 0;               // fresh ones
  int reached = 0;              // how many of these ended in the best maximum
  std::vector<double> ends;     // objective of the best end of each
  SearchStop stop = SearchStop::fixed;
  Index rows = 0;  // of the sample
};

// The search stops when enough fresh rounds have ended in the best maximum known: five if these are all, eight if
// half of them, 24 else (the rarer it is, the likelier one is that is rarer still), and fewer where rounds are
// dear: at least one, and two finished runs; and when that maximum has withstood six shakes (up to 36 where the
// sample has more than a thousand rows, none where rounds are dear). Or, at the latest, after 300 rounds or as many
// passes as cost about a second (up to six where the sample has more than a thousand rows; where rounds are dear one,
// or a dozen over all the rows of which this is a sample), but two rounds at least. After the first four, every fresh
// round is followed by an excursion from the best maxima known, which is no evidence but may find a better one.
Search search_maximum(const HeldSource& sample, const ExpertKind& kind, Index experts, const PenaltyRule& rule,
                      const FitOptions& fit_options, const StartOptions& options, const Services& services);

}  // namespace distmoe

#endif
