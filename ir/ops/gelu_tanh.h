#include "ir/math/accuracy.h"
#include "ir/math/vector_math.h"
#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_gelu_tanh = {
    .name = "gelu_tanh",
    .summary = "x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3)))",
    .infer = FloatSameAsFirst,
    .reference = [](const Node&, ElementType t, std::span<const Bounded> x) -> Bounded {
      static const ReferenceFunction kExact = MathReference("gelu_tanh");
      return Sloped(t, x[0], kExact, 1.13, 1.988);
    },
    .lower = [](LoopBuilder& b, const Node&,
                std::span<const ValueId> x) { return EmitGeluTanh(b, x[0]); },
    .flops = 20,
    .ulp = 1.988,
};

}  // namespace skein
