#include "ir/numeric.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace skein {
namespace {

// Rounds to a binary format of 16 bits with the given fields, to nearest even.
uint16_t RoundTo16(double value, int exponent_bits, int mantissa_bits) {
  const uint64_t bits = std::bit_cast<uint64_t>(value);
  const uint16_t sign = static_cast<uint16_t>((bits >> 63) << 15);
  const uint64_t mantissa = bits & ((uint64_t{1} << 52) - 1);
  const int64_t exponent = static_cast<int64_t>((bits >> 52) & 0x7ff);
  const uint64_t infinity = ((uint64_t{1} << exponent_bits) - 1) << mantissa_bits;
  if (exponent == 0x7ff) {
    if (mantissa == 0) return sign | infinity;
    const uint64_t quiet = uint64_t{1} << (mantissa_bits - 1);
    return sign | infinity | quiet | (mantissa >> (52 - mantissa_bits));
  }
  const int64_t bias = (int64_t{1} << (exponent_bits - 1)) - 1;
  int64_t target = exponent - 1023 + bias;
  int64_t shift = 52 - mantissa_bits;
  if (target < 1) {  // subnormal in the result: its unit is that of exponent 1
    shift += 1 - target;
    target = 1;
  }
  if (exponent == 0 || shift > 53) return sign;  // below half of the smallest subnormal
  const uint64_t significand = mantissa | (uint64_t{1} << 52);
  const uint64_t rest = significand & ((uint64_t{1} << shift) - 1);
  const uint64_t half = uint64_t{1} << (shift - 1);
  uint64_t rounded = significand >> shift;
  if (rest > half || (rest == half && (rounded & 1))) ++rounded;
  // The implicit bit, if there, adds 1 to the exponent field; a carry out of the mantissa another.
  const uint64_t result = (static_cast<uint64_t>(target - 1) << mantissa_bits) + rounded;
  return sign | static_cast<uint16_t>(result < infinity ? result : infinity);
}

template <typename T>
uint64_t SaturateToInt(double value) {
  if (std::isnan(value)) return 0;
  constexpr double kLow = static_cast<double>(std::numeric_limits<T>::min());
  constexpr double kHigh = static_cast<double>(std::numeric_limits<T>::max());  // 64 bits: max + 1
  if (value <= kLow) return static_cast<uint64_t>(std::numeric_limits<T>::min());
  if (value >= kHigh) return static_cast<uint64_t>(std::numeric_limits<T>::max());
  return static_cast<uint64_t>(static_cast<T>(value));
}

uint64_t LowBits(ElementType t) {
  const int width = BitWidth(t);
  return width == 64 ? ~uint64_t{0} : (uint64_t{1} << width) - 1;
}

}  // namespace

float HalfToFloat(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits >> 15) << 31;
  const uint32_t exponent = (bits >> 10) & 31;
  const uint32_t mantissa = bits & 1023;
  if (exponent == 0) {
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(magnitude));
  }
  const uint32_t wide_exponent = exponent == 31 ? 255 : exponent + 112;
  return std::bit_cast<float>(sign | (wide_exponent << 23) | (mantissa << 13));
}

uint16_t HalfFromDouble(double value) { return RoundTo16(value, 5, 10); }

float BFloat16ToFloat(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

uint16_t BFloat16FromDouble(double value) { return RoundTo16(value, 8, 7); }

double StickyDouble(uint64_t value) {
  const int shift = 11 - std::countl_zero(value | 1);  // keeps 53 bits
  if (shift <= 0) return static_cast<double>(value);
  const uint64_t lost = value & ((uint64_t{1} << shift) - 1);
  const uint64_t kept = (value >> shift) | (lost != 0 ? 1 : 0);
  return std::ldexp(static_cast<double>(kept), shift);
}

double StickyDouble(int64_t value) {
  if (value >= 0) return StickyDouble(static_cast<uint64_t>(value));
  return -StickyDouble(uint64_t{0} - static_cast<uint64_t>(value));
}

uint64_t BitsFromDouble(ElementType t, double value) {
  switch (t) {
    case ElementType::kBool:
      return value != 0 ? 1 : 0;
    case ElementType::kI4: {
      const uint64_t wide = SaturateToInt<int8_t>(value < -8 ? -8 : value > 7 ? 7 : value);
      return wide & 15;
    }
    case ElementType::kI8:
      return SaturateToInt<int8_t>(value) & 0xff;
    case ElementType::kI16:
      return SaturateToInt<int16_t>(value) & 0xffff;
    case ElementType::kI32:
      return SaturateToInt<int32_t>(value) & 0xffffffff;
    case ElementType::kI64:
      return SaturateToInt<int64_t>(value);
    case ElementType::kU4:
      return SaturateToInt<uint8_t>(value > 15 ? 15 : value);
    case ElementType::kU8:
      return SaturateToInt<uint8_t>(value);
    case ElementType::kU16:
      return SaturateToInt<uint16_t>(value);
    case ElementType::kU32:
      return SaturateToInt<uint32_t>(value);
    case ElementType::kU64:
      return SaturateToInt<uint64_t>(value);
    case ElementType::kF16:
      return HalfFromDouble(value);
    case ElementType::kBF16:
      return BFloat16FromDouble(value);
    case ElementType::kF32:
      return std::bit_cast<uint32_t>(static_cast<float>(value));
    case ElementType::kF64:
      return std::bit_cast<uint64_t>(value);
  }
  return 0;
}

double DoubleFromBits(ElementType t, uint64_t bits) {
  switch (t) {
    case ElementType::kF16:
      return HalfToFloat(static_cast<uint16_t>(bits));
    case ElementType::kBF16:
      return BFloat16ToFloat(static_cast<uint16_t>(bits));
    case ElementType::kF32:
      return std::bit_cast<float>(static_cast<uint32_t>(bits));
    case ElementType::kF64:
      return std::bit_cast<double>(bits);
    case ElementType::kU64:
      return static_cast<double>(bits);
    default:
      return static_cast<double>(Int64FromBits(t, bits));
  }
}

uint64_t BitsFromInt64(ElementType t, int64_t value) {
  switch (t) {
    case ElementType::kBool:
      return value != 0 ? 1 : 0;
    case ElementType::kF16:
      return HalfFromDouble(StickyDouble(value));
    case ElementType::kBF16:
      return BFloat16FromDouble(StickyDouble(value));
    case ElementType::kF32:
      return std::bit_cast<uint32_t>(static_cast<float>(value));
    case ElementType::kF64:
      return std::bit_cast<uint64_t>(static_cast<double>(value));
    default:
      return static_cast<uint64_t>(value) & LowBits(t);
  }
}

int64_t Int64FromBits(ElementType t, uint64_t bits) {
  if (IsFloat(t)) {
    return static_cast<int64_t>(BitsFromDouble(ElementType::kI64, DoubleFromBits(t, bits)));
  }
  if (IsBool(t)) return bits != 0 ? 1 : 0;
  const int unused = 64 - BitWidth(t);
  if (IsSigned(t)) return static_cast<int64_t>(bits << unused) >> unused;
  return static_cast<int64_t>(bits << unused >> unused);
}

uint64_t ReadBits(ElementType t, const void* data, int64_t index) {
  const auto* bytes = static_cast<const uint8_t*>(data);
  if (t == ElementType::kI4 || t == ElementType::kU4) {
    return (bytes[index >> 1] >> ((index & 1) * 4)) & 15;
  }
  if (IsBool(t)) return bytes[index] != 0 ? 1 : 0;
  const int64_t size = BytesFor(t, 1);
  uint64_t bits = 0;  // little-endian hosts only, as the generated code
  std::memcpy(&bits, bytes + index * size, static_cast<size_t>(size));
  return bits;
}

void WriteBits(ElementType t, void* data, int64_t index, uint64_t bits) {
  auto* bytes = static_cast<uint8_t*>(data);
  if (t == ElementType::kI4 || t == ElementType::kU4) {
    const int shift = static_cast<int>(index & 1) * 4;
    uint8_t& byte = bytes[index >> 1];
    byte = static_cast<uint8_t>((byte & ~(15 << shift)) | ((bits & 15) << shift));
    return;
  }
  const int64_t size = BytesFor(t, 1);
  std::memcpy(bytes + index * size, &bits, static_cast<size_t>(size));
}

double ReadAsDouble(ElementType t, const void* data, int64_t index) {
  return DoubleFromBits(t, ReadBits(t, data, index));
}

int64_t ReadAsInt64(ElementType t, const void* data, int64_t index) {
  return Int64FromBits(t, ReadBits(t, data, index));
}

void WriteFromDouble(ElementType t, void* data, int64_t index, double value) {
  WriteBits(t, data, index, BitsFromDouble(t, value));
}

void WriteFromInt64(ElementType t, void* data, int64_t index, int64_t value) {
  WriteBits(t, data, index, BitsFromInt64(t, value));
}

}  // namespace skein
