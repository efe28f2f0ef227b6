// Element types of tensors and of vector lanes.
#ifndef SKEIN_IR_ELEMENT_TYPE_H_
#define SKEIN_IR_ELEMENT_TYPE_H_

#include <cstdint>
#include <optional>
#include <string_view>

namespace skein {

enum class ElementType : uint8_t {
  kBool,  // stored as one byte, 0 or 1; a mask bit in registers
  kI4, kI8, kI16, kI32, kI64,
  kU4, kU8, kU16, kU32, kU64,
  kF16, kBF16, kF32, kF64,
};

constexpr bool IsFloat(ElementType t) { return t >= ElementType::kF16; }
constexpr bool IsBool(ElementType t) { return t == ElementType::kBool; }
constexpr bool IsSigned(ElementType t) { return t >= ElementType::kI4 && t <= ElementType::kI64; }
constexpr bool IsUnsigned(ElementType t) { return t >= ElementType::kU4 && t <= ElementType::kU64; }
constexpr bool IsInteger(ElementType t) { return IsSigned(t) || IsUnsigned(t); }

// Bits of one stored element: 4 for i4/u4 (two a byte, low nibble first), 8 for bool.
constexpr int BitWidth(ElementType t) {
  constexpr int kBits[] = {8, 4, 8, 16, 32, 64, 4, 8, 16, 32, 64, 16, 16, 32, 64};
  return kBits[static_cast<int>(t)];
}

// Bytes that `count` elements take in memory, rounded up to whole bytes.
constexpr int64_t BytesFor(ElementType t, int64_t count) {
  if (t == ElementType::kI4 || t == ElementType::kU4) return (count + 1) / 2;
  constexpr int kBytes[] = {1, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 2, 2, 4, 8};
  return kBytes[static_cast<int>(t)] * count;
}

// "bool", "i4", ... "f64".
std::string_view Name(ElementType t);
std::optional<ElementType> ParseElementType(std::string_view name);

}  // namespace skein

#endif  // SKEIN_IR_ELEMENT_TYPE_H_
