#include "ir/math/accuracy.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "ir/math/vector_math.h"

namespace skein {
namespace {

constexpr double kSqrtHalf = 0.70710678118654752440;

double Sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

double Silu(double x) {
  return x == -std::numeric_limits<double>::infinity() ? -0.0 : x / (1 + std::exp(-x));
}

double Softplus(double x) {
  if (std::isnan(x)) return x;
  return std::fmax(x, 0) + std::log1p(std::exp(-std::fabs(x)));
}

double Gelu(double x) {
  if (x == -std::numeric_limits<double>::infinity()) return -0.0;
  return 0.5 * x * std::erfc(-x * kSqrtHalf);
}

double Reciprocal(double x) { return 1 / x; }

double Rsqrt(double x) { return x == 0 ? 1 / x : 1 / std::sqrt(x); }

struct Reference {
  std::string_view name;
  DoubleFunction function;
};

constexpr Reference kReferences[] = {
    {"exp", std::exp},          {"exp2", std::exp2},   {"expm1", std::expm1},
    {"sigmoid", Sigmoid},       {"silu", Silu},        {"softplus", Softplus},
    {"log", std::log},          {"log2", std::log2},   {"log1p", std::log1p},
    {"erf", std::erf},          {"erfc", std::erfc},   {"gelu", Gelu},
    {"sin", std::sin},          {"cos", std::cos},     {"tan", std::tan},
    {"asin", std::asin},        {"acos", std::acos},   {"atan", std::atan},
    {"sinh", std::sinh},        {"cosh", std::cosh},   {"tanh", std::tanh},
    {"asinh", std::asinh},      {"acosh", std::acosh}, {"atanh", std::atanh},
    {"reciprocal", Reciprocal}, {"rsqrt", Rsqrt},      {"cbrt", std::cbrt},
};

LoopNest MathNest(EmitUnary unary, EmitBinary binary, int lanes) {
  LoopNest nest;
  LoopBuilder b(&nest);
  const DimExpr count = b.AddArgument();
  const BufferId x = b.AddBuffer(BufferKind::kInput, ElementType::kF32, count);
  const BufferId y =
      binary == nullptr ? BufferId() : b.AddBuffer(BufferKind::kInput, ElementType::kF32, count);
  const BufferId out = b.AddBuffer(BufferKind::kOutput, ElementType::kF32, count);
  const DimExpr i = b.BeginVectorLoop(count, lanes);
  const ValueId result =
      binary == nullptr ? unary(b, b.Load(x, i)) : binary(b, b.Load(x, i), b.Load(y, i));
  b.Store(out, i, result);
  b.EndLoop();
  return nest;
}

}  // namespace

LoopNest UnaryMathNest(EmitUnary emit, int lanes) { return MathNest(emit, nullptr, lanes); }
LoopNest BinaryMathNest(EmitBinary emit, int lanes) { return MathNest(nullptr, emit, lanes); }

absl::Status RunMathNest(const LoopNest& nest, std::span<const std::span<const float>> inputs,
                         std::span<float> output, KernelFunction compiled) {
  std::vector<void*> buffers;
  for (std::span<const float> input : inputs) buffers.push_back(const_cast<float*>(input.data()));
  buffers.push_back(output.data());
  const int64_t count = static_cast<int64_t>(output.size());
  uint64_t status = 0;
  const KernelArgs args{buffers.data(), &count, &status};
  if (compiled == nullptr) return InterpretLoopNest(nest, args, 0, 1, nullptr);
  compiled(&args, 0, 1, nullptr);
  return absl::OkStatus();
}

double UlpError(float actual, double exact) {
  constexpr double kWrong = std::numeric_limits<double>::infinity();
  if (std::isnan(exact) || std::isnan(actual)) {
    return std::isnan(exact) && std::isnan(actual) ? 0 : kWrong;
  }
  if (exact == 0 || std::isinf(exact)) {
    if (actual == exact) return std::signbit(actual) == std::signbit(exact) ? 0 : kWrong;
  }
  if (actual == 0 && std::signbit(actual) != std::signbit(exact)) return kWrong;
  constexpr double kOverflow = 0x1p128;
  const double y = std::clamp<double>(actual, -kOverflow, kOverflow);
  exact = std::clamp(exact, -kOverflow, kOverflow);
  const int exponent = exact == 0 ? -126 : std::clamp(std::ilogb(exact), -126, 127);
  return std::fabs(y - exact) * std::ldexp(1.0, 23 - exponent);
}

DoubleFunction MathReference(std::string_view name) {
  for (const Reference& reference : kReferences) {
    if (reference.name == name) return reference.function;
  }
  return nullptr;
}

void Accuracy::Add(float input, float result, double reference) {
  ++inputs;
  const double ulp = UlpError(result, reference);
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
  const UnaryMathFunction* found = FindUnaryMathFunction(function);
  const DoubleFunction reference = MathReference(function);
  if (found == nullptr || reference == nullptr) {
    return InvalidArgument("no vector math function is called ", function);
  }
  const LoopNest nest = UnaryMathNest(found->emit);
  std::vector<float> output(inputs.size());
  SKEIN_RETURN_IF_ERROR(RunMathNest(nest, {{inputs}}, output, compiled));
  Accuracy accuracy;
  for (size_t i = 0; i < inputs.size(); ++i) {
    accuracy.Add(inputs[i], output[i], reference(inputs[i]));
  }
  return accuracy;
}

}  // namespace skein
