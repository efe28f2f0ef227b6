#include "ir/math/accuracy.h"
#include "ir/math/vector_math.h"
#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_silu = {
    .name = "silu",
    .summary = "x * sigmoid(x)",
    .infer = FloatSameAsFirst,
    .reference = [](const Node&, ElementType t, std::span<const Bounded> x) -> Bounded {
      static const ReferenceFunction kExact = MathReference("silu");
      return Sloped(t, x[0], kExact, 1.1, 2);
    },
    .lower = [](LoopBuilder& b, const Node&,
                std::span<const ValueId> x) { return EmitSilu(b, x[0]); },
    .flops = 20,
    .ulp = 2,
};

}  // namespace skein
