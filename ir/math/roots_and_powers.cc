// 1/x, 1/sqrt(x), cube root, power.
#include "ir/math/double_functions.h"
#include "ir/math/parts.h"
#include "ir/math/vector_math.h"

namespace skein {

using namespace math;  // NOLINT: this file is formulas

// The hardware's division is as fast as any other way that takes every operand.
ValueId EmitReciprocal(LoopBuilder& b, ValueId x) { return (1 / Real(b, x)).id(); }

ValueId EmitRsqrt(LoopBuilder& b, ValueId x_id) {
  const Real x(b, x_id);
  if (x.type() == ElementType::kF64) return (1 / Sqrt(x)).id();
  const Mask low = x < kSmallestNormal;
  const Real a = Select(low, x * 0x1p24, x);
  Real y = FloatOf(Word(0x5f1dc000) - ShiftRight(BitsOf(a), 1));
  const Real z = (a * 0.72920194) * y;
  y = y * Fma(-z, y, 1.70179189);  // 6.5e-4
  const Pair g = TwoProduct(a, y);
  const Real e = Fma(-g.low, y, Fma(-g.high, y, 1));
  y = Fma(y, Fma(e, 0.375, 0.5) * e, y);
  y = Select(low, y * 0x1p12, y);
  y = Select(x < kInfinity, y, Select(x == kInfinity, Real(0), x));  // infinity and NaN
  y = Select(x < 0, Real(kNaN), y);
  return Select(x == 0, WithSignOf(Select(x == 0, Real(kInfinity), x), x), y).id();
}

ValueId EmitCbrt(LoopBuilder& b, ValueId x_id) {
  const Real x(b, x_id);
  if (x.type() == ElementType::kF64) return DoubleCbrt(x).id();
  const Real magnitude = Abs(x);
  const Mask low = magnitude < kSmallestNormal;
  const Real a = Select(low, magnitude * 0x1p24, magnitude);
  // a^(-1/3) to 3 % from the bits, then two steps of third order.
  const Word third = ToWord(ToReal(BitsOf(a)) * (1.0 / 3));
  Real y = FloatOf(Word(0x54a21d2a) - third);
  for (int step = 0; step < 2; ++step) {
    const Real e = Fma(-a, (y * y) * y, 1);
    y = Fma(y * e, Fma(e, 2.0 / 9, 1.0 / 3), y);
  }
  // c = a*y^2 approximates the root; its residual a - c^3 with the square in two parts.
  const Real square = y * y;
  const Real c = a * square;
  const Pair c2 = TwoProduct(c, c);
  const Real d = Fma(-c2.low, c, Fma(-c2.high, c, a));
  const Real root = Fma(d, square * (1.0 / 3), c);
  const Real scaled = Select(low, root * 0x1p-8, root);
  const Real special = Select((magnitude < kInfinity) & (magnitude != 0), WithSignOf(scaled, x), x);
  return special.id();
}

namespace {

// log2(x) for normal or subnormal x > 0 as a sum of two floats, by atanh: s = (m-1)/(m+1).
Pair Log2InTwoParts(Real x) {
  const LogArgument a = ReduceForLog(x, 0x3f3504f3);
  const Real numerator = a.m - 1;
  const Real d = a.m + 1;
  const Real d_tail = a.m - (d - 1);
  const Real r = 1 / d;
  const Real s = numerator * r;
  const Real s_tail = Fma(-s, d_tail, Fma(-s, d, numerator)) * r;
  const Real u = s * s;
  const Real u_tail = Fma(s + s, s_tail, Fma(s, s, -u));
  const Pair cube = TwoProduct(u, s);
  const Real cube_tail = Fma(u_tail, s, Fma(u, s_tail, cube.low));
  constexpr double kCubeCoefficient = 0x1.ec709ep-1;
  const Real rest = u * Horner(u, {0x1.2776b2p-1, 0x1.a5f288p-2, 0x1.5592bp-2});
  const Real q = kCubeCoefficient + rest;
  const Real q_tail = rest - (q - kCubeCoefficient);
  const Pair v = TwoProduct(cube.high, q);
  const Real v_tail = Fma(cube_tail, q, Fma(cube.high, q_tail, v.low));
  constexpr double kTwoLog2E = 0x1.715476p1, kTwoLog2ETail = 0x1.4ae0cp-25;
  const Pair linear = {s * kTwoLog2E, Fma(s, kTwoLog2E, -(s * kTwoLog2E))};
  const Real linear_tail = Fma(s, kTwoLog2ETail, Fma(s_tail, kTwoLog2E, linear.low));
  const Pair first = FastTwoSum(a.n, linear.high);
  const Pair second = FastTwoSum(first.high, v.high);
  const Real low = (first.low + second.low) + (linear_tail + v_tail);
  return FastTwoSum(second.high, low);
}

// 2^(z + z_tail) for any z.
Real Exp2OfPair(Real z, Real z_tail) {
  const Real clamped = MinX86(129.5, MaxX86(-152, z));
  const Real tail = Select(clamped == z, z_tail, Real(0));
  const Real sum = clamped + (kRounder + 254);
  const Real fraction = (clamped - (sum - (kRounder + 254))) + tail;
  return ScaleInTwoSteps(Exp2Polynomial(fraction), BitsOf(sum), z < -151);
}

}  // namespace

ValueId EmitPow(LoopBuilder& b, ValueId x_id, ValueId y_id) {
  const Real x(b, x_id), y(b, y_id);
  if (x.type() == ElementType::kF64) return DoublePow(x, y).id();
  const Real magnitude = Abs(x);
  const Pair log = Log2InTwoParts(magnitude);
  const Real clamped_y = MinX86(0x1p40, MaxX86(-0x1p40, y));  // products stay finite
  const Real z = clamped_y * log.high;
  const Real z_tail = Fma(clamped_y, log.low, Fma(clamped_y, log.high, -z));
  return WithPowSpecials(x, y, Exp2OfPair(z, z_tail)).id();
}

}  // namespace skein
