#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_rsqrt = {
    .name = "rsqrt",
    .summary = "1 / sqrt(x)",
    .infer = FloatSameAsFirst,
    .reference = [](const Node&, ElementType t, std::span<const Bounded> x) -> Bounded {
      return Monotone(t, x[0], [](double v) { return 1 / std::sqrt(v); }, 1.5);
    },
    .lower = [](LoopBuilder& b, const Node&, std::span<const ValueId> x) {
      return b.Div(b.Const(b.type(x[0]).element, 1), b.Unary(Opcode::kSqrt, x[0]));
    },
    .ulp = 1.5,
};

}  // namespace skein
