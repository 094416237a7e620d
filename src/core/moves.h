// Moves: ways out of a mode in which experts are shared out badly.
#ifndef DISTMOE_CORE_MOVES_H
#define DISTMOE_CORE_MOVES_H

#include "starts.h"

namespace distmoe {

// any: two moves may fail, each with its own random numbers, unless the best that is left is hopeless.
// promising: moves are run, until one fails, whose mixture explains the rows better than the model does,
// before any further step, by more than an expert's coefficients do of themselves.
enum class MoveEffort { any, promising };

// A mode in which two experts share what one could explain while a third covers two parts is left by a
// move: an expert is split (a two-expert fit to its rows), or a new one grown on the rows that are
// explained worst, and another expert is dropped and leaves its gate to one that stays. Of all such
// moves the one is run whose mixture has the largest likelihood: an M-step from its responsibilities,
// `options.short_iterations` EM iterations, and then as a start is finished.
//
// Replaces `best`, a fit to `sample`, as long as moves lead to a better one, `options.moves` times at
// most. Gives the number of moves that were taken.
int improve_by_moves(const HeldSource& sample, FitResult& best, const PenaltyRule& rule,
                     const FitOptions& fit_options, const StartOptions& options, MoveEffort effort,
                     const Services& services);

}  // namespace distmoe

#endif
