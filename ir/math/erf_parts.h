// What erfc and gelu share in f32 and f64: a rational variable, and quotients in two parts.
// Internal to ir/math.
#ifndef SKEIN_IR_MATH_ERF_PARTS_H_
#define SKEIN_IR_MATH_ERF_PARTS_H_

#include "ir/math/parts.h"

namespace skein::math {

// d + d_tail = a + k, its reciprocal y within an ULP, and q = centre - 2k/(a+k), in which the
// scaled functions are smooth from 0 to infinity.
struct RationalVariable {
  Real d;
  Real d_tail;
  Real y;
  Real q;
};

inline RationalVariable MapToRational(Real a, double k, double centre) {
  const Real d = a + k;
  const Real d_tail = a - (d - k);
  const Real y = a.type() == ElementType::kF64 ? 1 / d : ReciprocalOfNormal(d, d_tail);
  return {d, d_tail, y, Fma(y, -2 * k, centre)};
}

// p / (a + k) in two parts.
inline Pair DivideInTwoParts(Pair p, const RationalVariable& t) {
  const Real quotient = p.high * t.y;
  const Real residual = Fma(-quotient, t.d_tail, Fma(-quotient, t.d, p.high) + p.low);
  return {quotient, residual * t.y};
}

// c0 + q*rest in two parts.
inline Pair FinishPolynomial(Real q, Real rest, double c0) {
  const Real high = Fma(q, rest, c0);
  return {high, Fma(q, rest, c0 - high)};
}

// m * (1 + v); m.low is as large as a rounding error of m.high, so its product with v counts.
inline Real TimesOnePlus(Pair m, Real v) {
  return m.high + Fma(m.high, v, Fma(m.low, v, m.low));
}

}  // namespace skein::math

#endif  // SKEIN_IR_MATH_ERF_PARTS_H_
