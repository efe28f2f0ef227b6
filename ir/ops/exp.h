#include "ir/math/vector_math.h"
#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_exp = {
    .name = "exp",
    .summary = "e^x",
    .infer = FloatSameAsFirst,
    .reference = [](const Node&, ElementType t, std::span<const Bounded> x) -> Bounded {
      return Monotone(
          t, x[0], [](double v) { return std::exp(v); }, 0.892);
    },
    // "nonpositive" (fusion/settle.cc): x is known to be <= 0 or NaN; the same bits in fewer instructions.
    .lower =
        [](LoopBuilder& b, const Node& n, std::span<const ValueId> x) {
          return n.attributes.Has("nonpositive") ? EmitExpOfNonPositive(b, x[0]) : EmitExp(b, x[0]);
        },
    .flops = 20,
    .ulp = 0.892,
};

}  // namespace skein
