#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_sub = {
    .name = "sub",
    .min_operands = 2,
    .max_operands = 2,
    .summary = "a - b; integers wrap",
    .infer = NumberSameAsFirst,
    .fold =
        [](const Graph& g, const Node& n) {
          return FoldBinary(g, n, [](DimExpr a, DimExpr b) { return a - b; });
        },
    .reference = [](const Node&, ElementType t, std::span<const Bounded> x) -> Bounded {
      return Rounded(t, x[0].value - x[1].value, x[0].error + x[1].error);
    },
    .lower = [](LoopBuilder& b, const Node&,
                std::span<const ValueId> x) { return b.Sub(x[0], x[1]); },
    .int_reference = [](const Node&, ElementType, std::span<const int64_t> x) -> int64_t {
      return static_cast<int64_t>(AsUnsigned(x[0]) - AsUnsigned(x[1]));
    },
};

}  // namespace skein
