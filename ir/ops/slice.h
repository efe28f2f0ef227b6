#include "ir/op_helpers.h"

namespace skein {

// Whether starts + c*steps stays inside the operand is the importer's promise, checked where it is
// decidable.
inline const OpDef k_slice = {
    .name = "slice",
    .op_class = OpClass::kMovement,
    .summary =
        "element c is the operand's at starts + c*steps: {starts, steps, dims}; steps may be "
        "negative",
    .infer = [](const Graph& g, const Node& n, ResultTypes* results) -> absl::Status {
      const TensorType& x = g.type(n.operands[0]);
      const Dims& starts = n.attributes.DimList("starts");
      const Dims& steps = n.attributes.DimList("steps");
      const Dims& dims = n.attributes.DimList("dims");
      if (starts.size() != x.dims.size() || steps.size() != x.dims.size() ||
          dims.size() != x.dims.size()) {
        return InvalidArgument("starts, steps and dims do not fit the rank of ", x.ToString());
      }
      for (size_t i = 0; i < dims.size(); ++i) {
        if (!dims[i].IsConst() || !starts[i].IsConst() || !steps[i].IsConst() ||
            !x.dims[i].IsConst())
          continue;
        int64_t first = starts[i].constant(), extent = x.dims[i].constant();
        int64_t last = (starts[i] + (dims[i] - 1) * steps[i]).constant();
        if (dims[i].constant() < 0) return InvalidArgument("a negative extent in ", ToString(dims));
        if (dims[i].constant() > 0 &&
            (first < 0 || first >= extent || last < 0 || last >= extent)) {
          return InvalidArgument("elements ", first, " to ", last, " of dim ", i, " are outside ",
                                 x.ToString());
        }
      }
      results->push_back({x.element, dims});
      return absl::OkStatus();
    },
    .pieces = [](const Graph&, const Node& n) -> std::vector<Piece> {
      const Dims& starts = n.attributes.DimList("starts");
      const Dims& steps = n.attributes.DimList("steps");
      Piece piece{1, 0, CoordsOf(n.results[0].dims)};
      for (size_t i = 0; i < starts.size(); ++i) piece.map[i] = starts[i] + piece.map[i] * steps[i];
      return {std::move(piece)};
    },
};

}  // namespace skein
