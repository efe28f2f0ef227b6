// Pieces that several functions of ir/math share. Internal to ir/math.
#ifndef SKEIN_IR_MATH_PARTS_H_
#define SKEIN_IR_MATH_PARTS_H_

#include "ir/math/lane_expr.h"

namespace skein::math {

// Adding 1.5*2^23 rounds to an integer and leaves that integer in the low bits of the sum.
inline constexpr double kRounder = 12582912;
inline constexpr double kLog2E = 0x1.715476p0;
// ln 2 in two parts; the high one has 15 bits, so that n * kLn2High is exact for |n| < 512.
inline constexpr double kLn2High = 0x1.62e4p-1;
inline constexpr double kLn2Low = 0x1.7f7d1cp-20;
inline constexpr double kLn2 = 0x1.62e43p-1;
inline constexpr double kSmallestNormal = 0x1p-126;
inline constexpr double kInfinity = __builtin_inf();
inline constexpr double kNaN = __builtin_nan("");
inline constexpr int64_t kSignBit = int64_t{1} << 31;  // of an f32

// a = n*ln2 + remainder with |remainder| <= ln2/2; n + bias is in the low bits of `bits`.
struct ExpArgument {
  Word bits;
  Real n;
  Real remainder;
};
ExpArgument ReduceForExp(Real x, int bias);

// 2^k for k + 127 in the low 9 bits of `bits` (the bias of ReduceForExp counts).
inline Real PowerOfTwo(Word bits) { return FloatOf(bits << 23); }

// (e^r - 1 - r) / r^2 on |r| <= ln2/2. ExpPolynomial: e^r. Relative error of either e^r: 0.05 *
// 2^-24.
Real ExpTail(Real r);
inline Real ExpPolynomial(Real r) { return Fma(Fma(ExpTail(r), r, 1), r, 1); }
// 2^f on |f| <= 1/2.
Real Exp2Polynomial(Real f);

// p * 2^n over the whole range with one rounding, n + 254 in the low bits of `bits`; 0 where
// `vanishes`, without an underflow.
Real ScaleInTwoSteps(Real p, Word bits, Mask vanishes);

// x = 2^n * m: m in [k, 2k), where k has the bits `lower`.
struct LogArgument {
  Real n;
  Real m;
};
LogArgument ReduceForLog(Real x, int32_t lower);

// log(1+m)/m^2 - 1/m on [-1/4, 1/2].
Real Log1pTail(Real m);

// 1+x = 2^n * (1+m), m in [-1/4, 1/2). The exponent of 1+x scales x and the 1 separately, so that
// no bit of x is lost.
struct ScaledLog1p {
  Real n;
  Real m;
  Real scaled_four;  // 4 * 2^-n
};
ScaledLog1p ScaleForLog1p(Real x);

// The magnitude of y (which is not negative) with the sign of x.
inline Word SignOf(Real x) {
  return BitsOf(x) & Word(x.type() == ElementType::kF64 ? INT64_MIN : kSignBit);
}
inline Real WithSignOf(Real y, Real x) { return FloatOf(BitsOf(y) | SignOf(x)); }

// `power`, which is |x|^y for ordinary operands, with the signs and special cases of C's pow.
Real WithPowSpecials(Real x, Real y, Real power);

// a + b exactly as high + low, for |a| >= |b| or a = 0.
struct Pair {
  Real high;
  Real low;
};
inline Pair FastTwoSum(Real a, Real b) {
  const Real high = a + b;
  return {high, b - (high - a)};
}
inline Pair TwoProduct(Real a, Real b) {
  const Real high = a * b;
  return {high, Fma(a, b, -high)};
}

}  // namespace skein::math

#endif  // SKEIN_IR_MATH_PARTS_H_
