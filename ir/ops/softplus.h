#include "ir/math/vector_math.h"
#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_softplus = {
    .name = "softplus",
    .summary = "log(1 + e^x)",
    .infer = FloatSameAsFirst,
    .reference = [](const Node&, ElementType t, std::span<const Bounded> x) -> Bounded {
      return Monotone(
          t, x[0], [](double v) { return std::fmax(v, 0) + std::log1p(std::exp(-std::fabs(v))); },
          1.649);
    },
    .lower = [](LoopBuilder& b, const Node&,
                std::span<const ValueId> x) { return EmitSoftplus(b, x[0]); },
    .flops = 20,
    .ulp = 1.649,
};

}  // namespace skein
