#include "ir/math/vector_math.h"
#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_rsqrt = {
    .name = "rsqrt",
    .summary = "1 / sqrt(x)",
    .infer = FloatSameAsFirst,
    .reference = [](const Node&, ElementType t, std::span<const Bounded> x) -> Bounded {
      // f32 by its own recipe, other types by a square root and a division.
      double ulp = t == ElementType::kF32 ? 0.513 : 1.5;
      return Monotone(
          t, x[0], [](double v) { return 1 / std::sqrt(v); }, ulp);
    },
    .lower =
        [](LoopBuilder& b, const Node&, std::span<const ValueId> x) {
          ElementType t = b.type(x[0]).element;
          if (MathSupports("rsqrt", t)) return EmitRsqrt(b, x[0]);
          return b.Div(b.Const(t, 1), b.Unary(Opcode::kSqrt, x[0]));
        },
    .ulp = 0.513,
};

}  // namespace skein
