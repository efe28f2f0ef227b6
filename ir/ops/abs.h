#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_abs = {
    .name = "abs",
    .summary = "|x|; integers wrap",
    .infer = NumberSameAsFirst,
    .fold = [](const Graph& g,
               const Node& n) { return FoldUnary(g, n, [](DimExpr a) { return Max(a, -a); }); },
    .reference = [](const Node&, ElementType, std::span<const Bounded> x) -> Bounded {
      return {std::fabs(x[0].value), x[0].error};
    },
    .lower =
        [](LoopBuilder& b, const Node&, std::span<const ValueId> x) {
          // kAbs of an unsigned integer would look at its top bit as a sign.
          return IsUnsigned(b.type(x[0]).element) ? x[0] : b.Unary(Opcode::kAbs, x[0]);
        },
    .int_reference = [](const Node&, ElementType t, std::span<const int64_t> x) -> int64_t {
      return x[0] < 0 && !IsUnsigned(t) ? static_cast<int64_t>(-AsUnsigned(x[0])) : x[0];
    },
};

}  // namespace skein
