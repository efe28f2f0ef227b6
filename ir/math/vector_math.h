// Vector math on f32: each function appends LoopNest instructions that compute it lane by lane, for
// vectors of any number of lanes. Only IEEE operations, integer operations and division are used, so
// every back end gives the same bits.
//
// Numerics: the bound at each function is the largest error over all 2^32 inputs, in units of
// 2^(max(floor(log2|exact|), -126) - 23), measured with skein_math_exhaustive (docs/numerics.md).
// NaN gives NaN; infinities, signed zeros and subnormals behave as in C's <math.h>.
// Results that underflow to zero do so without a subnormal multiplication, which processors run slowly.
// Source: shared notes MATH-RECIPES; where a recipe was changed the .cc file says how and why.
#ifndef SKEIN_IR_MATH_VECTOR_MATH_H_
#define SKEIN_IR_MATH_VECTOR_MATH_H_

#include <span>
#include <string_view>

#include "ir/loop_nest.h"

namespace skein {

// --- exponentials (exp_family.cc) ---
ValueId EmitExp(LoopBuilder& b, ValueId x);
// Same bits as EmitExp wherever x <= 0 (softmax), cheaper; meaningless for x > 80.
ValueId EmitExpOfNonPositive(LoopBuilder& b, ValueId x);
ValueId EmitExp2(LoopBuilder& b, ValueId x);
ValueId EmitExpm1(LoopBuilder& b, ValueId x);
ValueId EmitSigmoid(LoopBuilder& b, ValueId x);   // 1 / (1 + e^-x)
ValueId EmitSilu(LoopBuilder& b, ValueId x);      // x * sigmoid(x); -0 at -infinity
ValueId EmitSoftplus(LoopBuilder& b, ValueId x);  // log(1 + e^x)

// --- logarithms (log_family.cc) ---
ValueId EmitLog(LoopBuilder& b, ValueId x);
ValueId EmitLog2(LoopBuilder& b, ValueId x);
ValueId EmitLog1p(LoopBuilder& b, ValueId x);

// --- error function (erf_family.cc) ---
ValueId EmitErf(LoopBuilder& b, ValueId x);
ValueId EmitErfc(LoopBuilder& b, ValueId x);
ValueId EmitGelu(LoopBuilder& b, ValueId x);  // x/2 * erfc(-x/sqrt 2); -0 at -infinity

// --- trigonometric (trig.cc); x in radians ---
// sin, cos, tan: the bound holds for |x| <= 1e5. Beyond, results are finite and (sin, cos) in [-1, 1]
// but lose accuracy, all of it from |x| = 6e6 on; infinities give NaN.
ValueId EmitSin(LoopBuilder& b, ValueId x);
ValueId EmitCos(LoopBuilder& b, ValueId x);
ValueId EmitTan(LoopBuilder& b, ValueId x);
ValueId EmitAsin(LoopBuilder& b, ValueId x);
ValueId EmitAcos(LoopBuilder& b, ValueId x);
ValueId EmitAtan(LoopBuilder& b, ValueId x);

// --- hyperbolic (hyperbolic.cc) ---
ValueId EmitSinh(LoopBuilder& b, ValueId x);
ValueId EmitCosh(LoopBuilder& b, ValueId x);
ValueId EmitTanh(LoopBuilder& b, ValueId x);
ValueId EmitAsinh(LoopBuilder& b, ValueId x);
ValueId EmitAcosh(LoopBuilder& b, ValueId x);
ValueId EmitAtanh(LoopBuilder& b, ValueId x);

// --- roots and powers (roots_and_powers.cc) ---
ValueId EmitReciprocal(LoopBuilder& b, ValueId x);
ValueId EmitRsqrt(LoopBuilder& b, ValueId x);  // -infinity at -0
ValueId EmitCbrt(LoopBuilder& b, ValueId x);
ValueId EmitPow(LoopBuilder& b, ValueId x, ValueId y);

// One row per unary function above.
struct UnaryMathFunction {
  std::string_view name;  // "exp", "log1p", ...
  ValueId (*emit)(LoopBuilder& b, ValueId x);
  double max_ulp;         // the measured bound, rounded up
  double largest;         // the bound holds for |x| <= largest
};
std::span<const UnaryMathFunction> UnaryMathFunctions();
const UnaryMathFunction* FindUnaryMathFunction(std::string_view name);  // null: there is none

inline constexpr double kPowMaxUlp = 0.91;

// Whether `function` (a name of UnaryMathFunctions, or "pow") can be emitted for operands of type t.
bool MathSupports(std::string_view function, ElementType t);

}  // namespace skein

#endif  // SKEIN_IR_MATH_VECTOR_MATH_H_
