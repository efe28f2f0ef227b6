// sinh, cosh, tanh and their inverses.
#include "ir/math/double_functions.h"
#include "ir/math/parts.h"
#include "ir/math/pieces.h"
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
  return {Fma(w, scale, scale), 1 / (1 + w), inverse_scale};
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

namespace {

constexpr Pieces kTanhPieces = {
    {0x1.9dep+0f, 0x1.10f4p+1f, 0x1.4fep+1f, 0x1.8e74p+1f, 0x1.f2a8p+1f, 0x1.36fcp+2f, 0x1.79b4p+2f,
     0x1.b6f8p+2f, 0x1.09539ap+3f, 0, 0x1.783p-3f, 0x1.435p-2f, 0x1.fdfp-2f, 0x1.82ep-1f,
     0x1.011p+0f, 0x1.41e8p+0f},
    {{0x1.d92964p-1f, 0x1.f1cf0cp-1f, 0x1.faa4eap-1f, 0x1.fdfa96p-1f, 0x1.ff93b8p-1f,
      0x1.fff03ap-1f, 0x1.fffe0ap-1f, 0x1.ffffb6p-1f, 0x1.fffffcp-1f, 0, 0x1.74035p-3f,
      0x1.38fb14p-2f, 0x1.d7959cp-2f, 0x1.46e7c4p-1f, 0x1.86d36ap-1f, 0x1.b36232p-1f},
     {0x1.2aec02p-3f, 0x1.bfd35cp-5f, 0x1.54fa8ep-6f, 0x1.02324cp-7f, 0x1.b0f438p-10f,
      0x1.f8bae6p-13f, 0x1.f5ffdp-16f, 0x1.27feecp-18f, 0x1.0dd416p-22f, 0, 0x1.ef1b32p-1f,
      0x1.d02b62p-1f, 0x1.936904p-1f, 0x1.2f4674p-1f, 0x1.ab572ap-2f, 0x1.1b8924p-2f},
     {-0x1.143f48p-3f, -0x1.b369bp-5f, -0x1.516986p-6f, -0x1.012d4ap-7f, -0x1.b09c1p-10f,
      -0x1.f8a74cp-13f, -0x1.f5fe5cp-16f, -0x1.27e034p-18f, -0x1.a0f2dep-22f, -0x1.4e5138p-25f,
      -0x1.67bd02p-3f, -0x1.1bbe12p-2f, -0x1.7391p-2f, -0x1.83464cp-2f, -0x1.4633dcp-2f,
      -0x1.e236f6p-3f},
     {0x1.37579ap-4f, 0x1.1213ccp-5f, 0x1.b86fb8p-7f, 0x1.542cdp-8f, 0x1.1fa58ep-10f,
      0x1.5003f2p-13f, 0x1.4e62bep-16f, 0x1.8a8abp-19f, 0x1.6729aap-23f, -0x1.55542cp-2f,
      -0x1.295e0cp-2f, -0x1.bd8p-3f, -0x1.874952p-4f, 0x1.68a32ap-5f, 0x1.aa38b8p-4f,
      0x1.ba1256p-4f},
     {-0x1.9e03cep-6f, -0x1.e56f5p-7f, -0x1.a5c1e2p-8f, -0x1.4ed862p-9f, -0x1.1e45cep-11f,
      -0x1.504d24p-14f, -0x1.4de8ap-17f, -0x1.8f2a84p-20f, 0x1.776a7cp-22f, -0x1.57bcb6p-13f,
      0x1.c81aa4p-4f, 0x1.452eb8p-3f, 0x1.51d33p-3f, 0x1.9142eep-4f, 0x1.b67d5p-6f, -0x1.b1c96p-7f},
     {0x1.f128aap-11f, 0x1.2273cep-8f, 0x1.35756p-9f, 0x1.057c3cp-10f, 0x1.d9f6cep-13f,
      0x1.17d0cap-15f, 0x1.15bf7cp-18f, 0x1.447844p-21f, 0x1.2a9fcep-25f, 0x1.167eaap-3f,
      0x1.77e9dp-4f, 0x1.997aep-5f, -0x1.ac7652p-6f, -0x1.038a44p-4f, -0x1.77ca58p-5f,
      -0x1.32c794p-6f},
     {0x1.16752cp-8f, -0x1.162fc6p-11f, -0x1.508e42p-11f, -0x1.3f1f48p-12f, -0x1.433b02p-14f,
      -0x1.68a88cp-17f, -0x1.828944p-20f, -0x1.517186p-23f, -0x1.7f6dccp-22f, -0x1.3fdc3p-6f,
      -0x1.db716cp-5f, -0x1.746346p-5f, -0x1.a064bep-5f, -0x1.89ac5ap-11f, 0x1.2ebdf8p-6f,
      0x1.a50fbp-7f}}};

}  // namespace

ValueId EmitTanh(LoopBuilder& b, ValueId x_id) {
  const Real x(b, x_id);
  if (x.type() == ElementType::kF64) return DoubleTanh(x).id();
  return OddByPieces(kTanhPieces, x, 9.1, 0.625, 0.75).id();
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
  const Real r = 1 / d;
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
