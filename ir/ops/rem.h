#include "ir/math/vector_math.h"
#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_rem = {
    .name = "rem",
    .min_operands = 2,
    .max_operands = 2,
    .summary = "remainder with the sign of the dividend (C fmod); integers: x rem 0 = 0",
    .infer = NumberSameAsFirst,
    .fold = [](const Graph& g, const Node& n) -> std::optional<DimExpr> {
      auto a = g.Known(n.operands[0]), b = g.Known(n.operands[1]);
      if (!a || !b || !ProveNonNegative(*a) || !ProveNonNegative(*b)) return std::nullopt;
      return Mod(*a, *b);
    },
    .reference = [](const Node&, ElementType t, std::span<const Bounded> x) -> Bounded {
      double a = x[0].value, b = x[1].value;
      double y = std::fmod(a, b);
      double quotient = std::fabs(a / b);
      if (x[0].error == 0 && x[1].error == 0) return Bounded{y, 0};
      // A jump of |b| where the errors reach the next multiple; continuous elsewhere.
      double moved = x[0].error + (quotient + 1) * x[1].error;
      double r = std::fabs(std::fmod(a, b));
      bool jumps = !(r > moved && std::fabs(b) - r > moved);
      return Rounded(t, y, moved + (jumps ? std::fabs(b) + x[1].error : 0));
    },
    .lower =
        [](LoopBuilder& b, const Node&, std::span<const ValueId> x) {
          ElementType t = b.type(x[0]).element;
          if (!IsFloat(t)) return b.Binary(Opcode::kIntRem, x[0], x[1]);
          return EmitRem(b, x[0], x[1]);
        },
    .int_reference = [](const Node&, ElementType t, std::span<const int64_t> x) -> int64_t {
      if (x[1] == 0 || (x[1] == -1 && !IsUnsigned(t))) return 0;
      if (IsUnsigned(t)) return static_cast<int64_t>(AsUnsigned(x[0]) % AsUnsigned(x[1]));
      return x[0] % x[1];
    },
};

}  // namespace skein
