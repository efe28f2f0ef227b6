// The table of unary functions.
#include <algorithm>
#include <limits>

#include "ir/math/vector_math.h"

namespace skein {
namespace {

constexpr double kAll = std::numeric_limits<double>::infinity();
constexpr double kTrigLimit = 1e5;

constexpr UnaryMathFunction kFunctions[] = {
    {"exp", EmitExp, 0.892, kAll},
    {"exp2", EmitExp2, 0.879, kAll},
    {"expm1", EmitExpm1, 1.435, kAll},
    {"sigmoid", EmitSigmoid, 0.893, kAll},
    {"silu", EmitSilu, 1.289, kAll},
    {"softplus", EmitSoftplus, 1.649, kAll},
    {"log", EmitLog, 0.935, kAll},
    {"log2", EmitLog2, 0.947, kAll},
    {"log1p", EmitLog1p, 1.269, kAll},
    {"erf", EmitErf, 0.939, kAll},
    {"erfc", EmitErfc, 1.723, kAll},
    {"gelu", EmitGelu, 1.698, kAll},
    {"sin", EmitSin, 1.207, kTrigLimit},
    {"cos", EmitCos, 1.206, kTrigLimit},
    {"tan", EmitTan, 1.562, kTrigLimit},
    {"asin", EmitAsin, 1.169, kAll},
    {"acos", EmitAcos, 1.137, kAll},
    {"atan", EmitAtan, 1.311, kAll},
    {"sinh", EmitSinh, 1.620, kAll},
    {"cosh", EmitCosh, 1.470, kAll},
    {"tanh", EmitTanh, 0.960, kAll},
    {"asinh", EmitAsinh, 1.339, kAll},
    {"acosh", EmitAcosh, 1.814, kAll},
    {"atanh", EmitAtanh, 0.945, kAll},
    {"reciprocal", EmitReciprocal, 0.5, kAll},
    {"rsqrt", EmitRsqrt, 0.513, kAll},
    {"cbrt", EmitCbrt, 0.798, kAll},
};

}  // namespace

std::span<const UnaryMathFunction> UnaryMathFunctions() { return kFunctions; }

const UnaryMathFunction* FindUnaryMathFunction(std::string_view name) {
  const auto found = std::find_if(std::begin(kFunctions), std::end(kFunctions),
                                  [name](const UnaryMathFunction& f) { return f.name == name; });
  return found == std::end(kFunctions) ? nullptr : found;
}

bool MathSupports(std::string_view function, ElementType t) {
  return t == ElementType::kF32 &&
         (function == "pow" || FindUnaryMathFunction(function) != nullptr);
}

}  // namespace skein
