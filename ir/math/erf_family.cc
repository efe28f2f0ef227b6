// erf, erfc, gelu.
#include "ir/math/parts.h"
#include "ir/math/vector_math.h"

namespace skein {

using namespace math;  // NOLINT: this file is formulas

ValueId EmitErf(LoopBuilder& b, ValueId x_id) {
  const Real x(b, x_id);
  const Real a = MinX86(3.94, Abs(x));
  // log2(erfc(a)) is gentle enough for a polynomial.
  const Real log = Horner(
      a, {0x1.cd371ap-12, -0x1.a16864p0, -0x1.d2c592p-1, -0x1.4503a2p-3, 0x1.37c6bep-5,
          -0x1.c0c72ap-8, 0x1.c1856p-11, -0x1.1519e4p-14, 0x1.3abb98p-19});
  const Real sum = log + (kRounder + 127);
  const Real fraction = log - (sum - (kRounder + 127));
  const Real large = Fma(-Exp2Polynomial(fraction), PowerOfTwo(BitsOf(sum)), 1);
  const Real u = a * a;
  const Real w = Horner(u, {0x1.06eba8p-3, -0x1.81273ep-2, 0x1.ce2cdep-4, -0x1.b7f61p-6,
                            0x1.53e68ep-8, -0x1.a2e7aap-11, 0x1.461ecp-14});
  return WithSignOf(Select(a < 1, Fma(w, a, a), large), x).id();
}

}  // namespace skein
