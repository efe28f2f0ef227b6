// Contraction kernels, against the order that DESIGN section 6 promises and with everything around the product.
#include <gmock/gmock.h>

#include <cmath>
#include <cstring>

#include "tests/fusion/fusion_graphs.h"

namespace skein {
namespace {

using ::testing::HasSubstr;

// K in order by fma from +0 within chunks of 512; chunks left to right.
float PromisedDot(const float* a, const float* b, int64_t k, int64_t stride) {
  float total = 0;
  for (int64_t chunk = 0; chunk < k; chunk += 512) {
    float sum = 0;
    for (int64_t i = chunk; i < std::min(k, chunk + 512); ++i) sum = std::fma(a[i], b[i * stride], sum);
    total = chunk == 0 ? sum : total + sum;
  }
  return total;
}

TEST(Dot, EverySizeInThePromisedOrder) {
  const Graph graph = Parse(R"(
    %0 = input() {name = "a"} : f32[m, k]
    %1 = input() {name = "b"} : f32[k, n]
    %2 = dot(%0, %1) : f32[m, n]
    output "y" = %2
  )");
  std::vector<std::unique_ptr<Program>> programs;
  for (const NamedOptions& way : EveryWay()) programs.push_back(*Program::Compile(graph, way.options));
  struct Size {
    int64_t m, n, k;
  };
  for (const Size& s : {Size{1, 1, 1}, Size{1, 64, 3}, Size{5, 65, 7}, Size{6, 63, 511}, Size{7, 1, 512}, Size{13, 17, 513},
                        Size{3, 130, 1100}, Size{100, 5, 2}, Size{4, 4, 0}, Size{0, 4, 4}, Size{4, 0, 4}}) {
    std::vector<HostTensor> inputs = *DrawInputs(graph, {{"m", s.m}, {"n", s.n}, {"k", s.k}}, 5);
    const auto* a = reinterpret_cast<const float*>(inputs[0].bytes.data());
    const auto* b = reinterpret_cast<const float*>(inputs[1].bytes.data());
    HostTensor expected(ElementType::kF32, {s.m, s.n});
    auto* y = reinterpret_cast<float*>(expected.bytes.data());
    for (int64_t i = 0; i < s.m; ++i) {
      for (int64_t j = 0; j < s.n; ++j) y[i * s.n + j] = PromisedDot(a + i * s.k, b + j, s.k, s.n);
    }
    for (auto& program : programs) {
      const auto outputs = RunProgram(*program, inputs);
      ASSERT_TRUE(outputs.ok()) << outputs.status();
      EXPECT_EQ(FirstDifference({expected}, *outputs), "") << s.m << " x " << s.n << " x " << s.k;
    }
  }
}

std::string Weights(int64_t k, int64_t n) {  // a literal of up to 64 elements
  std::string text = "f32[" + std::to_string(k) + ", " + std::to_string(n) + "] {";
  for (int64_t i = 0; i < k * n; ++i) text += (i ? ", " : "") + std::to_string(((i * 7 + 3) % 31 - 15) / 16.0);
  return text + "}";
}

TEST(Dot, WeightsArePackedOnceAndReadInPlace) {
  for (int64_t n : {1, 16}) {
    const std::string columns = std::to_string(n);
    const Graph graph = Parse("%0 = input() {name = \"x\"} : f32[m, 4]\n%1 = constant() {literal = " + Weights(4, n) +
                              "} : f32[4, " + columns + "]\n%2 = dot(%0, %1) : f32[m, " + columns + "]\noutput \"y\" = %2\n");
    const Plan plan = MakePlanOf(graph);
    ASSERT_EQ(plan.groups.size(), 2u);
    EXPECT_EQ(plan.groups[0].phase, Phase::kProgram);
    EXPECT_EQ(Kinds(plan), "dot");
    EXPECT_EQ(plan.groups[1].inputs.size(), 2u);
    ExpectRight(graph, {{{"m", 1}}, {{"m", 7}}, {{"m", 0}}, {{"m", 130}}});
  }
}

TEST(Dot, EpilogueWithBiasRowFactorResidualAndTransposedStore) {
  const Graph graph = Parse(R"(
    %0 = input() {name = "a"} : f32[m, 20]
    %1 = input() {name = "b"} : f32[20, 96]
    %2 = input() {name = "bias"} : f32[96]
    %3 = input() {name = "factor"} : f32[m, 1]
    %4 = input() {name = "residual"} : f32[m, 96]
    %5 = dot(%0, %1) : f32[m, 96]
    %6 = reshape(%2) : f32[1, 96]
    %7 = broadcast(%6) : f32[m, 96]
    %8 = add(%5, %7) : f32[m, 96]
    %9 = broadcast(%3) : f32[m, 96]
    %10 = mul(%8, %9) : f32[m, 96]
    %11 = tanh(%10) : f32[m, 96]
    %12 = add(%4, %11) : f32[m, 96]
    %13 = reshape(%12) : f32[m, 3, 32]
    %14 = transpose(%13) {permutation = (1, 0, 2)} : f32[3, m, 32]
    output "y" = %14
  )");
  EXPECT_EQ(Kinds(MakePlanOf(graph)), "dot");
  ExpectRight(graph, {{{"m", 1}}, {{"m", 13}}, {{"m", 0}}});
}

TEST(Dot, OneColumnWithAnEpilogue) {
  const Graph graph = Parse(R"(
    %0 = input() {name = "a"} : f32[m, 20]
    %1 = input() {name = "b"} : f32[20, 1]
    %2 = input() {name = "r"} : f32[m, 1]
    %3 = dot(%0, %1) : f32[m, 1]
    %4 = add(%3, %2) : f32[m, 1]
    %5 = reshape(%4) : f32[m]
    output "y" = %5
  )");
  EXPECT_EQ(Kinds(MakePlanOf(graph)), "dot");
  ExpectRight(graph, {{{"m", 1}}, {{"m", 13}}, {{"m", 0}}});
}

// Scores of attention: batch dims, B read through a transposition and computed on the way.
TEST(Dot, BatchesAndAPrologueOnTheRight) {
  const Graph graph = Parse(R"(
    %0 = input() {name = "q"} : f32[b, m, 48]
    %1 = input() {name = "k"} : f32[b, m, 48]
    %2 = reshape(%0) : f32[b, m, 3, 16]
    %3 = transpose(%2) {permutation = (0, 2, 1, 3)} : f32[b, 3, m, 16]
    %4 = neg(%1) : f32[b, m, 48]
    %5 = reshape(%4) : f32[b, m, 3, 16]
    %6 = transpose(%5) {permutation = (0, 2, 3, 1)} : f32[b, 3, 16, m]
    %7 = dot(%3, %6) : f32[b, 3, m, m]
    output "y" = %7
  )");
  EXPECT_EQ(Kinds(MakePlanOf(graph)), "dot");
  ExpectRight(graph, {{{"b", 2}, {"m", 5}}, {{"b", 1}, {"m", 1}}, {{"b", 3}, {"m", 66}}, {{"b", 0}, {"m", 3}}});
}

TEST(Dot, ALeftOperandIsNotComputedAgainForEveryPanel) {
  const Graph graph = Parse(R"(
    %0 = input() {name = "a"} : f32[m, 20]
    %1 = input() {name = "b"} : f32[20, 96]
    %2 = tanh(%0) : f32[m, 20]
    %3 = dot(%2, %1) : f32[m, 96]
    output "y" = %3
  )");
  const Plan plan = MakePlanOf(graph);
  EXPECT_EQ(Kinds(plan), "pointwise dot");
  ASSERT_FALSE(plan.refusals.empty());
  EXPECT_EQ(plan.refusals[0].code, "SK154");
  ExpectRight(graph, {{{"m", 5}}});
}

TEST(Dot, AProductUsedAtAnotherPlaceStaysAKernelOfItsOwn) {
  const Graph graph = Parse(R"(
    %0 = input() {name = "a"} : f32[m, m]
    %1 = dot(%0, %0) : f32[m, m]
    %2 = transpose(%1) {permutation = (1, 0)} : f32[m, m]
    %3 = add(%1, %2) : f32[m, m]
    output "y" = %3
  )");
  const Plan plan = MakePlanOf(graph);
  EXPECT_EQ(Kinds(plan), "dot pointwise");
  EXPECT_EQ(plan.refusals.size(), 1u);
  ExpectRight(graph, {{{"m", 5}}, {{"m", 70}}});
}

TEST(Dot, OtherTypesRunInTheInterpreterAndSaySo) {
  const Graph graph = Parse(R"(
    %0 = input() {name = "a"} : i32[3, 4]
    %1 = input() {name = "b"} : i32[4, 2]
    %2 = dot(%0, %1) : i32[3, 2]
    output "y" = %2
  )");
  const auto program = Program::Compile(graph, {});
  ASSERT_TRUE(program.ok()) << program.status();
  ASSERT_EQ((*program)->stats().interpreted_ops.size(), 1u);
  EXPECT_THAT((*program)->stats().interpreted_ops[0], HasSubstr("dot"));
  ExpectRight(graph, {{}});
}

}  // namespace
}  // namespace skein
