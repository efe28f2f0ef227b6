#include "ir/op_helpers.h"

namespace skein {

// Added by Graph::AddInput, which gives the type.
inline const OpDef k_input = {
    .name = "input",
    .op_class = OpClass::kSource,
    .min_operands = 0,
    .max_operands = 0,
    .summary = "an argument of the graph: {name, element, dims}",
    .infer = [](const Graph&, const Node& n, ResultTypes* results) -> absl::Status {
      const ElementType* element = n.attributes.Get<ElementType>("element");
      if (element == nullptr || n.attributes.Get<std::string>("name") == nullptr) {
        return InvalidArgument("needs a name and an element type");
      }
      results->push_back({*element, n.attributes.DimList("dims")});
      return absl::OkStatus();
    },
};

}  // namespace skein
