#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_dot = {
    .name = "dot",
    .op_class = OpClass::kContraction,
    .min_operands = 2,
    .max_operands = 2,
    .summary = "matrix product: (a[batch.., M, K], b[batch.., K, N]) -> [batch.., M, N]",
    .infer = [](const Graph& g, const Node& n, ResultTypes* results) -> absl::Status {
      const TensorType& a = g.type(n.operands[0]);
      const TensorType& b = g.type(n.operands[1]);
      if (IsBool(a.element)) return InvalidArgument("there is no product of bools");
      TensorType y = a;
      y.dims.back() = b.dims.back();
      results->push_back(std::move(y));
      return absl::OkStatus();
    },
};

}  // namespace skein
