// fmod.
#include <array>

#include "ir/math/parts.h"
#include "ir/math/vector_math.h"

namespace skein {

using namespace math;  // NOLINT: this file is formulas

namespace {

// r - round(quotient)*y for a quotient within an ULP of r/y. The fma is exact: its result is a
// multiple of the last bits of r and of the product, and below 2^-51 of r, or of y.
Real Reduce(Real r, Real quotient, Real y) {
  const Real n(*r.builder(), r.builder()->Unary(Opcode::kRoundEven, quotient.id()));
  return Fma(-n, y, r);
}

// Of magnitudes, for f32 values held in f64. x/y < 2^278, and a step takes 51 bits from it.
Real SingleRem(Real x, Real y) {
  constexpr int kSteps = 6;
  const Real inverse = 1 / y;
  Real r = x;
  for (int step = 0; step < kSteps; ++step) r = Reduce(r, r * inverse, y);
  return r;
}

// Of magnitudes, in f64. x/y < 2^2098 would overflow, so x is reduced by y*2^1400 first, then by
// y*2^700, then by y; where those overflow themselves, by the largest that does not.
Real DoubleRem(Real x, Real y) {
  constexpr int kSteps = 14;  // of 52 bits, for a quotient below 2^701
  const Real far = y * 0x1p700, farther = far * 0x1p700;
  const Real second = Select(far < kInfinity, far, y);
  const Real first = Select(farther < kInfinity, farther, second);
  Real r = x;
  for (const Real& divisor : std::array{first, second, y}) {
    for (int step = 0; step < kSteps; ++step) r = Reduce(r, r / divisor, divisor);
  }
  return r;
}

}  // namespace

ValueId EmitRem(LoopBuilder& b, ValueId x_id, ValueId y_id) {
  const Real x(b, x_id), y(b, y_id);
  const bool single = x.type() == ElementType::kF32;
  const Real ax = Abs(single ? ToDouble(x) : x), ay = Abs(single ? ToDouble(y) : y);
  Real r = single ? SingleRem(ax, ay) : DoubleRem(ax, ay);
  r = Select(r < 0, r + ay, r);  // steps round to nearest
  // x rem inf = x; infinity * 0 above gave NaN.
  r = Select((ay == kInfinity) & (ax < kInfinity), ax, Abs(r));
  return WithSignOf(single ? ToSingle(r) : r, x).id();
}

}  // namespace skein
