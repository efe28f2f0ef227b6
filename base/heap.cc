#include "base/heap.h"

#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>

namespace skein {

void UseHugePagesForHeap() {
  constexpr size_t kHugePage = 2 << 20, kBytes = 64 << 20, kBefore = 512 << 10;
  mallopt(M_TOP_PAD, kBytes);
  mallopt(M_TRIM_THRESHOLD, 2 * kBytes);
  mallopt(M_MMAP_THRESHOLD, kHugePage);
  // Address space that is never touched, up to a little before a huge page: what malloc writes behind it when it grows
  // must not lie in that page, which would be made, of small ones, there and then.
  static void* volatile gap = std::malloc(kBefore);
  if (gap == nullptr) return;
  const auto start = reinterpret_cast<uintptr_t>(gap);
  const uintptr_t begin = (start + 2 * kBefore + kHugePage - 1) / kHugePage * kHugePage;
  gap = std::realloc(gap, begin - kBefore - start);
  const auto end = reinterpret_cast<uintptr_t>(sbrk(0));
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
}

}  // namespace skein
