// What this machine can do, measured: memory streams with given numbers of readers and writers,
// and the multiply-add peak. A kernel's share of its ceiling is only worth something if both were
// measured in the same rounds, so MeasureAgainstCeiling alternates them.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <vector>

#include "bench/stream_loops.h"

namespace skein {

// Data cache sizes of one core in bytes; l3 is shared. Guesses where the machine does not say.
struct CacheSizes {
  size_t l1;
  size_t l2;
  size_t l3;
};
const CacheSizes& Caches();

// True if the CPU has AVX2 and FMA, without which nothing here runs.
bool CanMeasureCeilings();

// Streams over buffers of its own, on huge pages where the system gives them.
class StreamProbe {
 public:
  // Allocates the buffers and finds the fastest variants.
  //   reads, writes: 0 to kMaxStreams each, not both 0.
  //   bytes_per_stream: any size; loops run over whole steps, and times are scaled to this size.
  //   non_temporal: restricts the variants to one kind of store.
  StreamProbe(int reads, int writes, size_t bytes_per_stream,
              std::optional<bool> non_temporal = std::nullopt);
  ~StreamProbe();
  StreamProbe(const StreamProbe&) = delete;
  StreamProbe& operator=(const StreamProbe&) = delete;

  // Seconds of one pass over all streams by the best variant, from one short round.
  double Round();

  // One pass by the variant that was fastest when the probe was made.
  void Pass() const;

  // The fastest variant when the probe was made.
  const StreamVariant& best() const { return candidates_.front().variant; }
  double total_bytes() const { return static_cast<double>(buffers_.size()) * bytes_; }

 private:
  struct Candidate {
    StreamVariant variant;
    StreamLoop loop;
    double seconds;
  };
  struct Buffer {
    void* mapping;
    size_t mapped_bytes;
    std::byte* data;
  };

  // Bytes of each stream that a candidate walks: bytes_ in whole steps.
  size_t WalkedBytes(const Candidate& candidate) const;
  void Pass(const Candidate& candidate) const;
  double Time(const Candidate& candidate, int passes) const;

  size_t bytes_;
  int passes_ = 1;
  std::vector<Buffer> buffers_;
  std::vector<const std::byte*> reads_;
  std::vector<std::byte*> writes_;
  std::vector<Candidate> candidates_;  // fastest first
};

// Seconds that the best plain loop needs to read `reads` streams and write `writes` streams of
// bytes_per_stream each: the median of several rounds on one thread. Zero without any stream.
double StreamCeilingSeconds(int reads, int writes, size_t bytes_per_stream);

// One short round of multiply-adds on registers, in f32 flop/s (two a multiply-add) of one thread.
double FmaRoundFlops();
// The median of several such rounds.
double FmaPeakFlops();

// What a kernel has to do at least, as docs/design.md section 6 counts it.
struct Work {
  int reads = 0;  // memory streams
  int writes = 0;
  size_t bytes_per_stream = 0;
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

// The kernel's own instructions on data that stay in L1, at two sizes: their difference is arithmetic alone,
// without the cost of a launch. One pass over the real data takes `scale` times that difference.
struct Resident {
  std::function<void()> small, large;
  double scale = 0;
};

// Runs `kernel` (one pass over its data, on the calling thread) and the ceilings of `work` in turn
// for several rounds; about a second for kernels below 50 ms.
// With `resident` the arithmetic ceiling is what it measures, in place of the flops of `work` at the
// multiply-add peak.
Measurement MeasureAgainstCeiling(const Work& work, const std::function<void()>& kernel,
                                  const Resident& resident = {});

}  // namespace skein
