// Memory streams of a kernel, and the probe that says how fast a plain loop walks the same ones.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "bench/huge_buffer.h"
#include "bench/stream_loops.h"

namespace skein {

// Bytes that are read from and written to memory once each, front to back.
struct Streams {
  std::vector<size_t> reads;
  std::vector<size_t> writes;

  static Streams Equal(int reads, int writes, size_t bytes) {
    return {std::vector<size_t>(reads, bytes), std::vector<size_t>(writes, bytes)};
  }
  bool empty() const { return total() == 0; }
  double total() const;  // bytes
  size_t longest() const;
  StreamShape shape() const;
};

// Streams over buffers of its own, on the threads of Team::OfThisRun(), each on its part of every
// stream.
class StreamProbe {
 public:
  struct Choice {
    std::optional<bool> non_temporal;                 // one kind of store only
    std::optional<StreamVariant::Prefetch> prefetch;  // one kind of prefetch only
    std::optional<int> chunks;                        // one number of chunks only
    bool busy = false;  // with arithmetic, see BusyLoopAvx2: 1 to 3 reads, 1 write of one length
    size_t l1_distance = 4096, l2_distance = 8192;  // of the prefetches, in bytes
  };

  // Allocates the buffers and ranks the variants: {normal, non-temporal stores} x {no prefetch,
  // into L1, into L2} x {1, 4 chunks}, less what `choice` excludes;
  // of busy loops the prefetches only.
  //   streams: 1 to kMaxStreams reads and writes of any size; loops run over whole steps, and times
  //     are scaled to the size.
  StreamProbe(const Streams& streams, const Choice& choice);
  explicit StreamProbe(const Streams& streams) : StreamProbe(streams, Choice()) {}

  // Seconds of one pass over all streams by the best variant, from one short round.
  double Round();

  // One pass by the variant that was fastest when the probe was made.
  void Pass() const;

  // The fastest variant when the probe was made.
  const StreamVariant& best() const { return candidates_.front().variant; }

 private:
  // What one thread walks.
  struct Part {
    std::vector<const std::byte*> reads;
    std::vector<std::byte*> writes;
    std::vector<size_t> read_bytes, write_bytes;
  };
  struct Candidate {
    StreamVariant variant;
    StreamLoop loop;
    double seconds;
    size_t turn;              // of the loop, see StreamArguments
    std::vector<Part> parts;  // one per thread
    double scale;             // bytes of the streams / bytes of the parts
  };

  Candidate MakeCandidate(const StreamVariant& variant, size_t turn) const;
  void Walk(const Candidate& candidate, int thread) const;
  double Time(const Candidate& candidate, int passes) const;

  Streams streams_;
  Choice choice_;
  int passes_ = 1;
  std::vector<HugeBuffer> buffers_;    // reads, then writes
  std::vector<Candidate> candidates_;  // fastest first
};

// Seconds that the best plain loop needs for `streams`: the median of several rounds. Zero without
// any byte.
double StreamCeilingSeconds(const Streams& streams);

}  // namespace skein
