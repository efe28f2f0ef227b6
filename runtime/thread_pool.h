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
  // ended. Callable from any thread, also from inside a body: a call that finds the workers taken
  // by another runs everything itself, so no call ever waits for a stranger's work to begin.
  void Run(int count, const std::function<void(int)>& body);

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

 private:
  void Work();
  // Takes one task of the job that is there; false if none is left.
  bool TakeOne();

  // One word, so that a claim is one compare-and-swap: the job's number in the upper 48 bits, tasks not
  // yet claimed in the lower 16. A job cannot end while a task of it is claimed, so whoever has claimed
  // one may read body_.
  std::atomic<uint64_t> state_{0};
  std::atomic<int> unfinished_{0};
  const std::function<void(int)>* body_ = nullptr;
  std::atomic<bool> stop_{false};
  std::atomic<bool> taken_{false};  // some Run has the workers
  std::vector<std::thread> workers_;
};

}  // namespace skein

#endif  // SKEIN_RUNTIME_THREAD_POOL_H_
