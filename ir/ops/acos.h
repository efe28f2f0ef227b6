#include "ir/math/vector_math.h"
#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_acos = {
    .name = "acos",
    .summary = "arc cosine",
    .infer = FloatSameAsFirst,
    .reference = [](const Node&, ElementType t, std::span<const Bounded> x) -> Bounded {
      return Monotone(
          t, x[0], [](double v) { return std::acos(v); }, 1.137);
    },
    .lower = [](LoopBuilder& b, const Node&,
                std::span<const ValueId> x) { return EmitAcos(b, x[0]); },
    .flops = 20,
    .ulp = 1.137,
};

}  // namespace skein
