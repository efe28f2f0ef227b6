// exp, exp2, expm1, and the functions of e^-x: sigmoid, silu, softplus.
#include "ir/math/parts.h"
#include "ir/math/vector_math.h"

namespace skein {

using namespace math;  // NOLINT: this file is formulas

ValueId EmitExp(LoopBuilder& b, ValueId x_id) {
  const Real x(b, x_id);
  const ExpArgument a = ReduceForExp(MinX86(89.5, MaxX86(-104.5, x)), 254);
  // e^-103.98 is just above half of the smallest subnormal.
  return ScaleInTwoSteps(ExpPolynomial(a.remainder), a.bits, x < -103.98).id();
}

ValueId EmitExpOfNonPositive(LoopBuilder& b, ValueId x_id) {
  const Real x(b, x_id);
  const ExpArgument a = ReduceForExp(MaxX86(-104.5, x), 127 + 64);
  const Real scale = FloatOf(Select(x < -103.98, Word(0), a.bits << 23));
  return ((ExpPolynomial(a.remainder) * scale) * 0x1p-64).id();
}

ValueId EmitExp2(LoopBuilder& b, ValueId x_id) {
  const Real x(b, x_id);
  const Real clamped = MinX86(129, MaxX86(-152, x));
  const Real sum = clamped + (kRounder + 254);
  const Real fraction = clamped - (sum - (kRounder + 254));  // exact
  return ScaleInTwoSteps(Exp2Polynomial(fraction), BitsOf(sum), x < -150).id();
}

ValueId EmitExpm1(LoopBuilder& b, ValueId x_id) {
  const Real x(b, x_id);
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

ScaledSigmoid SigmoidParts(Real clamped, bool accurate) {
  constexpr double kBias = 127 - 32;
  const Real sum = Fma(clamped, -kLog2E, kRounder + kBias);
  const Real n = sum - (kRounder + kBias);
  const Real r = Fma(n, -kLn2Low, Fma(n, -kLn2High, -clamped));
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
  const ScaledSigmoid s = SigmoidParts(MinX86(40, MaxX86(-105, x)), true);
  const Real scale = Select(x < -103.98, Real(0), Real(kSigmoidScale));
  return (Fma(s.y, s.f, s.y) * scale).id();
}

ValueId EmitSilu(LoopBuilder& b, ValueId x_id) {
  const Real x(b, x_id);
  const Real clamped = MaxX86(-110, x);
  const ScaledSigmoid s = SigmoidParts(MinX86(40, clamped), false);
  // x*2^-32 first would lose subnormal x, y*2^-32 first would lose the tail.
  const Pair product = TwoProduct(clamped, s.y);
  const Real unscaled = product.high + Fma(product.high, s.f, product.low);
  const Real scale = Select(x < -109, Real(0), Real(kSigmoidScale));
  return Select(x > 39, x, WithSignOf(unscaled * scale, x)).id();
}

ValueId EmitSoftplus(LoopBuilder& b, ValueId x_id) {
  const Real x(b, x_id);
  const Real z(b, EmitExpOfNonPositive(b, (-Abs(x)).id()));
  // log1p(z) with z in (0, 1]: halved above 1/2 to stay where the polynomial is good.
  const Mask high = z > 0.5;
  const Real f = Select(high, Fma(z, 0.5, -0.5), z);
  const Real q = Fma(Log1pTail(f), f * f, f) + Select(high, Real(kLn2), Real(0));
  return (q + MaxX86(0, x)).id();
}

}  // namespace skein
