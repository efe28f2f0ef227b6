#include "ir/math/vector_math.h"
#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_log1p = {
    .name = "log1p",
    .summary = "log(1 + x)",
    .infer = FloatSameAsFirst,
    .reference = [](const Node&, ElementType t, std::span<const Bounded> x) -> Bounded {
      return Monotone(
          t, x[0], [](double v) { return std::log1p(v); }, 1.269);
    },
    .lower = [](LoopBuilder& b, const Node&,
                std::span<const ValueId> x) { return EmitLog1p(b, x[0]); },
    .flops = 20,
    .ulp = 1.269,
};

}  // namespace skein
