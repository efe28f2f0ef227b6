#include "bench/team.h"

#include <immintrin.h>
#include <sched.h>

#include <algorithm>

#include "bench/timing.h"

namespace skein {
namespace {

int size_of_this_run = 1;

// Waits for the others of the team, which are awake; gives the CPU away where it is shared.
template <typename Condition>
void SpinUntil(Condition condition) {
  for (int spins = 0; !condition(); ++spins) {
    _mm_pause();
    if (spins % 4096 == 4095) sched_yield();
  }
}

}  // namespace

Team::Team(int threads) {
  if (sched_getaffinity(0, sizeof cpus_, &cpus_) != 0) CPU_ZERO(&cpus_);
  for (int number = 1; number < threads; ++number) {
    workers_.emplace_back([this, number] { Work(number); });
  }
}

Team::~Team() {
  round_ = -1;
  round_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

double Team::Time(const std::function<void(int)>& body) {
  body_ = &body;
  callers_cpu_ = sched_getcpu();
  awake_ = 0;
  busy_ = static_cast<int>(workers_.size());
  const int round = round_ + 1;
  round_ = round;
  if (!workers_.empty()) round_.notify_all();
  SpinUntil([&] { return awake_ == busy_; });

  const double start = Now();
  started_ = round;
  body(0);
  SpinUntil([&] { return busy_ == 0; });
  return Now() - start;
}

double Team::Distance() {
  constexpr int kTrips = 500;
  if (size() < 2) return 0;
  alignas(64) std::atomic<int> ball = 0;  // counts throws; an even one is the caller's
  double start = 0;
  Time([&](int thread) {
    if (thread > 1) return;
    if (thread == 0) start = Now();
    for (int trip = 0; trip < kTrips; ++trip) {
      for (int spins = 1; ball.load(std::memory_order_acquire) != 2 * trip + thread; ++spins) {
        if (spins % 4096 == 0) sched_yield();  // SpinUntil's pause would be part of the time
      }
      ball.store(2 * trip + thread + 1, std::memory_order_release);
    }
  });
  return (Now() - start) / (2 * kTrips);
}

// Left to itself, Linux wakes a worker on the caller's CPU where the others are halted and the machine is a virtual one,
// and two threads that wait for each other by yielding stay there.
void Team::TakeCpu(int number) const {
  std::vector<int> others;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (cpu != callers_cpu_ && CPU_ISSET(cpu, &cpus_)) others.push_back(cpu);
  }
  if (others.empty()) return;
  cpu_set_t mine;
  CPU_ZERO(&mine);
  CPU_SET(others[(number - 1) % others.size()], &mine);
  sched_setaffinity(0, sizeof mine, &mine);
}

void Team::Work(int number) {
  for (int seen = 0;;) {
    round_.wait(seen);
    seen = round_;
    if (seen < 0) return;
    TakeCpu(number);
    ++awake_;
    SpinUntil([&] { return started_ == seen; });
    (*body_)(number);
    --busy_;
  }
}

Team& Team::OfThisRun() {
  static Team team(size_of_this_run);
  return team;
}

void Team::SetSize(int threads) { size_of_this_run = std::max(threads, 1); }

}  // namespace skein
