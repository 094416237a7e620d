// The search for the maximum on a sample: rounds of many short runs and few long ones, until the best
// maximum was reached again and again.
#ifndef DISTMOE_CORE_SEARCH_H
#define DISTMOE_CORE_SEARCH_H

#include "fit.h"
#include "moves.h"

namespace distmoe {

struct StartOptions {
  int starts = 0;        // 0: as many as it takes; else this number, in one round
  Index rows = 10000;    // starts work on a random sample of this many rows (0: on all rows)
  std::vector<Model> neighbours;  // maxima with one expert less or more, scale of the source
};

// A maximum of the objective on the sample, and how it was reached.
struct Maximum {
  FitResult fit;
  int reached = 0;               // by how many finished runs
  std::vector<StartKind> kinds;  // of these
};

enum class SearchStop { often_enough, most_effort, fixed };

struct Search {
  std::vector<Maximum> maxima;  // best first
  int runs = 0;                 // starts and moves that were run
  int rounds = 0;
  int reached = 0;              // how many of the rounds ended in the best maximum
  std::vector<double> ends;     // objective of every round's best end
  SearchStop stop = SearchStop::fixed;
  Index rows = 0;               // of the sample
};

// Has a run a degenerate expert (degenerate.h)?
bool spurious(const FitResult& run);
// Is run a better than run b? A degenerate expert makes no run better.
bool better(const FitResult& a, const FitResult& b);

// A run that is finished on a sample, from the options for all rows.
FitOptions run_on_sample(const FitOptions& all_rows);

// A round: starts of every kind get short runs (on a part of the sample, if that is large); the better half
// of them goes on, and the best three of those are finished. The best end is then moved (moves.h), while
// that helps. Rounds draw random numbers of their own and know nothing of each other.
//
// The search stops when enough rounds have ended in the best maximum known: six if these are half of all
// rounds, fifteen else (the rarer it is, the likelier one is that is rarer still), and fewer where rounds are
// dear: at least one, and two finished runs. Or, at the latest, after as many rounds as cost about a second
// (two at least, 200 at most).
Search search_maximum(const HeldSource& sample, const ExpertKind& kind, Index experts, const PenaltyRule& rule,
                      const FitOptions& fit_options, const StartOptions& options, const Services& services);

}  // namespace distmoe

#endif
