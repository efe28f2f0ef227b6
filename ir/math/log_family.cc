// log, log2, log1p.
#include "ir/math/double_functions.h"
#include "ir/math/parts.h"
#include "ir/math/vector_math.h"

namespace skein {

using namespace math;  // NOLINT: this file is formulas

namespace {

// What a logarithm is outside (0, infinity); `y` inside.
Real WithLogSpecials(Real x, Real y) {
  y = Select(x < kInfinity, y, x);  // infinity and NaN
  y = Select(x < 0, Real(kNaN), y);
  return Select(x == 0, Real(-kInfinity), y);
}

}  // namespace

ValueId EmitLog(LoopBuilder& b, ValueId x_id) {
  const Real x(b, x_id);
  if (x.type() == ElementType::kF64) return DoubleLog(x).id();
  const LogArgument a = ReduceForLog(x, 0x3f2aaaab);  // m in [2/3, 4/3)
  const Real f = a.m - 1;
  const Real p = Horner(f, {-0.5, 0x1.555506p-2, -0x1.fffefp-3, 0x1.99d064p-3, -0x1.559de8p-3,
                            0x1.1ed37ep-3, -0x1.f30d5ep-4, 0x1.1e77d6p-3, -0x1.080f4ep-3});
  // One constant for ln 2 is enough: its error times n stays under 0.1 ULP of the sum.
  return WithLogSpecials(x, Fma(a.n, kLn2, Fma(p, f * f, f))).id();
}

ValueId EmitLog2(LoopBuilder& b, ValueId x_id) {
  const Real x(b, x_id);
  if (x.type() == ElementType::kF64) return DoubleLog2(x).id();
  // m in [0.7071, 1.4142): less cancels in n + q than with [2/3, 4/3).
  const LogArgument a = ReduceForLog(x, 0x3f3504f3);
  const Real f = a.m - 1;
  // log2(1+f)/f - 1: log2 e as 1 + 0.4427 makes the leading constant accurate.
  const Real p =
      Horner(f, {0x1.c551dap-2, -0x1.71547p-1, 0x1.ec7028p-2, -0x1.715a96p-2, 0x1.278fe6p-2,
                 -0x1.ead17cp-3, 0x1.a0efa8p-3, -0x1.84c328p-3, 0x1.87d586p-3, -0x1.e5d77ap-4});
  return WithLogSpecials(x, a.n + Fma(p, f, f)).id();
}

ValueId EmitLog1p(LoopBuilder& b, ValueId x_id) {
  const Real x(b, x_id);
  if (x.type() == ElementType::kF64) return DoubleLog1p(x).id();
  const ScaledLog1p a = ScaleForLog1p(x);
  const Real y = WithSignOf(Fma(a.n, kLn2, Fma(Log1pTail(a.m), a.m * a.m, a.m)), x);
  const Real finite = Select(x < kInfinity, y, x);
  return Select(x == -1, Real(-kInfinity), Select(x < -1, Real(kNaN), finite)).id();
}

}  // namespace skein
