// The row-major order of elements stays. Dims of 1 vanish on both sides, and the two lists of dims
// are cut where the products of their prefixes agree, so that [b, s, 768] -> [b, s, 12, 64] touches
// only the last.
#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_reshape = {
    .name = "reshape",
    .op_class = OpClass::kMovement,
    .summary = "the same elements in row-major order under other dims: {dims}",
    .infer = [](const Graph& g, const Node& n, ResultTypes* results) -> absl::Status {
      const TensorType& x = g.type(n.operands[0]);
      const Dims& dims = n.attributes.DimList("dims");
      results->push_back({x.element, dims});
      // What both begin or end with need not be multiplied, where the rest agrees: most of it is symbols.
      std::span<const DimExpr> a = x.dims, b = dims;
      while (!a.empty() && !b.empty() && a.front() == b.front()) a = a.subspan(1), b = b.subspan(1);
      while (!a.empty() && !b.empty() && a.back() == b.back()) a = a.first(a.size() - 1), b = b.first(b.size() - 1);
      if (Product(a) == Product(b)) return absl::OkStatus();
      DimExpr before = g.Assumed(Product(x.dims)), after = g.Assumed(Product(dims));
      if (before != after && ProveNotEqual(before, after)) {
        return InvalidArgument("cannot reshape to ", ToString(dims), ": ", before.ToString(),
                               " elements to ", after.ToString());
      }
      return absl::OkStatus();
    },
    .pieces = [](const Graph& g, const Node& n) -> std::vector<Piece> {
      const Dims& to = n.results[0].dims;
      return {Piece{1, 0, ReshapeCoords(g, CoordsOf(to), to, g.type(n.operands[0]).dims)}};
    },
    .forward = [](const Graph& g, const Node& n,
                  std::span<const DimExpr> coords) -> std::optional<Dims> {
      return ReshapeCoords(g, coords, g.type(n.operands[0]).dims, n.results[0].dims);
    },
};

}  // namespace skein
