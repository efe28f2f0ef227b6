#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_ceil = {
    .name = "ceil",
    .summary = "smallest integral value >= x",
    .infer = FloatSameAsFirst,
    .reference = [](const Node&, ElementType t, std::span<const Bounded> x) -> Bounded {
      return Monotone(
          t, x[0], [](double v) { return std::ceil(v); }, 0);
    },
    .lower = [](LoopBuilder& b, const Node&,
                std::span<const ValueId> x) { return b.Unary(Opcode::kCeil, x[0]); },
};

}  // namespace skein
