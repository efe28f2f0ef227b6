// f64: erf, erfc, gelu. As in erf_family.cc, but of one polynomial in a rational variable.
#include "ir/math/double_functions.h"

namespace skein::math {

namespace {

// d + d_tail = a + k, its reciprocal y within an ULP, and q = 1 - 2k/(a+k), in which the
// scaled functions are smooth from 0 to infinity.
struct RationalVariable {
  Real d;
  Real d_tail;
  Real y;
  Real q;
};

RationalVariable MapToRational(Real a, double k) {
  const Real d = a + k;
  const Real y = 1 / d;
  return {d, a - (d - k), y, Fma(y, -2 * k, 1)};
}

// p / (a + k) in two parts.
Pair DivideInTwoParts(Pair p, const RationalVariable& t) {
  const Real quotient = p.high * t.y;
  const Real residual = Fma(-quotient, t.d_tail, Fma(-quotient, t.d, p.high) + p.low);
  return {quotient, residual * t.y};
}

// c0 + q*rest in two parts.
Pair FinishPolynomial(Real q, Real rest, double c0) {
  const Real high = Fma(q, rest, c0);
  return {high, Fma(q, rest, c0 - high)};
}

// m * (1 + v); m.low is as large as a rounding error of m.high, so its product with v counts.
Real TimesOnePlus(Pair m, Real v) { return m.high + Fma(m.high, v, Fma(m.low, v, m.low)); }

// erfc(a) * e^(a^2) * (a + 3) = P(1 - 6/(a+3)), 0 <= a <= 27.5.
constexpr double kShift = 3;

struct ScaledErfc {
  RationalVariable variable;
  Pair numerator;
};

ScaledErfc ScaledErfcOf(Real a) {
  const RationalVariable t = MapToRational(a, kShift);
  const Real rest = Horner(
      t.q, {0x1.2e326945de2b8p-1,  -0x1.3deb21415dc82p-2,
            0x1.e995f11b16dabp-4,  -0x1.b78993d6ba05fp-6, -0x1.3dd3e70f9727cp-10,
            0x1.8dae3a2b7e273p-9,  -0x1.1f78e14ab78cep-11, -0x1.2238ff4e34e5cp-12,
            0x1.c325337ca34a3p-14, 0x1.fe001167481b9p-16, -0x1.251a3e803b62ep-16,
            -0x1.3ec5778f02878p-18, 0x1.730b4f02cae47p-19, 0x1.0caff94e41a10p-20,
            -0x1.b425162add73fp-22, -0x1.fc5481b55cbb4p-23, 0x1.77c6c97dfed48p-25,
            0x1.cc90d802cd717p-25, 0x1.083d69cc18ca5p-30, -0x1.53bec31bcc818p-27,
            -0x1.08faaa131b68ep-29, 0x1.25abf8b329966p-30, 0x1.969a936eb95e4p-32});
  // The two leading steps, and q itself, in two parts: near a = 0 and far out the terms cancel.
  constexpr double c0 = 0x1.12f21ddd9f5e2p0, c1 = -0x1.c44c471baa376p-1;
  const Pair inner = FinishPolynomial(t.q, rest, c1);
  Pair p = FinishPolynomial(t.q, inner.high, c0);
  const Real y_error = Fma(-t.y, t.d_tail, Fma(-t.y, t.d, 1)) * t.y;
  const Real q_tail = Fma(y_error, -2 * kShift, Fma(t.y, -2 * kShift, 1 - t.q));
  const Real slope = Horner(t.q, {c1, 0x1.2e33p0, -0x1.dce1p-1, 0x1.e995p-2, -0x1.12b6p-3});
  p.low = Fma(slope, q_tail, Fma(t.q, inner.low, p.low));
  return {t, p};
}

// e^-(square) = (1 + w) * first * second.
struct ExpOfSquare {
  Real w;
  TwoScales scale;
};

ExpOfSquare DoubleExpOfNegative(Pair square) {
  const DoubleExpParts e = ReduceForDoubleExp({-square.high, -square.low}, 2046);
  return {e.w, DoubleScales(e.bits)};
}

// erfc of a in [0, 27.3] = high * scale.
struct ErfcParts {
  Real high;
  Real scale;
};

ErfcParts ErfcOfPositive(Real a) {
  const ScaledErfc p = ScaledErfcOf(a);
  const Pair m = DivideInTwoParts(p.numerator, p.variable);
  const ExpOfSquare e = DoubleExpOfNegative(TwoProduct(a, a));
  return {TimesOnePlus(m, e.w) * e.scale.first, e.scale.second};
}

}  // namespace

Real DoubleErfc(Real x) {
  const ErfcParts y = ErfcOfPositive(MinX86(27.3, Abs(x)));
  constexpr int64_t kTwo = 0x4000000000000000;
  const Real two = FloatOf(ShiftRightSigned(BitsOf(x), 63) & Word(kTwo));  // for -0, too
  return Fma(y.high, FloatOf(BitsOf(y.scale) | SignOf(x)), two);
}

Real DoubleErf(Real x) {
  const Real a = MinX86(6, Abs(x));
  const Real u = a * a;
  const Real w = Horner(u, {0x1.06eba8214db69p-3, -0x1.812746b0379e7p-2, 0x1.ce2f21a042bdep-4,
                            -0x1.b82ce312889bap-6, 0x1.565bcd0e6502dp-8, -0x1.c02db3feeb579p-11,
                            0x1.f9a326c233146p-14, -0x1.f4d2561aeafd4p-17, 0x1.b9e6509b9867dp-20,
                            -0x1.5f6d925a0bc7ap-23, 0x1.fc4356498c2d9p-27, -0x1.4e607b41a6416p-30,
                            0x1.7f072188e194dp-34, -0x1.29b9f1b3df556p-38});
  const ErfcParts y = ErfcOfPositive(a);
  return WithSignOf(Select(a < 1, Fma(w, a, a), Fma(-y.high, y.scale, 1)), x);
}

// max(0, x) - a * erfc(a/sqrt 2)/2, a = |x|. The scaled function takes the rounded quotient, in which
// it is smooth; the exponential takes a^2/2 exactly.
Real DoubleGelu(Real x) {
  const Real a = MinX86(38.8, Abs(x));
  const ScaledErfc p = ScaledErfcOf(a * 0x1.6a09e667f3bcdp-1);
  const Real half = a * 0.5;
  const Pair scaled = TwoProduct(half, p.numerator.high);
  const Pair m =
      DivideInTwoParts({scaled.high, Fma(half, p.numerator.low, scaled.low)}, p.variable);
  const ExpOfSquare e = DoubleExpOfNegative(TwoProduct(a, half));
  const Real y = TimesOnePlus(m, e.w) * e.scale.first;
  return WithSignOf(Fma(-y, e.scale.second, MaxX86(0, x)), x);
}

}  // namespace skein::math
