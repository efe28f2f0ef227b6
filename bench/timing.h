// How long a measurement takes, for all of skein-bench.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

namespace skein {

// A round is long enough for the clock and the call not to count, and short enough for the rounds
// of a kernel and of its ceiling to see the same machine: these virtual machines have slow phases.
inline constexpr double kRoundSeconds = 200e-6;
inline constexpr int kRounds = 9;

// Seconds. With a team of one, CPU time of the calling thread: what else runs on the machine then
// only counts as far as it takes caches and bandwidth. With more, wall time.
double Now();

inline double Median(std::vector<double> values) {
  const auto middle = values.begin() + values.size() / 2;
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// Passes of something that takes `seconds` to fill a round.
inline int PassesPerRound(double seconds) {
  return static_cast<int>(std::clamp(std::ceil(kRoundSeconds / std::max(seconds, 1e-9)), 1.0, 1e6));
}

// Seconds of one call of `f`, from `passes` of them.
inline double TimePasses(const std::function<void()>& f, int passes) {
  const double start = Now();
  for (int pass = 0; pass < passes; ++pass) f();
  return (Now() - start) / passes;
}

// Calls `f` for some seconds, at least once. What others have driven out is in the caches again then, and sleeping
// threads are awake: until they are, the caller has the parts of all in its own caches. A core that was halted runs 3%
// slower for a few milliseconds.
inline void WarmUp(const std::function<void()>& f, double seconds) {
  const double start = Now();
  do {
    f();
  } while (Now() - start < seconds);
}

}  // namespace skein
