#include "ir/math/vector_math.h"
#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_sinh = {
    .name = "sinh",
    .summary = "hyperbolic sine",
    .infer = FloatSameAsFirst,
    .reference = [](const Node&, ElementType t, std::span<const Bounded> x) -> Bounded {
      return Monotone(
          t, x[0], [](double v) { return std::sinh(v); }, 1.62);
    },
    .lower = [](LoopBuilder& b, const Node&,
                std::span<const ValueId> x) { return EmitSinh(b, x[0]); },
    .flops = 20,
    .ulp = 1.62,
};

}  // namespace skein
