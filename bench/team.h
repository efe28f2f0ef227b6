// Threads that run the same loop at the same time: a ceiling of N threads is what N of them reach
// together.
#pragma once

#include <sched.h>

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

namespace skein {

class Team {
 public:
  // `threads` counts the caller of Time. At least 1.
  explicit Team(int threads);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  // Runs body(0) .. body(size() - 1), each on its own thread. Returns the seconds from when all are
  // awake to when the last has ended.
  double Time(const std::function<void(int)>& body);

  // Seconds from when one thread has stored until another sees it, on average; 0 for a team of one. Virtual CPUs wander
  // between dies, where it is many times longer, while caches and memory are faster: each die has its own.
  double Distance();

  int size() const { return static_cast<int>(workers_.size()) + 1; }

  // The team of this run of the program: one thread, unless SetSize was called before the first
  // use.
  static Team& OfThisRun();
  static void SetSize(int threads);

 private:
  void Work(int number);
  // Puts the calling worker on a CPU that neither the caller of Time nor another worker is on, as far as there are enough.
  void TakeCpu(int number) const;

  cpu_set_t cpus_;      // of the process
  int callers_cpu_ = 0;
  const std::function<void(int)>* body_ = nullptr;
  std::atomic<int> round_ = 0;    // counts up when a round begins; -1 ends the workers
  std::atomic<int> awake_ = 0;    // workers that have seen the round
  std::atomic<int> started_ = 0;  // the round whose bodies may run
  std::atomic<int> busy_ = 0;
  std::vector<std::thread> workers_;
};

}  // namespace skein
