#include "ir/math/accuracy.h"
#include "ir/math/vector_math.h"
#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_mish = {
    .name = "mish",
    .summary = "x * tanh(log(1 + e^x))",
    .infer = FloatSameAsFirst,
    .reference = [](const Node&, ElementType t, std::span<const Bounded> x) -> Bounded {
      static const ReferenceFunction kExact = MathReference("mish");
      return Sloped(t, x[0], kExact, 1.09, 1.958);
    },
    .lower = [](LoopBuilder& b, const Node&,
                std::span<const ValueId> x) { return EmitMish(b, x[0]); },
    .flops = 20,
    .ulp = 1.958,
};

}  // namespace skein
