// The memory plan: where the intermediate values of one binding lie.
#ifndef SKEIN_RUNTIME_ARENA_H_
#define SKEIN_RUNTIME_ARENA_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/status.h"

namespace skein {

// A buffer that must exist from step `first` to step `last`, both included.
struct Lifetime {
  int64_t bytes;
  int first, last;
};

struct ArenaPlan {
  std::vector<int64_t> offsets;  // bytes, one per lifetime; multiples of 64
  int64_t bytes = 0;             // of the whole arena
};

// Offsets such that buffers alive at the same time do not overlap: the largest first, each into the
// smallest gap that fits among those placed. Each buffer is followed by a free line of 64 bytes, so that
// two workers at the edges of neighbours never share one.
ArenaPlan PlanArena(std::span<const Lifetime> lifetimes);

// 64-byte aligned memory that only grows; its content is lost when it does.
class AlignedBytes {
 public:
  // Errors: ResourceExhausted.
  absl::Status Reserve(int64_t bytes);
  std::byte* data() const { return data_.get(); }
  int64_t size() const { return size_; }

 private:
  struct Free {
    void operator()(std::byte* p) const;
  };
  std::unique_ptr<std::byte, Free> data_;
  int64_t size_ = 0;
};

// `bytes` and its free line, rounded up to whole lines.
inline int64_t PaddedBytes(int64_t bytes) { return (bytes + 63) / 64 * 64 + 64; }

}  // namespace skein

#endif  // SKEIN_RUNTIME_ARENA_H_
