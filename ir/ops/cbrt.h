#include "ir/math/vector_math.h"
#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_cbrt = {
    .name = "cbrt",
    .summary = "cube root",
    .infer = FloatSameAsFirst,
    .reference = [](const Node&, ElementType t, std::span<const Bounded> x) -> Bounded {
      return Monotone(
          t, x[0], [](double v) { return std::cbrt(v); }, 0.798);
    },
    .lower = [](LoopBuilder& b, const Node&,
                std::span<const ValueId> x) { return EmitCbrt(b, x[0]); },
    .flops = 20,
    .ulp = 0.798,
};

}  // namespace skein
