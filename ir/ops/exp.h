#include <cmath>

#include "ir/math/vector_math.h"
#include "ir/op.h"

namespace skein {

inline const OpDef k_exp = {
    .name = "exp",
    .summary = "e^x",
    .infer = FloatSameAsFirst,
    .reference = [](const Node&, ElementType t, std::span<const Bounded> x) -> Bounded {
      double y = std::exp(x[0].value);
      // |e^(x+d) - e^x| = e^x * expm1(|d|) at most.
      return {y, y * std::expm1(x[0].error) + 2 * 0.891 * HalfUlp(t, y)};
    },
    .lower = [](LoopBuilder& b, const Node&, std::span<const ValueId> x) { return EmitExp(b, x[0]); },
    .flops = 20,
    .ulp = 0.891,
};

}  // namespace skein
