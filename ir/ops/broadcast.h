#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_broadcast = {
    .name = "broadcast",
    .op_class = OpClass::kMovement,
    .summary = "repeats operand dims of 1: {dims}, of the same rank",
    .infer = [](const Graph& g, const Node& n, ResultTypes* results) -> absl::Status {
      const TensorType& x = g.type(n.operands[0]);
      const Dims& dims = n.attributes.DimList("dims");
      bool fits = dims.size() == x.dims.size();
      for (size_t i = 0; fits && i < dims.size(); ++i) {
        fits = x.dims[i].IsConst(1) || !ProveNotEqual(g.Assumed(x.dims[i]), g.Assumed(dims[i]));
      }
      if (!fits) return InvalidArgument("cannot broadcast ", x.ToString(), " to ", ToString(dims));
      results->push_back({x.element, dims});
      return absl::OkStatus();
    },
    .pieces = [](const Graph& g, const Node& n) -> std::vector<Piece> {
      const Dims& from = g.type(n.operands[0]).dims;
      Piece piece{1, 0, CoordsOf(n.results[0].dims)};
      for (size_t i = 0; i < from.size(); ++i) {
        if (from[i].IsConst(1)) piece.map[i] = 0;
      }
      return {std::move(piece)};
    },
};

}  // namespace skein
