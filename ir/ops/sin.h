#include "ir/math/vector_math.h"
#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_sin = {
    .name = "sin",
    .summary = "sine of radians",
    .infer = FloatSameAsFirst,
    .reference = [](const Node&, ElementType t, std::span<const Bounded> x) -> Bounded {
      double y = std::sin(x[0].value);
      // Beyond, the argument reduction of generated f64 code is not stated.
      if (t == ElementType::kF64 && std::fabs(x[0].value) > kLargestDoubleAngle) return {y, 2};
      return {y, std::fmin(x[0].error, 2) + Ulps(t, y, 0.501)};
    },
    .lower = [](LoopBuilder& b, const Node&,
                std::span<const ValueId> x) { return EmitSin(b, x[0]); },
    .flops = 20,
    .ulp = 0.501,
};

}  // namespace skein
