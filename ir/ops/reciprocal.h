#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_reciprocal = {
    .name = "reciprocal",
    .summary = "1 / x",
    .infer = FloatSameAsFirst,
    .reference = [](const Node&, ElementType t, std::span<const Bounded> x) -> Bounded {
      double y = 1 / x[0].value, e = x[0].error;
      if (e == 0) return Rounded(t, y, 0);
      // |1/x - 1/(x+d)| = |d| / (|x| |x+d|) at most; a pole within the error makes it unbounded.
      double nearest = std::fabs(x[0].value) - e;
      return nearest > 0 ? Rounded(t, y, e * std::fabs(y) / nearest) : Bounded{y, HUGE_VAL};
    },
    .lower =
        [](LoopBuilder& b, const Node&, std::span<const ValueId> x) {
          return b.Div(b.Const(b.type(x[0]).element, 1), x[0]);
        },
};

}  // namespace skein
