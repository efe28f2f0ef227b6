#include "ir/math/vector_math.h"
#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_erfc = {
    .name = "erfc",
    .summary = "1 - erf(x), accurate in the tail",
    .infer = FloatSameAsFirst,
    .reference = [](const Node&, ElementType t, std::span<const Bounded> x) -> Bounded {
      return Monotone(
          t, x[0], [](double v) { return std::erfc(v); }, 1.788);
    },
    .lower = [](LoopBuilder& b, const Node&,
                std::span<const ValueId> x) { return EmitErfc(b, x[0]); },
    .flops = 20,
    .ulp = 1.788,
};

}  // namespace skein
