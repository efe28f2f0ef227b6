#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_transpose = {
    .name = "transpose",
    .op_class = OpClass::kMovement,
    .summary = "result dim i is operand dim permutation[i]",
    .infer = [](const Graph& g, const Node& n, ResultTypes* results) -> absl::Status {
      const TensorType& x = g.type(n.operands[0]);
      const std::vector<int64_t>& permutation = n.attributes.Ints("permutation");
      std::vector<bool> seen(x.rank(), false);
      TensorType y{x.element, {}};
      y.dims.reserve(permutation.size());
      for (int64_t p : permutation) {
        if (p < 0 || p >= x.rank() || seen[p]) break;
        seen[p] = true;
        y.dims.push_back(x.dims[p]);
      }
      if (y.rank() != x.rank() || permutation.size() != x.dims.size()) {
        return InvalidArgument("permutation of ", n.attributes.ToString(), " does not fit ",
                               x.ToString());
      }
      results->push_back(std::move(y));
      return absl::OkStatus();
    },
    .fold = nullptr,  // movement folds by its pieces
    .pieces = [](const Graph&, const Node& n) -> std::vector<Piece> {
      const std::vector<int64_t>& permutation = n.attributes.Ints("permutation");
      Piece piece;
      piece.map.resize(permutation.size());
      for (size_t i = 0; i < permutation.size(); ++i) {
        piece.map[permutation[i]] = DimExpr::Coord(static_cast<int>(i), n.results[0].dims[i]);
      }
      return {std::move(piece)};
    },
    .forward = [](const Graph&, const Node& n,
                  std::span<const DimExpr> coords) -> std::optional<Dims> {
      Dims result;
      for (int64_t p : n.attributes.Ints("permutation")) result.push_back(coords[p]);
      return result;
    },
};

}  // namespace skein
