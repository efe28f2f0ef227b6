#include "ir/math/vector_math.h"
#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_pow = {
    .name = "pow",
    .min_operands = 2,
    .max_operands = 2,
    .summary = "a^b as C pow",
    .infer = FloatSameAsFirst,
    .reference = [](const Node&, ElementType t, std::span<const Bounded> x) -> Bounded {
      return PowReference(t, x[0], x[1]);
    },
    .lower = [](LoopBuilder& b, const Node&,
                std::span<const ValueId> x) { return EmitPow(b, x[0], x[1]); },
    .flops = 20,
    .ulp = 0.92,
};

}  // namespace skein
