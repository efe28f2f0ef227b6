#include "ir/math/vector_math.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
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
    std::vector<float> inputs;
    for (const std::vector<float>& source : {exponents, dense}) {
      for (float x : source) {
        if (!(std::fabs(x) > function.largest) || std::isinf(x)) inputs.push_back(x);
      }
    }
    const absl::StatusOr<Accuracy> accuracy = MeasureAccuracy(function.name, inputs);
    ASSERT_TRUE(accuracy.ok()) << accuracy.status();
    EXPECT_LE(accuracy->max_ulp, function.max_ulp)
        << function.name << "(" << accuracy->worst_input << ") gave " << accuracy->actual
        << ", exact " << accuracy->exact;
    // A bound far above the truth would not notice a wrong coefficient.
    EXPECT_GE(accuracy->max_ulp, 0.55 * function.max_ulp) << function.name;
  }
}

// The worst input of each function, found by skein_math_exhaustive: one changed bit in a formula
// shows here.
TEST(VectorMathTest, WorstInputsAreAsBadAsTheBoundAndNoWorse) {
  const struct {
    const char* function;
    uint32_t input;
  } kWorst[] = {
      {"exp", 0xc0bb2813},     {"exp2", 0xc2fcfe35},  {"expm1", 0x418846a0},
      {"sigmoid", 0xc18d6715}, {"silu", 0xc0a6624a},  {"softplus", 0xbee9f2c6},
      {"log", 0x3f22ba71},     {"log2", 0x3fb8a1d0},  {"log1p", 0x3effffff},
      {"erf", 0x3f7303ad},     {"erfc", 0x3f1302c5},  {"gelu", 0xc00c8d62},
      {"sin", 0x45974343},     {"cos", 0x407b40b6},   {"tan", 0x40177230},
      {"asin", 0x3f078423},    {"acos", 0x3f0a58da},  {"atan", 0x3f8333ca},
      {"sinh", 0x3fb588e8},    {"cosh", 0x4090f32f},  {"tanh", 0x3f8117eb},
      {"asinh", 0x3f04c548},   {"acosh", 0x3f840475}, {"atanh", 0x3eeb7217},
      {"rsqrt", 0x398de8b5},   {"cbrt", 0x0095e5b4},
  };
  for (const auto& [function, input] : kWorst) {
    const float x = FromBits(input);
    const absl::StatusOr<Accuracy> accuracy = MeasureAccuracy(function, {{x}});
    ASSERT_TRUE(accuracy.ok());
    EXPECT_NEAR(accuracy->max_ulp, FindUnaryMathFunction(function)->max_ulp, 0.002) << function;
  }
}

TEST(VectorMathTest, TheNumberOfLanesChangesNoBit) {
  const std::vector<float> inputs = Dense(200);
  for (const UnaryMathFunction& function : UnaryMathFunctions()) {
    std::vector<float> expected(inputs.size()), actual(inputs.size());
    ASSERT_TRUE(RunMathNest(UnaryMathNest(function.emit, 64), {{inputs}}, expected).ok());
    for (int lanes : {1, 3, 16}) {
      const LoopNest nest = UnaryMathNest(function.emit, lanes);
      ASSERT_TRUE(Verify(nest).ok()) << Verify(nest);
      ASSERT_TRUE(RunMathNest(nest, {{inputs}}, actual).ok());
      EXPECT_EQ(0, std::memcmp(expected.data(), actual.data(), inputs.size() * sizeof(float)))
          << function.name << " in " << lanes << " lanes";
    }
  }
}

// sin, cos and tan promise little beyond their range, but not nonsense.
TEST(VectorMathTest, TrigonometricFunctionsStayBoundedForLargeArguments) {
  std::vector<float> inputs;
  for (uint32_t bits = std::bit_cast<uint32_t>(1e5f); bits < 0x7f800000; bits += 99991) {
    inputs.push_back(FromBits(bits));
    inputs.push_back(-inputs.back());
  }
  std::vector<float> output(inputs.size());
  for (EmitUnary emit : {EmitSin, EmitCos, EmitTan}) {
    ASSERT_TRUE(RunMathNest(UnaryMathNest(emit), {{inputs}}, output).ok());
    for (size_t i = 0; i < inputs.size(); ++i) {
      ASSERT_TRUE(std::isfinite(output[i])) << inputs[i];
      if (emit != EmitTan) {
        ASSERT_LE(std::fabs(output[i]), 1) << inputs[i];
      }
    }
  }
}

TEST(VectorMathTest, ExpOfNonPositiveHasTheBitsOfExp) {
  std::vector<float> inputs;
  for (float x : EveryExponent()) inputs.push_back(std::isnan(x) ? x : -std::fabs(x));
  for (float x : Dense(8000)) inputs.push_back(-std::fabs(x));
  std::vector<float> exp(inputs.size()), special(inputs.size());
  ASSERT_TRUE(RunMathNest(UnaryMathNest(EmitExp), {{inputs}}, exp).ok());
  ASSERT_TRUE(RunMathNest(UnaryMathNest(EmitExpOfNonPositive), {{inputs}}, special).ok());
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (std::isnan(inputs[i])) {
      EXPECT_TRUE(std::isnan(special[i]));
    } else {
      EXPECT_EQ(exp[i], special[i]) << inputs[i];
    }
  }
}

Accuracy MeasurePow(const std::vector<float>& x, const std::vector<float>& y) {
  std::vector<float> output(x.size());
  EXPECT_TRUE(RunMathNest(BinaryMathNest(EmitPow), {{x, y}}, output).ok());
  Accuracy accuracy;
  for (size_t i = 0; i < x.size(); ++i) {
    const double exact = std::pow(static_cast<double>(x[i]), static_cast<double>(y[i]));
    accuracy.Add(x[i], output[i], exact);
    EXPECT_LE(UlpError(output[i], exact), kPowMaxUlp)
        << "pow(" << x[i] << ", " << y[i] << ") gave " << output[i];
  }
  return accuracy;
}

TEST(VectorMathTest, PowOfSpecialValues) {
  const float values[] = {0,
                          1,
                          0.5f,
                          2,
                          3,
                          2.5f,
                          0x1p-149f,
                          0x1p-126f,
                          0x1.fffffep127f,
                          0x1p23f,
                          0x1.000002p24f,
                          0x1.fffffep23f,
                          1e10f,
                          kInfinity,
                          kNaN,
                          1.0f / 3};
  std::vector<float> x, y;
  for (float a : values) {
    for (float b : values) {
      for (float sign_a : {1.0f, -1.0f}) {
        for (float sign_b : {1.0f, -1.0f}) {
          x.push_back(a * sign_a);
          y.push_back(b * sign_b);
        }
      }
    }
  }
  MeasurePow(x, y);
}

TEST(VectorMathTest, PowOfRandomPairs) {
  std::mt19937 random(7);
  std::uniform_int_distribution<uint32_t> bits;
  std::uniform_real_distribution<float> exponent(-145, 145);
  std::vector<float> x, y;
  for (int i = 0; i < 20000; ++i) {
    x.push_back(FromBits(bits(random)));
    y.push_back(FromBits(bits(random)));
    const float a = FromBits(bits(random) & 0x7fffffff);
    x.push_back(a);
    y.push_back(exponent(random) / std::log2(a));  // a power that neither overflows nor vanishes
  }
  EXPECT_GE(MeasurePow(x, y).max_ulp, 0.7);
}

TEST(VectorMathTest, SupportedTypes) {
  EXPECT_TRUE(MathSupports("exp", ElementType::kF32));
  EXPECT_TRUE(MathSupports("pow", ElementType::kF32));
  EXPECT_FALSE(MathSupports("exp", ElementType::kF64));
  EXPECT_FALSE(MathSupports("no such function", ElementType::kF32));
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
