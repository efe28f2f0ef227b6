// Read-only data of one object: each distinct constant once, at its natural alignment.
#ifndef SKEIN_CODEGEN_X86_CONSTANTS_H_
#define SKEIN_CODEGEN_X86_CONSTANTS_H_

#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace skein::x86 {

class ConstantPool {
 public:
  // The offset of `bytes` in the data, a multiple of its size (a power of two up to 64).
  uint32_t Add(std::span<const uint8_t> bytes) {
    const size_t size = bytes.size();
    for (size_t at = 0; at + size <= data_.size(); at += size) {
      if (std::memcmp(&data_[at], bytes.data(), size) == 0) return static_cast<uint32_t>(at);
    }
    data_.resize((data_.size() + size - 1) / size * size);
    const uint32_t offset = static_cast<uint32_t>(data_.size());
    data_.insert(data_.end(), bytes.begin(), bytes.end());
    return offset;
  }
  template <typename T>
  uint32_t Add(const T& value) {
    return Add(std::span(reinterpret_cast<const uint8_t*>(&value), sizeof(value)));
  }
  std::vector<uint8_t> Take() { return std::move(data_); }

 private:
  std::vector<uint8_t> data_;
};

}  // namespace skein::x86

#endif  // SKEIN_CODEGEN_X86_CONSTANTS_H_
