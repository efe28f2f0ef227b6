#include "bench/ceilings.h"

#include <cpuid.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "bench/canary.h"
#include "bench/team.h"
#include "bench/timing.h"

namespace skein {
namespace {

// Sizes of the data caches: CPUID's cache leaf (Intel 4, AMD 0x8000001d), else sysconf, which on
// AMD gives the L3 of the whole package, other tenants' parts included, and in some virtual
// machines 0.
CacheSizes ReadCacheSizes() {
  size_t sizes[4] = {};  // by level
  for (const unsigned leaf : {4u, 0x8000001du}) {
    for (unsigned index = 0; index < 8; ++index) {
      unsigned a, b, c, d;
      if (!__get_cpuid_count(leaf, index, &a, &b, &c, &d)) break;
      const unsigned type = a & 31, level = a >> 5 & 7;
      if (type == 0) break;
      if (type == 2 || level > 3) continue;  // instructions
      // Ways, partitions, line size and sets, each less one.
      sizes[level] =
          size_t{(b >> 22) + 1} * ((b >> 12 & 1023) + 1) * ((b & 4095) + 1) * (size_t{c} + 1);
    }
  }
  const auto or_else = [](size_t measured, int name, size_t guess) {
    if (measured > 0) return measured;
    const long reported = sysconf(name);
    return reported > 0 ? static_cast<size_t>(reported) : guess;
  };
  return {or_else(sizes[1], _SC_LEVEL1_DCACHE_SIZE, size_t{32} << 10),
          or_else(sizes[2], _SC_LEVEL2_CACHE_SIZE, size_t{1} << 20),
          or_else(sizes[3], _SC_LEVEL3_CACHE_SIZE, size_t{32} << 20)};
}

// What the resident kernel takes for the difference of its sizes, on all threads at once.
double ResidentRound(const Resident& resident) {
  constexpr int kPasses = 200;  // some hundred microseconds
  const auto time = [](const std::vector<std::function<void()>>& kernels) {
    Team::OfThisRun().Time([&](int thread) { kernels[thread](); });
    return Team::OfThisRun().Time([&](int thread) {
      for (int pass = 0; pass < kPasses; ++pass) kernels[thread]();
    });
  };
  const double seconds = (time(resident.large) - time(resident.small)) / kPasses;
  return seconds * resident.scale / Team::OfThisRun().size();
}

}  // namespace

const CacheSizes& Caches() {
  static const CacheSizes sizes = ReadCacheSizes();
  return sizes;
}

std::vector<Level> Levels() {
  constexpr size_t kMiB = size_t{1} << 20;
  const CacheSizes& caches = Caches();
  const size_t threads = Team::OfThisRun().size();
  // A shared L3 is bigger than what one tenant can keep: a quarter of it, up to 32 MiB.
  const size_t l3 = std::max(std::min(caches.l3 / 4, 32 * kMiB), 2 * caches.l2 * threads);
  const size_t memory = std::clamp(8 * caches.l3, 256 * kMiB, 286 * kMiB);
  return {{"L1", caches.l1 / 2 * threads},
          {"L2", caches.l2 / 2 * threads},
          {"L3", l3},
          {"DRAM", memory}};
}

size_t LevelBytes(const char* name) {
  for (const Level& level : Levels()) {
    if (std::strcmp(level.name, name) == 0) return level.bytes;
  }
  return 0;
}

bool CanMeasureCeilings() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

double FmaRoundFlops() {
  // About a millisecond on the slowest machine in sight. Some CPUs lower their clock for wide
  // vectors, so the narrow loop may win.
  const auto rate = [](double (*loop)(int64_t), int64_t iterations) {
    double flops = 0;
    const double seconds = Team::OfThisRun().Time([&](int thread) {
      const double done = loop(iterations);
      if (thread == 0) flops = done;
    });
    return flops * Team::OfThisRun().size() / seconds;
  };
  double best = rate(FmaLoopAvx2, 200'000);
  if (__builtin_cpu_supports("avx512f")) best = std::max(best, rate(FmaLoopAvx512, 100'000));
  return best;
}

double FmaPeakFlops() {
  FmaRoundFlops();  // wakes the wide units
  std::vector<double> rounds(kRounds);
  for (double& round : rounds) round = FmaRoundFlops();
  return Median(rounds);
}

Measurement MeasureAgainstCeiling(const Work& work, const std::function<void()>& kernel,
                                  const Resident& resident, Canary* canary) {
  std::optional<StreamProbe> probe;
  if (!work.streams.empty()) probe.emplace(work.streams);
  const double warm_seconds = Team::OfThisRun().size() > 1 ? 2e-3 : kRoundSeconds / 2;
  WarmUp(kernel, warm_seconds);
  const int passes = PassesPerRound(std::min(TimePasses(kernel, 1), TimePasses(kernel, 1)));

  std::vector<double> kernel_seconds, memory_seconds, flop_rates, resident_seconds;
  const double start = Now();
  // Odd, so that the median is a round; at least five however slow the kernel.
  for (int round = 0; round < 2 * kRounds + 1; ++round) {
    if (round >= 5 && round % 2 == 1 && Now() - start > 0.8) break;
    WarmUp(kernel, warm_seconds);
    kernel_seconds.push_back(TimePasses(kernel, passes));
    if (probe) memory_seconds.push_back(probe->Round());
    if (resident.scale > 0) {
      resident_seconds.push_back(ResidentRound(resident));
    } else if (work.flops > 0) {
      flop_rates.push_back(FmaRoundFlops());
    }
    if (canary != nullptr) canary->Sing();
  }
  Measurement measured;
  measured.kernel_seconds = Median(kernel_seconds);
  if (probe) measured.memory_seconds = Median(memory_seconds);
  if (!flop_rates.empty()) measured.arithmetic_seconds = work.flops / Median(flop_rates);
  if (!resident_seconds.empty()) measured.arithmetic_seconds = Median(resident_seconds);
  return measured;
}

}  // namespace skein
