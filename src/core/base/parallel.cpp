#include "base/parallel.h"

#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>

#ifndef _WIN32
#include <signal.h>
#endif

namespace distmoe {

namespace {

// Is this thread within a call of work()? What it asks for there runs on it alone.
thread_local bool at_work = false;

// The calls of one in_parallel(), taken one by one by the threads that share them.
class Region {
 public:
  Region(Index count, const std::function<void(Index)>& work) : count_(count), work_(work) {}

  void share() {
    at_work = true;
    for (Index i; !failed_ && (i = next_++) < count_;) {
      try {
        work_(i);
      } catch (...) {
        if (!failed_.exchange(true)) error_ = std::current_exception();
      }
    }
    at_work = false;
  }

  void throw_error() const {
    if (failed_) std::rethrow_exception(error_);
  }

 private:
  const Index count_;
  const std::function<void(Index)>& work_;
  std::atomic<Index> next_{0};
  std::atomic<bool> failed_{false};
  std::exception_ptr error_;
};

// Signals are for the thread that was there before: threads that are started meanwhile take none.
class SignalsHeld {
 public:
#ifdef _WIN32
  SignalsHeld() {}
#else
  SignalsHeld() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsHeld() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
#endif
};

// Threads that sleep until there is work. The caller works too, and at the end waits only for those that
// have taken a part of it: one that the machine has not woken yet is not missed.
class Pool {
 public:
  ~Pool() {
    {
      const std::lock_guard<std::mutex> hold(lock_);
      over_ = true;
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  void run(Region& region, int helpers) {
    start(helpers);
    helpers = std::min(helpers, static_cast<int>(threads_.size()));
    {
      const std::lock_guard<std::mutex> hold(lock_);
      region_ = &region;
      seats_ = helpers;
    }
    for (int i = 0; i < helpers; ++i) wake_.notify_one();
    region.share();
    std::unique_lock<std::mutex> hold(lock_);
    seats_ = 0;
    left_.wait(hold, [&] { return inside_ == 0; });
  }

 private:
  // Where the machine gives no more threads, those that there are must do.
  void start(int number) {
    if (static_cast<int>(threads_.size()) >= number) return;
    const SignalsHeld held;
    try {
      while (static_cast<int>(threads_.size()) < number) threads_.emplace_back([this] { serve(); });
    } catch (const std::system_error&) {
    }
  }

  void serve() {
    std::unique_lock<std::mutex> hold(lock_);
    for (;;) {
      wake_.wait(hold, [&] { return over_ || seats_ > 0; });
      if (over_) return;
      --seats_;
      ++inside_;
      Region& region = *region_;
      hold.unlock();
      region.share();
      hold.lock();
      if (--inside_ == 0) left_.notify_one();
    }
  }

  std::vector<std::thread> threads_;
  std::mutex lock_;
  std::condition_variable wake_, left_;
  // Under the lock: the work, how many threads may still take a share of it, and how many are at it.
  Region* region_ = nullptr;
  int seats_ = 0, inside_ = 0;
  bool over_ = false;
};

// Not destroyed when the process ends, which may be a forked one, without the threads.
Pool* pool = nullptr;

}  // namespace

void in_parallel(Index count, int threads, const std::function<void(Index)>& work) {
  if (threads <= 1 || count <= 1 || at_work) {
    for (Index i = 0; i < count; ++i) work(i);
    return;
  }
  if (!pool) pool = new Pool;
  Region region(count, work);
  pool->run(region, static_cast<int>(std::min<Index>(threads, count)) - 1);
  region.throw_error();
}

void stop_threads() {
  delete pool;
  pool = nullptr;
}

}  // namespace distmoe
