#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_is_nan = {
    .name = "is_nan",
    .summary = "x is NaN, as bool",
    .infer = BoolLikeFloat,
    .reference = [](const Node&, ElementType, std::span<const Bounded> x) -> Bounded {
      return {std::isnan(x[0].value) ? 1.0 : 0.0, std::isinf(x[0].error) ? 1.0 : 0.0};
    },
    .lower = [](LoopBuilder& b, const Node&,
                std::span<const ValueId> x) { return b.Binary(Opcode::kNotEqual, x[0], x[0]); },
};

}  // namespace skein
