#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_reduce = {
    .name = "reduce",
    .op_class = OpClass::kReduce,
    .min_operands = 1,
    .max_operands = -1,
    .summary = "folds `axes` by `reducer` in a fixed order; the axes stay with extent 1",
    // "order" (fusion/settle.cc): "inner" or "outer", of the additions. "loose" (fusion/softmax_maxima.h): the NaN of a
    // maximum and the sign of its zeros do not matter.
    .infer = [](const Graph& g, const Node& n, ResultTypes* results) -> absl::Status {
      const ReducerRef* reducer = n.attributes.Get<ReducerRef>("reducer");
      if (reducer == nullptr) return InvalidArgument("reduce without a reducer");
      const std::vector<int64_t>& axes = n.attributes.Ints("axes");
      Dims dims = g.type(n.operands[0]).dims;
      for (Value v : n.operands) {
        if (g.type(v).dims != dims) return InvalidArgument("operands of reduce differ in shape");
      }
      if (n.operands.size() != (*reducer)->map.inputs().size()) {
        return InvalidArgument("reduce has ", n.operands.size(), " operands, its map takes ",
                               (*reducer)->map.inputs().size());
      }
      for (int64_t axis : axes) {
        if (axis < 0 || axis >= static_cast<int64_t>(dims.size())) {
          return InvalidArgument("axis ", axis, " of reduce is outside ",
                                 g.type(n.operands[0]).ToString());
        }
        dims[axis] = 1;
      }
      results->clear();
      for (const Graph::Named& out : (*reducer)->finish.outputs()) {
        results->push_back({(*reducer)->finish.type(out.value).element, dims});
      }
      return absl::OkStatus();
    },
};

}  // namespace skein
