// Measures the error of a vector math function, by the LoopNest interpreter or by compiled code,
// against glibc's double functions.
#ifndef SKEIN_IR_MATH_ACCURACY_H_
#define SKEIN_IR_MATH_ACCURACY_H_

#include <cstdint>
#include <span>
#include <string_view>

#include "base/status.h"
#include "ir/kernel_abi.h"
#include "ir/loop_nest.h"

namespace skein {

using EmitUnary = ValueId (*)(LoopBuilder& b, ValueId x);
using EmitBinary = ValueId (*)(LoopBuilder& b, ValueId x, ValueId y);

// Kernels of one tile: out[i] = f(in[i]), i < a0, in vectors of `lanes`; f32 buffers in, (in,) out.
LoopNest UnaryMathNest(EmitUnary emit, int lanes = 64);
LoopNest BinaryMathNest(EmitBinary emit, int lanes = 64);

// Runs such a kernel compiled; without one, interprets the nest. All spans have one length.
// Errors: those of InterpretLoopNest.
absl::Status RunMathNest(const LoopNest& nest, std::span<const std::span<const float>> inputs,
                         std::span<float> output, KernelFunction compiled = nullptr);

// |actual - exact| in units of 2^(max(floor(log2 |exact|), -126) - 23), infinities standing for
// 2^128. Infinity (just wrong) where only one is NaN, or zero or infinity has the wrong sign.
double UlpError(float actual, double exact);

// The function of this name (as in UnaryMathFunctions) in double, with a relative error far below
// an f32 ULP over all f32 arguments. Null if there is none.
using DoubleFunction = double (*)(double x);
DoubleFunction MathReference(std::string_view name);

struct Accuracy {
  double max_ulp = 0;
  float worst_input = 0;
  float actual = 0;  // at the worst input
  double exact = 0;
  int64_t inputs = 0;

  void Add(float input, float result, double reference);
  void Merge(const Accuracy& other);
};

// Interprets the function on `inputs`. Errors: InvalidArgument for an unknown name.
absl::StatusOr<Accuracy> MeasureAccuracy(std::string_view function, std::span<const float> inputs,
                                         KernelFunction compiled = nullptr);

}  // namespace skein

#endif  // SKEIN_IR_MATH_ACCURACY_H_
