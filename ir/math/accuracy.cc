#include "ir/math/accuracy.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "ir/math/parts.h"
#include "ir/math/vector_math.h"

namespace skein {
namespace {

using math::Real;

LoopNest MathNest(EmitUnary unary, EmitBinary binary, int lanes, ElementType t) {
  LoopNest nest;
  LoopBuilder b(&nest);
  const DimExpr count = b.AddArgument();
  const BufferId x = b.AddBuffer(BufferKind::kInput, t, count);
  const BufferId y = binary == nullptr ? BufferId() : b.AddBuffer(BufferKind::kInput, t, count);
  const BufferId out = b.AddBuffer(BufferKind::kOutput, t, count);
  const DimExpr i = b.BeginVectorLoop(count, lanes);
  const ValueId result =
      binary == nullptr ? unary(b, b.Load(x, i)) : binary(b, b.Load(x, i), b.Load(y, i));
  b.Store(out, i, result);
  b.EndLoop();
  return nest;
}

// UlpError for f64 vectors, `actual` holding an f32.
Real EmitUlpError(Real actual, Real exact) {
  using namespace math;  // NOLINT: a formula
  constexpr int64_t kExponent = 0x7ff0000000000000;
  constexpr double kOverflow = 0x1p128;
  const Real y = MinX86(kOverflow, MaxX86(-kOverflow, actual));
  const Real e = MinX86(kOverflow, MaxX86(-kOverflow, exact));
  const Real power = MinX86(0x1p127, MaxX86(0x1p-126, FloatOf(BitsOf(e) & Word(kExponent))));
  // 2^23 / power, by the exponent bits.
  constexpr uint64_t kInverse = 0x7fe0000000000000 + (uint64_t{23} << 52);
  const Real per_ulp = FloatOf(Word(static_cast<int64_t>(kInverse)) - BitsOf(power));
  const Real error = Abs(y - e) * per_ulp;
  const Mask nan_actual = actual != actual, nan_exact = exact != exact;
  const Mask sign_differs = (SignOf(actual) ^ SignOf(exact)) != Word(0);
  const Mask wrong = (nan_actual ^ nan_exact) | ((actual == 0) & sign_differs);
  return Select(wrong, kInfinity, Select(nan_exact, 0, error));
}

template <typename Float, typename Wide>
double UlpErrorIn(Float actual, Wide exact) {
  using Limits = std::numeric_limits<Float>;
  constexpr double kWrong = std::numeric_limits<double>::infinity();
  if (std::isnan(exact) || std::isnan(actual)) {
    return std::isnan(exact) && std::isnan(actual) ? 0 : kWrong;
  }
  if (exact == 0 || std::isinf(exact)) {
    if (actual == exact) return std::signbit(actual) == std::signbit(exact) ? 0 : kWrong;
  }
  if (actual == 0 && std::signbit(actual) != std::signbit(exact)) return kWrong;
  const Wide overflow = std::ldexp(Wide(1), Limits::max_exponent);
  const Wide y = std::clamp<Wide>(actual, -overflow, overflow);
  exact = std::clamp(exact, -overflow, overflow);
  constexpr int kLeast = Limits::min_exponent - 1, kMost = Limits::max_exponent - 1;
  const int exponent = exact == 0 ? kLeast : std::clamp(std::ilogb(exact), kLeast, kMost);
  return static_cast<double>(
      std::ldexp(std::fabs(y - exact), Limits::digits - 1 - exponent));
}

template <typename Float, typename Wide>
absl::StatusOr<Accuracy> Measure(std::string_view function, std::span<const Float> inputs,
                                 KernelFunction compiled, ElementType t) {
  const UnaryMathFunction* found = FindUnaryMathFunction(function);
  const ReferenceFunction reference = MathReference(function);
  if (found == nullptr || reference == nullptr) {
    return InvalidArgument("no vector math function is called ", function);
  }
  std::vector<Float> output(inputs.size());
  const void* input = inputs.data();
  SKEIN_RETURN_IF_ERROR(RunMathNest(UnaryMathNest(found->emit, 64, t), {&input, 1}, output.data(),
                                    static_cast<int64_t>(inputs.size()), compiled));
  Accuracy accuracy;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Wide exact = static_cast<Wide>(reference(inputs[i]));
    accuracy.Add(inputs[i], output[i], static_cast<double>(exact), UlpError(output[i], exact));
  }
  return accuracy;
}

}  // namespace

LoopNest UnaryMathNest(EmitUnary emit, int lanes, ElementType t) {
  return MathNest(emit, nullptr, lanes, t);
}
LoopNest BinaryMathNest(EmitBinary emit, int lanes, ElementType t) {
  return MathNest(nullptr, emit, lanes, t);
}

LoopNest UnaryErrorNest(EmitUnary emit, int lanes) {
  LoopNest nest;
  LoopBuilder b(&nest);
  const DimExpr count = b.AddArgument();
  const BufferId in = b.AddBuffer(BufferKind::kInput, ElementType::kF32, count);
  const BufferId out = b.AddBuffer(BufferKind::kOutput, ElementType::kF32, count);
  const DimExpr i = b.BeginVectorLoop(count, lanes);
  const ValueId x = b.Load(in, i);
  const Real actual(b, b.Convert(ElementType::kF64, emit(b, x)));
  const Real exact(b, emit(b, b.Convert(ElementType::kF64, x)));
  b.Store(out, i, ToSingle(EmitUlpError(actual, exact)).id());
  b.EndLoop();
  return nest;
}

absl::Status RunMathNest(const LoopNest& nest, std::span<const void* const> inputs, void* output,
                         int64_t count, KernelFunction compiled) {
  std::vector<void*> buffers;
  for (const void* input : inputs) buffers.push_back(const_cast<void*>(input));
  buffers.push_back(output);
  uint64_t status = 0;
  const KernelArgs args{buffers.data(), &count, &status};
  if (compiled == nullptr) return InterpretLoopNest(nest, args, 0, 1, nullptr);
  compiled(&args, 0, 1, nullptr);
  return absl::OkStatus();
}

double UlpError(float actual, double exact) { return UlpErrorIn(actual, exact); }
double UlpError(double actual, long double exact) { return UlpErrorIn(actual, exact); }

void Accuracy::Add(double input, double result, double reference, double ulp) {
  ++inputs;
  if (!(ulp > max_ulp)) return;
  max_ulp = ulp;
  worst_input = input;
  actual = result;
  exact = reference;
}

void Accuracy::Merge(const Accuracy& other) {
  const int64_t total = inputs + other.inputs;
  if (other.max_ulp > max_ulp) *this = other;
  inputs = total;
}

absl::StatusOr<Accuracy> MeasureAccuracy(std::string_view function, std::span<const float> inputs,
                                         KernelFunction compiled) {
  return Measure<float, double>(function, inputs, compiled, ElementType::kF32);
}

absl::StatusOr<Accuracy> MeasureAccuracy(std::string_view function, std::span<const double> inputs,
                                         KernelFunction compiled) {
  return Measure<double, long double>(function, inputs, compiled, ElementType::kF64);
}

Hash128 MathCodeHash() {
  std::string text;
  for (const UnaryMathFunction& function : UnaryMathFunctions()) {
    text += function.name;
    text += UnaryMathNest(function.emit).ToString();
    text += UnaryErrorNest(function.emit).ToString();  // f64, too
  }
  for (EmitBinary emit : {EmitPow, EmitAtan2, EmitRem}) text += BinaryMathNest(emit).ToString();
  for (EmitBinary emit : {EmitPow, EmitAtan2, EmitRem}) {
    text += BinaryMathNest(emit, 64, ElementType::kF64).ToString();
  }
  return StableHash(text);
}

}  // namespace skein
