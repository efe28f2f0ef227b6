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

constexpr double kSigmoidScale = 0x1p-32;

// sigmoid(x) / 2^-32 as y*(1+f), f of the size of 1e-3: 1 / (c + c*e^-x) with c = 2^-32, so that
// the denominator stays finite for x >= -110. The residual of the reciprocal is rebuilt from the
// exact parts of the denominator: c, s = c*2^n, and w*s with 1+w the fraction of e^-x.
struct ScaledSigmoid {
  Real y;
  Real f;
};

// Of clamped + tail.
ScaledSigmoid SigmoidParts(Real clamped, bool accurate, const Real* tail_of_argument = nullptr) {
  constexpr double kBias = 127 - 32;
  const Real sum = Fma(clamped, -kLog2E, kRounder + kBias);
  const Real n = sum - (kRounder + kBias);
  Real r = Fma(n, -kLn2Low, Fma(n, -kLn2High, -clamped));
  if (tail_of_argument != nullptr) r = r - *tail_of_argument;
  const Real s = PowerOfTwo(BitsOf(sum));
  const Real square = r * r;
  const Real tail = ExpTail(r);
  const Real w = Fma(tail, square, r);
  Real y = ReciprocalSeed(Fma(w, s, s + kSigmoidScale));
  if (!accurate) {
    const Real v = s * y;
    const Real e = Fma(-w, v, Fma(y, -kSigmoidScale, 1 - v));
    return {y, Fma(e, e, e)};
  }
  // With 12 bits left in y, 1 minus the larger part is exact.
  y = FloatOf(BitsOf(y) & Word(0xfffff000));
  Real e = Fma(-MaxX86(kSigmoidScale, s), y, 1);
  e = Fma(-MinX86(kSigmoidScale, s), y, e);
  const Real v = s * y;
  e = Fma(-(tail * square), v, Fma(-r, v, e));
  return {y, Fma(e, e, e)};
}

}  // namespace

ValueId EmitSigmoid(LoopBuilder& b, ValueId x_id) {
  const Real x(b, x_id);
  if (x.type() == ElementType::kF64) return DoubleSigmoid(x).id();
  const ScaledSigmoid s = SigmoidParts(MinX86(40, MaxX86(-105, x)), true);
  const Real scale = Select(x < -103.98, Real(0), Real(kSigmoidScale));
  return (Fma(s.y, s.f, s.y) * scale).id();
}

ValueId EmitSilu(LoopBuilder& b, ValueId x_id) {
  const Real x(b, x_id);
  if (x.type() == ElementType::kF64) return DoubleSilu(x).id();
  const Real clamped = MaxX86(-110, x);
  const ScaledSigmoid s = SigmoidParts(MinX86(40, clamped), false);
  // x*2^-32 first would lose subnormal x, y*2^-32 first would lose the tail.
  const Pair product = TwoProduct(clamped, s.y);
  const Real unscaled = product.high + Fma(product.high, s.f, product.low);
  const Real scale = Select(x < -109, Real(0), Real(kSigmoidScale));
  return Select(x > 39, x, WithSignOf(unscaled * scale, x)).id();
}

// x * sigmoid(x*(k0 + k1*x^2)). The argument reaches 100, where a rounding error of it would be
// worth as many ULP: it is carried in two parts.
ValueId EmitGeluTanh(LoopBuilder& b, ValueId x_id) {
  const Real x(b, x_id);
  if (x.type() == ElementType::kF64) return DoubleGeluTanh(x).id();
  // k0 has no bit below the last of t, so that k0 - t is exact.
  constexpr double k0 = 0x1.9884500000000p+0, k0_tail = 0x1.9ea1b2p-23;
  constexpr double k1 = 0x1.2444f2p-4, k1_tail = 0x1.49b16ap-29;
  const Real a = MinX86(5.5, MaxX86(-10.9, x));
  const Pair square = TwoProduct(a, a);
  const Real t = Fma(square.high, k1, k0);
  const Real t_rounding = Fma(square.high, k1, k0 - t);
  const Real t_tail = t_rounding + Fma(square.high, k1_tail, Fma(square.low, k1, k0_tail));
  const Real v = a * t;
  const Real v_tail = Fma(a, t_tail, Fma(a, t, -v));
  const ScaledSigmoid s = SigmoidParts(v, false, &v_tail);
  const Pair product = TwoProduct(a, s.y);
  const Real unscaled = product.high + Fma(product.high, s.f, product.low);
  const Real scale = Select(x < -10.85, Real(0), Real(kSigmoidScale));
  return Select(x > 5.4, x, WithSignOf(unscaled * scale, x)).id();
}

ValueId EmitMish(LoopBuilder& b, ValueId x_id) {
  const Real x(b, x_id);
  if (x.type() == ElementType::kF64) return DoubleMish(x, false).id();
  return ToSingle(DoubleMish(ToDouble(x), true)).id();
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
