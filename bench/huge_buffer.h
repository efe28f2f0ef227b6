// Memory for measurements: on huge pages where the system gives them, so that a kernel and its
// ceiling walk the same kind of memory.
#pragma once

#include <cstddef>
#include <utility>

namespace skein {

class HugeBuffer {
 public:
  // At least `bytes`, zeros, on pages of their own. data() lies on a line, and five lines beyond where
  // the previous buffer's lies in its page, counted around the page: at equal offsets streams fall
  // into the same sets of the caches, and how loads lie to the stores before them in their pages is
  // worth 40% of some kernels on data in L1. It lies in the next huge page of 16, counted within
  // 32 MiB: AMD's L1 finds a line by eight bits of its virtual address, each of bits 12 to 19 xor one
  // of 27 to 20, and two lines of a set that agree in them drive each other out, which took 10 to 25%
  // off one process in five.
  // Errors: std::bad_alloc.
  explicit HugeBuffer(size_t bytes);
  ~HugeBuffer();
  HugeBuffer(HugeBuffer&& other) noexcept { *this = std::move(other); }
  HugeBuffer& operator=(HugeBuffer&& other) noexcept;

  std::byte* data() const { return data_; }

 private:
  void* mapping_ = nullptr;
  size_t mapped_bytes_ = 0;
  std::byte* data_ = nullptr;
};

}  // namespace skein
