// Skein's own worker threads, used where the host gives no executor.
#ifndef SKEIN_RUNTIME_THREAD_POOL_H_
#define SKEIN_RUNTIME_THREAD_POOL_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

namespace skein {

class ThreadPool {
 public:
  // `threads` counts the caller of Run: threads - 1 workers are started. At least 1.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // The pool that all programs of this many threads share; ends with its last user.
  static std::shared_ptr<ThreadPool> Shared(int threads);

  // Runs body(0) .. body(count-1), in any order, on the caller and the workers, and returns when all have
  // ended. Where there are no more tasks than threads, a thread that is free takes the same one every time: what
  // it left in its core's caches is there. Callable from any thread, also from inside a body: a call that finds
  // the workers taken by another runs everything itself, so no call ever waits for a stranger's work to begin.
  void Run(int count, const std::function<void(int)>& body);

  int threads() const { return static_cast<int>(seats_.size()) + 1; }

  // Whether workers have begun late lately since their cores are far from the caller's, on another die, say. Measured in
  // one launch of 16.
  bool far() const { return far_.load(std::memory_order_relaxed); }

 private:
  // A worker's place: all that passes between it and the caller of Run, in one cache line. The caller writes what is
  // to be done, then the phase; nobody but the worker and that caller looks at it.
  struct alignas(128) Seat {
    enum Phase : int {
      kFree,     // nothing to do; what was done is done
      kParked,   // the same, but the worker sleeps
      kOffered,  // the worker may take its share, the caller may take it back
      kTaken,    // the worker is at it
      kStopped,  // the pool ends
    };
    std::atomic<int> phase{kFree};
    int count = 0;
    const std::function<void(int)>* body = nullptr;
    bool timed = false;
    int64_t began = 0;  // in a launch that is timed: nanoseconds; 0 where the worker has not come
    // Whether the worker sleeps, or is about to, and has to be woken: it sets this, the caller resets it. In a line of
    // its own, which changes seldom, so that the caller need not wait for the worker's line to see it.
    alignas(128) std::atomic<bool> sleeps{false};
  };

  void Offer(int self, int count, const std::function<void(int)>& body, bool timed);
  void Wake(int self);
  // Returns when the share of worker `self` has been done, by the caller where the worker has not come yet.
  void Finish(int self);
  // Learns from a launch that was timed how far the workers are.
  void Learn(int64_t offered, int shares);
  void RunShare(int first, int count, const std::function<void(int)>& body);
  void Work(int self);

  std::vector<Seat> seats_;  // of worker i at i - 1
  std::vector<std::thread> workers_;
  // What callers and workers write.
  alignas(128) std::atomic<bool> taken_{false};  // some Run has the workers
  unsigned launches_ = 0;                        // of that Run, as is what follows
  double delay_ = 0;                             // nanoseconds, of late
  std::atomic<bool> far_{false};
  alignas(128) std::atomic<int> next_{0};        // the task after those that were given out
};

}  // namespace skein

#endif  // SKEIN_RUNTIME_THREAD_POOL_H_
