#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_bit_and = {
    .name = "bit_and",
    .min_operands = 2,
    .max_operands = 2,
    .summary = "bitwise and, of integers and bools",
    .infer = BitsSameAsFirst,
    .fold = [](const Graph& g, const Node& n) -> std::optional<DimExpr> {
      if (!IsBool(n.results[0].element)) return std::nullopt;
      return FoldBinary(g, n, [](DimExpr a, DimExpr b) { return And(a, b); });
    },
    .lower = [](LoopBuilder& b, const Node&,
                std::span<const ValueId> x) { return b.Binary(Opcode::kAnd, x[0], x[1]); },
    .int_reference = [](const Node&, ElementType, std::span<const int64_t> x) -> int64_t {
      return x[0] & x[1];
    },
};

}  // namespace skein
