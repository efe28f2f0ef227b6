#include "base/heap.h"

#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>

namespace skein {

void UseHugePagesForHeap() {
  constexpr size_t kHugePage = 2 << 20, kBytes = 16 << 20, kBefore = 512 << 10;
  // What malloc writes when it grows must not lie in the first of them, which would be made then.
  const uintptr_t end = reinterpret_cast<uintptr_t>(sbrk(0));
  const uintptr_t begin = (end + kBefore + kHugePage - 1) / kHugePage * kHugePage;
  sbrk(static_cast<intptr_t>(begin - kBefore - end));  // malloc copes with a break that was moved
  mallopt(M_TOP_PAD, kBytes + kBefore);
  mallopt(M_TRIM_THRESHOLD, 4 * kBytes);
  mallopt(M_MMAP_THRESHOLD, kHugePage);
  void* volatile const grown = std::malloc(kBefore / 8 * 5);  // malloc keeps less than 264 KiB to give
  madvise(reinterpret_cast<void*>(begin), kBytes, MADV_HUGEPAGE);
  std::free(grown);
}

}  // namespace skein
