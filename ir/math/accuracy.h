// Measures the error of vector math functions. What is right is said by long double functions
// (MathReference: the C library's, or short formulas of them), and, where 2^32 inputs are to be
// checked, by the f64 vector functions, which are themselves checked against those.
#ifndef SKEIN_IR_MATH_ACCURACY_H_
#define SKEIN_IR_MATH_ACCURACY_H_

#include <cstdint>
#include <span>
#include <string_view>

#include "base/hash.h"
#include "base/status.h"
#include "ir/kernel_abi.h"
#include "ir/loop_nest.h"

namespace skein {

using EmitUnary = ValueId (*)(LoopBuilder& b, ValueId x);
using EmitBinary = ValueId (*)(LoopBuilder& b, ValueId x, ValueId y);

// Kernels of one tile: out[i] = f(in[i]), i < a0, in vectors of `lanes`; buffers of t in, (in,) out.
LoopNest UnaryMathNest(EmitUnary emit, int lanes = 64, ElementType t = ElementType::kF32);
LoopNest BinaryMathNest(EmitBinary emit, int lanes = 64, ElementType t = ElementType::kF32);
// out[i] = UlpError(f(in[i]), f in f64), f32 in and out: f against itself in double, in vectors.
LoopNest UnaryErrorNest(EmitUnary emit, int lanes = 64);

// Runs such a kernel compiled; without one, interprets the nest. `inputs` and `output` are arrays of
// `count` elements of the kernel's type. Errors: those of InterpretLoopNest.
absl::Status RunMathNest(const LoopNest& nest, std::span<const void* const> inputs, void* output,
                         int64_t count, KernelFunction compiled = nullptr);

// |actual - exact| in units of 2^(max(floor(log2 |exact|), -126) - 23) (f64: -1022 and 52),
// infinities standing for the next power of two after the largest number. Infinity (just wrong) where
// only one is NaN, or zero or infinity has the wrong sign.
double UlpError(float actual, double exact);
double UlpError(double actual, long double exact);

// The function of this name (as in UnaryMathFunctions), with a relative error below 2^-60. Null if
// there is none.
using ReferenceFunction = long double (*)(long double x);
ReferenceFunction MathReference(std::string_view name);

struct Accuracy {
  double max_ulp = 0;
  double worst_input = 0;
  double actual = 0;  // at the worst input
  double exact = 0;
  int64_t inputs = 0;

  void Add(double input, double result, double reference, double ulp);
  void Merge(const Accuracy& other);
};

// Runs the function on `inputs`, compiled or interpreted. Errors: InvalidArgument for an unknown name.
absl::StatusOr<Accuracy> MeasureAccuracy(std::string_view function, std::span<const float> inputs,
                                         KernelFunction compiled = nullptr);
absl::StatusOr<Accuracy> MeasureAccuracy(std::string_view function, std::span<const double> inputs,
                                         KernelFunction compiled = nullptr);

// Of the code that every function of vector_math.h emits, in f32 and f64: the measured table is stamped
// with it.
Hash128 MathCodeHash();

}  // namespace skein

#endif  // SKEIN_IR_MATH_ACCURACY_H_
