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

  int threads() const { return static_cast<int>(claims_.size()); }

 private:
  void Work(int self);
  // Makes a job of so many shares known, and returns the new state_.
  uint64_t Announce(int shares);
  // Takes all shares of the job that are left, beginning with share `self`.
  void Take(uint64_t state, int self);

  // What workers read when a job begins, in one cache line: the job's number in the upper 48 bits and its number of
  // shares, at most one per thread, in the lower 16; what to do.
  alignas(64) std::atomic<uint64_t> state_{0};
  const std::function<void(int)>* body_ = nullptr;
  int count_ = 0;
  std::atomic<bool> stop_{false};
  // What they write.
  alignas(64) std::atomic<int> unfinished_{0};
  std::atomic<int> next_{0};  // task after those that shares begin with
  // Per share, the last job in which it was claimed. A job cannot end while a share of it is unclaimed or claimed and
  // not done, so whoever has claimed one may read body_ and count_; once it has ended, none of its shares can be.
  struct alignas(64) Claim {
    std::atomic<uint64_t> job{0};
  };
  alignas(64) std::vector<Claim> claims_;
  std::atomic<bool> taken_{false};  // some Run has the workers
  std::vector<std::thread> workers_;
};

}  // namespace skein

#endif  // SKEIN_RUNTIME_THREAD_POOL_H_
