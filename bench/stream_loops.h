// The plain loops behind the ceilings, once per vector extension. Only stream_probe.cc and
// ceilings.cc use this.
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
  int chunks = 1;  // places each stream is walked at, round robin: 1, 2, 4 or 8

  // For example "nt, prefetch L2, 4 chunks".
  std::string ToString() const;
};

// How many streams there are, and how their lengths compare.
struct StreamShape {
  int reads = 0;
  int writes = 0;
  // The longest length over that of the first read, and of the first write; all others are the
  // longest. One of {1, 1}, {2, 1}, {4, 1}, {1, 2}, {1, 4}; {0, 0}: any lengths.
  int read_ratio = 1;
  int write_ratio = 1;

  bool any_lengths() const { return read_ratio == 0; }
};

// Bytes of the longest stream that a loop handles per step. Streams are cut to whole steps in each
// chunk, if of any lengths to whole lines.
inline constexpr size_t kStreamStep = 256;
inline constexpr int kMaxStreams = 16;

// Reads every byte of `reads` and writes every byte of `writes`, step by step in turn. What is
// written is the bitwise or of what was read at the same place, the least arithmetic there is; with
// any lengths, of lines before.
//   reads, writes: 64-byte aligned, num_reads and num_writes of them, at most kMaxStreams each.
//   read_bytes, write_bytes: length of each stream, the longest a multiple of kStreamStep * chunks;
//     if any, each of 64 * chunks: the streams then advance in proportion.
//   prefetch_distance: how far ahead of the loads the prefetches run, in bytes.
//   turn: of any lengths, the bytes of the longest between turns from stream to stream.
struct StreamArguments {
  const std::byte* const* reads;
  std::byte* const* writes;
  const size_t* read_bytes;
  const size_t* write_bytes;
  int num_reads;
  int num_writes;
  size_t prefetch_distance = 0;
  size_t turn = 1024;
};
using StreamLoop = void (*)(const StreamArguments&);

// A loop for the shape; the CPU must have the extension.
StreamLoop StreamLoopAvx2(const StreamShape& shape, const StreamVariant& variant);
StreamLoop StreamLoopAvx512(const StreamShape& shape, const StreamVariant& variant);

// One to three reads of one length into one write around the cache, with as many multiply-adds per
// vector as a transcendental function takes: the processor then sees few lines ahead by itself.
inline constexpr int kBusyMultiplyAdds = 16;
StreamLoop BusyLoopAvx2(int reads, StreamVariant::Prefetch prefetch);
StreamLoop BusyLoopAvx512(int reads, StreamVariant::Prefetch prefetch);

// Runs `iterations` rounds of independent multiply-adds on registers. Returns the flops done.
double FmaLoopAvx2(int64_t iterations);
double FmaLoopAvx512(int64_t iterations);

}  // namespace skein
