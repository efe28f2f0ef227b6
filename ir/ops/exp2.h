#include "ir/math/vector_math.h"
#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_exp2 = {
    .name = "exp2",
    .summary = "2^x",
    .infer = FloatSameAsFirst,
    .reference = [](const Node&, ElementType t, std::span<const Bounded> x) -> Bounded {
      return Monotone(
          t, x[0], [](double v) { return std::exp2(v); }, 0.879);
    },
    .lower = [](LoopBuilder& b, const Node&,
                std::span<const ValueId> x) { return EmitExp2(b, x[0]); },
    .flops = 20,
    .ulp = 0.879,
};

}  // namespace skein
