// erf, erfc, gelu.
#include "ir/math/parts.h"
#include "ir/math/vector_math.h"

namespace skein {

using namespace math;  // NOLINT: this file is formulas

// Recipe changed: log2(erfc(a)) is taken around the point where it is -3, just above the split, so that
// its rounding errors vanish where 1 - erfc(a) is most sensitive to them.
ValueId EmitErf(LoopBuilder& b, ValueId x_id) {
  const Real x(b, x_id);
  const Real a = MinX86(3.94, Abs(x));
  constexpr double kCentre = 0x1.15b49ap0;   // log2(erfc(kCentre)) = kCentreTail - 3
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

// A quotient in two parts, (p.high + p.low) / (d + d_tail), given y = 1/(d + d_tail) within an ULP.
Pair DivideInTwoParts(Pair p, Real d, Real d_tail, Real y) {
  const Real quotient = p.high * y;
  const Real residual = Fma(-quotient, d_tail, Fma(-quotient, d, p.high) + p.low);
  return {quotient, residual * y};
}

// a + k, its rounding error, the reciprocal, and q = centre - 2k/(a+k), in which the scaled functions
// below are smooth from 0 to infinity.
struct RationalVariable {
  Real d;
  Real d_tail;
  Real y;
  Real q;
};

RationalVariable MapToRational(Real a, double k, double centre) {
  const Real d = a + k;
  const Real d_tail = a - (d - k);
  const Real y = ReciprocalOfNormal(d, d_tail);
  return {d, d_tail, y, Fma(y, -2 * k, centre)};
}

// c0 + q*rest in two parts.
Pair FinishPolynomial(Real q, Real rest, double c0) {
  const Real high = Fma(q, rest, c0);
  return {high, Fma(q, rest, c0 - high)};
}

// e^-(h + l) = (1 + v) * 2^n, n + bias in the low bits of `bits`. v + 1 is good to 2^-26.
struct ExpOfSquare {
  Word bits;
  Real v;
};

ExpOfSquare ExpOfNegative(Real h, Real l, int bias) {
  const Real sum = Fma(h, -kLog2E, kRounder + bias);
  const Real n = sum - (kRounder + bias);
  const Real exact = Fma(n, -kLn2High, -h);
  const Pair r = FastTwoSum(exact, Fma(n, -kLn2Low, -l));
  return {BitsOf(sum), r.high + Fma(ExpTail(r.high), r.high * r.high, r.low)};
}

}  // namespace

// erfc(a) = e^(-a^2) * P(q) / (a + k) with a^2 exact, for a = |x|; 2 - erfc(a) for x < 0. Instead of the
// recipe's eight pieces, which need a permute with run-time indices. P: minimax fit, 0.05 * 2^-24.
ValueId EmitErfc(LoopBuilder& b, ValueId x_id) {
  const Real x(b, x_id);
  const Real a = MinX86(10.2, Abs(x));
  const RationalVariable t = MapToRational(a, 0x1.ap0, 0x1.07p0);
  const Real rest = Horner(
      t.q, {-0x1.224c1ap-1, 0x1.fe0722p-4, 0x1.2fc35cp-5, -0x1.07c4cp-6, -0x1.e37e18p-8,
            0x1.7cd592p-10, 0x1.dae852p-10, 0x1.ea4f1ap-13, -0x1.319ac6p-12, -0x1.ea699p-14});
  const Pair m = DivideInTwoParts(FinishPolynomial(t.q, rest, 0x1.feda38p-1), t.d, t.d_tail, t.y);
  const Pair square = TwoProduct(a, a);
  const ExpOfSquare e = ExpOfNegative(square.high, square.low, 127 + 64);
  const Mask vanishes = x > 10.06;
  const Real scale = FloatOf(Select(vanishes, Word(0), e.bits << 23));
  const Real g = m.high * scale;
  const Real y = g + Fma(g, e.v, m.low * scale);
  const Word sign = BitsOf(x) & Word(kSignBit);
  const Real two = FloatOf(ShiftRightSigned(BitsOf(x), 31) & Word(0x40000000));
  constexpr int64_t kUnscale = 0x1f800000;  // 2^-64
  return Fma(y, FloatOf(Word(kUnscale) | sign), two).id();
}

// max(0, x) - a*M(a)*e^(-a^2/2) with M(a) = erfc(a/sqrt 2)/2 * e^(a^2/2) = P(q) / (a + k), a = |x|: no
// cancellation on either side, and full relative accuracy in the negative tail.
ValueId EmitGelu(LoopBuilder& b, ValueId x_id) {
  const Real x(b, x_id);
  const Real a = MinX86(14.5, Abs(x));
  const RationalVariable t = MapToRational(a, 0x1.28p1, 0x1.ecp-1);
  const Real rest = Horner(
      t.q, {-0x1.90e668p-2, 0x1.889046p-4, 0x1.680866p-6, -0x1.b786e2p-7, -0x1.2438c2p-8,
            0x1.cb525ep-10, 0x1.55b378p-10, -0x1.c82f3ap-18, -0x1.1773aep-12, -0x1.57ad56p-14});
  const Pair p = FinishPolynomial(t.q, rest, 0x1.5c3856p-1);
  const Pair scaled = TwoProduct(a, p.high);
  const Pair numerator = {scaled.high, Fma(a, p.low, scaled.low)};
  const Pair m = DivideInTwoParts(numerator, t.d, t.d_tail, t.y);
  const Real half = a * 0.5;
  const Pair square = TwoProduct(a, half);
  const ExpOfSquare e = ExpOfNegative(square.high, square.low, 254);
  const Word first = ShiftRight(e.bits, 1);
  const Word second = Select(x < -14.36, Word(0), (e.bits - first) << 23);
  const Real first_scale = PowerOfTwo(first);
  const Real g = m.high * first_scale;
  const Real y = g + Fma(g, e.v, m.low * first_scale);
  return WithSignOf(Fma(-y, FloatOf(second), MaxX86(0, x)), x).id();
}

}  // namespace skein
