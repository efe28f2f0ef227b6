#include "ir/math/vector_math.h"
#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_log2 = {
    .name = "log2",
    .summary = "base-2 logarithm",
    .infer = FloatSameAsFirst,
    .reference = [](const Node&, ElementType t, std::span<const Bounded> x) -> Bounded {
      return Monotone(
          t, x[0], [](double v) { return std::log2(v); }, 0.947);
    },
    .lower = [](LoopBuilder& b, const Node&,
                std::span<const ValueId> x) { return EmitLog2(b, x[0]); },
    .flops = 20,
    .ulp = 0.947,
};

}  // namespace skein
