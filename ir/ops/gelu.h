#include "ir/math/accuracy.h"
#include "ir/math/vector_math.h"
#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_gelu = {
    .name = "gelu",
    .summary = "x/2 * (1 + erf(x / sqrt 2))",
    .infer = FloatSameAsFirst,
    .reference = [](const Node&, ElementType t, std::span<const Bounded> x) -> Bounded {
      static const ReferenceFunction kExact = MathReference("gelu");
      return Sloped(t, x[0], kExact, 1.13, 1.782);
    },
    .lower = [](LoopBuilder& b, const Node&,
                std::span<const ValueId> x) { return EmitGelu(b, x[0]); },
    .flops = 20,
    .ulp = 1.782,
};

}  // namespace skein
