#include "runtime/thread_pool.h"

#include <immintrin.h>

#include <algorithm>
#include <map>
#include <mutex>

namespace skein {
namespace {

constexpr int kTaskBits = 16;
constexpr uint64_t kTaskMask = (uint64_t{1} << kTaskBits) - 1;
constexpr int kMostTasks = static_cast<int>(kTaskMask);

// Spins of one `pause` each before parking: some 20 to 50 microseconds, which bridges the gap between two
// kernels of one run and costs an idle machine nothing.
constexpr int kSpins = 1000;

}  // namespace

ThreadPool::ThreadPool(int threads) {
  for (int i = 1; i < threads; ++i) workers_.emplace_back([this] { Work(); });
}

ThreadPool::~ThreadPool() {
  stop_.store(true, std::memory_order_release);
  state_.fetch_add(uint64_t{1} << kTaskBits, std::memory_order_release);  // a job without tasks
  state_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

std::shared_ptr<ThreadPool> ThreadPool::Shared(int threads) {
  static std::mutex* mutex = new std::mutex;
  static auto* pools = new std::map<int, std::weak_ptr<ThreadPool>>;
  std::lock_guard lock(*mutex);
  std::weak_ptr<ThreadPool>& kept = (*pools)[threads];
  std::shared_ptr<ThreadPool> pool = kept.lock();
  if (pool == nullptr) {
    pool = std::make_shared<ThreadPool>(threads);
    kept = pool;
  }
  return pool;
}

void ThreadPool::Run(int count, const std::function<void(int)>& body) {
  if (count <= 1 || workers_.empty() || count > kMostTasks ||
      taken_.exchange(true, std::memory_order_acquire)) {
    for (int i = 0; i < count; ++i) body(i);
    return;
  }
  body_ = &body;
  unfinished_.store(count, std::memory_order_relaxed);
  const uint64_t job = (state_.load(std::memory_order_relaxed) >> kTaskBits) + 1;
  state_.store(job << kTaskBits | static_cast<uint64_t>(count), std::memory_order_release);
  state_.notify_all();
  while (TakeOne()) {
  }
  int spins = 0;
  for (int left; (left = unfinished_.load(std::memory_order_acquire)) != 0;) {
    if (++spins < kSpins) {
      _mm_pause();
    } else {
      unfinished_.wait(left, std::memory_order_acquire);
    }
  }
  taken_.store(false, std::memory_order_release);
}

bool ThreadPool::TakeOne() {
  uint64_t state = state_.load(std::memory_order_acquire);
  do {
    if ((state & kTaskMask) == 0) return false;
  } while (!state_.compare_exchange_weak(state, state - 1, std::memory_order_acq_rel,
                                         std::memory_order_acquire));
  (*body_)(static_cast<int>(state & kTaskMask) - 1);
  if (unfinished_.fetch_sub(1, std::memory_order_acq_rel) == 1) unfinished_.notify_all();
  return true;
}

void ThreadPool::Work() {
  for (;;) {
    if (TakeOne()) continue;
    if (stop_.load(std::memory_order_acquire)) return;
    uint64_t state = state_.load(std::memory_order_acquire);
    for (int spins = 0; spins < kSpins && (state & kTaskMask) == 0; ++spins) {
      _mm_pause();
      state = state_.load(std::memory_order_acquire);
    }
    if ((state & kTaskMask) == 0 && !stop_.load(std::memory_order_acquire)) {
      state_.wait(state, std::memory_order_acquire);
    }
  }
}

}  // namespace skein
