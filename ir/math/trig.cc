// sin, cos, tan and their inverses.
#include "ir/math/parts.h"
#include "ir/math/vector_math.h"

namespace skein {

using namespace math;  // NOLINT: this file is formulas

namespace {

// pi/2 in three parts.
constexpr double kHalfPi1 = 0x1.921fb6p0;
constexpr double kHalfPi2 = -0x1.777a5cp-25;
constexpr double kHalfPi3 = -0x1.ee59dap-50;

// |x| = k*pi/2 + r + tail, |r| <= pi/4 (a little more beyond 1e5); k in the low bits of `bits`.
struct TrigArgument {
  Word bits;
  Real r;
  Real tail;
};

TrigArgument ReduceForTrig(Real x) {
  const Real a = MinX86(6e6, Abs(x));  // keeps k below 2^22, where the rounding by addition works
  const Real sum = Fma(a, 0x1.45f306p-1, kRounder);
  const Real k = sum - kRounder;
  // Exact: both terms are multiples of 2^-24 and the result is below 1.
  const Real r1 = Fma(k, -kHalfPi1, a);
  const Real second = k * kHalfPi2;
  const Real second_tail = Fma(k, kHalfPi3, Fma(k, kHalfPi2, -second));
  const Real r = r1 - second;
  const Real tail = ((r1 - r) - second) - second_tail;
  return {BitsOf(sum), r, Fma(x, 0, tail)};  // infinity * 0 makes the NaN that sin(infinity) is
}

Real SinPolynomial(const TrigArgument& a) {
  const Real s = a.r * a.r;
  const Real p = Horner(s, {-0x1.555556p-3, 0x1.111164p-7, -0x1.a04864p-13, 0x1.77e104p-19});
  return a.r + Fma(p, s * a.r, a.tail);
}

Real CosPolynomial(const TrigArgument& a) {
  const Real s = a.r * a.r;
  const Real p = Horner(s, {-0.5, 0x1.55554ap-5, -0x1.6c0c2ap-10, 0x1.99e90cp-16});
  return Fma(-a.r, a.tail, Fma(p, s, 1));
}

// sin of quadrant * pi/2 + the argument's remainder, negated where `sign` has its top bit set.
Real SinOfQuadrant(const TrigArgument& a, Word quadrant, Word sign) {
  const Mask odd = (quadrant & Word(1)) != Word(0);
  const Real y = Select(odd, CosPolynomial(a), SinPolynomial(a));
  const Word flip = ((quadrant << 30) ^ sign) & Word(kSignBit);
  return FloatOf(BitsOf(y) ^ flip);
}

}  // namespace

ValueId EmitSin(LoopBuilder& b, ValueId x_id) {
  const Real x(b, x_id);
  const TrigArgument a = ReduceForTrig(x);
  return SinOfQuadrant(a, a.bits, BitsOf(x)).id();
}

ValueId EmitCos(LoopBuilder& b, ValueId x_id) {
  const TrigArgument a = ReduceForTrig(Real(b, x_id));
  return SinOfQuadrant(a, a.bits + Word(1), Word(0)).id();
}

ValueId EmitTan(LoopBuilder& b, ValueId x_id) {
  const Real x(b, x_id);
  const TrigArgument a = ReduceForTrig(x);
  const Real s = a.r * a.r;
  const Real p = Horner(s, {0x1.555556p-2, 0x1.111072p-3, 0x1.ba571ap-5, 0x1.620a5p-6,
                            0x1.478ba6p-7, 0x1.2b06f2p-10, 0x1.fab264p-9});
  const Real z = Fma(p, s * a.r, a.tail);
  const Pair tan = FastTwoSum(a.r, z);
  const Mask odd = (a.bits & Word(1)) != Word(0);
  const Real y = Select(odd, -ReciprocalOfNormal(tan.high, tan.low), tan.high);
  return FloatOf(BitsOf(y) ^ (BitsOf(x) & Word(kSignBit))).id();
}

ValueId EmitAtan(LoopBuilder& b, ValueId x_id) {
  const Real x(b, x_id);
  const Real a = Abs(x);
  const Mask inverted = a > 1;
  const Real clamped = MinX86(0x1p100, MaxX86(0x1p-100, a));
  const Real q = Select(inverted, ReciprocalOfNormal(clamped), a);
  const Real s = q * q;
  const Real p =
      Horner(s, {-0x1.555554p-2, 0x1.999832p-3, -0x1.246ce4p-3, 0x1.c3f7fep-4, -0x1.62baf8p-4,
                 0x1.005ebp-4, -0x1.26cceep-5, 0x1.bd14p-7, -0x1.3b6c6ap-9});
  // pi/2 - atan(1/a); the tail of pi/2 goes inside with its sign flipped.
  const Real y = q + Fma(p * s, q, Select(inverted, Real(-kHalfPi2), Real(0)));
  return WithSignOf(Select(inverted, kHalfPi1 - y, y), x).id();
}

namespace {

// Above 1/2, asin and acos come from q = sqrt((1-|x|)/2), else from q = x. asin(q) = q + z*q.
struct ArcArgument {
  Mask large;
  Real q;
  Real z;
};

ArcArgument ReduceForArc(Real x, Real small_q) {
  const Real a = Abs(x);
  const Mask large = a > 0.5;
  const Real half = Fma(a, -0.5, 0.5);
  const Real s = Select(large, half, x * x);
  const Real p =
      Horner(s, {0x1.5555c8p-3, 0x1.3301fep-4, 0x1.747cbep-5, 0x1.8c30b6p-6, 0x1.596a7ap-5});
  return {large, Select(large, Sqrt(half), small_q), p * s};
}

}  // namespace

// Recipe changed: pi/2 - 2q keeps its rounding error, which was a whole ULP where the result is
// just below 1.
ValueId EmitAsin(LoopBuilder& b, ValueId x_id) {
  const Real x(b, x_id);
  const ArcArgument a = ReduceForArc(x, Abs(x));
  const Real high = Fma(a.q, -2, kHalfPi1);
  const Real low = Fma(a.q, -2, kHalfPi1 - high);
  const Real large = high + Fma(Fma(a.z, a.q, -kHalfPi2 / 2), -2, low);
  return WithSignOf(Select(a.large, large, Fma(a.z, a.q, a.q)), x).id();
}

ValueId EmitAcos(LoopBuilder& b, ValueId x_id) {
  const Real x(b, x_id);
  const ArcArgument a = ReduceForArc(x, x);
  const Real with_tail = a.q + Fma(a.z, a.q, -kHalfPi2);
  const Real doubled = a.q + a.q;
  const Real large = Select(x < 0, Fma(with_tail, -2, 2 * kHalfPi1), Fma(a.z, doubled, doubled));
  return Select(a.large, large, kHalfPi1 - with_tail).id();
}

}  // namespace skein
