#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_sign = {
    .name = "sign",
    .summary = "-1, 0 or 1; NaN stays",
    .infer = NumberSameAsFirst,
    .fold =
        [](const Graph& g, const Node& n) {
          return FoldUnary(g, n, [](DimExpr a) { return Less(0, a) - Less(a, 0); });
        },
    .reference = [](const Node&, ElementType, std::span<const Bounded> x) -> Bounded {
      double v = x[0].value;
      bool certain = x[0].error == 0 || std::fabs(v) > x[0].error;
      return {v > 0 ? 1.0 : v < 0 ? -1.0 : v, certain ? 0.0 : 2.0};
    },
    .lower =
        [](LoopBuilder& b, const Node&, std::span<const ValueId> x) {
          ElementType t = b.type(x[0]).element;
          ValueId zero = b.Const(t, 0), one = b.Const(t, 1);
          if (IsUnsigned(t)) return b.Select(b.Binary(Opcode::kEqual, x[0], zero), x[0], one);
          ValueId not_positive =
              b.Select(b.Binary(Opcode::kLess, x[0], zero), b.Const(t, -1), x[0]);
          return b.Select(b.Binary(Opcode::kLess, zero, x[0]), one, not_positive);
        },
    .int_reference = [](const Node&, ElementType t, std::span<const int64_t> x) -> int64_t {
      return x[0] < 0 && !IsUnsigned(t) ? -1 : x[0] != 0;
    },
};

}  // namespace skein
