// sinh, cosh, tanh and their inverses.
#include "ir/math/double_functions.h"
#include "ir/math/parts.h"
#include "ir/math/vector_math.h"

namespace skein {

using namespace math;  // NOLINT: this file is formulas

namespace {

// e^a/4, and e^-a/4 as a product, for a in [0, 89.7].
struct ExpPair {
  Real exp;
  Real inverse;
  Real inverse_scale;
};

ExpPair ExpBothWays(Real a) {
  const ExpArgument reduced = ReduceForExp(a, 125);
  const Real r = reduced.remainder;
  const Real w = Fma(ExpTail(r), r * r, r);
  const Real scale = PowerOfTwo(reduced.bits);
  const Real inverse_scale = FloatOf(Word(0x7f000000) - BitsOf(scale)) * 0x1p-4;
  return {Fma(w, scale, scale), ReciprocalOfNormal(1 + w), inverse_scale};
}

}  // namespace

ValueId EmitCosh(LoopBuilder& b, ValueId x_id) {
  const Real x(b, x_id);
  if (x.type() == ElementType::kF64) return DoubleCosh(x).id();
  const ExpPair e = ExpBothWays(MinX86(89.7, Abs(x)));
  const Real half = Fma(e.inverse, e.inverse_scale, e.exp);
  return (half + half).id();
}

ValueId EmitSinh(LoopBuilder& b, ValueId x_id) {
  const Real x(b, x_id);
  if (x.type() == ElementType::kF64) return DoubleSinh(x).id();
  const Real a = MinX86(89.7, Abs(x));
  const ExpPair e = ExpBothWays(a);
  const Real half = Fma(-e.inverse, e.inverse_scale, e.exp);
  const Real u = a * a;
  const Real small =
      Fma(Horner(u, {0x1.555556p-3, 0x1.1110eap-7, 0x1.a01c22p-13, 0x1.76771ep-19}) * u, a, a);
  return WithSignOf(Select(a < 1, small, half + half), x).id();
}

ValueId EmitTanh(LoopBuilder& b, ValueId x_id) {
  const Real x(b, x_id);
  if (x.type() == ElementType::kF64) return DoubleTanh(x).id();
  const Real a = MinX86(9.2, Abs(x));
  // 1 - 2/(e^(2a) + 1). The polynomial takes a's remainder, so coefficient k is that of e^r times
  // 2^k.
  const Real sum = Fma(a, 2 * kLog2E, kRounder + 127);
  const Real n = sum - (kRounder + 127);
  const Real r = Fma(n, -kLn2Low / 2, Fma(n, -kLn2High / 2, a));
  const Real p =
      Horner(r, {1, 2, 0x1.fffffcp0, 0x1.55549p0, 0x1.55589ep-1, 0x1.123abcp-2, 0x1.6a624cp-4});
  const Real large = Fma(ReciprocalOfNormal(Fma(p, PowerOfTwo(BitsOf(sum)), 1)), -2, 1);
  const Real u = a * a;
  const Real w = Horner(u, {-0x1.55553cp-2, 0x1.110be6p-3, -0x1.b96286p-5, 0x1.600bc2p-6,
                            -0x1.046708p-7, 0x1.2db6cp-9, -0x1.7804e8p-12});
  return WithSignOf(Select(a < 1, Fma(w * u, a, a), large), x).id();
}

namespace {

// log(1 + x.high + x.low) + more_n * ln 2 for x.high >= 0 and |x.low| <= 2^-22 x.high.
Real Log1pOfPair(Pair x, Real more_n) {
  const ScaledLog1p a = ScaleForLog1p(x.high);
  const Real tail = (x.low * a.scaled_four) * 0.25;
  // log(1 + m + tail) - log(1 + m) = tail * (1 - m + ...)
  const Real z = Fma(Log1pTail(a.m), a.m * a.m, Fma(-a.m, tail, tail));
  const Real sum = a.m + z;
  return Fma(a.n + more_n, kLn2, sum);
}

// Where squares would overflow; far above, log(2x) is all that is left of asinh and acosh.
constexpr double kLarge = 0x1p60;

}  // namespace

// log1p(a + a^2 / (1 + sqrt(a^2 + 1))).
ValueId EmitAsinh(LoopBuilder& b, ValueId x_id) {
  const Real x(b, x_id);
  if (x.type() == ElementType::kF64) return DoubleAsinh(x).id();
  const Real a = Abs(x);
  const Mask large = a > kLarge;
  const Real u = a * a;
  const Pair sum = FastTwoSum(a, u / (1 + Sqrt(u + 1)));
  const Pair argument = {Select(large, a, sum.high), Select(large, Real(0), sum.low)};
  const Real y = Log1pOfPair(argument, Select(large, Real(1), Real(0)));
  return WithSignOf(Select(a < kInfinity, y, a), x).id();
}

// log1p(t + sqrt(t^2 + 2t)), t = x - 1.
ValueId EmitAcosh(LoopBuilder& b, ValueId x_id) {
  const Real x(b, x_id);
  if (x.type() == ElementType::kF64) return DoubleAcosh(x).id();
  const Mask large = x > kLarge;
  const Real t = x - 1;
  const Pair sum = FastTwoSum(Sqrt(Fma(t, t, t + t)), t);
  const Pair argument = {Select(large, x, sum.high), Select(large, Real(0), sum.low)};
  const Real y = Log1pOfPair(argument, Select(large, Real(1), Real(0)));
  const Real finite = Select(x < kInfinity, y, x);
  return Select(x < 1, Real(kNaN), finite).id();
}

// log1p(2a / (1-a)) / 2, and a polynomial below 0.4.
ValueId EmitAtanh(LoopBuilder& b, ValueId x_id) {
  const Real x(b, x_id);
  if (x.type() == ElementType::kF64) return DoubleAtanh(x).id();
  const Real a = Abs(x);
  const Real d = 1 - a;
  const Real d_tail = (1 - d) - a;
  const Real r = ReciprocalOfNormal(d);
  const Real doubled = a + a;
  const Real t = doubled * r;
  const Real t_tail = Fma(-t, d_tail, Fma(-t, d, doubled)) * r;
  const Real log = Log1pOfPair({t, t_tail}, 0) * 0.5;
  const Real u = a * a;
  const Real p =
      Horner(u, {0x1.55556p-2, 0x1.998b64p-3, 0x1.26229p-3, 0x1.a16b6ap-4, 0x1.1cbbap-3});
  Real y = Select(a < 0.4, Fma(a * u, p, a), log);
  y = Select(a < 1, y, Select(a == 1, Real(kInfinity), Real(kNaN)));
  return WithSignOf(y, x).id();
}

}  // namespace skein
