#include "ir/math/vector_math.h"
#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_expm1 = {
    .name = "expm1",
    .summary = "e^x - 1",
    .infer = FloatSameAsFirst,
    .reference = [](const Node&, ElementType t, std::span<const Bounded> x) -> Bounded {
      return Monotone(
          t, x[0], [](double v) { return std::expm1(v); }, 1.435);
    },
    .lower = [](LoopBuilder& b, const Node&,
                std::span<const ValueId> x) { return EmitExpm1(b, x[0]); },
    .flops = 20,
    .ulp = 1.435,
};

}  // namespace skein
