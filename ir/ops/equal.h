#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_equal = {
    .name = "equal",
    .min_operands = 2,
    .max_operands = 2,
    .summary = "a == b; false if either is NaN",
    .infer = BoolLikeFirst,
    .fold =
        [](const Graph& g, const Node& n) {
          return FoldBinary(g, n, [](DimExpr a, DimExpr b) { return Equal(a, b); });
        },
    .reference = [](const Node&, ElementType, std::span<const Bounded> x) -> Bounded {
      return Comparison(x[0].value == x[1].value, x[0], x[1]);
    },
    .lower =
        [](LoopBuilder& b, const Node&, std::span<const ValueId> x) {
          if (IsBool(b.type(x[0]).element)) {
            return b.Unary(Opcode::kNot, b.Binary(Opcode::kXor, x[0], x[1]));
          }
          return b.Binary(Opcode::kEqual, x[0], x[1]);
        },
    .int_reference = [](const Node&, ElementType, std::span<const int64_t> x) -> int64_t {
      return x[0] == x[1];
    },
};

}  // namespace skein
