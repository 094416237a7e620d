// Threads: the only place that knows about them.
#ifndef DISTMOE_BASE_PARALLEL_H
#define DISTMOE_BASE_PARALLEL_H

#include <algorithm>

#include "base/model.h"

namespace distmoe {

// Calls work(0), ..., work(count - 1), on up to `threads` threads, the caller's among them, and in any
// order. An exception of one call ends the whole and is thrown here, by the caller's thread. Called from
// within work() it runs on that thread alone. All else that calls it must be one thread, and not in a fork
// of a process in which there were threads.
void in_parallel(Index count, int threads, const std::function<void(Index)>& work);

// Adds map(0), map(1), ..., map(count - 1) to `total`, in this order whatever the number of threads.
template <class Sums, class Map>
void add_pieces(Index count, const Sums& zero, int threads, Map map, Sums& total) {
  std::vector<Sums> part(static_cast<std::size_t>(count), zero);
  in_parallel(count, threads, [&](Index i) { part[static_cast<std::size_t>(i)] = map(i); });
  for (const Sums& sums : part) total += sums;
}

// Sums over the rows of matrices in memory: zero plus the sum of map(start, count) over blocks of rows.
template <class Sums, class Map>
Sums sum_rows(Index rows, const Sums& zero, int threads, Map map) {
  const Index at_a_time = 1200, blocks = (rows + at_a_time - 1) / at_a_time;
  Sums total = zero;
  add_pieces(
      blocks, zero, threads, [&](Index i) {
        const Index start = i * at_a_time;
        return map(start, std::min(at_a_time, rows - start));
      },
      total);
  return total;
}

// The threads sleep between two calls and stay: they are to be ended before the code goes.
void stop_threads();

}  // namespace distmoe

#endif
