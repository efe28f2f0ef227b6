// erf, erfc, gelu.
#include "ir/math/double_functions.h"
#include "ir/math/erf_parts.h"
#include "ir/math/parts.h"
#include "ir/math/vector_math.h"

namespace skein {

using namespace math;  // NOLINT: this file is formulas

// Recipe changed: log2(erfc(a)) is taken around the point where it is -3, just above the split, so
// that its rounding errors vanish where 1 - erfc(a) is most sensitive to them.
ValueId EmitErf(LoopBuilder& b, ValueId x_id) {
  const Real x(b, x_id);
  if (x.type() == ElementType::kF64) return DoubleErf(x).id();
  const Real a = MinX86(3.94, Abs(x));
  constexpr double kCentre = 0x1.15b49ap0;  // log2(erfc(kCentre)) = kCentreTail - 3
  constexpr double kCentreTail = 0x1.f2b872p-24;
  const Real d = a - kCentre;
  const Real slope = Horner(d, {-0x1.00f194p2, -0x1.3b221cp0, -0x1.c49654p-5, 0x1.b2163cp-7,
                                -0x1.4f17c8p-9, 0x1.2aa78p-12});
  constexpr double kBias = 127 - 3;
  const Real sum = Fma(slope, d, kRounder + kBias);
  const Real n = sum - (kRounder + kBias);
  const Real fraction = Fma(slope, d, kCentreTail - n);
  const Real large = Fma(-Exp2Polynomial(fraction), PowerOfTwo(BitsOf(sum)), 1);
  const Real u = a * a;
  const Real w = Horner(u, {0x1.06eba8p-3, -0x1.81274p-2, 0x1.ce2d48p-4, -0x1.b7fdb2p-6,
                            0x1.5425bp-8, -0x1.a4c72p-11, 0x1.4b6eb2p-14});
  return WithSignOf(Select(a < 0.95, Fma(w, a, a), large), x).id();
}

namespace {

// e^-(h + l) = (1 + v) * 2^n, n + bias in the low bits of `bits`.
struct ExpOfSquare {
  Word bits;
  Real v;
};

ExpOfSquare ExpOfNegative(Pair square, int bias) {
  const Real sum = Fma(square.high, -kLog2E, kRounder + bias);
  const Real n = sum - (kRounder + bias);
  const Real r = Fma(n, -kLn2High, -square.high) + Fma(n, -kLn2Low, -square.low);
  return {BitsOf(sum), Fma(ExpTail(r), r * r, r)};
}

}  // namespace

// erfc(a) = e^(-a^2) * P(q) / (a + k) with a^2 exact, for a = |x|; 2 - erfc(a) for x < 0. Instead
// of the recipe's eight pieces, which need a permute with run-time indices. P is a minimax fit with
// f32 coefficients, relative error 0.23 * 2^-24, k small so that P varies little, and the centre of
// q placed where P's constant is nearly an f32.
ValueId EmitErfc(LoopBuilder& b, ValueId x_id) {
  const Real x(b, x_id);
  if (x.type() == ElementType::kF64) return DoubleErfc(x).id();
  const Real a = MinX86(10.2, Abs(x));
  const RationalVariable t = MapToRational(a, 1.125, 0.75);
  const Real rest = Horner(t.q, {-0x1.5a9aaep-2, -0x1.d1f592p-6, 0x1.d27864p-5, 0x1.266f8ap-6,
                                 -0x1.4c83ecp-7, -0x1.47cbe6p-7, -0x1.8759b8p-10, 0x1.595aeap-9,
                                 0x1.0c54fcp-9, 0x1.46f93ep-11, 0x1.1fcffcp-14});
  const Pair m = DivideInTwoParts(FinishPolynomial(t.q, rest, 0x1.9dd82ep-1), t);
  const ExpOfSquare e = ExpOfNegative(TwoProduct(a, a), 127 + 64);
  const Real scale = FloatOf(Select(x > 10.06, Word(0), e.bits << 23));
  const Real y = TimesOnePlus(m, e.v) * scale;
  const Word sign = BitsOf(x) & Word(kSignBit);
  const Real two = FloatOf(ShiftRightSigned(BitsOf(x), 31) & Word(0x40000000));
  constexpr int64_t kUnscale = 0x1f800000;  // 2^-64
  return Fma(y, FloatOf(Word(kUnscale) | sign), two).id();
}

// max(0, x) - a*M(a)*e^(-a^2/2) with M(a) = erfc(a/sqrt 2)/2 * e^(a^2/2) = P(q) / (a + k), a = |x|:
// no cancellation on either side, and full relative accuracy in the negative tail. P as for erfc.
ValueId EmitGelu(LoopBuilder& b, ValueId x_id) {
  const Real x(b, x_id);
  if (x.type() == ElementType::kF64) return DoubleGelu(x).id();
  const Real a = MinX86(14.5, Abs(x));
  const RationalVariable t = MapToRational(a, 1.5625, 0.765625);
  const Real rest = Horner(t.q, {-0x1.dc0b12p-3, -0x1.bed572p-6, 0x1.3b9ea8p-5, 0x1.ed3ce6p-7,
                                 -0x1.6f271cp-8, -0x1.df5bf6p-8, -0x1.e76164p-10, 0x1.8998f4p-10,
                                 0x1.8a4a98p-10, 0x1.1aed2cp-11, 0x1.30f49p-14});
  const Pair p = FinishPolynomial(t.q, rest, 0x1.258a4cp-1);
  const Pair scaled = TwoProduct(a, p.high);
  const Pair m = DivideInTwoParts({scaled.high, Fma(a, p.low, scaled.low)}, t);
  const ExpOfSquare e = ExpOfNegative(TwoProduct(a, a * 0.5), 254);
  const Word first = ShiftRight(e.bits, 1);
  const Word second = Select(x < -14.36, Word(0), (e.bits - first) << 23);
  const Real y = TimesOnePlus(m, e.v) * PowerOfTwo(first);
  return WithSignOf(Fma(-y, FloatOf(second), MaxX86(0, x)), x).id();
}

}  // namespace skein
