// Vector math on f32 and f64: each function appends LoopNest instructions that compute it lane by
// lane, for vectors of any number of lanes. Only IEEE and integer operations are used, so every back
// end gives the same bits.
//
// Numerics: bounds are in docs/numerics.md and in UnaryMathFunctions, in units of
// 2^(max(floor(log2|exact|), -126) - 23) (f64: -1022 and 52). f32: measured over all 2^32 inputs by
// skein_math_exhaustive; f64: over random ones. NaN gives NaN; infinities, signed zeros and
// subnormals behave as in C's <math.h>. f32 results that underflow to zero do so without a subnormal
// multiplication, which is slow.
// Source: shared notes MATH-RECIPES; where a recipe was changed, the .cc file says how and why.
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
// x * sigmoid(sqrt(8/pi) * (x + 0.044715 x^3)), the tanh form of gelu; -0 at -infinity.
ValueId EmitGeluTanh(LoopBuilder& b, ValueId x);
ValueId EmitMish(LoopBuilder& b, ValueId x);  // x * tanh(softplus(x)); -0 at -infinity
ValueId EmitElu(LoopBuilder& b, ValueId x);   // x < 0 ? expm1(x) : x

// --- logarithms (log_family.cc) ---
ValueId EmitLog(LoopBuilder& b, ValueId x);
ValueId EmitLog2(LoopBuilder& b, ValueId x);
ValueId EmitLog1p(LoopBuilder& b, ValueId x);

// --- error function (erf_family.cc) ---
ValueId EmitErf(LoopBuilder& b, ValueId x);
ValueId EmitErfc(LoopBuilder& b, ValueId x);
ValueId EmitGelu(LoopBuilder& b, ValueId x);  // x/2 * erfc(-x/sqrt 2); -0 at -infinity

// --- trigonometric (trig.cc); x in radians ---
// f64 sin, cos, tan: for |x| <= 2^45; beyond, results are finite and bounded but lose accuracy.
ValueId EmitSin(LoopBuilder& b, ValueId x);
ValueId EmitCos(LoopBuilder& b, ValueId x);
ValueId EmitTan(LoopBuilder& b, ValueId x);
ValueId EmitAsin(LoopBuilder& b, ValueId x);
ValueId EmitAcos(LoopBuilder& b, ValueId x);
ValueId EmitAtan(LoopBuilder& b, ValueId x);
ValueId EmitAtan2(LoopBuilder& b, ValueId y, ValueId x);

// --- hyperbolic (hyperbolic.cc) ---
ValueId EmitSinh(LoopBuilder& b, ValueId x);
ValueId EmitCosh(LoopBuilder& b, ValueId x);
ValueId EmitTanh(LoopBuilder& b, ValueId x);
ValueId EmitAsinh(LoopBuilder& b, ValueId x);
ValueId EmitAcosh(LoopBuilder& b, ValueId x);
ValueId EmitAtanh(LoopBuilder& b, ValueId x);

// --- roots and powers (roots_and_powers.cc) ---
ValueId EmitReciprocal(LoopBuilder& b, ValueId x);  // a division
ValueId EmitRsqrt(LoopBuilder& b, ValueId x);       // -infinity at -0
ValueId EmitCbrt(LoopBuilder& b, ValueId x);
ValueId EmitPow(LoopBuilder& b, ValueId x, ValueId y);
// Exact: x - n*y with the sign of x, for the integer n next to x/y towards zero (C's fmod).
ValueId EmitRem(LoopBuilder& b, ValueId x, ValueId y);

// One row per unary function above.
struct UnaryMathFunction {
  std::string_view name;  // "exp", "log1p", ...
  ValueId (*emit)(LoopBuilder& b, ValueId x);
  double max_ulp;         // in f32: the measured bound, rounded up
  double max_ulp_f64;     // in f64
  double largest_f64;     // the f64 bound holds for |x| <= largest_f64
};
std::span<const UnaryMathFunction> UnaryMathFunctions();
const UnaryMathFunction* FindUnaryMathFunction(std::string_view name);  // null: there is none

inline constexpr double kPowMaxUlp = 0.92;    // f32, over 10^8 random pairs
inline constexpr double kPowMaxUlpF64 = 1.15;  // f64: 1.094 was the worst of 3*10^6 random pairs
inline constexpr double kAtan2MaxUlp = 0.501;
inline constexpr double kAtan2MaxUlpF64 = 2.3;  // 2.186 was the worst of 3*10^6 random pairs
// Up to here (3.5e13) f64 sin, cos and tan keep their bounds.
inline constexpr double kLargestDoubleAngle = 0x1p45;

}  // namespace skein

#endif  // SKEIN_IR_MATH_VECTOR_MATH_H_
