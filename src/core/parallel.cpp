#include "parallel.h"

#include <atomic>
#include <exception>

namespace distmoe {

void in_parallel(Index count, int threads, const std::function<void(Index)>& work) {
  if (threads <= 1 || count <= 1) {
    for (Index i = 0; i < count; ++i) work(i);
    return;
  }
  // An exception may not leave a parallel region.
  std::exception_ptr error;
  std::atomic<bool> failed(false);
  const int most = static_cast<int>(std::min<Index>(threads, count));
  (void)most;  // compilers without OpenMP
#ifdef _OPENMP
#pragma omp parallel for schedule(dynamic, 1) num_threads(most)
#endif
  for (Index i = 0; i < count; ++i) {
    if (failed) continue;
    try {
      work(i);
    } catch (...) {
      if (!failed.exchange(true)) error = std::current_exception();
    }
  }
  if (failed) std::rethrow_exception(error);
}

}  // namespace distmoe
