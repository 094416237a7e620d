// Threads: the only place that knows about them.
#ifndef DISTMOE_BASE_PARALLEL_H
#define DISTMOE_BASE_PARALLEL_H

#include "base/model.h"

namespace distmoe {

// Calls work(0), ..., work(count - 1), on up to `threads` threads, the caller's among them, and in any
// order. An exception of one call ends the whole and is thrown here, by the caller's thread. Called from
// within work() it runs on that thread alone. All else that calls it must be one thread, and not in a fork
// of a process in which there were threads.
void in_parallel(Index count, int threads, const std::function<void(Index)>& work);

// The threads sleep between two calls and stay: they are to be ended before the code goes.
void stop_threads();

}  // namespace distmoe

#endif
