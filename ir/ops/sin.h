#include "ir/math/vector_math.h"
#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_sin = {
    .name = "sin",
    .summary = "sine of radians",
    .infer = FloatSameAsFirst,
    .reference = [](const Node&, ElementType t, std::span<const Bounded> x) -> Bounded {
      double y = std::sin(x[0].value);
      // The argument reduction of generated code is stated for |x| <= 1e5.
      if (std::fabs(x[0].value) > 1e5) return {y, 2};
      return {y, std::fmin(x[0].error, 2) + Ulps(t, y, 1.207)};
    },
    .lower = [](LoopBuilder& b, const Node&,
                std::span<const ValueId> x) { return EmitSin(b, x[0]); },
    .flops = 20,
    .ulp = 1.207,
};

}  // namespace skein
