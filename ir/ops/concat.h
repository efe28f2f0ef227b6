#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_concat = {
    .name = "concat",
    .op_class = OpClass::kMovement,
    .min_operands = 1,
    .max_operands = -1,
    .summary = "operands one after another along {axis}",
    .infer = [](const Graph& g, const Node& n, ResultTypes* results) -> absl::Status {
      TensorType y = g.type(n.operands[0]);
      int64_t axis = n.attributes.Int("axis", -1);
      if (axis < 0 || axis >= y.rank())
        return InvalidArgument("axis ", axis, " is outside ", y.ToString());
      for (size_t i = 1; i < n.operands.size(); ++i)
        y.dims[axis] = y.dims[axis] + g.type(n.operands[i]).dims[axis];
      results->push_back(std::move(y));
      return absl::OkStatus();
    },
    .pieces = [](const Graph& g, const Node& n) -> std::vector<Piece> {
      int64_t axis = n.attributes.Int("axis");
      Dims coords = CoordsOf(n.results[0].dims);
      std::vector<Piece> pieces;
      DimExpr begin = 0;
      for (size_t i = 0; i < n.operands.size(); ++i) {
        Piece piece{1, static_cast<int>(i), coords};
        piece.map[axis] = coords[axis] - begin;
        begin = begin + g.type(n.operands[i]).dims[axis];
        if (i + 1 < n.operands.size()) piece.condition = Less(coords[axis], begin);
        pieces.push_back(std::move(piece));
      }
      return pieces;
    },
};

}  // namespace skein
