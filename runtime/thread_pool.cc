#include "runtime/thread_pool.h"

#include <immintrin.h>

#include <algorithm>
#include <map>
#include <mutex>

namespace skein {
namespace {

constexpr int kShareBits = 16;
constexpr uint64_t kShareMask = (uint64_t{1} << kShareBits) - 1;

// Spins of one `pause` each before parking: some 20 to 50 microseconds, which bridges the gap between two
// kernels of one run and costs an idle machine nothing.
constexpr int kSpins = 1000;

}  // namespace

ThreadPool::ThreadPool(int threads) : claims_(std::clamp(threads, 1, static_cast<int>(kShareMask))) {
  for (int i = 1; i < this->threads(); ++i) workers_.emplace_back([this, i] { Work(i); });
}

ThreadPool::~ThreadPool() {
  stop_.store(true, std::memory_order_release);
  Announce(0);
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
  if (count <= 1 || workers_.empty() || taken_.exchange(true, std::memory_order_acquire)) {
    for (int i = 0; i < count; ++i) body(i);
    return;
  }
  const int shares = std::min(count, threads());
  body_ = &body;
  count_ = count;
  next_.store(shares, std::memory_order_relaxed);
  unfinished_.store(shares, std::memory_order_relaxed);
  Take(Announce(shares), 0);
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

uint64_t ThreadPool::Announce(int shares) {
  const uint64_t job = (state_.load(std::memory_order_relaxed) >> kShareBits) + 1;
  const uint64_t state = job << kShareBits | static_cast<uint64_t>(shares);
  state_.store(state, std::memory_order_release);
  state_.notify_all();
  return state;
}

void ThreadPool::Take(uint64_t state, int self) {
  const int shares = static_cast<int>(state & kShareMask);
  const uint64_t job = state >> kShareBits;
  for (int i = 0; i < shares; ++i) {
    const int share = (self + i) % shares;
    std::atomic<uint64_t>& claim = claims_[share].job;
    uint64_t last = claim.load(std::memory_order_relaxed);
    if (last >= job || !claim.compare_exchange_strong(last, job, std::memory_order_acq_rel)) continue;
    for (int task = share; task < count_; task = next_.fetch_add(1, std::memory_order_relaxed)) (*body_)(task);
    if (unfinished_.fetch_sub(1, std::memory_order_acq_rel) == 1) unfinished_.notify_all();
  }
}

void ThreadPool::Work(int self) {
  for (uint64_t last = 0;;) {
    uint64_t state = state_.load(std::memory_order_acquire);
    for (int spins = 0; spins < kSpins && state == last; ++spins) {
      _mm_pause();
      state = state_.load(std::memory_order_acquire);
    }
    if (stop_.load(std::memory_order_acquire)) return;
    if (state == last) {
      state_.wait(last, std::memory_order_acquire);
      continue;
    }
    Take(state, self);
    last = state;
  }
}

}  // namespace skein
