// sin, cos, tan and their inverses.
#include "ir/math/double_functions.h"
#include "ir/math/parts.h"
#include "ir/math/vector_math.h"

namespace skein {

using namespace math;  // NOLINT: this file is formulas

namespace {

// pi/2 in two parts.
constexpr double kHalfPi1 = 0x1.921fb6p0;
constexpr double kHalfPi2 = -0x1.777a5cp-25;

}  // namespace

ValueId EmitSin(LoopBuilder& b, ValueId x_id) {
  const Real x(b, x_id);
  return (x.type() == ElementType::kF64 ? DoubleSin(x) : SingleSin(x)).id();
}

ValueId EmitCos(LoopBuilder& b, ValueId x_id) {
  const Real x(b, x_id);
  return (x.type() == ElementType::kF64 ? DoubleCos(x) : SingleCos(x)).id();
}

ValueId EmitTan(LoopBuilder& b, ValueId x_id) {
  const Real x(b, x_id);
  return (x.type() == ElementType::kF64 ? DoubleTan(x) : SingleTan(x)).id();
}

ValueId EmitAtan2(LoopBuilder& b, ValueId y, ValueId x) {
  const bool wide = b.type(y).element == ElementType::kF64;
  return (wide ? DoubleAtan2 : SingleAtan2)(Real(b, y), Real(b, x)).id();
}

ValueId EmitAtan(LoopBuilder& b, ValueId x_id) {
  const Real x(b, x_id);
  if (x.type() == ElementType::kF64) return DoubleAtan(x).id();
  const Real a = Abs(x);
  const Mask inverted = a > 1;
  const Real clamped = MinX86(0x1p100, MaxX86(0x1p-100, a));
  const Real q = Select(inverted, 1 / clamped, a);
  const Real s = q * q;
  const Real p =
      Horner(s, {-0x1.555554p-2, 0x1.999832p-3, -0x1.246ce4p-3, 0x1.c3f7fep-4, -0x1.62baf8p-4,
                 0x1.005ebp-4, -0x1.26cceep-5, 0x1.bd14p-7, -0x1.3b6c6ap-9});
  // pi/2 - atan(1/a); the tail of pi/2 goes inside with its sign flipped.
  const Real y = q + Fma(p * s, q, Select(inverted, Real(-kHalfPi2), Real(0)));
  return WithSignOf(Select(inverted, kHalfPi1 - y, y), x).id();
}

namespace {

// Above 1/2, asin and acos come from q = sqrt((1-|x|)/2), else from q = x. asin(q) = q + z*q.
struct ArcArgument {
  Mask large;
  Real q;
  Real z;
};

ArcArgument ReduceForArc(Real x, Real small_q) {
  const Real a = Abs(x);
  const Mask large = a > 0.5;
  const Real half = Fma(a, -0.5, 0.5);
  const Real s = Select(large, half, x * x);
  const Real p =
      Horner(s, {0x1.5555c8p-3, 0x1.3301fep-4, 0x1.747cbep-5, 0x1.8c30b6p-6, 0x1.596a7ap-5});
  return {large, Select(large, Sqrt(half), small_q), p * s};
}

}  // namespace

// Recipe changed: pi/2 - 2q keeps its rounding error, which was a whole ULP where the result is
// just below 1.
ValueId EmitAsin(LoopBuilder& b, ValueId x_id) {
  const Real x(b, x_id);
  if (x.type() == ElementType::kF64) return DoubleAsin(x).id();
  const ArcArgument a = ReduceForArc(x, Abs(x));
  const Real high = Fma(a.q, -2, kHalfPi1);
  const Real low = Fma(a.q, -2, kHalfPi1 - high);
  const Real large = high + Fma(Fma(a.z, a.q, -kHalfPi2 / 2), -2, low);
  return WithSignOf(Select(a.large, large, Fma(a.z, a.q, a.q)), x).id();
}

ValueId EmitAcos(LoopBuilder& b, ValueId x_id) {
  const Real x(b, x_id);
  if (x.type() == ElementType::kF64) return DoubleAcos(x).id();
  const ArcArgument a = ReduceForArc(x, x);
  const Real with_tail = a.q + Fma(a.z, a.q, -kHalfPi2);
  const Real doubled = a.q + a.q;
  const Real large = Select(x < 0, Fma(with_tail, -2, 2 * kHalfPi1), Fma(a.z, doubled, doubled));
  return Select(a.large, large, kHalfPi1 - with_tail).id();
}

}  // namespace skein
