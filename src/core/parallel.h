// Threads: the only place that knows about them.
#ifndef DISTMOE_CORE_PARALLEL_H
#define DISTMOE_CORE_PARALLEL_H

#include "model.h"

namespace distmoe {

// Calls work(0), ..., work(count - 1), on up to `threads` threads and in any order. An exception of
// one call ends the whole and is thrown here, by the caller's thread.
void in_parallel(Index count, int threads, const std::function<void(Index)>& work);

}  // namespace distmoe

#endif
