#include "ir/math/vector_math.h"
#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_atan = {
    .name = "atan",
    .summary = "arc tangent",
    .infer = FloatSameAsFirst,
    .reference = [](const Node&, ElementType t, std::span<const Bounded> x) -> Bounded {
      return Monotone(
          t, x[0], [](double v) { return std::atan(v); }, 1.311);
    },
    .lower = [](LoopBuilder& b, const Node&,
                std::span<const ValueId> x) { return EmitAtan(b, x[0]); },
    .flops = 20,
    .ulp = 1.311,
};

}  // namespace skein
