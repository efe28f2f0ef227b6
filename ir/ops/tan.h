#include "ir/math/vector_math.h"
#include "ir/op_helpers.h"

namespace skein {

inline const OpDef k_tan = {
    .name = "tan",
    .summary = "tangent of radians",
    .infer = FloatSameAsFirst,
    .reference = [](const Node&, ElementType t, std::span<const Bounded> x) -> Bounded {
      // Monotone up to the nearest pole, an odd multiple of pi/2.
      constexpr double kPi = 3.14159265358979323846;
      double y = std::tan(x[0].value);
      double to_pole = std::fabs(std::remainder(x[0].value - kPi / 2, kPi));
      // Beyond, the argument reduction of generated f64 code is not stated.
      const bool beyond = t == ElementType::kF64 && std::fabs(x[0].value) > kLargestDoubleAngle;
      if (x[0].error >= to_pole || beyond) return {y, HUGE_VAL};
      return Monotone(
          t, x[0], [](double v) { return std::tan(v); }, 0.501);
    },
    .lower = [](LoopBuilder& b, const Node&,
                std::span<const ValueId> x) { return EmitTan(b, x[0]); },
    .flops = 20,
    .ulp = 0.501,
};

}  // namespace skein
