#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_cumsum = {
    .name = "cumsum",
    .op_class = OpClass::kScan,
    .summary =
        "running sums along {axis}; {exclusive}: without the element itself; {reverse}: from the "
        "end",
    .infer = [](const Graph& g, const Node& n, ResultTypes* results) -> absl::Status {
      const TensorType& x = g.type(n.operands[0]);
      int64_t axis = n.attributes.Int("axis", -1);
      if (axis < 0 || axis >= x.rank())
        return InvalidArgument("axis ", axis, " is outside ", x.ToString());
      return NumberSameAsFirst(g, n, results);
    },
    .fold = [](const Graph& g, const Node& n) -> std::optional<DimExpr> {
      auto known = g.Known(n.operands[0]);
      int axis = static_cast<int>(n.attributes.Int("axis"));
      if (!known) return std::nullopt;
      auto affine = AsAffine(*known, axis);
      if (!affine) return std::nullopt;
      DimExpr extent = n.results[0].dims[axis], c = DimExpr::Coord(axis, extent);
      // Sum of base + stride*i for i < count.
      auto sum_below = [&](DimExpr count) {
        return affine->base * count + affine->stride * FloorDiv(count * (count - 1), 2);
      };
      bool exclusive = n.attributes.Int("exclusive") != 0;
      if (n.attributes.Int("reverse") != 0)
        return sum_below(extent) - sum_below(exclusive ? c + 1 : c);
      return sum_below(exclusive ? c : c + 1);
    },
};

}  // namespace skein
