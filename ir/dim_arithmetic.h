// The scalar arithmetic of dimension expressions: saturating add and multiply, division and modulo
// that round towards -inf and give 0 for a divisor of 0. Values lie in [-INT64_MAX, INT64_MAX];
// INT64_MIN is read as -INT64_MAX, so that every value has a negation.
#ifndef SKEIN_IR_DIM_ARITHMETIC_H_
#define SKEIN_IR_DIM_ARITHMETIC_H_

#include <cstdint>

namespace skein {

inline int64_t DimClamp(int64_t v) { return v == INT64_MIN ? -INT64_MAX : v; }

inline int64_t DimAdd(int64_t a, int64_t b) {
  int64_t sum;
  if (__builtin_add_overflow(a, b, &sum)) return a < 0 ? -INT64_MAX : INT64_MAX;
  return DimClamp(sum);
}

inline int64_t DimMul(int64_t a, int64_t b) {
  int64_t product;
  if (__builtin_mul_overflow(a, b, &product)) return (a < 0) != (b < 0) ? -INT64_MAX : INT64_MAX;
  return DimClamp(product);
}

inline int64_t DimFloorDiv(int64_t a, int64_t b) {
  if (b == 0) return 0;
  if (b == -1) return -DimClamp(a);  // INT64_MIN / -1 traps
  int64_t quotient = a / b;
  return quotient - ((a % b != 0) && ((a < 0) != (b < 0)) ? 1 : 0);
}

inline int64_t DimMod(int64_t a, int64_t b) {
  if (b == 0 || b == -1) return 0;
  int64_t remainder = a % b;
  return remainder != 0 && ((remainder < 0) != (b < 0)) ? remainder + b : remainder;
}

}  // namespace skein

#endif  // SKEIN_IR_DIM_ARITHMETIC_H_
