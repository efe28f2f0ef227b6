// The table of unary functions.
#include <algorithm>
#include <limits>

#include "ir/math/vector_math.h"

namespace skein {
namespace {

constexpr double kAll = std::numeric_limits<double>::infinity();

constexpr UnaryMathFunction kFunctions[] = {
    {"exp", EmitExp, 0.892, 1, kAll},
    {"exp2", EmitExp2, 0.879, 1, kAll},
    {"expm1", EmitExpm1, 1.435, 1.15, kAll},
    {"sigmoid", EmitSigmoid, 0.963, 1, kAll},
    {"silu", EmitSilu, 2, 1.05, kAll},
    {"softplus", EmitSoftplus, 1.649, 1.7, kAll},
    {"gelu_tanh", EmitGeluTanh, 1.988, 1.05, kAll},
    {"mish", EmitMish, 1.958, 1.05, kAll},
    {"elu", EmitElu, 1, 1.15, kAll},
    {"log", EmitLog, 0.935, 1, kAll},
    {"log2", EmitLog2, 0.947, 1.75, kAll},
    {"log1p", EmitLog1p, 1.269, 1, kAll},
    {"erf", EmitErf, 0.777, 1, kAll},
    {"erfc", EmitErfc, 1.788, 2.65, kAll},
    {"gelu", EmitGelu, 1.782, 2.5, kAll},
    {"sin", EmitSin, 0.501, 1.2, kLargestDoubleAngle},
    {"cos", EmitCos, 0.501, 1.2, kLargestDoubleAngle},
    {"tan", EmitTan, 0.501, 1.5, kLargestDoubleAngle},
    {"asin", EmitAsin, 1.169, 1.15, kAll},
    {"acos", EmitAcos, 1.137, 1.1, kAll},
    {"atan", EmitAtan, 1.311, 1.95, kAll},
    {"sinh", EmitSinh, 1.620, 1.6, kAll},
    {"cosh", EmitCosh, 1.470, 1.5, kAll},
    {"tanh", EmitTanh, 0.756, 1.6, kAll},
    {"asinh", EmitAsinh, 1.339, 1.2, kAll},
    {"acosh", EmitAcosh, 1.814, 1.55, kAll},
    {"atanh", EmitAtanh, 0.945, 1.05, kAll},
    {"reciprocal", EmitReciprocal, 0.5, 0.5, kAll},
    {"rsqrt", EmitRsqrt, 0.513, 1.6, kAll},
    {"cbrt", EmitCbrt, 0.798, 0.8, kAll},
};

}  // namespace

std::span<const UnaryMathFunction> UnaryMathFunctions() { return kFunctions; }

const UnaryMathFunction* FindUnaryMathFunction(std::string_view name) {
  const auto found = std::find_if(std::begin(kFunctions), std::end(kFunctions),
                                  [name](const UnaryMathFunction& f) { return f.name == name; });
  return found == std::end(kFunctions) ? nullptr : found;
}

}  // namespace skein
