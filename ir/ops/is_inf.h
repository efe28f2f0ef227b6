#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_is_inf = {
    .name = "is_inf",
    .summary = "x is an infinity of either sign, as bool",
    .infer = BoolLikeFloat,
    .reference = [](const Node&, ElementType, std::span<const Bounded> x) -> Bounded {
      return {std::isinf(x[0].value) ? 1.0 : 0.0, std::isinf(x[0].error) ? 1.0 : 0.0};
    },
    .lower =
        [](LoopBuilder& b, const Node&, std::span<const ValueId> x) {
          ElementType t = b.type(x[0]).element;
          return b.Binary(Opcode::kEqual, b.Unary(Opcode::kAbs, x[0]), b.Const(t, HUGE_VAL));
        },
};

}  // namespace skein
