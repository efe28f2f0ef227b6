#include "ir/op.h"

namespace skein {

inline const OpDef k_add = {
    .name = "add",
    .min_operands = 2,
    .max_operands = 2,
    .summary = "a + b; integers wrap",
    .infer = SameAsFirst,
    .fold = [](const Graph& g, const Node& n) -> std::optional<DimExpr> {
      auto a = g.Known(n.operands[0]), b = g.Known(n.operands[1]);
      if (!a || !b) return std::nullopt;
      return *a + *b;
    },
    .reference = [](const Node&, ElementType t, std::span<const Bounded> x) -> Bounded {
      double y = x[0].value + x[1].value;
      return {y, x[0].error + x[1].error + HalfUlp(t, y)};
    },
    .lower = [](LoopBuilder& b, const Node&, std::span<const ValueId> x) { return b.Add(x[0], x[1]); },
};

}  // namespace skein
