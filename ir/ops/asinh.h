#include "ir/math/vector_math.h"
#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_asinh = {
    .name = "asinh",
    .summary = "inverse hyperbolic sine",
    .infer = FloatSameAsFirst,
    .reference = [](const Node&, ElementType t, std::span<const Bounded> x) -> Bounded {
      return Monotone(
          t, x[0], [](double v) { return std::asinh(v); }, 1.339);
    },
    .lower = [](LoopBuilder& b, const Node&,
                std::span<const ValueId> x) { return EmitAsinh(b, x[0]); },
    .flops = 20,
    .ulp = 1.339,
};

}  // namespace skein
