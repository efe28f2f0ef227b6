#include "fusion/gates.h"

#include <gmock/gmock.h>

#include "fusion/rewrite.h"
#include "tests/fusion/fusion_graphs.h"

namespace skein {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// The simplified graph of y = expression of %0 = x and the scalars %1 = 0.5, %2 = 1, %3 = sqrt(1/2),
// %4 = sqrt(2/pi), %5 = 0.044715.
std::string Simplified(const std::string& expression) {
  const absl::StatusOr<Graph> graph = Simplify(Parse(R"(
    %0 = input() {name = "x"} : f32[]
    %1 = constant() {literal = f32[] {0.5}} : f32[]
    %2 = constant() {literal = f32[] {1}} : f32[]
    %3 = constant() {literal = f32[] {0.70710677}} : f32[]
    %4 = constant() {literal = f32[] {0.7978846}} : f32[]
    %5 = constant() {literal = f32[] {0.044715}} : f32[]
)" + expression));
  EXPECT_TRUE(graph.ok()) << graph.status();
  return graph.ok() ? graph->ToString() : "";
}

TEST(Gates, SigmoidOfTheFactorItselfIsSilu) {
  const std::string text = Simplified(R"(
    %6 = sigmoid(%0) : f32[]
    %7 = mul(%1, %0) : f32[]
    %8 = mul(%7, %6) : f32[]
    output "y" = %8
)");
  EXPECT_THAT(text, HasSubstr("silu(%0)"));
  EXPECT_THAT(text, Not(HasSubstr("sigmoid")));
  EXPECT_THAT(text, HasSubstr("0.5"));  // the other factor stays
}

TEST(Gates, QuotientByOnePlusExponentialIsSigmoidAndSilu) {
  const auto quotient = [](const char* numerator, const char* one) {
    return Simplified(std::string(R"(%6 = neg(%0) : f32[]
    %7 = exp(%6) : f32[]
    %8 = add(%7, )") + one + R"() : f32[]
    %9 = div()" + numerator + R"(, %8) : f32[]
    output "y" = %9
)");
  };
  const std::string sigmoid = quotient("%2", "%2");
  EXPECT_THAT(sigmoid, HasSubstr("sigmoid(%0)"));
  EXPECT_THAT(sigmoid, Not(HasSubstr("exp")));
  EXPECT_THAT(quotient("%0", "%2"), HasSubstr("silu(%0)"));
  EXPECT_THAT(quotient("%2", "%1"), HasSubstr("exp"));  // 1/2 + e^-x
}

TEST(Gates, SigmoidOfAnotherValueIsNot) {
  EXPECT_THAT(Simplified(R"(
    %6 = mul(%0, %3) : f32[]
    %7 = sigmoid(%6) : f32[]
    %8 = mul(%0, %7) : f32[]
    output "y" = %8
)"),
              Not(HasSubstr("silu")));
}

TEST(Gates, ErrorFunctionWithTheRightScaleIsGelu) {
  const auto gelu = [](const char* scale) {
    return Simplified(std::string("%6 = mul(%0, ") + scale + R"() : f32[]
    %7 = erf(%6) : f32[]
    %8 = add(%7, %2) : f32[]
    %9 = mul(%0, %8) : f32[]
    %10 = mul(%9, %1) : f32[]
    output "y" = %10
)");
  };
  EXPECT_THAT(gelu("%3"), HasSubstr("gelu(%0)"));
  EXPECT_THAT(gelu("%3"), Not(HasSubstr("mul")));
  EXPECT_THAT(gelu("%4"), Not(HasSubstr("gelu")));
}

// sqrt(2/pi) * (x + 0.044715 x^3), and with x factored out.
TEST(Gates, HyperbolicTangentOfTheCubicIsGeluTanh) {
  // y = x * (1 + tanh(%11)).
  const char* const tail = R"(
    %12 = tanh(%11) : f32[]
    %13 = add(%2, %12) : f32[]
    %14 = mul(%0, %13) : f32[]
    output "y" = %14
)";
  const std::string sum = Simplified(std::string(R"(
    %6 = mul(%0, %0) : f32[]
    %7 = mul(%6, %0) : f32[]
    %8 = mul(%7, %5) : f32[]
    %9 = add(%0, %8) : f32[]
    %10 = neg(%9) : f32[]
    %11 = mul(%9, %4) : f32[]
)") + tail);
  EXPECT_THAT(sum, HasSubstr("gelu_tanh(%0)"));
  const std::string factored = Simplified(std::string(R"(
    %6 = mul(%0, %0) : f32[]
    %7 = mul(%6, %5) : f32[]
    %8 = add(%7, %2) : f32[]
    %9 = mul(%0, %4) : f32[]
    %10 = neg(%9) : f32[]
    %11 = mul(%9, %8) : f32[]
)") + tail);
  EXPECT_THAT(factored, HasSubstr("gelu_tanh(%0)"));
  const std::string square = Simplified(std::string(R"(
    %6 = mul(%0, %0) : f32[]
    %7 = mul(%6, %5) : f32[]
    %8 = add(%0, %7) : f32[]
    %9 = neg(%8) : f32[]
    %10 = neg(%9) : f32[]
    %11 = mul(%8, %4) : f32[]
)") + tail);
  EXPECT_THAT(square, Not(HasSubstr("gelu_tanh")));
}

TEST(Gates, TangentOfSoftplusIsMish) {
  EXPECT_THAT(Simplified(R"(
    %6 = softplus(%0) : f32[]
    %7 = tanh(%6) : f32[]
    %8 = mul(%7, %0) : f32[]
    output "y" = %8
)"),
              HasSubstr("mish(%0)"));
}

}  // namespace
}  // namespace skein
