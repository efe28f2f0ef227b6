#include "ir/math/vector_math.h"
#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_atanh = {
    .name = "atanh",
    .summary = "inverse hyperbolic tangent, NaN outside [-1, 1]",
    .infer = FloatSameAsFirst,
    .reference = [](const Node&, ElementType t, std::span<const Bounded> x) -> Bounded {
      return Monotone(
          t, x[0], [](double v) { return std::atanh(v); }, 0.945);
    },
    .lower = [](LoopBuilder& b, const Node&,
                std::span<const ValueId> x) { return EmitAtanh(b, x[0]); },
    .flops = 20,
    .ulp = 0.945,
};

}  // namespace skein
