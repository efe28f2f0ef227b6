#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_constant = {
    .name = "constant",
    .op_class = OpClass::kSource,
    .min_operands = 0,
    .max_operands = 0,
    .summary = "data that is there before the program runs: {literal}",
    .infer = [](const Graph&, const Node& n, ResultTypes* results) -> absl::Status {
      const LiteralRef* literal = n.attributes.Get<LiteralRef>("literal");
      if (literal == nullptr || *literal == nullptr) return InvalidArgument("needs a literal");
      results->push_back({(*literal)->element, Dims((*literal)->dims.begin(), (*literal)->dims.end())});
      return absl::OkStatus();
    },
    .fold = [](const Graph&,
               const Node& n) { return KnownLiteral(**n.attributes.Get<LiteralRef>("literal")); },
};

}  // namespace skein
