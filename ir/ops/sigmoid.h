#include "ir/math/vector_math.h"
#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_sigmoid = {
    .name = "sigmoid",
    .summary = "1 / (1 + e^-x)",
    .infer = FloatSameAsFirst,
    .reference = [](const Node&, ElementType t, std::span<const Bounded> x) -> Bounded {
      return Monotone(
          t, x[0], [](double v) { return 1 / (1 + std::exp(-v)); }, 0.963);
    },
    .lower = [](LoopBuilder& b, const Node&,
                std::span<const ValueId> x) { return EmitSigmoid(b, x[0]); },
    .flops = 20,
    .ulp = 0.963,
};

}  // namespace skein
