// Rounds of the search: many short runs from starts of many kinds, few long ones, moves from the best end.
#ifndef DISTMOE_FIT_ROUNDS_H
#define DISTMOE_FIT_ROUNDS_H

#include "fit/fit.h"
#include "fit/moves.h"

namespace distmoe {

struct StartOptions {
  int starts = 0;                 // 0: as many as it takes; else this number, in one round
  Index rows = 10000;             // starts work on a random sample of this many rows (0: on all rows)
  Index all_rows = 0;             // of the fit that the search is for
  std::vector<Model> neighbours;  // maxima with one expert less or more, scale of the source
};

// Has a run a degenerate expert (degenerate.h)?
bool spurious(const FitResult& run);
// The objective at the end of a run, without what its degenerate experts gain by chance: for each of their rows
// one, and the log of how many times their spread goes into the largest expert's.
double worth_of(const FitResult& run);
// Is run a better than run b? By worth_of(), so that a degenerate expert makes no run better.
bool better(const FitResult& a, const FitResult& b);
// Did both end in the same maximum? They did if their objectives differ by no more than this, in rows of mean
// weight.
const double one_maximum = 0.05;
bool same_maximum(const FitResult& a, const FitResult& b);

// A run that is finished on a sample, from the options for all rows.
FitOptions run_on_sample(const FitOptions& all_rows);

// Coefficients of a model.
Index parameters_of(const Source& rows, const ExpertKind& kind, Index experts);

// How much a search does, from what a pass over its sample costs.
struct Effort {
  int starts = 12;                           // of a round
  int enough = 8, most_rounds = 300;         // see search.h
  int shakes_of_best = 6;                    // that the best maximum must withstand
  int moves = 6, run_moves = 3, shakes = 2;  // moves weighed, run, and shakes run in a step of a walk
  double most_passes;                        // over the sample

  Effort(const HeldSource& sample, const ExpertKind& kind, Index experts, const StartOptions& options);
};

// A finished run and the kind of start or move that led to it.
struct Arrival {
  StartKind kind;
  FitResult run;
};

struct Round {
  std::vector<Arrival> arrivals;
  int runs = 0;         // starts and moves that were run
  double passes = 0.0;  // over the sample, of all runs
  int withstood = 0;    // shakes of the best maximum known that led to no better one

  const FitResult& end() const;  // the best arrival
};

// Rounds draw random numbers of their own, by their number, and know nothing of each other.
class Rounds {
 public:
  Rounds(const StartMaterial& material, Index experts, const FitOptions& fit_options, const StartOptions& options,
         const Effort& effort, std::uint64_t seed);

  // Starts of every kind get short runs and are finished: what they are worth before tells little of those that are
  // slow to part. Where passes are dear the better half goes on, and the best three of those are finished. The best end
  // is then moved (moves.h), while that helps: in the first round and every eighth (excursions counted), where passes
  // are dear in all.
  Round fresh(int number, const Services& services) const;
  // Moves from one of the maxima known, a good one rather, while that helps, or shakes; `of_best`: shakes of the best.
  Round excursion(int number, const std::vector<const FitResult*>& known, bool of_best, const Services& services) const;

 private:
  using Field = std::vector<Arrival>;
  struct Weighed {
    StartKind kind;
    Proposal move;
  };

  // What a round draws from and counts.
  struct Turn {
    Random random;
    Services services;
    Round round;
    Turn(std::uint64_t seed, const Services& given) : random(seed), services(given) {
      services.uniform = [this] { return random.uniform(); };
    }
    Turn(const Turn&) = delete;
  };

  FitResult run(const Model& start, const FitOptions& options, Turn& turn) const;
  FitResult short_run(const Model& start, int iterations, Turn& turn) const;
  Field begin(int number, Turn& turn) const;
  void race(Field& field, std::size_t kept, Turn& turn) const;
  Field finish(const Field& field, std::size_t count, double worth, Turn& turn) const;
  void enter(Field& field, StartKind kind, const Proposal& move, Turn& turn) const;
  std::vector<Weighed> weigh(const FitResult& here, const std::vector<const FitResult*>& others, int crosses,
                             Turn& turn) const;
  void walk(Arrival here, const std::vector<const FitResult*>& others, int crosses, Turn& turn) const;
  void ratchet(Arrival here, Turn& turn) const;
  void from_neighbours(Field& field, Turn& turn) const;

  const StartMaterial& m_;
  Index experts_;
  const StartOptions& options_;
  const Effort& effort_;
  std::uint64_t seed_;
  FitOptions quick_, finish_;
};

}  // namespace distmoe

#endif
