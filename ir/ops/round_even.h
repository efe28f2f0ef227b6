#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_round_even = {
    .name = "round_even",
    .summary = "nearest integral value, ties to even",
    .infer = FloatSameAsFirst,
    .reference = [](const Node&, ElementType t, std::span<const Bounded> x) -> Bounded {
      return Monotone(
          t, x[0], [](double v) { return std::nearbyint(v); }, 0);
    },
    .lower = [](LoopBuilder& b, const Node&,
                std::span<const ValueId> x) { return b.Unary(Opcode::kRoundEven, x[0]); },
};

}  // namespace skein
