// f64: logarithms, inverse hyperbolic functions, cube root and power.
#include "ir/math/double_functions.h"

namespace skein::math {

namespace {

constexpr int64_t kExponentMask = static_cast<int64_t>(0xfff0000000000000);
constexpr int64_t kThreeQuarters = 0x3fe8000000000000;

// m - log(1 + m) for m in [-1/4, 1/2], from 2*atanh(s) with s = m/(2+m): m itself carries most of
// the logarithm.
Real LogComplement(Real m) {
  const Real s = m / (m + 2);
  const Real v = s * s;
  const Real p = Horner(v, {0x1.5555555555555p-1, 0x1.9999999999f30p-2, 0x1.24924923dba6ap-2,
                            0x1.c71c72e2f78d5p-3, 0x1.745cab2727663p-3, 0x1.3b29fcbbce66dp-3,
                            0x1.0e88ea4725d3dp-3, 0x1.16b68338bd78bp-3});
  return s * Fma(-v, p, m);
}

// log(1 + m + tail) + n*ln2, `tail` being the change of the logarithm.
Real LogOfOnePlus(Real m, Real tail, Real n) {
  const Real low = Fma(n, kDoubleLn2Low, tail) - LogComplement(m);
  return Fma(n, kDoubleLn2High, m + low);
}

// x = 2^n * m: m in [k, 2k), where k has the bits `lower`; also for subnormal x.
struct LogParts {
  Real n;
  Real m;
};

LogParts ReduceForDoubleLog(Real x, int64_t lower) {
  const Mask low = x < kSmallestNormalDouble;
  const Word bits = BitsOf(Select(low, x * 0x1p54, x));
  const Word exponent = (bits - Word(lower)) & Word(kExponentMask);
  return {Fma(ToReal(exponent), 0x1p-52, SelectDouble(low, -54, 0)), FloatOf(bits - exponent)};
}

Real WithLogSpecials(Real x, Real y) {
  y = Select(x < kInfinity, y, x);  // infinity and NaN
  y = Select(x < 0, kNaN, y);
  return Select(x == 0, -kInfinity, y);
}

// log(1 + x.high + x.low) + more_n*ln2 for x.high > -1 and |x.low| <= 2^-50 |x.high|.
Real Log1pOfPair(Pair x, Real more_n) {
  const Word exponent = (BitsOf(1 + x.high) - Word(kThreeQuarters)) & Word(kExponentMask);
  const Real four = FloatOf(Word(0x4010000000000000) - exponent);  // 4 * 2^-n
  const Real m = FloatOf(BitsOf(x.high) - exponent) + Fma(four, 0.25, -1);
  const Real tail = (x.low * four) * 0.25;
  return LogOfOnePlus(m, Fma(-m, tail, tail), Fma(ToReal(exponent), 0x1p-52, more_n));
}

}  // namespace

Real DoubleLog(Real x) {
  const LogParts a = ReduceForDoubleLog(x, kThreeQuarters);
  return WithLogSpecials(x, LogOfOnePlus(a.m - 1, 0, a.n));
}

// n is exact in base 2, so only the fraction's logarithm is converted.
Real DoubleLog2(Real x) {
  const LogParts a = ReduceForDoubleLog(x, kThreeQuarters);
  const Real m = a.m - 1;
  const Real fraction = m - LogComplement(m);
  return WithLogSpecials(x, Fma(fraction, kDoubleLog2E, a.n));
}

Real DoubleLog1p(Real x) {
  const Real y = WithSignOf(Log1pOfPair({x, 0}, 0), x);
  const Real finite = Select(x < kInfinity, y, x);
  return Select(x == -1, -kInfinity, Select(x < -1, kNaN, finite));
}

namespace {

// Where squares would overflow; far above, log(2x) is all that is left of asinh and acosh.
constexpr double kLarge = 0x1p500;

}  // namespace

// log1p(a + a^2 / (1 + sqrt(a^2 + 1))).
Real DoubleAsinh(Real x) {
  const Real a = Abs(x);
  const Mask large = a > kLarge;
  const Real u = a * a;
  const Pair sum = FastTwoSum(a, u / (1 + Sqrt(u + 1)));
  const Real y =
      Log1pOfPair({Select(large, a, sum.high), Select(large, 0, sum.low)}, SelectDouble(large, 1, 0));
  return WithSignOf(Select(a < kInfinity, y, a), x);
}

// log1p(t + sqrt(t^2 + 2t)), t = x - 1.
Real DoubleAcosh(Real x) {
  const Mask large = x > kLarge;
  const Real t = x - 1;
  const Pair sum = FastTwoSum(Sqrt(Fma(t, t, t + t)), t);
  const Real y =
      Log1pOfPair({Select(large, x, sum.high), Select(large, 0, sum.low)}, SelectDouble(large, 1, 0));
  return Select(x < 1, kNaN, Select(x < kInfinity, y, x));
}

// log1p(2a / (1-a)) / 2.
Real DoubleAtanh(Real x) {
  const Real a = Abs(x);
  const Real d = 1 - a;
  const Real d_tail = (1 - d) - a;
  const Real doubled = a + a;
  const Real t = doubled / d;
  const Real t_tail = Fma(-t, d_tail, Fma(-t, d, doubled)) / d;
  Real y = Log1pOfPair({t, t_tail}, 0) * 0.5;
  y = Select(a < 1, y, SelectDouble(a == 1, kInfinity, kNaN));
  return WithSignOf(y, x);
}

// e^(log(a)/3), and a step of Newton's method, whose residual must not be subnormal.
Real DoubleCbrt(Real x) {
  const Real magnitude = Abs(x);
  const Mask low = magnitude < 0x1p-900;
  const Real a = Select(low, magnitude * 0x1p300, magnitude);
  const Real root = DoubleExp(DoubleLog(a) * (1.0 / 3));
  const Real square = root * root;
  const Real refined = root + Fma(-square, root, a) / (square * 3);
  const Real y = Select(low, refined * 0x1p-100, refined);
  return Select((a < kInfinity) & (a != 0), WithSignOf(y, x), x);
}

namespace {

// log2(x) for x > 0 as a sum of two doubles, by atanh: s = (m-1)/(m+1). As Log2InTwoParts of
// roots_and_powers.cc, whose comments hold.
Pair DoubleLog2InTwoParts(Real x) {
  const LogParts a = ReduceForDoubleLog(x, 0x3fe6a09e667f3bcd);
  const Real numerator = a.m - 1;
  const Real d = a.m + 1;
  const Real d_tail = a.m - (d - 1);
  const Real r = 1 / d;
  const Real s = numerator * r;
  const Real s_tail = Fma(-s, d_tail, Fma(-s, d, numerator)) * r;
  const Real u = s * s;
  const Real u_tail = Fma(s + s, s_tail, Fma(s, s, -u));
  const Pair cube = TwoProduct(u, s);
  const Real cube_tail = Fma(u_tail, s, Fma(u, s_tail, cube.low));
  constexpr double kCubeCoefficient = 0x1.ec709dc3a03fdp-1, kCubeTail = 0x1.d27f05548af0cp-55;
  const Real rest = u * Horner(u, {0x1.2776c50ef9bfep-1, 0x1.a61762a7adfa8p-2, 0x1.484b13d79c28ap-2,
                                   0x1.0c9a84bf61171p-2, 0x1.c68f2ef3fdedcp-3, 0x1.89fed56c7fa9dp-3,
                                   0x1.59e0395baa7fap-3, 0x1.5a63e540b7b4bp-3});
  const Real q = kCubeCoefficient + rest;
  const Real q_tail = (rest - (q - kCubeCoefficient)) + kCubeTail;
  const Pair v = TwoProduct(cube.high, q);
  const Real v_tail = Fma(cube_tail, q, Fma(cube.high, q_tail, v.low));
  constexpr double kTwoLog2E = 0x1.71547652b82fep1, kTwoLog2ETail = 0x1.777d0ffda0d24p-55;
  const Pair linear = {s * kTwoLog2E, Fma(s, kTwoLog2E, -(s * kTwoLog2E))};
  const Real linear_tail = Fma(s, kTwoLog2ETail, Fma(s_tail, kTwoLog2E, linear.low));
  const Pair first = FastTwoSum(a.n, linear.high);
  const Pair second = FastTwoSum(first.high, v.high);
  const Real low = (first.low + second.low) + (linear_tail + v_tail);
  return FastTwoSum(second.high, low);
}

// 2^(z + z_tail) for any z.
Real DoubleExp2OfPair(Real z, Real z_tail) {
  constexpr int kBias = 2046;
  const Real clamped = MinX86(1026, MaxX86(-1080, z));
  const Real tail = Select(clamped == z, z_tail, 0);
  const Real sum = clamped + (kDoubleRounder + kBias);
  const Real fraction = clamped - (sum - (kDoubleRounder + kBias));
  const Real r = Fma(fraction, kDoubleLn2, Fma(tail, kDoubleLn2, fraction * kDoubleLn2Tail));
  const TwoScales scale = DoubleScales(BitsOf(sum));
  return ((Fma(DoubleExpTail(r), r * r, r) + 1) * scale.first) * scale.second;
}

}  // namespace

Real DoublePow(Real x, Real y) {
  const Real magnitude = Abs(x);
  const Pair log = DoubleLog2InTwoParts(magnitude);
  const Real clamped_y = MinX86(0x1p80, MaxX86(-0x1p80, y));  // products stay finite
  const Real z = clamped_y * log.high;
  const Real z_tail = Fma(clamped_y, log.low, Fma(clamped_y, log.high, -z));
  return WithPowSpecials(x, y, DoubleExp2OfPair(z, z_tail));
}

}  // namespace skein::math
