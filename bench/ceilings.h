// What this machine can do, measured, and what share of it a kernel reaches. A share is only worth
// something if both were measured in the same rounds, so MeasureAgainstCeiling alternates them.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "bench/streams.h"

namespace skein {

class Canary;

// Data cache sizes of one core in bytes; l3 is shared. Guesses where the machine does not say.
struct CacheSizes {
  size_t l1;
  size_t l2;
  size_t l3;
};
const CacheSizes& Caches();

// Footprints that lie well inside a cache level of all threads together, and one well outside all:
// "L1", "L2", "L3", "DRAM".
struct Level {
  const char* name;
  size_t bytes;
};
std::vector<Level> Levels();
size_t LevelBytes(const char* name);

// True if the CPU has AVX2 and FMA, without which nothing here runs.
bool CanMeasureCeilings();

// One short round of multiply-adds on registers, in f32 flop/s (two a multiply-add) of the team.
double FmaRoundFlops();
// The median of several such rounds.
double FmaPeakFlops();

// What a kernel has to do at least, as docs/design.md section 6 counts it.
struct Work {
  Streams streams;   // from and to memory
  double flops = 0;  // 2 a multiply-add, 1 an arithmetic op, 20 a transcendental
};

// Medians over the rounds.
struct Measurement {
  double kernel_seconds = 0;
  double memory_seconds = 0;      // ceiling of the streams
  double arithmetic_seconds = 0;  // ceiling of the flops

  bool memory_bound() const { return memory_seconds >= arithmetic_seconds; }
  double ceiling_seconds() const { return memory_bound() ? memory_seconds : arithmetic_seconds; }
  // The share of the ceiling that the kernel reaches.
  double share() const { return ceiling_seconds() / kernel_seconds; }
};

// The kernel's own instructions on data that stay in L1, at two sizes: their difference is
// arithmetic alone, without the cost of a launch. One pass over the real data takes `scale` times
// that difference, spread over the team.
struct Resident {
  std::vector<std::function<void()>> small, large;  // one of each per thread of the team
  double scale = 0;
};

// Runs `kernel` (one pass over its data) and the ceilings of `work` in turn for several rounds;
// about a second for kernels below 50 ms.
//   resident: if its scale is not 0, the arithmetic ceiling is what it measures, in place of the
//     flops of `work` at the multiply-add peak.
//   canary: sings once a round, if there is one.
Measurement MeasureAgainstCeiling(const Work& work, const std::function<void()>& kernel,
                                  const Resident& resident = {}, Canary* canary = nullptr);

}  // namespace skein
