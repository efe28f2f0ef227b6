#include "bench/ceilings.h"

#include <cpuid.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <new>

namespace skein {
namespace {

// A round is long enough for the clock and the call not to count, and short enough for the rounds
// of a kernel and of its ceiling to see the same machine: these virtual machines have slow phases.
constexpr double kRoundSeconds = 200e-6;
constexpr int kRounds = 9;

double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double Median(std::vector<double> values) {
  const auto middle = values.begin() + values.size() / 2;
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

bool HasAvx512() {
  static const bool has = __builtin_cpu_supports("avx512f");
  return has;
}

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

std::vector<StreamVariant> Variants(bool has_reads, bool has_writes,
                                    std::optional<bool> non_temporal) {
  using enum StreamVariant::Prefetch;
  std::vector<StreamVariant> variants;
  for (const bool around : {false, true}) {
    if (around && (!has_writes || non_temporal == false)) continue;
    if (!around && has_writes && non_temporal == true) continue;
    for (const auto prefetch : {kNone, kL1, kL2}) {
      if (prefetch != kNone && !has_reads) continue;
      for (const int chunks : {1, 4}) variants.push_back({around, prefetch, chunks});
    }
  }
  return variants;
}

// Passes of something that takes `seconds` to fill a round.
int PassesPerRound(double seconds) {
  return static_cast<int>(std::clamp(std::ceil(kRoundSeconds / std::max(seconds, 1e-9)), 1.0, 1e6));
}

}  // namespace

std::string StreamVariant::ToString() const {
  std::string text = non_temporal ? "nt" : "normal";
  if (prefetch == Prefetch::kL1) text += ", prefetch L1";
  if (prefetch == Prefetch::kL2) text += ", prefetch L2";
  if (chunks > 1) text += ", " + std::to_string(chunks) + " chunks";
  return text;
}

const CacheSizes& Caches() {
  static const CacheSizes sizes = ReadCacheSizes();
  return sizes;
}

bool CanMeasureCeilings() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

StreamProbe::StreamProbe(int reads, int writes, size_t bytes_per_stream,
                         std::optional<bool> non_temporal)
    : bytes_(bytes_per_stream) {
  constexpr size_t kHugePage = size_t{2} << 20;
  for (int s = 0; s < reads + writes; ++s) {
    // Streams start a few lines apart: at equal offsets from a page they fall into the same sets
    // of the caches.
    const size_t stagger = size_t{64} * 5 * s;
    const size_t needed = std::max(bytes_, 4 * kStreamStep) + stagger;
    const size_t mapped = (needed + kHugePage - 1) / kHugePage * kHugePage + kHugePage;
    void* mapping =
        mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED) throw std::bad_alloc();
    const uintptr_t start =
        (reinterpret_cast<uintptr_t>(mapping) + kHugePage - 1) / kHugePage * kHugePage;
    madvise(reinterpret_cast<void*>(start), mapped - kHugePage, MADV_HUGEPAGE);
    std::byte* data = reinterpret_cast<std::byte*>(start) + stagger;
    std::fill_n(reinterpret_cast<float*>(data), std::max(bytes_, 4 * kStreamStep) / 4, 1.0f);
    buffers_.push_back({mapping, mapped, data});
    if (s < reads) {
      reads_.push_back(data);
    } else {
      writes_.push_back(data);
    }
  }

  // All variants once to settle the pages and caches, then the best of three rounds each.
  for (const StreamVariant& variant : Variants(reads > 0, writes > 0, non_temporal)) {
    if (bytes_ < kStreamStep * variant.chunks && variant.chunks > 1) continue;
    const StreamLoop loop = HasAvx512() ? StreamLoopAvx512(reads, writes, variant)
                                        : StreamLoopAvx2(reads, writes, variant);
    candidates_.push_back({variant, loop, INFINITY});
  }
  double fastest = INFINITY;
  for (const Candidate& candidate : candidates_) {
    fastest = std::min(fastest, Time(candidate, 1));
  }
  passes_ = PassesPerRound(fastest);
  for (int round = 0; round < 3; ++round) {
    for (Candidate& candidate : candidates_) {
      candidate.seconds = std::min(candidate.seconds, Time(candidate, passes_));
    }
  }
  std::sort(candidates_.begin(), candidates_.end(),
            [](const Candidate& a, const Candidate& b) { return a.seconds < b.seconds; });
}

StreamProbe::~StreamProbe() {
  for (const Buffer& buffer : buffers_) munmap(buffer.mapping, buffer.mapped_bytes);
}

size_t StreamProbe::WalkedBytes(const Candidate& candidate) const {
  const size_t unit = kStreamStep * candidate.variant.chunks;
  return std::max(bytes_ / unit * unit, unit);
}

void StreamProbe::Pass(const Candidate& candidate) const {
  candidate.loop({reads_.data(), writes_.data(), static_cast<int>(reads_.size()),
                  static_cast<int>(writes_.size()), WalkedBytes(candidate)});
}

void StreamProbe::Pass() const { Pass(candidates_.front()); }

double StreamProbe::Time(const Candidate& candidate, int passes) const {
  Pass(candidate);  // brings back into the caches what another loop has driven out
  const double start = Now();
  for (int pass = 0; pass < passes; ++pass) Pass(candidate);
  const double seconds = (Now() - start) / passes;
  return seconds * static_cast<double>(bytes_) / static_cast<double>(WalkedBytes(candidate));
}

double StreamProbe::Round() {
  // The first two are often within the noise of each other, so a single pick would be luck.
  double seconds = Time(candidates_[0], passes_);
  if (candidates_.size() > 1) seconds = std::min(seconds, Time(candidates_[1], passes_));
  return seconds;
}

double StreamCeilingSeconds(int reads, int writes, size_t bytes_per_stream) {
  if (reads + writes == 0 || bytes_per_stream == 0) return 0;
  StreamProbe probe(reads, writes, bytes_per_stream);
  std::vector<double> rounds(kRounds);
  for (double& round : rounds) round = probe.Round();
  return Median(rounds);
}

double FmaRoundFlops() {
  // About a millisecond on the slowest machine in sight. Some CPUs lower their clock for wide
  // vectors, so the narrow loop may win.
  const auto rate = [](double (*loop)(int64_t), int64_t iterations) {
    const double start = Now();
    const double flops = loop(iterations);
    return flops / (Now() - start);
  };
  double best = rate(FmaLoopAvx2, 200'000);
  if (HasAvx512()) best = std::max(best, rate(FmaLoopAvx512, 100'000));
  return best;
}

double FmaPeakFlops() {
  FmaRoundFlops();  // wakes the wide units
  std::vector<double> rounds(kRounds);
  for (double& round : rounds) round = FmaRoundFlops();
  return Median(rounds);
}

Measurement MeasureAgainstCeiling(const Work& work, const std::function<void()>& kernel,
                                  const Resident& resident) {
  std::optional<StreamProbe> probe;
  if (work.reads + work.writes > 0 && work.bytes_per_stream > 0) {
    probe.emplace(work.reads, work.writes, work.bytes_per_stream);
  }
  const auto time = [](const std::function<void()>& f, int passes) {
    const double start = Now();
    for (int pass = 0; pass < passes; ++pass) f();
    return (Now() - start) / passes;
  };
  const auto time_kernel = [&](int passes) { return time(kernel, passes); };
  kernel();
  const int passes = PassesPerRound(std::min(time_kernel(1), time_kernel(1)));

  std::vector<double> kernel_seconds, memory_seconds, flop_rates, resident_seconds;
  const double start = Now();
  // Odd, so that the median is a round; at least five however slow the kernel.
  for (int round = 0; round < 2 * kRounds + 1; ++round) {
    if (round >= 5 && round % 2 == 1 && Now() - start > 1.0) break;
    kernel();  // brings back into the caches what the ceilings have driven out
    kernel_seconds.push_back(time_kernel(passes));
    if (probe) memory_seconds.push_back(probe->Round());
    if (resident.scale > 0) {
      constexpr int kPasses = 200;  // some hundred microseconds
      resident.large();
      const double large = time(resident.large, kPasses);
      resident.small();
      resident_seconds.push_back((large - time(resident.small, kPasses)) * resident.scale);
    } else if (work.flops > 0) {
      flop_rates.push_back(FmaRoundFlops());
    }
  }
  Measurement measured;
  measured.kernel_seconds = Median(kernel_seconds);
  if (probe) measured.memory_seconds = Median(memory_seconds);
  if (!flop_rates.empty()) measured.arithmetic_seconds = work.flops / Median(flop_rates);
  if (!resident_seconds.empty()) measured.arithmetic_seconds = Median(resident_seconds);
  return measured;
}

}  // namespace skein
