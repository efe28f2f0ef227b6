// Attributes as bytes: what hash-consing and memos tell nodes apart by.
#ifndef SKEIN_IR_NODE_KEY_H_
#define SKEIN_IR_NODE_KEY_H_

#include <cstring>
#include <string>

#include "ir/graph.h"

namespace skein {

// Appends the bytes of a number.
template <typename T>
void AppendNumber(T v, std::string* key) {
  char bytes[sizeof(v)];
  std::memcpy(bytes, &v, sizeof(v));
  key->append(bytes, sizeof(v));
}

// Larger literals are told apart by where they are, not by what they hold.
inline constexpr int64_t kMostKeyedBytes = 4096;

// Appends bytes that are equal exactly for equal attributes. Expressions are interned, so their addresses serve; so do
// those of literals above 4 KiB. Smaller literals count by content.
void AppendAttributesKey(const Attributes& attributes, std::string* key);

}  // namespace skein

#endif  // SKEIN_IR_NODE_KEY_H_
