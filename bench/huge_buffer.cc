#include "bench/huge_buffer.h"

#include <sys/mman.h>

#include <atomic>
#include <cstdint>
#include <new>

namespace skein {

HugeBuffer::HugeBuffer(size_t bytes) {
  constexpr size_t kHugePage = size_t{2} << 20, kPage = 4096, kRegion = 16 * kHugePage;
  static std::atomic<size_t> count = 0;
  const size_t number = count++, stagger = 64 * 5 * number % kPage, page = number % (kRegion / kHugePage) * kHugePage;
  mapped_bytes_ = (bytes + stagger + kHugePage - 1) / kHugePage * kHugePage + 2 * kRegion;
  mapping_ =
      mmap(nullptr, mapped_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping_ == MAP_FAILED) throw std::bad_alloc();
  const uintptr_t start = (reinterpret_cast<uintptr_t>(mapping_) + kRegion - 1) / kRegion * kRegion + page;
  madvise(reinterpret_cast<void*>(start), bytes + stagger, MADV_HUGEPAGE);
  data_ = reinterpret_cast<std::byte*>(start) + stagger;
}

HugeBuffer::~HugeBuffer() {
  if (mapping_ != nullptr) munmap(mapping_, mapped_bytes_);
}

HugeBuffer& HugeBuffer::operator=(HugeBuffer&& other) noexcept {
  std::swap(mapping_, other.mapping_);
  std::swap(mapped_bytes_, other.mapped_bytes_);
  std::swap(data_, other.data_);
  return *this;
}

}  // namespace skein
