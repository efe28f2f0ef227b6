// A 128-bit stable hash: equal on every machine and in every process, so it may name things on disk.
#ifndef SKEIN_BASE_HASH_H_
#define SKEIN_BASE_HASH_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace skein {

struct Hash128 {
  uint64_t hi = 0, lo = 0;
  auto operator<=>(const Hash128&) const = default;
  std::string Hex() const;  // 32 lower-case digits

  template <typename H>
  friend H AbslHashValue(H h, const Hash128& v) {
    return H::combine(std::move(h), v.hi, v.lo);
  }
};

// Two independent 64-bit lanes, multiplied and folded word by word, with a final mix. Not cryptographic.
Hash128 StableHash(std::string_view bytes);

}  // namespace skein

#endif  // SKEIN_BASE_HASH_H_
