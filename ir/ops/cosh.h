#include "ir/math/vector_math.h"
#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_cosh = {
    .name = "cosh",
    .summary = "hyperbolic cosine",
    .infer = FloatSameAsFirst,
    .reference = [](const Node&, ElementType t, std::span<const Bounded> x) -> Bounded {
      // Even and growing with |x|: the far end decides.
      double y = std::cosh(x[0].value), e = x[0].error;
      double far = e == 0 ? 0 : std::cosh(std::fabs(x[0].value) + e) - y;
      return {y, std::fmax(far, 0) + Ulps(t, y, 1.47)};
    },
    .lower = [](LoopBuilder& b, const Node&,
                std::span<const ValueId> x) { return EmitCosh(b, x[0]); },
    .flops = 20,
    .ulp = 1.47,
};

}  // namespace skein
