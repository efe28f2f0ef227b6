#include <numbers>

#include "ir/math/vector_math.h"
#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_atan2 = {
    .name = "atan2",
    .min_operands = 2,
    .max_operands = 2,
    .summary = "angle of the point (x, y) of operands y, x, as C atan2",
    .infer = FloatSameAsFirst,
    .reference = [](const Node&, ElementType t, std::span<const Bounded> operands) -> Bounded {
      const Bounded y = operands[0], x = operands[1];
      const double angle = std::atan2(y.value, x.value);
      if (y.error == 0 && x.error == 0) return {angle, Ulps(t, angle, kAtan2MaxUlp)};
      // The point may move around the origin, or across the half-line on which the angle jumps.
      const double moved = std::hypot(y.error, x.error), radius = std::hypot(y.value, x.value);
      const bool jumps = std::fabs(y.value) <= y.error && x.value - x.error < 0;
      if (!(moved < radius) || jumps) return {angle, 2 * std::numbers::pi};
      const double turned = std::asin(moved / radius);
      return {angle, turned + Ulps(t, std::fabs(angle) + turned, kAtan2MaxUlp)};
    },
    .lower = [](LoopBuilder& b, const Node&,
                std::span<const ValueId> x) { return EmitAtan2(b, x[0], x[1]); },
    .flops = 20,
    .ulp = kAtan2MaxUlp,
};

}  // namespace skein
