#include "ir/math/vector_math.h"
#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_asin = {
    .name = "asin",
    .summary = "arc sine",
    .infer = FloatSameAsFirst,
    .reference = [](const Node&, ElementType t, std::span<const Bounded> x) -> Bounded {
      return Monotone(
          t, x[0], [](double v) { return std::asin(v); }, 2.026);
    },
    .lower = [](LoopBuilder& b, const Node&,
                std::span<const ValueId> x) { return EmitAsin(b, x[0]); },
    .flops = 20,
    .ulp = 2.026,
};

}  // namespace skein
