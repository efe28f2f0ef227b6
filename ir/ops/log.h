#include "ir/math/vector_math.h"
#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_log = {
    .name = "log",
    .summary = "natural logarithm",
    .infer = FloatSameAsFirst,
    .reference = [](const Node&, ElementType t, std::span<const Bounded> x) -> Bounded {
      return Monotone(
          t, x[0], [](double v) { return std::log(v); }, 0.935);
    },
    .lower = [](LoopBuilder& b, const Node&,
                std::span<const ValueId> x) { return EmitLog(b, x[0]); },
    .flops = 20,
    .ulp = 0.935,
};

}  // namespace skein
