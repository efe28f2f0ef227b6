#include "ir/math/parts.h"

namespace skein::math {

ExpArgument ReduceForExp(Real x, int bias) {
  const Real sum = Fma(x, kLog2E, kRounder + bias);
  const Real n = sum - (kRounder + bias);
  const Real exact = Fma(n, -kLn2High, x);
  return {BitsOf(sum), n, Fma(n, -kLn2Low, exact)};
}

Real ExpTail(Real r) {
  return Horner(r, {0x1.fffffcp-2, 0x1.55549p-3, 0x1.55589ep-5, 0x1.123abcp-7, 0x1.6a624cp-10});
}

Real Exp2Polynomial(Real f) {
  return Horner(f, {1, 0x1.62e43p-1, 0x1.ebfbd8p-3, 0x1.c6af76p-5, 0x1.3b30ap-7, 0x1.5f0b82p-10,
                    0x1.3fa206p-13});
}

Real ScaleInTwoSteps(Real p, Word bits, Mask vanishes) {
  const Word half = ShiftRight(bits, 1);
  const Word rest = Select(vanishes, Word(0), (bits - half) << 23);
  return (p * PowerOfTwo(half)) * FloatOf(rest);
}

LogArgument ReduceForLog(Real x, int32_t lower) {
  const Mask low = x < kSmallestNormal;
  const Word bits = BitsOf(Select(low, x * 0x1p23, x));
  const Word exponent = (bits - Word(lower)) & Word(0xff800000);
  const Real bias = Select(low, Real(-23), Real(0));
  return {Fma(ToReal(exponent), 0x1p-23, bias), FloatOf(bits - exponent)};
}

Real Log1pTail(Real m) {
  return Horner(m, {-0.5, 0x1.555556p-2, -0x1.000026p-2, 0x1.9999c6p-3, -0x1.553602p-3,
                    0x1.244484p-3, -0x1.02f8e8p-3, 0x1.ddcc6ep-4, -0x1.852ec6p-4, 0x1.5b31c4p-5});
}

ScaledLog1p ScaleForLog1p(Real x) {
  const Word exponent = (BitsOf(1 + x) - Word(0x3f400000)) & Word(0xff800000);
  const Real scaled_x = FloatOf(BitsOf(x) - exponent);
  const Real scaled_four = FloatOf(Word(0x40800000) - exponent);
  return {ToReal(exponent) * 0x1p-23, scaled_x + Fma(scaled_four, 0.25, -1), scaled_four};
}

Real WithPowSpecials(Real x, Real y, Real power) {
  const Real magnitude = Abs(x);
  const Mask zero = x == 0;
  const Mask infinite = magnitude == kInfinity;
  const Real extreme = Choose(zero ^ (y < 0), Real(0), Real(kInfinity), x.type());
  Real result = Select(zero | infinite, extreme, power);
  const Mask integral = Trunc(y) == y;
  const Real half = y * 0.5;
  const Mask odd = integral & (Trunc(half) != half);
  result = FloatOf(BitsOf(result) | Select(odd, SignOf(x), Word(0)));
  const Mask fractional = y != Trunc(y);
  result = Select((x < 0) & (magnitude < kInfinity) & fractional, kNaN, result);
  result = Select((x != x) | (y != y), kNaN, result);
  return Select((x == 1) | (y == 0), 1, result);
}

}  // namespace skein::math
