#include "runtime/verify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/runtime/hand_plan.h"

namespace skein {
namespace {

using ::testing::HasSubstr;

constexpr ElementType F32 = ElementType::kF32;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

RefTensor Reference(std::vector<double> value, double error) {
  const auto n = static_cast<int64_t>(value.size());
  return {F32, {n}, std::move(value), std::vector<double>(n, error), {}};
}
bool Passes(std::vector<double> value, double error, std::vector<float> got) {
  return Compare(Reference(std::move(value), error), got.data()).passed;
}

TEST(CompareTest, BoundsDecide) {
  EXPECT_TRUE(Passes({1, 2, 3}, 1e-6, {1, 2, 3}));
  EXPECT_TRUE(Passes({1, 2, 3}, 0.5, {1, 2, 3.4f}));
  EXPECT_FALSE(Passes({1, 2, 3}, 0.5, {1, 2, 3.6f}));
  EXPECT_FALSE(Passes({1, 2}, 0, {1, std::nextafter(2.0f, 3.0f)}));
}

TEST(CompareTest, NonFiniteMustMatch) {
  EXPECT_TRUE(Passes({1, kNan, kInf}, 0.1, {1, kNan, kInf}));
  EXPECT_FALSE(Passes({1, 2}, 0.1, {1, kNan}));
  EXPECT_FALSE(Passes({1, 2}, 0.1, {1, kInf}));
  EXPECT_FALSE(Passes({1, kNan}, 0.1, {1, 2}));
  EXPECT_FALSE(Passes({1, kInf}, 0.1, {1, -kInf}));
  EXPECT_FALSE(Passes({1, kInf}, 0.1, {1, 2}));
  // Beyond the largest f32 the reference, in f64, is finite.
  EXPECT_TRUE(Passes({1, 1e39}, 1e30, {1, kInf}));
  EXPECT_TRUE(Passes({1, 3.4028236e38}, 1e33, {1, std::numeric_limits<float>::max()}));
}

TEST(CompareTest, WhatProvesNothingFails) {
  EXPECT_FALSE(Passes({kNan, kNan}, 0.1, {kNan, kNan}));
  EXPECT_FALSE(Passes({1, 2}, kInf, {1, 2}));
  EXPECT_TRUE(Passes({}, 0, {}));
  RefTensor varied = Reference({1, 2, 3}, 0);
  std::vector<float> constant = {2, 2, 2};
  EXPECT_FALSE(Compare(varied, constant.data(), false).passed);
  EXPECT_TRUE(Compare(Reference({2, 2, 2}, 0), constant.data(), false).passed);
}

TEST(CompareTest, Distances) {
  const std::vector<float> got = {1 + 0x1p-22f, -4};
  const TensorComparison c = Compare(Reference({1, -4}, 1e-6), got.data());
  EXPECT_DOUBLE_EQ(c.worst_ulp, 2);
  EXPECT_DOUBLE_EQ(c.worst_absolute, 0x1p-22);
  EXPECT_DOUBLE_EQ(c.worst_ratio, 0x1p-22 / 1e-6);
  EXPECT_NEAR(c.cosine, 1, 1e-12);
}

TEST(CompareTest, IntegersAreExactAndTheMessageSaysWhere) {
  const RefTensor reference{ElementType::kI64, {2, 3}, {}, {}, {1, 2, 3, 4, 5, 6}};
  std::vector<int64_t> got = {1, 2, 3, 4, 5, 6};
  EXPECT_TRUE(Compare(reference, got.data()).passed);
  got[4] = 7;
  const TensorComparison c = Compare(reference, got.data());
  EXPECT_FALSE(c.passed);
  EXPECT_THAT(c.message, HasSubstr("element [1, 1] is 7, the reference is 5"));
}

Graph ExpGraph() {
  Graph g;
  g.source_names = {"/exp", "/neg"};
  Value x = g.AddInput("x", {F32, {DimExpr::Symbol("n")}});
  Graph::OriginScope scope(&g, {0});
  Value e = *g.Add(Op::exp, {x});
  Graph::OriginScope second(&g, {1});
  g.AddOutput("y", *g.Add(Op::neg, {e}));
  return g;
}

VerifyReport VerifyExp(const CompileOptions& options) {
  auto program = Program::Compile(ExpGraph(), options);
  EXPECT_TRUE(program.ok()) << program.status();
  std::vector<float> x(333), y(333);
  for (size_t i = 0; i < x.size(); ++i) x[i] = 0.01f * static_cast<float>(i) - 1;
  const TensorView in[] = {View(x)}, out[] = {View(y)};
  auto report = VerifyProgram(**program, ExpGraph(), in, out);
  EXPECT_TRUE(report.ok()) << report.status();
  return *report;
}

TEST(VerifyTest, RightKernelsPass) {
  for (const CompileOptions& options : {HandOptions(), CompileOptions{}}) {
    VerifyReport report = VerifyExp(options);
    EXPECT_TRUE(report.passed) << report.ToString();
    EXPECT_EQ(report.groups.size(), options.planner ? 2u : 1u);
    ASSERT_EQ(report.outputs.size(), 1u);
    EXPECT_LT(report.outputs[0].comparison.worst_ulp, 2);
    EXPECT_GT(report.outputs[0].comparison.cosine, 0.999999);
  }
}

TEST(VerifyTest, AWrongKernelIsFoundAndNamed) {
  CompileOptions options;
  options.planner = [](const Graph& graph, const PlanOptions& plan_options) -> absl::StatusOr<Plan> {
    SKEIN_ASSIGN_OR_RETURN(Plan plan, HandPlan(graph, plan_options));
    // The wrong kernel: only the first 256 elements are negated, as if the tail were dropped.
    Group& neg = plan.groups[1];
    LoopNest nest;
    LoopBuilder b(&nest);
    const DimExpr n = b.AddArgument();
    b.AddArgument();
    const BufferId in = b.AddBuffer(BufferKind::kInput, F32, n), out = b.AddBuffer(BufferKind::kOutput, F32, n);
    const DimExpr i = b.BeginVectorLoop(n, 64);
    ValueId v = b.Load(in, i);
    b.Store(out, i, b.Select(b.LaneMask(256 - i, 64), b.Unary(Opcode::kNeg, v), v));
    b.EndLoop();
    neg.nest = std::make_shared<LoopNest>(nest);
    neg.hash = nest.Hash();
    return plan;
  };
  VerifyReport report = VerifyExp(options);
  EXPECT_FALSE(report.passed);
  ASSERT_EQ(report.groups.size(), 2u);
  EXPECT_TRUE(report.groups[0].worst.passed);
  EXPECT_FALSE(report.groups[1].worst.passed);
  EXPECT_THAT(report.ToString(), HasSubstr("FAILED group 1 (hand: /neg): element [256] is"));
}

}  // namespace
}  // namespace skein
