#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_div = {
    .name = "div",
    .min_operands = 2,
    .max_operands = 2,
    .summary = "a / b; floats: IEEE; integers: truncating, x/0 = 0",
    .infer = NumberSameAsFirst,
    .fold = [](const Graph& g, const Node& n) -> std::optional<DimExpr> {
      auto a = g.Known(n.operands[0]), b = g.Known(n.operands[1]);
      // Truncation is floor where nothing is negative; both sides give 0 for a divisor of 0.
      if (!a || !b || !ProveNonNegative(*b)) return std::nullopt;
      if (ProveNonNegative(*a)) return FloorDiv(*a, *b);
      return Select(Less(*a, 0), -FloorDiv(-*a, *b), FloorDiv(*a, *b));
    },
    .reference = [](const Node&, ElementType t, std::span<const Bounded> x) -> Bounded {
      double y = x[0].value / x[1].value;
      if (x[0].error == 0 && x[1].error == 0) return Rounded(t, y, 0);
      // (a+d)/(b+e) - a/b = (d - e a/b) / (b+e); a pole within the error makes it unbounded.
      double nearest = std::fabs(x[1].value) - x[1].error;
      if (!(nearest > 0)) return {y, HUGE_VAL};
      if (x[1].error == 0) return Rounded(t, y, x[0].error / nearest);
      return Rounded(t, y, (x[0].error + std::fabs(y) * x[1].error) / nearest);
    },
    .lower =
        [](LoopBuilder& b, const Node&, std::span<const ValueId> x) {
          bool is_float = IsFloat(b.type(x[0]).element);
          return b.Binary(is_float ? Opcode::kDiv : Opcode::kIntDiv, x[0], x[1]);
        },
    .int_reference = [](const Node&, ElementType t, std::span<const int64_t> x) -> int64_t {
      if (x[1] == 0) return 0;
      if (IsUnsigned(t)) return static_cast<int64_t>(AsUnsigned(x[0]) / AsUnsigned(x[1]));
      return x[1] == -1 ? static_cast<int64_t>(-AsUnsigned(x[0])) : x[0] / x[1];
    },
};

}  // namespace skein
