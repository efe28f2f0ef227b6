#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_logical_not = {
    .name = "logical_not",
    .summary = "not x, of bools",
    .infer = BoolSameAsFirst,
    .fold = [](const Graph& g,
               const Node& n) { return FoldUnary(g, n, [](DimExpr a) { return Not(a); }); },
    .reference = [](const Node&, ElementType, std::span<const Bounded> x) -> Bounded {
      return {x[0].value == 0 ? 1.0 : 0.0, x[0].error};
    },
    .lower = [](LoopBuilder& b, const Node&,
                std::span<const ValueId> x) { return b.Unary(Opcode::kNot, x[0]); },
    .int_reference = [](const Node&, ElementType, std::span<const int64_t> x) -> int64_t {
      return x[0] == 0;
    },
};

}  // namespace skein
