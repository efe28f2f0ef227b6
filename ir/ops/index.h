#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_index = {
    .name = "index",
    .op_class = OpClass::kSource,
    .min_operands = 0,
    .max_operands = 0,
    .summary =
        "integers or bools given by an expression of their coordinates: {dims, expr, element}",
    .infer = [](const Graph&, const Node& n, ResultTypes* results) -> absl::Status {
      const ElementType* element = n.attributes.Get<ElementType>("element");
      if (element == nullptr || IsFloat(*element))
        return InvalidArgument("needs an integer or bool element type");
      if (n.attributes.DimList("expr").size() != 1) return InvalidArgument("needs one expression");
      results->push_back({*element, n.attributes.DimList("dims")});
      return absl::OkStatus();
    },
    .fold = [](const Graph&, const Node& n) -> std::optional<DimExpr> {
      return n.attributes.DimList("expr")[0];
    },
};

}  // namespace skein
