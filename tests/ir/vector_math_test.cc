#include "ir/math/vector_math.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <limits>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "ir/math/accuracy.h"

namespace skein {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

float FromBits(uint32_t bits) { return std::bit_cast<float>(bits); }

// Every exponent (so zeros, subnormals, infinities and NaNs too) with several mantissas and both
// signs.
std::vector<float> EveryExponent() {
  std::vector<float> inputs;
  for (uint32_t exponent = 0; exponent < 256; ++exponent) {
    for (uint32_t mantissa : {0u, 1u, 0x2aaaabu, 0x3504f3u, 0x400000u, 0x555555u, 0x7fffffu}) {
      inputs.push_back(FromBits(exponent << 23 | mantissa));
      inputs.push_back(-inputs.back());
    }
  }
  return inputs;
}

// Dense where the functions bend: uniform bit patterns from 2^-20 to 2^8, and uniform values.
std::vector<float> Dense(int count) {
  std::mt19937 random(20240607);
  std::vector<float> inputs;
  std::uniform_int_distribution<uint32_t> patterns(std::bit_cast<uint32_t>(0x1p-20f),
                                                   std::bit_cast<uint32_t>(0x1p8f));
  std::uniform_real_distribution<float> wide(-110, 110), near(-2, 2);
  for (int i = 0; i < count; i += 4) {
    const float a = FromBits(patterns(random));
    inputs.insert(inputs.end(), {a, -a, wide(random), near(random)});
  }
  return inputs;
}

TEST(VectorMathTest, EveryFunctionStaysWithinItsBound) {
  const std::vector<float> exponents = EveryExponent(), dense = Dense(24000);
  for (const UnaryMathFunction& function : UnaryMathFunctions()) {
    std::vector<float> inputs = exponents;
    inputs.insert(inputs.end(), dense.begin(), dense.end());
    const absl::StatusOr<Accuracy> accuracy =
        MeasureAccuracy(function.name, std::span<const float>(inputs));
    ASSERT_TRUE(accuracy.ok()) << accuracy.status();
    EXPECT_LE(accuracy->max_ulp, function.max_ulp)
        << function.name << "(" << accuracy->worst_input << ") gave " << accuracy->actual
        << ", exact " << accuracy->exact;
    // A bound far above the truth would not notice a wrong coefficient.
    EXPECT_GE(accuracy->max_ulp, 0.55 * function.max_ulp) << function.name;
  }
}

// A row of docs/numerics.md.
struct MeasuredRow {
  std::string function;
  double max_ulp;
  uint32_t worst_input;
  std::string inputs;
  double max_ulp_f64;  // 0: not given
};

std::string ReadNumericsPage() {
  std::ifstream in(SKEIN_SOURCE_DIR "/docs/numerics.md");
  return std::string((std::istreambuf_iterator<char>(in)), {});
}

std::vector<MeasuredRow> MeasuredRows() {
  std::istringstream page(ReadNumericsPage());
  std::vector<MeasuredRow> rows;
  for (std::string line; std::getline(page, line);) {
    const size_t hex = line.find("`0x");
    if (!line.starts_with("| ") || hex == std::string::npos) continue;
    std::istringstream cells(line);
    std::string name, ulp, worst, inputs, instructions, wide;
    std::getline(cells, name, '|');  // before the first bar
    for (std::string* cell : {&name, &ulp, &worst, &inputs, &instructions, &wide}) {
      std::getline(cells, *cell, '|');
    }
    name = name.substr(1, name.size() - 2);
    rows.push_back({name, std::atof(ulp.c_str()),
                    static_cast<uint32_t>(std::stoul(line.substr(hex + 1, 10), nullptr, 16)), inputs,
                    std::atof(wide.c_str())});
  }
  return rows;
}

TEST(NumericsPageTest, IsMeasuredOnTheCodeOfToday) {
  EXPECT_NE(ReadNumericsPage().find("<!-- measured: code " + MathCodeHash().Hex() + " -->"),
            std::string::npos)
      << "Vector math has changed; measure it again: skein_math_exhaustive --update docs/numerics.md";
}

TEST(NumericsPageTest, EveryFunctionIsMeasuredOnAllInputsAndWithinItsBound) {
  const std::vector<MeasuredRow> rows = MeasuredRows();
  for (const UnaryMathFunction& function : UnaryMathFunctions()) {
    const auto row = std::find_if(rows.begin(), rows.end(), [&](const MeasuredRow& r) {
      return r.function == function.name;
    });
    ASSERT_NE(row, rows.end()) << function.name;
    EXPECT_EQ(row->inputs, " all 2^32 ") << function.name;
    EXPECT_LE(row->max_ulp, function.max_ulp) << function.name;
    EXPECT_GE(row->max_ulp, function.max_ulp - 0.002) << function.name;
    EXPECT_LE(row->max_ulp_f64, function.max_ulp_f64) << function.name;
    EXPECT_GE(row->max_ulp_f64, 0.7 * function.max_ulp_f64) << function.name;
  }
  EXPECT_EQ(rows.size(), UnaryMathFunctions().size() + 3);  // pow, atan2, rem
}

// One changed bit in a formula shows at the worst input of all.
TEST(NumericsPageTest, WorstInputsAreAsBadAsStatedAndNoWorse) {
  for (const MeasuredRow& row : MeasuredRows()) {
    if (FindUnaryMathFunction(row.function) == nullptr) continue;
    const float x = FromBits(row.worst_input);
    const absl::StatusOr<Accuracy> accuracy =
        MeasureAccuracy(row.function, std::span<const float>(&x, 1));
    ASSERT_TRUE(accuracy.ok());
    EXPECT_NEAR(accuracy->max_ulp, row.max_ulp, 0.001) << row.function;
  }
}

// The promises of the project, whatever the code measures.
TEST(NumericsPageTest, BoundsAreAsPromised) {
  const std::set<std::string_view> within_one = {"exp",  "exp2",    "log",  "log2", "tanh",
                                                 "sigmoid", "erf", "rsqrt", "reciprocal", "cbrt"};
  for (const UnaryMathFunction& function : UnaryMathFunctions()) {
    EXPECT_LE(function.max_ulp, within_one.contains(function.name) ? 1 : 2) << function.name;
  }
  EXPECT_LE(kPowMaxUlp, 1);
}

TEST(VectorMathTest, TheNumberOfLanesChangesNoBit) {
  const std::vector<float> inputs = Dense(200);
  for (const UnaryMathFunction& function : UnaryMathFunctions()) {
    std::vector<float> expected(inputs.size()), actual(inputs.size());
    const void* in = inputs.data();
    const int64_t count = static_cast<int64_t>(inputs.size());
    ASSERT_TRUE(
        RunMathNest(UnaryMathNest(function.emit, 64), {&in, 1}, expected.data(), count).ok());
    for (int lanes : {1, 3, 16}) {
      const LoopNest nest = UnaryMathNest(function.emit, lanes);
      ASSERT_TRUE(Verify(nest).ok()) << Verify(nest);
      ASSERT_TRUE(RunMathNest(nest, {&in, 1}, actual.data(), count).ok());
      EXPECT_EQ(0, std::memcmp(expected.data(), actual.data(), inputs.size() * sizeof(float)))
          << function.name << " in " << lanes << " lanes";
    }
  }
}

// Every exponent with several mantissas, then dense where the functions bend; f32 values among them.
std::vector<double> DoubleInputs(double largest) {
  std::vector<double> inputs;
  for (uint64_t exponent = 0; exponent < 2048; exponent += exponent == 2046 ? 1 : 2) {
    for (uint64_t mantissa : {0ull, 1ull, 0x6a09e667f3bcdull, 0x8000000000000ull, 0xfffffffffffffull}) {
      inputs.push_back(std::bit_cast<double>(exponent << 52 | mantissa));
    }
  }
  std::mt19937_64 random(11);
  std::uniform_int_distribution<uint64_t> patterns(std::bit_cast<uint64_t>(0x1p-20),
                                                   std::bit_cast<uint64_t>(0x1p10));
  std::uniform_real_distribution<double> wide(-760, 760), near(-4, 4);
  for (int i = 0; i < 3000; ++i) {
    inputs.insert(inputs.end(), {std::bit_cast<double>(patterns(random)), wide(random), near(random)});
  }
  for (float x : Dense(2000)) inputs.push_back(x);
  const size_t count = inputs.size();
  for (size_t i = 0; i < count; ++i) inputs.push_back(-inputs[i]);
  std::erase_if(inputs, [&](double x) { return std::fabs(x) > largest && !std::isinf(x); });
  return inputs;
}

TEST(DoubleMathTest, EveryFunctionStaysWithinItsBound) {
  for (const UnaryMathFunction& function : UnaryMathFunctions()) {
    const std::vector<double> inputs = DoubleInputs(function.largest_f64);
    const absl::StatusOr<Accuracy> accuracy =
        MeasureAccuracy(function.name, std::span<const double>(inputs));
    ASSERT_TRUE(accuracy.ok()) << accuracy.status();
    EXPECT_LE(accuracy->max_ulp, function.max_ulp_f64)
        << function.name << "(" << accuracy->worst_input << ") gave " << accuracy->actual
        << ", exact " << accuracy->exact;
    EXPECT_GE(accuracy->max_ulp, 0.4 * function.max_ulp_f64) << function.name;
  }
}

TEST(DoubleMathTest, TrigonometricFunctionsStayBoundedForLargeArguments) {
  std::vector<double> inputs;
  for (double x = kLargestDoubleAngle; std::isfinite(x); x *= 1.37) {
    inputs.insert(inputs.end(), {x, -x});
  }
  std::vector<double> output(inputs.size());
  const void* in = inputs.data();
  for (EmitUnary emit : {EmitSin, EmitCos, EmitTan}) {
    ASSERT_TRUE(RunMathNest(UnaryMathNest(emit, 64, ElementType::kF64), {&in, 1}, output.data(),
                            static_cast<int64_t>(inputs.size()))
                    .ok());
    for (size_t i = 0; i < inputs.size(); ++i) {
      ASSERT_TRUE(std::isfinite(output[i])) << inputs[i];
      if (emit != EmitTan) {
        ASSERT_LE(std::fabs(output[i]), 1) << inputs[i];
      }
    }
  }
}

// The multiples of pi/2 that an f32 comes closest to, and the ranges of the reduction's constants.
TEST(VectorMathTest, TrigonometricFunctionsOfHardArguments) {
  std::vector<float> inputs = {16367173 * 0x1p72f, 0x1.6ac5b2p102f, 0x1.fffffep127f, 0x1.921fb6p0f,
                               0x1.921fb6p1f};
  for (int exponent : {47, 48, 70, 71, 93, 94, 116, 117, 126}) {
    for (uint32_t mantissa = 0; mantissa < 0x800000; mantissa += 0x10001) {
      inputs.push_back(std::ldexp(1 + static_cast<float>(mantissa) * 0x1p-23f, exponent));
    }
  }
  for (const char* function : {"sin", "cos", "tan"}) {
    const absl::StatusOr<Accuracy> accuracy =
        MeasureAccuracy(function, std::span<const float>(inputs));
    ASSERT_TRUE(accuracy.ok());
    EXPECT_LE(accuracy->max_ulp, FindUnaryMathFunction(function)->max_ulp)
        << function << "(" << accuracy->worst_input << ")";
  }
}

TEST(VectorMathTest, ExpOfNonPositiveHasTheBitsOfExp) {
  std::vector<float> inputs;
  for (float x : EveryExponent()) inputs.push_back(std::isnan(x) ? x : -std::fabs(x));
  for (float x : Dense(8000)) inputs.push_back(-std::fabs(x));
  std::vector<float> exp(inputs.size()), special(inputs.size());
  const void* in = inputs.data();
  const int64_t count = static_cast<int64_t>(inputs.size());
  ASSERT_TRUE(RunMathNest(UnaryMathNest(EmitExp), {&in, 1}, exp.data(), count).ok());
  ASSERT_TRUE(
      RunMathNest(UnaryMathNest(EmitExpOfNonPositive), {&in, 1}, special.data(), count).ok());
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (std::isnan(inputs[i])) {
      EXPECT_TRUE(std::isnan(special[i]));
    } else {
      EXPECT_EQ(exp[i], special[i]) << inputs[i];
    }
  }
}

// Any values of T, special ones first.
template <typename T>
std::vector<T> SpecialValues() {
  using Limits = std::numeric_limits<T>;
  const T digits = std::ldexp(T(1), Limits::digits);  // from here on all are even
  std::vector<T> values = {0, 1, T(0.5), 2, 3, T(2.5), T(1) / 3, T(1e10), Limits::denorm_min(),
                           Limits::min(), Limits::max(), digits / 2, digits - 1, digits + 2,
                           Limits::infinity(), Limits::quiet_NaN()};
  const size_t count = values.size();
  for (size_t i = 0; i < count; ++i) values.push_back(-values[i]);
  return values;
}

template <typename T>
struct Pairs {
  std::vector<T> x, y;
  void Add(T a, T b) {
    x.push_back(a);
    y.push_back(b);
  }
};

template <typename T>
Pairs<T> SpecialPairs() {
  Pairs<T> pairs;
  for (T a : SpecialValues<T>()) {
    for (T b : SpecialValues<T>()) pairs.Add(a, b);
  }
  return pairs;
}

// The greatest error over the pairs, each of which has to be within `bound`. Wide: a type with more
// digits.
template <typename T, typename Wide>
double MeasurePairs(EmitBinary emit, Wide (*reference)(Wide, Wide), const Pairs<T>& pairs,
                    double bound) {
  const ElementType t = sizeof(T) == 4 ? ElementType::kF32 : ElementType::kF64;
  std::vector<T> output(pairs.x.size());
  const void* in[] = {pairs.x.data(), pairs.y.data()};
  EXPECT_TRUE(RunMathNest(BinaryMathNest(emit, 64, t), in, output.data(),
                          static_cast<int64_t>(output.size()))
                  .ok());
  double worst = 0;
  for (size_t i = 0; i < output.size(); ++i) {
    const Wide exact = reference(pairs.x[i], pairs.y[i]);
    const double ulp = UlpError(output[i], exact);
    EXPECT_LE(ulp, bound) << "f(" << pairs.x[i] << ", " << pairs.y[i] << ") gave " << output[i]
                          << ", exact " << static_cast<double>(exact);
    worst = std::max(worst, ulp);
  }
  return worst;
}

TEST(VectorMathTest, BinaryFunctionsOfSpecialValues) {
  const Pairs<float> single = SpecialPairs<float>();
  MeasurePairs<float, double>(EmitPow, std::pow, single, kPowMaxUlp);
  MeasurePairs<float, double>(EmitAtan2, std::atan2, single, kAtan2MaxUlp);
  MeasurePairs<float, double>(EmitRem, std::fmod, single, 0);
  const Pairs<double> wide = SpecialPairs<double>();
  MeasurePairs<double, long double>(EmitPow, std::pow, wide, kPowMaxUlpF64);
  MeasurePairs<double, long double>(EmitAtan2, std::atan2, wide, kAtan2MaxUlpF64);
  MeasurePairs<double, long double>(EmitRem, std::fmod, wide, 0);
}

TEST(VectorMathTest, PowOfRandomPairs) {
  std::mt19937_64 random(7);
  std::uniform_real_distribution<float> exponent(-145, 145);
  std::uniform_real_distribution<double> wide_exponent(-1070, 1020);
  Pairs<float> single;
  Pairs<double> wide;
  for (int i = 0; i < 10000; ++i) {
    single.Add(FromBits(static_cast<uint32_t>(random())), FromBits(static_cast<uint32_t>(random())));
    const float a = FromBits(static_cast<uint32_t>(random()) & 0x7fffffff);
    single.Add(a, exponent(random) / std::log2(a));  // a power that neither overflows nor vanishes
    wide.Add(std::bit_cast<double>(random()), std::bit_cast<double>(random()));
    const double b = std::bit_cast<double>(random() & INT64_MAX);
    wide.Add(b, wide_exponent(random) / std::log2(b));
    const double c = std::bit_cast<double>(random() >> 12 | 0x3ff0000000000000);  // in [1, 2)
    wide.Add(c, wide_exponent(random) / std::log2(c));
  }
  EXPECT_GE((MeasurePairs<float, double>(EmitPow, std::pow, single, kPowMaxUlp)), 0.7);
  EXPECT_GE((MeasurePairs<double, long double>(EmitPow, std::pow, wide, kPowMaxUlpF64)), 0.6);
}

TEST(VectorMathTest, RemAndAtan2OfRandomPairs) {
  std::mt19937_64 random(9);
  Pairs<float> single;
  Pairs<double> wide;
  for (int i = 0; i < 4000; ++i) {
    const float a = FromBits(static_cast<uint32_t>(random()));
    single.Add(a, FromBits(static_cast<uint32_t>(random())));
    single.Add(a, a * static_cast<float>(random() % 1000) / 100);
    single.Add(static_cast<float>(random() % 100000), static_cast<float>(1 + random() % 100));
    const double b = std::bit_cast<double>(random());
    wide.Add(b, std::bit_cast<double>(random()));
    wide.Add(b, b * static_cast<double>(random() % 1000) / 1e5);
  }
  for (float y : {0x1p-149f, 0x1.8p-127f, 3e-39f}) single.Add(0x1.fffffep127f, y);
  for (double y : {0x1p-1074, 0x1.8p-1023, 3e-320}) wide.Add(0x1.fffffffffffffp1023, y);
  MeasurePairs<float, double>(EmitRem, std::fmod, single, 0);
  MeasurePairs<double, long double>(EmitRem, std::fmod, wide, 0);
  EXPECT_GE((MeasurePairs<float, double>(EmitAtan2, std::atan2, single, kAtan2MaxUlp)), 0.49);
  EXPECT_GE((MeasurePairs<double, long double>(EmitAtan2, std::atan2, wide, kAtan2MaxUlpF64)), 0.6);
}

TEST(UlpErrorTest, Definition) {
  EXPECT_EQ(UlpError(1 + 0x1p-23f, 1), 1);
  EXPECT_EQ(UlpError(1 - 0x1p-24f, 1), 0.5);
  EXPECT_EQ(UlpError(0, 0x1p-150), 0.5);
  EXPECT_EQ(UlpError(kInfinity, 0x1.fffffep127), 1);
  EXPECT_EQ(UlpError(kInfinity, 1e300), 0);
  EXPECT_EQ(UlpError(kNaN, kNaN), 0);
  EXPECT_TRUE(std::isinf(UlpError(kNaN, 1)));
  EXPECT_TRUE(std::isinf(UlpError(-0.0f, 0.0)));
  EXPECT_TRUE(std::isinf(UlpError(0.0f, -0x1p-150)));
}

}  // namespace
}  // namespace skein
