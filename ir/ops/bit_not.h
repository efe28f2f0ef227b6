#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_bit_not = {
    .name = "bit_not",
    .summary = "complement of every bit, of integers",
    .infer = IntegerSameAsFirst,
    .fold = [](const Graph& g, const Node& n) -> std::optional<DimExpr> {
      if (!IsSigned(g.type(n.operands[0]).element)) return std::nullopt;
      return FoldUnary(g, n, [](DimExpr a) { return DimExpr(-1) - a; });
    },
    .lower = [](LoopBuilder& b, const Node&,
                std::span<const ValueId> x) { return b.Unary(Opcode::kNot, x[0]); },
    .int_reference = [](const Node&, ElementType, std::span<const int64_t> x) -> int64_t {
      return ~x[0];
    },
};

}  // namespace skein
