#include "ir/math/vector_math.h"
#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_tanh = {
    .name = "tanh",
    .summary = "hyperbolic tangent",
    .infer = FloatSameAsFirst,
    .reference = [](const Node&, ElementType t, std::span<const Bounded> x) -> Bounded {
      return Monotone(
          t, x[0], [](double v) { return std::tanh(v); }, 0.756);
    },
    .lower = [](LoopBuilder& b, const Node&,
                std::span<const ValueId> x) { return EmitTanh(b, x[0]); },
    .flops = 20,
    .ulp = 0.756,
};

}  // namespace skein
