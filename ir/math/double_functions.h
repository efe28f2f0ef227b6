// The elementary functions on f64 vectors; the Emit functions of vector_math.h choose by the type of
// their operand. Some f32 functions are computed here too, in double with shorter polynomials, and
// rounded once: those where single precision would need more instructions to be as good.
// Internal to ir/math.
//
// Numerics: bounds in docs/numerics.md. Polynomials are interpolations at Chebyshev nodes, computed
// to 60 digits and rounded to double; their errors are below 2^-56 of the result.
#ifndef SKEIN_IR_MATH_DOUBLE_FUNCTIONS_H_
#define SKEIN_IR_MATH_DOUBLE_FUNCTIONS_H_

#include "ir/math/parts.h"

namespace skein::math {

// --- double_exp.cc ---
Real DoubleExp(Real x);
Real DoubleExp2(Real x);
Real DoubleExpm1(Real x);
Real DoubleSinh(Real x);
Real DoubleCosh(Real x);
Real DoubleTanh(Real x);
Real DoubleSigmoid(Real x);
Real DoubleSilu(Real x);
Real DoubleSoftplus(Real x);
Real DoubleGeluTanh(Real x);
Real DoubleMish(Real x);

// --- double_log.cc ---
Real DoubleLog(Real x);
Real DoubleLog2(Real x);
Real DoubleLog1p(Real x);
Real DoubleAsinh(Real x);
Real DoubleAcosh(Real x);
Real DoubleAtanh(Real x);
Real DoubleCbrt(Real x);
Real DoublePow(Real x, Real y);

// --- double_trig.cc ---
// |x| <= 2^45; beyond, results are finite and bounded but lose accuracy.
Real DoubleSin(Real x);
Real DoubleCos(Real x);
Real DoubleTan(Real x);
Real DoubleAsin(Real x);
Real DoubleAcos(Real x);
Real DoubleAtan(Real x);
Real DoubleAtan2(Real y, Real x);
// Of an f32 x of any size, rounded to f32.
Real SingleSin(Real x);
Real SingleCos(Real x);
Real SingleTan(Real x);
Real SingleAtan2(Real y, Real x);

// --- double_erf.cc ---
Real DoubleErf(Real x);
Real DoubleErfc(Real x);
Real DoubleGelu(Real x);

// --- what the files share ---
// Adding it rounds to an integer and leaves that integer in the low bits of the sum.
inline constexpr double kDoubleRounder = 0x1.8p52;
inline constexpr double kDoubleLog2E = 0x1.71547652b82fep0;
// ln 2; the high part has 41 bits, so that its product with an exponent is exact.
inline constexpr double kDoubleLn2High = 0x1.62e42fefa2p-1;
inline constexpr double kDoubleLn2Low = 0x1.9ef35793c7673p-41;
inline constexpr double kDoubleLn2 = 0x1.62e42fefa39efp-1;
inline constexpr double kDoubleLn2Tail = 0x1.abc9e3b39803fp-56;
inline constexpr double kSmallestNormalDouble = 0x1p-1022;

// (e^r - 1 - r) / r^2 on |r| <= 1/2.
Real DoubleExpTail(Real r);

// e^(x.high + x.low) = (1 + w) * 2^n, n + bias in the low bits of `bits`.
struct DoubleExpParts {
  Word bits;
  Real w;
};
DoubleExpParts ReduceForDoubleExp(Pair x, int bias);

// 2^k for k + 1023 in the low 12 bits of `bits`.
inline Real DoublePowerOfTwo(Word bits) { return FloatOf(bits << 52); }

// 2^n = first * second for n + 2046 in the low bits of `bits`.
struct TwoScales {
  Real first;
  Real second;
};
TwoScales DoubleScales(Word bits);

// x * numerator / denominator.
inline Real TimesQuotient(Real x, Pair numerator, Pair denominator) {
  const Real inverse = 1 / denominator.high;
  const Pair product = TwoProduct(x, numerator.high);
  const Real product_tail = Fma(x, numerator.low, product.low);
  const Real q = product.high * inverse;
  const Real rest = Fma(-q, denominator.low, Fma(-q, denominator.high, product.high));
  return Fma(rest + product_tail, inverse, q);
}

}  // namespace skein::math

#endif  // SKEIN_IR_MATH_DOUBLE_FUNCTIONS_H_
