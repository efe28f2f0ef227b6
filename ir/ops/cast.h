#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_cast = {
    .name = "cast",
    .summary =
        "{to}: float to integer truncates, saturates, NaN gives 0; integers wrap; to bool is x != "
        "0",
    .infer = [](const Graph& g, const Node& n, ResultTypes* results) -> absl::Status {
      const ElementType* to = n.attributes.Get<ElementType>("to");
      if (to == nullptr) return InvalidArgument("needs `to`, an element type");
      results->push_back({*to, g.type(n.operands[0]).dims});
      return absl::OkStatus();
    },
    .fold =
        [](const Graph& g, const Node& n) {
          if (IsBool(n.results[0].element) && !IsBool(g.type(n.operands[0]).element)) {
            return FoldUnary(g, n, [](DimExpr a) { return Not(Equal(a, 0)); });
          }
          return FoldUnary(g, n, [](DimExpr a) { return a; });  // AddNode checks that it fits
        },
    .reference = [](const Node&, ElementType t, std::span<const Bounded> x) -> Bounded {
      double v = x[0].value, e = x[0].error;
      if (IsFloat(t))
        return {v, e + Ulps(t, v, 0.5)};  // not rounded here: the error says what rounding may do
      if (IsBool(t)) return {v != 0 ? 1.0 : 0.0, e > 0 && !(std::fabs(v) > e) ? 1.0 : 0.0};
      double y = static_cast<double>(SaturateTo(t, v));
      if (e == 0) return {y, 0};
      if (!std::isfinite(e)) return {y, HUGE_VAL};
      double low = static_cast<double>(SaturateTo(t, v - e)),
             high = static_cast<double>(SaturateTo(t, v + e));
      return {y, std::fmax(high - y, y - low)};
    },
    .lower =
        [](LoopBuilder& b, const Node& n, std::span<const ValueId> x) {
          return b.Convert(*n.attributes.Get<ElementType>("to"), x[0]);
        },
    .int_reference = [](const Node& n, ElementType, std::span<const int64_t> x) -> int64_t {
      return WrapTo(*n.attributes.Get<ElementType>("to"), x[0]);
    },
};

}  // namespace skein
