// Scalar arithmetic on element types in software: f16 and bf16, single elements in raw memory, and
// the conversions of Opcode::kConvert. Both interpreters and everything that compares tensors use
// these.
#ifndef SKEIN_IR_NUMERIC_H_
#define SKEIN_IR_NUMERIC_H_

#include <cstdint>

#include "ir/element_type.h"

namespace skein {

// f16 and bf16 as their 16 bits. Widening is exact; narrowing rounds to nearest even in one step,
// overflows to infinity, keeps subnormals, and makes NaNs quiet.
float HalfToFloat(uint16_t bits);
uint16_t HalfFromDouble(double value);
inline uint16_t HalfFromFloat(float value) { return HalfFromDouble(value); }
float BFloat16ToFloat(uint16_t bits);
uint16_t BFloat16FromDouble(double value);
inline uint16_t BFloat16FromFloat(float value) { return BFloat16FromDouble(value); }

// The double next to `value` that rounds on to any narrower format as `value` itself does (round to
// odd): the first step of a conversion to a narrower float that must round only once.
double StickyDouble(int64_t value);
double StickyDouble(uint64_t value);

// The bit pattern of one element, in the low BitWidth(t) bits (bool: 0 or 1), and back. Narrowing
// as kConvert says: floats round to even; float to integer truncates, saturates, and NaN gives 0.
uint64_t BitsFromDouble(ElementType t, double value);
double DoubleFromBits(ElementType t, uint64_t bits);
uint64_t BitsFromInt64(ElementType t, int64_t value);  // integers wrap
int64_t Int64FromBits(ElementType t, uint64_t bits);   // u64 keeps its bits

// Element `index` of an array in memory. i4 and u4 lie two a byte, low nibble first; a stored bool
// is true if its byte is not 0, and written as 0 or 1. Need no alignment.
uint64_t ReadBits(ElementType t, const void* data, int64_t index);
void WriteBits(ElementType t, void* data, int64_t index, uint64_t bits);
double ReadAsDouble(ElementType t, const void* data, int64_t index);  // i64, u64: rounded
int64_t ReadAsInt64(ElementType t, const void* data, int64_t index);  // floats: as kConvert
void WriteFromDouble(ElementType t, void* data, int64_t index, double value);
void WriteFromInt64(ElementType t, void* data, int64_t index, int64_t value);

}  // namespace skein

#endif  // SKEIN_IR_NUMERIC_H_
