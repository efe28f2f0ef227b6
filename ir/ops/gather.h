// gather covers Gather, GatherElements, GatherND and data-dependent slices alike:
//   dims       the result's dims
//   map        one DimExpr per dim of `data`, over the result's coordinates and Value(j) = the
//   element
//              of index operand j
//   index_map  for index operand 0, then 1, ...: its coordinates over the result's, concatenated
// Indices are expected in [0, extent); negative ones are normalized by the importer. One out of
// range is an error at run time (Opcode::kClampIndex).
#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_gather = {
    .name = "gather",
    .op_class = OpClass::kGather,
    .min_operands = 2,
    .max_operands = -1,
    .summary = "data[map(coordinates, indices)]",
    .infer = [](const Graph& g, const Node& n, ResultTypes* results) -> absl::Status {
      size_t index_rank = 0;
      for (size_t i = 1; i < n.operands.size(); ++i) {
        const TensorType& t = g.type(n.operands[i]);
        if (!IsInteger(t.element)) return InvalidArgument("an index of gather is ", t.ToString());
        index_rank += t.dims.size();
      }
      const TensorType& data = g.type(n.operands[0]);
      if (n.attributes.DimList("map").size() != data.dims.size() ||
          n.attributes.DimList("index_map").size() != index_rank) {
        return InvalidArgument("maps of gather do not fit its operands");
      }
      results->push_back({data.element, n.attributes.DimList("dims")});
      return absl::OkStatus();
    },
};

}  // namespace skein
