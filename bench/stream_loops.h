// The plain loops behind the ceilings, once per vector extension. Only ceilings.cc uses this.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace skein {

// Ways to write one streaming loop; which is fastest depends on the machine and on the size.
struct StreamVariant {
  enum class Prefetch { kNone, kL1, kL2 };

  bool non_temporal = false;  // stores go around the caches
  Prefetch prefetch = Prefetch::kNone;
  int chunks = 1;  // places each stream is walked at, round robin: 1 or 4

  // For example "nt, prefetch L2, 4 chunks".
  std::string ToString() const;
};

// Bytes that a loop handles per step. Streams are cut to whole steps in each chunk.
inline constexpr size_t kStreamStep = 256;
inline constexpr int kMaxStreams = 16;

// Reads every byte of `reads` and writes every byte of `writes`, step by step in turn. What is
// written is the bitwise or of what was read at the same place, the least arithmetic there is.
//   reads, writes: 64-byte aligned, num_reads and num_writes of them, at most kMaxStreams each.
//   bytes: length of each stream, a multiple of kStreamStep * chunks.
struct StreamArguments {
  const std::byte* const* reads;
  std::byte* const* writes;
  int num_reads;
  int num_writes;
  size_t bytes;
};
using StreamLoop = void (*)(const StreamArguments&);

// A loop for the number of streams; the CPU must have the extension.
StreamLoop StreamLoopAvx2(int reads, int writes, const StreamVariant& variant);
StreamLoop StreamLoopAvx512(int reads, int writes, const StreamVariant& variant);

// Runs `iterations` rounds of independent multiply-adds on registers. Returns the flops done.
double FmaLoopAvx2(int64_t iterations);
double FmaLoopAvx512(int64_t iterations);

}  // namespace skein
