#include "ir/math/vector_math.h"
#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_rsqrt = {
    .name = "rsqrt",
    .summary = "1 / sqrt(x)",
    .infer = FloatSameAsFirst,
    .reference = [](const Node&, ElementType t, std::span<const Bounded> x) -> Bounded {
      return Monotone(
          t, x[0], [](double v) { return 1 / std::sqrt(v); }, 0.513);
    },
    .lower = [](LoopBuilder& b, const Node&,
                std::span<const ValueId> x) { return EmitRsqrt(b, x[0]); },
    .ulp = 0.513,
};

}  // namespace skein
