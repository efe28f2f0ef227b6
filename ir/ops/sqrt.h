#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_sqrt = {
    .name = "sqrt",
    .summary = "square root, correctly rounded",
    .infer = FloatSameAsFirst,
    .reference = [](const Node&, ElementType t, std::span<const Bounded> x) -> Bounded {
      return Monotone(
          t, x[0], [](double v) { return std::sqrt(v); }, 0.5);
    },
    .lower = [](LoopBuilder& b, const Node&,
                std::span<const ValueId> x) { return b.Unary(Opcode::kSqrt, x[0]); },
    .flops = 1,
    .ulp = 0.5,
};

}  // namespace skein
