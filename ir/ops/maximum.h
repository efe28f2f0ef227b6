#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_maximum = {
    .name = "maximum",
    .min_operands = 2,
    .max_operands = 2,
    .summary = "the larger of a and b; NaN if either is NaN, -0 < +0",
    .infer = NumberSameAsFirst,
    .fold =
        [](const Graph& g, const Node& n) {
          return FoldBinary(g, n, [](DimExpr a, DimExpr b) { return Max(a, b); });
        },
    .reference = [](const Node&, ElementType, std::span<const Bounded> x) -> Bounded {
      double a = x[0].value, b = x[1].value;
      if (std::isnan(a) || std::isnan(b)) return {a + b, std::fmax(x[0].error, x[1].error)};
      return {std::fmax(a, b), std::fmax(x[0].error, x[1].error)};
    },
    .lower = [](LoopBuilder& b, const Node&,
                std::span<const ValueId> x) { return b.Binary(Opcode::kMax, x[0], x[1]); },
    .int_reference = [](const Node&, ElementType t, std::span<const int64_t> x) -> int64_t {
      bool first = IsUnsigned(t) ? AsUnsigned(x[0]) > AsUnsigned(x[1]) : x[0] > x[1];
      return first ? x[0] : x[1];
    },
};

}  // namespace skein
