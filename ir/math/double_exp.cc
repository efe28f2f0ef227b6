// f64: exponentials, hyperbolic functions, and the activations made of e^-|x|.
#include "ir/math/double_functions.h"

namespace skein::math {

Real DoubleExpTail(Real r) {
  return Horner(r, {0x1.0p-1, 0x1.5555555555555p-3, 0x1.555555555559bp-5, 0x1.1111111111124p-7,
                    0x1.6c16c16bfe6f6p-10, 0x1.a01a01a00d0a5p-13, 0x1.a01a0203d2e9ep-16,
                    0x1.71de3a8a97115p-19, 0x1.27e442ab9bb2fp-22, 0x1.ae639171800c7p-26,
                    0x1.20291f130123cp-29, 0x1.6274e64de30d7p-33});
}

DoubleExpParts ReduceForDoubleExp(Pair x, int bias) {
  const Real sum = Fma(x.high, kDoubleLog2E, kDoubleRounder + bias);
  const Real n = sum - (kDoubleRounder + bias);
  const Real exact = Fma(n, -kDoubleLn2High, x.high);
  const Real r = exact + Fma(n, -kDoubleLn2Low, x.low);
  return {BitsOf(sum), Fma(DoubleExpTail(r), r * r, r)};
}

TwoScales DoubleScales(Word bits) {
  const Word half = ShiftRight(bits, 1);
  return {DoublePowerOfTwo(half), DoublePowerOfTwo(bits - half)};
}

namespace {

constexpr int kTwoStepBias = 2046;

// Where e^-|x| has vanished even as a factor of x.
constexpr double kGone = -760;

}  // namespace

Real DoubleExp(Real x) {
  const DoubleExpParts e = ReduceForDoubleExp({MinX86(710, MaxX86(-746, x)), 0}, kTwoStepBias);
  const TwoScales scale = DoubleScales(e.bits);
  return ((e.w + 1) * scale.first) * scale.second;
}

Real DoubleExp2(Real x) {
  const Real clamped = MinX86(1025, MaxX86(-1076, x));
  const Real sum = clamped + (kDoubleRounder + kTwoStepBias);
  const Real fraction = clamped - (sum - (kDoubleRounder + kTwoStepBias));
  const Real r = Fma(fraction, kDoubleLn2, fraction * kDoubleLn2Tail);
  const TwoScales scale = DoubleScales(BitsOf(sum));
  return ((Fma(DoubleExpTail(r), r * r, r) + 1) * scale.first) * scale.second;
}

Real DoubleExpm1(Real x) {
  constexpr int kBias = 1022;  // half the scale delays the overflow
  const Real clamped = MinX86(709.9, MaxX86(-40, x));
  // n = 0 below 1/2: n = 1 would cancel.
  const Real sum = Select(Abs(clamped) < 0.5, kDoubleRounder + kBias,
                          Fma(clamped, kDoubleLog2E, kDoubleRounder + kBias));
  const Real n = sum - (kDoubleRounder + kBias);
  const Real r = Fma(n, -kDoubleLn2Low, Fma(n, -kDoubleLn2High, clamped));
  const Real scale = DoublePowerOfTwo(BitsOf(sum));
  const Real w = Fma(DoubleExpTail(r), r * r, r);
  const Real half = Fma(w, scale, scale - 0.5);
  return WithSignOf(half + half, x);
}

namespace {

// e^a/4 and e^-a/4 for a in [0, 710.8].
Pair ExpBothWays(Real a) {
  const DoubleExpParts e = ReduceForDoubleExp({a, 0}, 1021);
  const Real scale = DoublePowerOfTwo(e.bits);
  const Real inverse_scale = FloatOf(Word(0x7fe0000000000000) - BitsOf(scale)) * 0x1p-4;
  return {Fma(e.w, scale, scale), inverse_scale / (1 + e.w)};
}

}  // namespace

Real DoubleCosh(Real x) {
  const Pair e = ExpBothWays(MinX86(710.8, Abs(x)));
  const Real half = e.high + e.low;
  return half + half;
}

Real DoubleSinh(Real x) {
  const Real a = MinX86(710.8, Abs(x));
  const Pair e = ExpBothWays(a);
  const Real half = e.high - e.low;
  const Real u = a * a;
  const Real p = Horner(u, {0x1.5555555555555p-3, 0x1.1111111111111p-7, 0x1.a01a01a01a001p-13,
                            0x1.71de3a556f96cp-19, 0x1.ae6456792a77fp-26, 0x1.612467ccb2260p-33,
                            0x1.ae777c36fd5b6p-41, 0x1.99f0806c2628dp-49});
  return WithSignOf(Select(a < 1, Fma(p * u, a, a), half + half), x);
}

// e / (e + 2), e = e^(2a) - 1 in two parts.
Real DoubleTanh(Real x) {
  constexpr int kBias = 1023;
  const Real a = MinX86(22, Abs(x));
  const Real doubled = a + a;
  // n = 0 below 1/2, as in expm1.
  const Real sum = Select(doubled < 0.5, kDoubleRounder + kBias,
                          Fma(doubled, kDoubleLog2E, kDoubleRounder + kBias));
  const Real n = sum - (kDoubleRounder + kBias);
  const Real r = Fma(n, -kDoubleLn2Low, Fma(n, -kDoubleLn2High, doubled));
  const Real scale = DoublePowerOfTwo(BitsOf(sum));
  const Real w = Fma(DoubleExpTail(r), r * r, r);
  const Real rest = scale - 1;
  const Real high = Fma(w, scale, rest), low = Fma(w, scale, rest - high);
  const Pair denominator = FastTwoSum(MaxX86(2, high), MinX86(2, high));
  const Real y = TimesQuotient(1, {high, low}, {denominator.high, denominator.low + low});
  return WithSignOf(y, x);
}

namespace {

// e^-|v| * (1, tail), the last factor of its scale apart: `scale`.
struct Decay {
  Pair z;
  Real scale;
};

Decay DecayOf(Pair minus_v) {
  const DoubleExpParts e = ReduceForDoubleExp(minus_v, kTwoStepBias);
  const TwoScales scale = DoubleScales(e.bits);
  const Pair p = FastTwoSum(1, e.w);
  return {{p.high * scale.first, p.low * scale.first}, scale.second};
}

// x / (1 + e^v) where `negative`, else x / (1 + e^-v): x * sigmoid(v), minus_v being -|v|. The last
// factor of a small exponential comes after x, so that there is one rounding into the subnormals.
Real TimesSigmoid(Real x, Mask negative, Pair minus_v) {
  const Decay e = DecayOf(minus_v);
  const Pair sum = FastTwoSum(1, e.z.high * e.scale);
  const Pair numerator = {Select(negative, e.z.high, 1), Select(negative, e.z.low, 0)};
  const Real y = TimesQuotient(x, numerator, {sum.high, Fma(e.z.low, e.scale, sum.low)});
  return Select(negative, y * e.scale, y);
}

constexpr double kLeastFactor = -800;  // of e^kGone; keeps -infinity out
constexpr double kLinear = 50;         // from here on silu and mish are x

}  // namespace

Real DoubleSigmoid(Real x) {
  return TimesSigmoid(1, x < 0, {MaxX86(kGone, -Abs(x)), 0});
}

Real DoubleSilu(Real x) {
  const Real y = TimesSigmoid(MaxX86(kLeastFactor, x), x < 0, {MaxX86(kGone, -Abs(x)), 0});
  return Select(x > kLinear, x, WithSignOf(y, x));
}

// x * sigmoid(x*(k0 + k1*x^2)), with the argument in two parts: it reaches hundreds.
Real DoubleGeluTanh(Real x) {
  // k0 has no bit below the last of t, so that k0 - t is exact.
  constexpr double k0 = 0x1.9884533d43600p+0, k0_tail = 0x1.42343f2cf1403p-46;
  constexpr double k1 = 0x1.2444f2a4d8b4bp-4, k1_tail = -0x1.6c843a29d1c7p-61;
  const Real a = MinX86(25, MaxX86(-25, x));
  const Pair square = TwoProduct(a, a);
  const Real t = Fma(square.high, k1, k0);
  Real t_tail = Fma(square.high, k1, k0 - t);
  t_tail = t_tail + Fma(square.high, k1_tail, Fma(square.low, k1, k0_tail));
  const Real v = a * t;
  const Real v_tail = Fma(a, t_tail, Fma(a, t, -v));
  const Real y = TimesSigmoid(a, x < 0, {-Abs(v), Select(x < 0, v_tail, -v_tail)});
  return Select(x > 20, x, WithSignOf(y, x));
}

Real DoubleSoftplus(Real x) {
  return DoubleLog1p(DoubleExp(-Abs(x))) + MaxX86(0, x);
}

// x * tanh(log(1 + e)) = x * n / (n + 2) with n = e*(e + 2), e = e^x.
Real DoubleMish(Real x) {
  const Real clamped = MinX86(40, MaxX86(kGone, x));
  const Real factor = MaxX86(kLeastFactor, MinX86(kLinear, x));
  const DoubleExpParts parts = ReduceForDoubleExp({clamped, 0}, kTwoStepBias);
  const TwoScales scale = DoubleScales(parts.bits);
  const Pair p = FastTwoSum(1, parts.w);
  const Real z = p.high * scale.first, full = z * scale.second;
  const auto plus_two = [](Real a) { return FastTwoSum(MaxX86(2, a), MinX86(2, a)); };
  const Real z_tail = p.low * scale.first;
  const Pair t = plus_two(full);
  Pair n = TwoProduct(z, t.high);  // d(e^2 + 2e)/de = 2e + 2
  n.low = Fma(z_tail, t.high + full, Fma(z, t.low, n.low));
  Pair d = plus_two(n.high * scale.second);
  d.low = Fma(n.low, scale.second, d.low);
  return Select(x > 40, x, WithSignOf(TimesQuotient(factor, n, d) * scale.second, x));
}

}  // namespace skein::math
