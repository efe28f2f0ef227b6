#include "ir/math/vector_math.h"
#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_erf = {
    .name = "erf",
    .summary = "error function",
    .infer = FloatSameAsFirst,
    .reference = [](const Node&, ElementType t, std::span<const Bounded> x) -> Bounded {
      return Monotone(
          t, x[0], [](double v) { return std::erf(v); }, 0.777);
    },
    .lower = [](LoopBuilder& b, const Node&,
                std::span<const ValueId> x) { return EmitErf(b, x[0]); },
    .flops = 20,
    .ulp = 0.777,
};

}  // namespace skein
