#include "ir/math/vector_math.h"
#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_acosh = {
    .name = "acosh",
    .summary = "inverse hyperbolic cosine, NaN below 1",
    .infer = FloatSameAsFirst,
    .reference = [](const Node&, ElementType t, std::span<const Bounded> x) -> Bounded {
      return Monotone(
          t, x[0], [](double v) { return std::acosh(v); }, 1.814);
    },
    .lower = [](LoopBuilder& b, const Node&,
                std::span<const ValueId> x) { return EmitAcosh(b, x[0]); },
    .flops = 20,
    .ulp = 1.814,
};

}  // namespace skein
