// f64: sin, cos, tan and their inverses; and the f32 functions that are computed in double.
#include <array>

#include "ir/math/double_functions.h"

namespace skein::math {

namespace {

// pi/2 in three parts.
constexpr double kHalfPi1 = 0x1.921fb54442d18p0;
constexpr double kHalfPi2 = 0x1.1a62633145c07p-54;
constexpr double kHalfPi3 = -0x1.f1976b7ed8fbcp-110;

// |x| = k*pi/2 + r + tail, |r| <= pi/4 and a little; k in the low bits of `bits`.
struct TrigArgument {
  Word bits;
  Real r;
  Real tail;
};

TrigArgument ReduceForDoubleTrig(Real x) {
  const Real a = MinX86(0x1p46, Abs(x));
  const Real sum = Fma(a, 0x1.45f306dc9c883p-1, kDoubleRounder);
  const Real k = sum - kDoubleRounder;
  const Real r1 = Fma(k, -kHalfPi1, a);  // exact: a multiple of 2^-53 below 1
  const Real second = k * kHalfPi2;
  const Real second_tail = Fma(k, kHalfPi3, Fma(k, kHalfPi2, -second));
  const Real r = r1 - second;
  const Real tail = ((r1 - r) - second) - second_tail;
  return {BitsOf(sum), r, Fma(x, 0, tail)};  // infinity * 0 makes the NaN that sin(infinity) is
}

// sin and cos of r + tail.
struct SinAndCos {
  Real sin;
  Real cos;
};
struct SinAndCosInTwoParts {
  Pair sin;
  Pair cos;
};

SinAndCosInTwoParts DoublePolynomials(const TrigArgument& a) {
  const Real s = a.r * a.r;
  const Real p = Horner(s, {-0x1.5555555555555p-3, 0x1.1111111111110p-7, -0x1.a01a01a0197d4p-13,
                            0x1.71de3a54361f8p-19, -0x1.ae6453ca65b3dp-26, 0x1.612146c012422p-33,
                            -0x1.aaf7413aa6338p-41});
  const Real q = Horner(s, {-0.5, 0x1.5555555555555p-5, -0x1.6c16c16c16c16p-10,
                            0x1.a01a01a019c6cp-16, -0x1.27e4fb76fff37p-22, 0x1.1eed8dcb66c6fp-29,
                            -0x1.939487f8b82d5p-37, 0x1.ab5b60f370243p-45});
  return {FastTwoSum(a.r, Fma(p, s * a.r, a.tail)), FastTwoSum(1, Fma(q, s, -a.r * a.tail))};
}

// To 2^-34: |r| <= 0.89.
SinAndCos ShortPolynomials(Real r) {
  const Real s = r * r;
  const Real p = Horner(s, {-0x1.55555552bd89bp-3, 0x1.11110a804e0fbp-7, -0x1.a00f9be9e93dap-13,
                            0x1.6c979e13debdcp-19});
  const Real q = Horner(s, {-0.5, 0x1.5555555477bf6p-5, -0x1.6c16bd09fbcbdp-10,
                            0x1.a01310d6cdf7ap-16, -0x1.245fae31aaf3ep-22});
  return {Fma(p, s * r, r), Fma(q, s, 1)};
}

Mask IsOdd(Word quadrant) { return (quadrant & Word(1)) != Word(0); }

// sin(quadrant*pi/2 + r).
Real SinOfQuadrant(const SinAndCos& y, Word quadrant) {
  const Real value = Select(IsOdd(quadrant), y.cos, y.sin);
  return FloatOf(BitsOf(value) ^ ((quadrant << 62) & Word(INT64_MIN)));
}

Real TanOfQuadrant(const SinAndCos& y, Word quadrant) {
  const Mask odd = IsOdd(quadrant);
  return Select(odd, -y.cos, y.sin) / Select(odd, y.sin, y.cos);
}

Real FlipSignBy(Real y, Real x) { return FloatOf(BitsOf(y) ^ SignOf(x)); }

}  // namespace

Real DoubleSin(Real x) {
  const TrigArgument a = ReduceForDoubleTrig(x);
  const SinAndCosInTwoParts y = DoublePolynomials(a);
  return FlipSignBy(SinOfQuadrant({y.sin.high, y.cos.high}, a.bits), x);
}

Real DoubleCos(Real x) {
  const TrigArgument a = ReduceForDoubleTrig(x);
  const SinAndCosInTwoParts y = DoublePolynomials(a);
  return SinOfQuadrant({y.sin.high, y.cos.high}, a.bits + Word(1));
}

Real DoubleTan(Real x) {
  const TrigArgument a = ReduceForDoubleTrig(x);
  const SinAndCosInTwoParts y = DoublePolynomials(a);
  const Mask odd = IsOdd(a.bits);
  const Pair numerator = {Select(odd, -y.cos.high, y.sin.high), Select(odd, -y.cos.low, y.sin.low)};
  const Pair denominator = {Select(odd, y.sin.high, y.cos.high), Select(odd, y.sin.low, y.cos.low)};
  return FlipSignBy(TimesQuotient(1, numerator, denominator), x);
}

namespace {

// For |x| >= from (and below the next row's): 2/pi without the bits whose product with x is a
// multiple of 4, as a sum of two doubles.
struct TwoOverPi {
  double from;
  double high;
  double low;
};
constexpr std::array<TwoOverPi, 5> kTwoOverPi = {{
    {0, 0x1.45f306dc9c883p-1, -0x1.6b01ec5417056p-55},
    {0x1p48, 0x1.6e4e441529fc2p-24, 0x1.d5f47d4d37703p-78},
    {0x1p71, 0x1.529fc2757d1f5p-52, 0x1.a6ee06db14acdp-107},
    {0x1p94, 0x1.09d5f47d4d377p-70, 0x1.b6c52b3278872p-129},
    {0x1p117, 0x1.f534ddc0db629p-96, 0x1.664f10e4107f9p-150},
}};

// r and quadrant of |x| for an f32 x, r within 2^-53 of itself and 2^-57.
struct SingleTrigArgument {
  Word bits;
  Real r;
};

// f64 has room for what Payne and Hanek's method needs: x has 24 bits, so that its product with 2/pi
// (from the first bit that matters on) is below 2^48 and its integer part is exact.
SingleTrigArgument ReduceForSingleTrig(Real x) {
  const Real magnitude = Abs(x);
  const Real a = ToDouble(magnitude);
  LoopBuilder& b = *a.builder();
  Real high(b, b.Const(ElementType::kF64, kTwoOverPi[0].high));
  Real low(b, b.Const(ElementType::kF64, kTwoOverPi[0].low));
  for (size_t i = 1; i < kTwoOverPi.size(); ++i) {
    const Mask before = magnitude < kTwoOverPi[i].from;
    high = Select(before, high, kTwoOverPi[i].high);
    low = Select(before, low, kTwoOverPi[i].low);
  }
  const Real product = a * high;
  const Real rest = Fma(a, low, Fma(a, high, -product));
  const Real sum = product + kDoubleRounder;
  const Real fraction = (product - (sum - kDoubleRounder)) + rest;
  return {BitsOf(sum), fraction * kHalfPi1};
}

}  // namespace

Real SingleSin(Real x) {
  const SingleTrigArgument a = ReduceForSingleTrig(x);
  return FlipSignBy(ToSingle(SinOfQuadrant(ShortPolynomials(a.r), a.bits)), x);
}

Real SingleCos(Real x) {
  const SingleTrigArgument a = ReduceForSingleTrig(x);
  return ToSingle(SinOfQuadrant(ShortPolynomials(a.r), a.bits + Word(1)));
}

Real SingleTan(Real x) {
  const SingleTrigArgument a = ReduceForSingleTrig(x);
  return FlipSignBy(ToSingle(TanOfQuadrant(ShortPolynomials(a.r), a.bits)), x);
}

// Below tan(pi/8) directly, above its inverse as pi/2 - atan(1/a), between as
// pi/4 + atan((a-1)/(a+1)).
Real DoubleAtan(Real x) {
  const Real a = Abs(x);
  const Mask upper = a > 0x1.a827999fcef32p-2, inverse = a > 0x1.3504f333f9de6p1;
  const Real numerator = Select(inverse, -1, Select(upper, a - 1, a));
  const Real denominator = Select(inverse, a, Select(upper, a + 1, 1));
  const Real q = numerator / denominator;
  const Real high = Select(inverse, kHalfPi1, SelectDouble(upper, kHalfPi1 / 2, 0));
  const Real low = Select(inverse, kHalfPi2, SelectDouble(upper, kHalfPi2 / 2, 0));
  const Real s = q * q;
  const Real p = Horner(s, {-0x1.5555555555555p-2, 0x1.9999999999953p-3, -0x1.249249248d768p-3,
                            0x1.c71c71c2fe5d9p-4, -0x1.745d165cb83aap-4, 0x1.3b1392b641b06p-4,
                            -0x1.110e858a72e28p-4, 0x1.e199da4156fd9p-5, -0x1.ac78ec6b8cb98p-5,
                            0x1.74d64aa665b0ap-5, -0x1.1b2058fb5da30p-5, 0x1.0aa87c56e3eb5p-6});
  return WithSignOf(high + (q + Fma(p * s, q, low)), x);
}

namespace {

// The angle of (|x|, |y|) by the quotient of the smaller and the larger, then unfolded.
// `to_single`: x and y are f32 values, and the result is accurate enough to be rounded to f32;
// quotients of f32 neither overflow nor vanish in double.
Real Atan2(Real y, Real x, bool to_single) {
  const Real ay = Abs(y), ax = Abs(x);
  const Mask steep = ay > ax;
  const Real larger = Select(steep, ay, ax), smaller = Select(steep, ax, ay);
  // 0/0 is 0, infinity/infinity is 1.
  const Mask equal = ay == ax;
  const Real q = Select(equal, Select(ax == 0, ax, 1), smaller / larger);
  const auto short_atan = [](Real q) {
    const Real s = q * q;
    const Real p =
        Horner(s, {-0x1.555555543c557p-2, 0x1.9999971f594e7p-3, -0x1.2491d128f2977p-3,
                   0x1.c70a6be6d4163p-4, -0x1.73a719b0b93d9p-4, 0x1.36bfd2210f14ap-4,
                   -0x1.ffb2b9595f5b2p-5, 0x1.837061ab40426p-5, -0x1.ea18af61c3e87p-6,
                   0x1.cd243cc325c05p-7, -0x1.14abab0185470p-8, 0x1.36ecfc48d188bp-11});
    return Fma(p * s, q, q);
  };
  const Real octant = to_single ? short_atan(q) : DoubleAtan(q);
  const auto from_quarters = [to_single](int quarters, Real angle) {
    return quarters * kHalfPi1 - (to_single ? angle : angle - quarters * kHalfPi2);
  };
  const Real quadrant = Select(steep, from_quarters(1, octant), octant);
  const Mask left = ShiftRightSigned(BitsOf(x), 63) != Word(0);  // -0 too
  return WithSignOf(Select(left, from_quarters(2, quadrant), quadrant), y);
}

}  // namespace

Real SingleAtan2(Real y, Real x) { return ToSingle(Atan2(ToDouble(y), ToDouble(x), true)); }
Real DoubleAtan2(Real y, Real x) { return Atan2(y, x, false); }

namespace {

// As ReduceForArc of trig.cc: asin(q) = q + z*q.
struct ArcArgument {
  Mask large;
  Real q;
  Real z;
};

ArcArgument ReduceForDoubleArc(Real x, Real small_q) {
  const Real a = Abs(x);
  const Mask large = a > 0.5;
  const Real half = Fma(a, -0.5, 0.5);
  const Real s = Select(large, half, x * x);
  const Real p = Horner(s, {0x1.5555555555555p-3, 0x1.3333333333388p-4, 0x1.6db6db6dac1e0p-5,
                            0x1.f1c71c7a52ba3p-6, 0x1.6e8ba123e494cp-6, 0x1.1c4efce23019fp-6,
                            0x1.c990ad3d8fdcap-7, 0x1.7b027ee1dd585p-7, 0x1.3b49de7121487p-7,
                            0x1.31622469ce5adp-7, 0x1.8f193743418ffp-9, 0x1.406192d124629p-6,
                            -0x1.3b416bb7d9257p-6, 0x1.e529c6fce9bb4p-6});
  return {large, Select(large, Sqrt(half), small_q), p * s};
}

}  // namespace

Real DoubleAsin(Real x) {
  const ArcArgument a = ReduceForDoubleArc(x, Abs(x));
  const Real high = Fma(a.q, -2, kHalfPi1);
  const Real low = Fma(a.q, -2, kHalfPi1 - high);
  const Real large = high + Fma(Fma(a.z, a.q, -kHalfPi2 / 2), -2, low);
  return WithSignOf(Select(a.large, large, Fma(a.z, a.q, a.q)), x);
}

Real DoubleAcos(Real x) {
  const ArcArgument a = ReduceForDoubleArc(x, x);
  const Real with_tail = a.q + Fma(a.z, a.q, -kHalfPi2);
  const Real doubled = a.q + a.q;
  const Real large = Select(x < 0, Fma(with_tail, -2, 2 * kHalfPi1), Fma(a.z, doubled, doubled));
  return Select(a.large, large, kHalfPi1 - with_tail);
}

}  // namespace skein::math
