#include "runtime/thread_pool.h"

#include <immintrin.h>
#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <mutex>

namespace skein {
namespace {

// Spins of one `pause` each before parking: some 20 to 50 microseconds, which bridges the gap between two
// kernels of one run and costs an idle machine nothing.
constexpr int kSpins = 1000;

// Nanoseconds from an offer until the last worker begins: 60 to 90 where cores share a die, 230 to 260 where they do not
// (EPYC). Above kFar they are far, below kNear near; what is beyond kLost says that a worker had to be woken.
constexpr double kNear = 110, kFar = 150, kLost = 2000;
constexpr int kTimedEvery = 16;

int64_t NowNanoseconds() { return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1); }

}  // namespace

ThreadPool::ThreadPool(int threads) : seats_(std::max(threads, 1) - 1) {
  for (int i = 1; i < this->threads(); ++i) workers_.emplace_back([this, i] { Work(i); });
}

ThreadPool::~ThreadPool() {
  for (Seat& seat : seats_) {
    seat.phase.exchange(Seat::kStopped);
    seat.phase.notify_one();
  }
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

// A line of memory takes 35 to 210 ns from one core to another (EPYC, both on one die or not), so short kernels are
// won here. Stores need not wait for that, atomic exchanges wait for all stores before them: up to its own share the
// caller makes none after it has written to a worker's line.
void ThreadPool::Run(int count, const std::function<void(int)>& body) {
  if (count <= 1 || seats_.empty() || taken_.exchange(true, std::memory_order_acquire)) {
    for (int i = 0; i < count; ++i) body(i);
    return;
  }
  const int shares = std::min(count, threads());
  const bool timed = launches_++ % kTimedEvery == 0;
  const int64_t offered = timed ? NowNanoseconds() : 0;
  if (count > shares) next_.store(shares, std::memory_order_relaxed);
  for (int i = 1; i < shares; ++i) Offer(i, count, body, timed);
  RunShare(0, count, body);
  for (int i = 1; i < shares; ++i) Finish(i);
  if (timed) Learn(offered, shares);
  taken_.store(false, std::memory_order_release);
}

void ThreadPool::Learn(int64_t offered, int shares) {
  double slowest = 0;
  for (int i = 1; i < shares; ++i) {
    if (seats_[i - 1].began == 0) return;
    slowest = std::max(slowest, static_cast<double>(seats_[i - 1].began - offered));
  }
  if (slowest > kLost) return;
  delay_ += (slowest - delay_) / 4;
  if (delay_ > kFar) far_.store(true, std::memory_order_relaxed);
  if (delay_ < kNear) far_.store(false, std::memory_order_relaxed);
}

void ThreadPool::Offer(int self, int count, const std::function<void(int)>& body, bool timed) {
  Seat& seat = seats_[self - 1];
  seat.count = count;
  seat.body = &body;
  seat.timed = timed;
  if (timed) seat.began = 0;
  if (seat.sleeps.load(std::memory_order_relaxed)) {
    seat.sleeps.store(false, std::memory_order_relaxed);
    seat.phase.exchange(Seat::kOffered);
    Wake(self);
  } else {
    // A worker that parks at this moment may sleep on. Then Finish takes the share back and wakes it.
    seat.phase.store(Seat::kOffered, std::memory_order_release);
  }
}

// Linux in a virtual machine takes CPUs that are halted for CPUs that the host has taken away, and wakes a worker on the
// caller's, where it waits until the caller's time slice is over. So it is woken on one of its other CPUs.
void ThreadPool::Wake(int self) {
  const pthread_t worker = workers_[self - 1].native_handle();
  cpu_set_t all, others;
  bool moves = pthread_getaffinity_np(worker, sizeof all, &all) == 0;  // not on machines of more CPUs than a set holds
  if (moves) {
    others = all;
    const int here = sched_getcpu();
    if (here >= 0 && here < CPU_SETSIZE) CPU_CLR(here, &others);
    moves = CPU_COUNT(&others) > 0 && !CPU_EQUAL(&others, &all) && pthread_setaffinity_np(worker, sizeof others, &others) == 0;
  }
  seats_[self - 1].phase.notify_one();
  if (moves) pthread_setaffinity_np(worker, sizeof all, &all);
}

void ThreadPool::Finish(int self) {
  Seat& seat = seats_[self - 1];
  int phase = seat.phase.load(std::memory_order_acquire);
  if (phase == Seat::kOffered && seat.phase.compare_exchange_strong(phase, Seat::kFree, std::memory_order_acquire)) {
    seat.phase.notify_one();
    RunShare(self, seat.count, *seat.body);
    return;
  }
  for (int spins = 0; (phase = seat.phase.load(std::memory_order_acquire)) == Seat::kTaken; ++spins) {
    if (spins < kSpins) {
      _mm_pause();
    } else {
      seat.phase.wait(phase, std::memory_order_acquire);
    }
  }
}

void ThreadPool::RunShare(int first, int count, const std::function<void(int)>& body) {
  body(first);
  if (count <= threads()) return;
  for (int task; (task = next_.fetch_add(1, std::memory_order_relaxed)) < count;) body(task);
}

void ThreadPool::Work(int self) {
  Seat& seat = seats_[self - 1];
  for (;;) {
    int phase = Seat::kFree;
    // An exchange that fails costs little while the line is here, and one that succeeds has fetched the line for
    // writing: to read first would be another way there and back.
    for (int spins = 0; spins < kSpins && phase == Seat::kFree; ++spins) {
      _mm_pause();
      phase = Seat::kOffered;
      if (seat.phase.compare_exchange_strong(phase, Seat::kTaken, std::memory_order_acquire)) phase = Seat::kTaken;
    }
    if (phase == Seat::kStopped) return;
    if (phase == Seat::kFree) {
      seat.phase.compare_exchange_strong(phase, Seat::kParked);
    } else if (phase == Seat::kParked) {
      seat.sleeps.store(true, std::memory_order_relaxed);
      seat.phase.wait(phase);
    } else if (phase == Seat::kTaken) {
      if (seat.timed) seat.began = NowNanoseconds();
      RunShare(self, seat.count, *seat.body);
      seat.phase.store(Seat::kFree, std::memory_order_release);  // not an exchange, which the caller would see later
      _mm_mfence();  // before it is read whether the caller sleeps
      seat.phase.notify_one();
    }
  }
}

}  // namespace skein
