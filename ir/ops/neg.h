#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_neg = {
    .name = "neg",
    .summary = "-x; integers wrap",
    .infer = NumberSameAsFirst,
    .fold = [](const Graph& g,
               const Node& n) { return FoldUnary(g, n, [](DimExpr a) { return -a; }); },
    .reference = [](const Node&, ElementType, std::span<const Bounded> x) -> Bounded {
      return {-x[0].value, x[0].error};
    },
    .lower = [](LoopBuilder& b, const Node&,
                std::span<const ValueId> x) { return b.Unary(Opcode::kNeg, x[0]); },
    .int_reference = [](const Node&, ElementType, std::span<const int64_t> x) -> int64_t {
      return static_cast<int64_t>(-AsUnsigned(x[0]));
    },
};

}  // namespace skein
