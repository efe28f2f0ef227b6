#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_pad = {
    .name = "pad",
    .op_class = OpClass::kMovement,
    .min_operands = 2,
    .max_operands = 2,
    .summary = "(x, fill of rank 0): {low, high} elements of fill before and after each dim",
    .infer = [](const Graph& g, const Node& n, ResultTypes* results) -> absl::Status {
      TensorType y = g.type(n.operands[0]);
      const TensorType& fill = g.type(n.operands[1]);
      const Dims& low = n.attributes.DimList("low");
      const Dims& high = n.attributes.DimList("high");
      if (fill.rank() != 0 || fill.element != y.element) {
        return InvalidArgument("the fill is ", fill.ToString(), ", not a scalar like ",
                               y.ToString());
      }
      if (low.size() != y.dims.size() || high.size() != y.dims.size()) {
        return InvalidArgument("low and high do not fit the rank of ", y.ToString());
      }
      for (size_t i = 0; i < low.size(); ++i) {
        if (ProveLess(low[i], 0) || ProveLess(high[i], 0)) {
          return InvalidArgument("low ", ToString(low), " or high ", ToString(high),
                                 " is negative");
        }
        y.dims[i] = low[i] + y.dims[i] + high[i];
      }
      results->push_back(std::move(y));
      return absl::OkStatus();
    },
    .pieces = [](const Graph& g, const Node& n) -> std::vector<Piece> {
      const Dims& low = n.attributes.DimList("low");
      const Dims& from = g.type(n.operands[0]).dims;
      Dims coords = CoordsOf(n.results[0].dims);
      Piece inside{1, 0, coords};
      for (size_t i = 0; i < low.size(); ++i) {
        inside.map[i] = coords[i] - low[i];
        inside.condition = And(inside.condition, Not(Less(coords[i], low[i])));
        inside.condition = And(inside.condition, Less(inside.map[i], from[i]));
      }
      return {std::move(inside), Piece{1, 1, {}}};
    },
};

}  // namespace skein
