#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_select = {
    .name = "select",
    .min_operands = 3,
    .max_operands = 3,
    .summary = "a where the condition holds, else b: (bool, a, b)",
    .infer = [](const Graph& g, const Node& n, ResultTypes* results) -> absl::Status {
      if (!IsBool(g.type(n.operands[0]).element)) {
        return InvalidArgument("the condition is ", g.type(n.operands[0]).ToString(), ", not bool");
      }
      results->push_back(g.type(n.operands[1]));
      return absl::OkStatus();
    },
    .fold = [](const Graph& g, const Node& n) -> std::optional<DimExpr> {
      auto c = g.Known(n.operands[0]), a = g.Known(n.operands[1]), b = g.Known(n.operands[2]);
      if (c && c->IsConst()) return c->IsConst(0) ? b : a;
      if (!c || !a || !b) return std::nullopt;
      return Select(*c, *a, *b);
    },
    .reference = [](const Node&, ElementType, std::span<const Bounded> x) -> Bounded {
      const Bounded& chosen = x[0].value != 0 ? x[1] : x[2];
      if (x[0].error == 0) return chosen;
      if (x[1].value == x[2].value) return {chosen.value, std::fmax(x[1].error, x[2].error)};
      return {chosen.value, std::fabs(x[1].value - x[2].value) + std::fmax(x[1].error, x[2].error)};
    },
    .lower =
        [](LoopBuilder& b, const Node&, std::span<const ValueId> x) {
          ElementType t = b.type(x[1]).element;
          if (t != ElementType::kF16 && t != ElementType::kBF16) return b.Select(x[0], x[1], x[2]);
          // Storage types are chosen between as f32; the way there and back is exact.
          ElementType wide = ElementType::kF32;
          return b.Convert(t, b.Select(x[0], b.Convert(wide, x[1]), b.Convert(wide, x[2])));
        },
    .int_reference = [](const Node&, ElementType, std::span<const int64_t> x) -> int64_t {
      return x[0] != 0 ? x[1] : x[2];
    },
};

}  // namespace skein
