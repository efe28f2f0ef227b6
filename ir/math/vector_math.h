// Vector math on f32: each function appends LoopNest instructions that compute it lane by lane, for
// vectors of any number of lanes. Only IEEE and integer operations are used, so every back end
// gives the same bits.
//
// Numerics: the bound at each function is the largest error over its inputs, in units of
// 2^(max(floor(log2|exact|), -126) - 23), measured with skein_math_exhaustive; docs/numerics.md
// says how densely. NaN gives NaN; infinities, signed zeros and subnormals behave as in C's
// <math.h>. Results that underflow to zero do so without a subnormal multiplication, which is slow.
// Source: shared notes MATH-RECIPES; where a recipe was changed, the .cc file says how and why.
#ifndef SKEIN_IR_MATH_VECTOR_MATH_H_
#define SKEIN_IR_MATH_VECTOR_MATH_H_

#include <span>
#include <string_view>

#include "ir/loop_nest.h"

namespace skein {

// --- exponentials (exp_family.cc) ---
ValueId EmitExp(LoopBuilder& b, ValueId x);  // 0.891 ULP
// Same bits as EmitExp wherever x <= 0 (softmax), cheaper; meaningless for x > 80.
ValueId EmitExpOfNonPositive(LoopBuilder& b, ValueId x);
ValueId EmitExp2(LoopBuilder& b, ValueId x);      // 0.878 ULP
ValueId EmitExpm1(LoopBuilder& b, ValueId x);     // 1.434 ULP
ValueId EmitSigmoid(LoopBuilder& b, ValueId x);   // 0.892 ULP: 1 / (1 + e^-x)
ValueId EmitSilu(LoopBuilder& b, ValueId x);      // 1.288 ULP: x * sigmoid(x); -0 at -infinity
ValueId EmitSoftplus(LoopBuilder& b, ValueId x);  // 1.648 ULP: log(1 + e^x)

// --- logarithms (log_family.cc) ---
ValueId EmitLog(LoopBuilder& b, ValueId x);    // 0.934 ULP
ValueId EmitLog2(LoopBuilder& b, ValueId x);   // 0.946 ULP
ValueId EmitLog1p(LoopBuilder& b, ValueId x);  // 1.268 ULP

// --- error function (erf_family.cc) ---
ValueId EmitErf(LoopBuilder& b, ValueId x);   // 0.938 ULP
ValueId EmitErfc(LoopBuilder& b, ValueId x);  // 1.722 ULP
ValueId EmitGelu(LoopBuilder& b, ValueId x);  // 1.697 ULP: x/2 * erfc(-x/sqrt 2); -0 at -infinity

// --- trigonometric (trig.cc); x in radians ---
// sin, cos, tan: the bound holds for |x| <= 1e5. Beyond, results are finite and (sin, cos) in [-1,
// 1] but lose accuracy, all of it from |x| = 6e6 on; infinities give NaN.
ValueId EmitSin(LoopBuilder& b, ValueId x);   // 1.206 ULP
ValueId EmitCos(LoopBuilder& b, ValueId x);   // 1.205 ULP
ValueId EmitTan(LoopBuilder& b, ValueId x);   // 1.561 ULP
ValueId EmitAsin(LoopBuilder& b, ValueId x);  // 1.168 ULP
ValueId EmitAcos(LoopBuilder& b, ValueId x);  // 1.136 ULP
ValueId EmitAtan(LoopBuilder& b, ValueId x);  // 1.310 ULP

// --- hyperbolic (hyperbolic.cc) ---
ValueId EmitSinh(LoopBuilder& b, ValueId x);   // 1.619 ULP
ValueId EmitCosh(LoopBuilder& b, ValueId x);   // 1.469 ULP
ValueId EmitTanh(LoopBuilder& b, ValueId x);   // 0.959 ULP
ValueId EmitAsinh(LoopBuilder& b, ValueId x);  // 1.338 ULP
ValueId EmitAcosh(LoopBuilder& b, ValueId x);  // 1.813 ULP
ValueId EmitAtanh(LoopBuilder& b, ValueId x);  // 0.944 ULP

// --- roots and powers (roots_and_powers.cc) ---
ValueId EmitReciprocal(LoopBuilder& b, ValueId x);      // 0.5 ULP: a division
ValueId EmitRsqrt(LoopBuilder& b, ValueId x);           // 0.512 ULP: -infinity at -0
ValueId EmitCbrt(LoopBuilder& b, ValueId x);            // 0.797 ULP
ValueId EmitPow(LoopBuilder& b, ValueId x, ValueId y);  // 0.91 ULP

// One row per unary function above.
struct UnaryMathFunction {
  std::string_view name;  // "exp", "log1p", ...
  ValueId (*emit)(LoopBuilder& b, ValueId x);
  double max_ulp;  // the measured bound, rounded up
  double largest;  // the bound holds for |x| <= largest
};
std::span<const UnaryMathFunction> UnaryMathFunctions();
const UnaryMathFunction* FindUnaryMathFunction(std::string_view name);  // null: there is none

inline constexpr double kPowMaxUlp = 0.92;  // over 10^8 random pairs

// Whether `function` (a name of UnaryMathFunctions, or "pow") can be emitted for operands of type
// t.
bool MathSupports(std::string_view function, ElementType t);

}  // namespace skein

#endif  // SKEIN_IR_MATH_VECTOR_MATH_H_
