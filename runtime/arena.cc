#include "runtime/arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <numeric>

namespace skein {
namespace {

constexpr int64_t kHugePage = 2 << 20;

// More than a machine has: a wrong size rather than a tensor. Sanitizers end the process beyond it.
constexpr int64_t kMostBytes = int64_t{1} << 40;

}  // namespace

ArenaPlan PlanArena(std::span<const Lifetime> lifetimes) {
  const int count = static_cast<int>(lifetimes.size());
  std::vector<int> by_size(count);
  std::iota(by_size.begin(), by_size.end(), 0);
  std::stable_sort(by_size.begin(), by_size.end(),
                   [&](int a, int b) { return lifetimes[a].bytes > lifetimes[b].bytes; });
  ArenaPlan plan;
  plan.offsets.resize(count);
  std::vector<int> placed;  // ascending by offset
  for (int i : by_size) {
    const int64_t bytes = PaddedBytes(lifetimes[i].bytes);
    int64_t end = 0, best = -1, best_gap = INT64_MAX;
    for (int other : placed) {
      if (lifetimes[other].last < lifetimes[i].first || lifetimes[i].last < lifetimes[other].first) continue;
      const int64_t gap = plan.offsets[other] - end;
      if (gap >= bytes && gap < best_gap) {
        best = end;
        best_gap = gap;
      }
      end = std::max(end, plan.offsets[other] + PaddedBytes(lifetimes[other].bytes));
    }
    plan.offsets[i] = best >= 0 ? best : end;
    plan.bytes = std::max(plan.bytes, plan.offsets[i] + bytes);
    placed.insert(std::upper_bound(placed.begin(), placed.end(), i,
                                   [&](int a, int b) { return plan.offsets[a] < plan.offsets[b]; }),
                  i);
  }
  return plan;
}

void AlignedBytes::Free::operator()(std::byte* p) const { std::free(p); }

absl::Status AlignedBytes::Reserve(int64_t bytes) {
  if (bytes <= size_) return absl::OkStatus();
  data_.reset();
  size_ = 0;
  if (bytes >= kMostBytes) return absl::ResourceExhaustedError(absl::StrCat("cannot allocate ", bytes, " bytes"));
  const int64_t alignment = bytes >= kHugePage ? kHugePage : 64;
  const int64_t rounded = (bytes + alignment - 1) / alignment * alignment;
  data_.reset(static_cast<std::byte*>(std::aligned_alloc(alignment, rounded)));
  if (data_ == nullptr) {
    return absl::ResourceExhaustedError(absl::StrCat("cannot allocate ", bytes, " bytes"));
  }
  // Fewer misses of the address translation; a kernel that does without is no error.
  if (alignment == kHugePage) madvise(data_.get(), rounded, MADV_HUGEPAGE);
  size_ = rounded;
  return absl::OkStatus();
}

}  // namespace skein
