// exp, exp2, expm1, and the functions of e^-x: sigmoid, silu, softplus.
#include "ir/math/double_functions.h"
#include "ir/math/parts.h"
#include "ir/math/vector_math.h"

namespace skein {

using namespace math;  // NOLINT: this file is formulas

ValueId EmitExp(LoopBuilder& b, ValueId x_id) {
  const Real x(b, x_id);
  if (x.type() == ElementType::kF64) return DoubleExp(x).id();
  const ExpArgument a = ReduceForExp(MinX86(89.5, MaxX86(-104.5, x)), 254);
  // e^-103.98 is just above half of the smallest subnormal.
  return ScaleInTwoSteps(ExpPolynomial(a.remainder), a.bits, x < -103.98).id();
}

ValueId EmitExpOfNonPositive(LoopBuilder& b, ValueId x_id) {
  const Real x(b, x_id);
  if (x.type() == ElementType::kF64) return DoubleExp(x).id();
  const ExpArgument a = ReduceForExp(MaxX86(-104.5, x), 127 + 64);
  const Real scale = FloatOf(Select(x < -103.98, Word(0), a.bits << 23));
  return ((ExpPolynomial(a.remainder) * scale) * 0x1p-64).id();
}

ValueId EmitExp2(LoopBuilder& b, ValueId x_id) {
  const Real x(b, x_id);
  if (x.type() == ElementType::kF64) return DoubleExp2(x).id();
  const Real clamped = MinX86(129, MaxX86(-152, x));
  const Real sum = clamped + (kRounder + 254);
  const Real fraction = clamped - (sum - (kRounder + 254));  // exact
  return ScaleInTwoSteps(Exp2Polynomial(fraction), BitsOf(sum), x < -150).id();
}

ValueId EmitExpm1(LoopBuilder& b, ValueId x_id) {
  const Real x(b, x_id);
  if (x.type() == ElementType::kF64) return DoubleExpm1(x).id();
  // A clamp of 89.5 would make the scale infinite, and infinity - infinity.
  const Real clamped = MinX86(89, MaxX86(-17.5, x));
  constexpr int kBias = 126;  // half the scale delays the overflow
  // n = 0 is forced below 1/2: n = 1 would cancel in 2q + 1.
  const Real sum =
      Select(Abs(clamped) < 0.5, Real(kRounder + kBias), Fma(clamped, kLog2E, kRounder + kBias));
  const Real n = sum - (kRounder + kBias);
  const Real r = Fma(n, -kLn2Low, Fma(n, -kLn2High, clamped));
  const Real scale = PowerOfTwo(BitsOf(sum));
  const Real q = Horner(r, {0x1.000002p-1, 0x1.555554p-3, 0x1.555204p-5, 0x1.111148p-7,
                            0x1.6f1c0cp-10, 0x1.a19decp-13});
  const Real w = Fma(q, r * r, r);
  const Real half = Fma(w, scale, scale - 0.5);
  return WithSignOf(half + half, x).id();
}

namespace {

// 2^32: the sums below are carried times or over it, so that e^x and e^-x stay finite and normal in
// the whole range of the results, and only the last product rounds into the subnormals.
constexpr int kScaleExponent = 32;
constexpr double kScale = 0x1p32;
constexpr double kUnscale = 0x1p-32;

// e^x * 2^k = s*(1+w), s a power of two.
struct ScaledExp {
  Real s;
  Real w;
};

ScaledExp ScaledExpOf(Real x, int k) {
  const ExpArgument a = ReduceForExp(x, 127 + k);
  const Real r = a.remainder;
  return {PowerOfTwo(a.bits), Fma(ExpTail(r), r * r, r)};
}

// 2^-32 * (1 + e^-x) in a sum of one that is exact and one that is rounded: the larger of 2^-32 and
// s alone, the smaller with s*w.
struct SigmoidDenominator {
  Real exact;
  Real smaller;
  Real rounded;

  explicit SigmoidDenominator(ScaledExp e)
      : exact(MaxX86(kUnscale, e.s)),
        smaller(MinX86(kUnscale, e.s)),
        rounded(Fma(e.w, e.s, smaller)) {}
  Real sum() const { return exact + rounded; }
};

}  // namespace

// 1/(1 + e^-x) by a division and one correction with what the rounded sums have lost.
ValueId EmitSigmoid(LoopBuilder& b, ValueId x_id) {
  const Real x(b, x_id);
  if (x.type() == ElementType::kF64) return DoubleSigmoid(x).id();
  const ScaledExp e = ScaledExpOf(-MinX86(40, MaxX86(-105, x)), -kScaleExponent);
  const SigmoidDenominator parts(e);
  const Real d = parts.sum();
  const Real lost = Fma(e.w, e.s, parts.smaller - parts.rounded);
  const Real d_tail = (parts.rounded - (d - parts.exact)) + lost;
  const Real y = 1 / d;
  const Real residual = Fma(-d_tail, y, Fma(-d, y, 1));
  const Real scale = Select(x < -103.98, Real(0), Real(kUnscale));
  return (Fma(residual, y, y) * scale).id();
}

// x*2^-32 first would lose subnormal x; above 39, x*2^32 might overflow.
ValueId EmitSilu(LoopBuilder& b, ValueId x_id) {
  const Real x(b, x_id);
  if (x.type() == ElementType::kF64) return DoubleSilu(x).id();
  const Real clamped = MaxX86(-110, x);
  const ScaledExp e = ScaledExpOf(-clamped, -kScaleExponent);  // meaningless far above 39
  const Real scale = Select(x < -109, Real(0), Real(kUnscale));
  return Select(x > 39, x, (clamped / SigmoidDenominator(e).sum()) * scale).id();
}

// x / (1 + 2^z), z = x*(k0 + k1*x^2). |z| reaches 150, where a rounding error of it would be worth
// as many ULP: k0 + k1*x^2 is carried in two parts, and 2^z reduced from its exact product with x.
ValueId EmitGeluTanh(LoopBuilder& b, ValueId x_id) {
  const Real x(b, x_id);
  if (x.type() == ElementType::kF64) return DoubleGeluTanh(x).id();
  // k0 has no bit below the last of t, so that k0 - t is exact.
  constexpr double k0 = -0x1.26aecp+1, k0_tail = -0x1.0de73ap-22;
  constexpr double k1 = -0x1.a5a7dp-4, k1_tail = 0x1.151aaep-29;
  const Real a = MaxX86(-10.9, x);
  const Pair square = TwoProduct(a, a);
  const Real t = Fma(square.high, k1, k0);
  const Real t_rounding = Fma(square.high, k1, k0 - t);
  const Real t_tail = t_rounding + Fma(square.high, k1_tail, Fma(square.low, k1, k0_tail));
  constexpr double kBias = 127 - kScaleExponent;
  const Real sum = Fma(a, t, kRounder + kBias);
  const Real n = sum - (kRounder + kBias);
  const Real f = Fma(a, t_tail, Fma(a, t, -n));
  // Exp2Polynomial's, with ln 2 in two parts.
  const Real rest = Horner(f, {-0x1.05c61p-29, 0x1.ebfbd8p-3, 0x1.c6af76p-5, 0x1.3b30ap-7,
                               0x1.5f0b82p-10, 0x1.3fa206p-13});
  const Real w = Fma(f, kLn2, rest * f);
  const SigmoidDenominator d({PowerOfTwo(BitsOf(sum)), w});
  const Real scale = Select(x < -10.85, Real(0), Real(kUnscale));
  return Select(x > 5.4, x, (a / d.sum()) * scale).id();
}

// With E = e^x = s*(1+w): tanh(log(1+E)) = 1 - 2/D for larger x, s*(1 + (w - (1+w)*(E + E^2)/D))
// for smaller, D = (1+E)^2 + 1 = ((1+s)^2 + 1) + s*w*(2(1+s) + s*w), in which the first sum is
// exact where it matters.
ValueId EmitMish(LoopBuilder& b, ValueId x_id) {
  const Real x(b, x_id);
  if (x.type() == ElementType::kF64) return DoubleMish(x).id();
  const Real clamped = MaxX86(-110, x);
  const ScaledExp e = ScaledExpOf(clamped, kScaleExponent);  // meaningless far above 19
  const Real sw = e.s * e.w;
  const Real one_and_s = e.s + kScale;
  const Real d = Fma(sw, Fma(one_and_s, 2, sw), Fma(one_and_s, one_and_s, kScale * kScale));
  const Mask small = x < -0.34657;  // where s < 1
  const Real exp = Fma(e.w, e.s, e.s);
  const Real q = Select(small, exp * (exp + kScale), Real(2 * kScale * kScale)) / d;
  const Real w = Select(small, e.w, Real(0));
  const Real factor = clamped * Select(small, e.s, Real(kScale));
  const Real y = Fma(factor, Fma(-q, 1 + w, w), factor) * kUnscale;
  return Select(x > 19, x, WithSignOf(y, x)).id();
}

ValueId EmitElu(LoopBuilder& b, ValueId x_id) {
  const Real x(b, x_id);
  return Select(x < 0, Real(b, EmitExpm1(b, x_id)), x).id();
}

ValueId EmitSoftplus(LoopBuilder& b, ValueId x_id) {
  const Real x(b, x_id);
  if (x.type() == ElementType::kF64) return DoubleSoftplus(x).id();
  const Real z(b, EmitExpOfNonPositive(b, (-Abs(x)).id()));
  // log1p(z) with z in (0, 1]: halved above 1/2 to stay where the polynomial is good.
  const Mask high = z > 0.5;
  const Real f = Select(high, Fma(z, 0.5, -0.5), z);
  const Real q = Fma(Log1pTail(f), f * f, f) + Select(high, Real(kLn2), Real(0));
  return (q + MaxX86(0, x)).id();
}

}  // namespace skein
