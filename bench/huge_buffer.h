// Memory for measurements: on huge pages where the system gives them, so that a kernel and its
// ceiling walk the same kind of memory.
#pragma once

#include <cstddef>
#include <utility>

namespace skein {

class HugeBuffer {
 public:
  // At least `bytes`, zeros, on pages of their own. data() lies on a line, and a few lines beyond
  // where the previous buffer's lies in its page: at equal offsets streams fall into the same sets
  // of the caches. Errors: std::bad_alloc.
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
