// Kernels that read weights as they lie: for which weights, and that nothing but addresses changes.
#include "fusion/unpacked.h"

#include <gmock/gmock.h>

#include <cstring>

#include "tests/fusion/fusion_graphs.h"

namespace skein {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr ElementType F32 = ElementType::kF32;

Value Weight(Graph* g, std::vector<int64_t> dims, int seed) {
  std::vector<float> values(dims[0] * dims[1]);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(static_cast<int>(i * 37 + seed) % 61 - 30) / 32;
  std::vector<uint8_t> bytes(4 * values.size());
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return g->AddConstant(MakeLiteral(F32, std::move(dims), std::move(bytes)));
}

// y = x W, x of [m, k].
Graph Product(int64_t k, int64_t n) {
  Graph g;
  const Value x = g.AddInput("x", {F32, {DimExpr::Symbol("m"), k}});
  g.AddOutput("y", *g.Add(Op::dot, {x, Weight(&g, {k, n}, 1)}));
  return g;
}

std::string Loops(const Graph& graph, const UnpackedKernels& found) {
  EXPECT_EQ(found.weights.size(), 1u) << graph.ToString();
  EXPECT_EQ(found.kernels.size(), 1u);
  return found.kernels.empty() ? "" : found.kernels[0].nest->ToString();
}

TEST(Unpacked, OnlyAddressesChangeAndTheNextPanelIsFetched) {
  for (int64_t k : {5, 600}) {
    const Graph graph = Product(k, 192);
    const Plan plan = MakePlanOf(graph);
    const UnpackedKernels found = FindUnpackedKernels(plan, 0);
    const std::string loops = Loops(graph, found);
    const Group& group = plan.groups[found.kernels[0].group];
    EXPECT_TRUE(Verify(*found.kernels[0].nest).ok()) << loops;
    EXPECT_EQ(found.kernels[0].text->text, loops);
    EXPECT_EQ(found.kernels[0].text->hash, StableHash(loops));
    EXPECT_EQ(group.inputs[found.kernels[0].reads[0].input], found.weights[0].packed);
    EXPECT_EQ(plan.groups[found.weights[0].group].inputs[0], found.weights[0].weight);
    // Panels of 64 columns of each row, which lie 192 apart.
    EXPECT_THAT(loops, HasSubstr("load f32x64 b0[64*$0 + 192*$"));
    EXPECT_THAT(group.nest->ToString(), Not(HasSubstr("load f32x64 b0[64*$0 + 192*$")));
    EXPECT_THAT(loops, ContainsRegex(R"(prefetch b0\[64\*\$0 \+ 192\*.*16\*mod\(\$[0-9], 4\) \+ 64\] level 1)"));
    EXPECT_EQ(found.kernels[0].nest->inst_count(), group.nest->inst_count() + 1);
  }
}

TEST(Unpacked, OnAvx2APanelIsAQuarterOfWhatIsPacked) {
  PlanOptions options;
  options.target.isa = Isa::kAvx2;
  const Graph graph = Product(40, 192);
  const std::string loops = Loops(graph, FindUnpackedKernels(*MakePlan(graph, options), 0));
  EXPECT_THAT(loops, HasSubstr("load f32x16 b0[16*$0 + 192*")) << loops;
  EXPECT_THAT(loops, ContainsRegex(R"(prefetch b0\[16\*\$0 \+ 192\*.* \+ 16\] level 1)"));  // which is one line
}

TEST(Unpacked, WhatDoesNotLieSideBySideIsPackedFirst) {
  EXPECT_TRUE(FindUnpackedKernels(MakePlanOf(Product(40, 65)), 0).weights.empty());  // padded to whole panels
  Graph transposed;
  const Value x = transposed.AddInput("x", {F32, {DimExpr::Symbol("m"), 40}});
  const Value w = *transposed.Add(Op::transpose, {Weight(&transposed, {128, 40}, 1)},
                                  {{"permutation", std::vector<int64_t>{1, 0}}});
  transposed.AddOutput("y", *transposed.Add(Op::dot, {x, w}));
  EXPECT_TRUE(FindUnpackedKernels(MakePlanOf(transposed), 0).weights.empty());
}

TEST(Unpacked, SmallWeightsAreNotWorthAKernel) {
  const Plan plan = MakePlanOf(Product(40, 64));
  EXPECT_EQ(FindUnpackedKernels(plan, 4 * 40 * 64).weights.size(), 1u);
  EXPECT_TRUE(FindUnpackedKernels(plan, 4 * 40 * 64 + 1).weights.empty());
  EXPECT_TRUE(FindUnpackedKernels(plan, 4 * 40 * 64 + 1).kernels.empty());
}

// Three layers alike, of which the last has another epilogue: two nests, and enough bytes by what shares one.
TEST(Unpacked, LayersAlikeShareANest) {
  Graph g;
  Value x = g.AddInput("x", {F32, {DimExpr::Symbol("m"), 64}});
  for (int layer = 0; layer < 3; ++layer) {
    x = *g.Add(Op::dot, {x, Weight(&g, {64, 64}, layer)});
    x = *g.Add(layer < 2 ? Op::tanh : Op::neg, {x});
  }
  g.AddOutput("y", x);
  const Plan plan = MakePlanOf(g);
  const UnpackedKernels all = FindUnpackedKernels(plan, 0);
  ASSERT_EQ(all.weights.size(), 3u);
  ASSERT_EQ(all.kernels.size(), 3u);
  EXPECT_EQ(all.kernels[0].nest, all.kernels[1].nest);
  EXPECT_NE(all.kernels[0].nest, all.kernels[2].nest);
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(all.kernels[i].reads.size(), 1u);
    const Value packed = all.weights[all.kernels[i].reads[0].weight].packed;
    EXPECT_EQ(plan.groups[all.kernels[i].group].inputs[all.kernels[i].reads[0].input], packed);
  }
  EXPECT_EQ(FindUnpackedKernels(plan, 2 * 4 * 64 * 64).weights.size(), 2u);
}

// One weight, two products; beside them a graph where the other reader of the packed weight has no such kernel.
TEST(Unpacked, EveryReaderOfAWeightHasAKernel) {
  Graph g;
  const Value w = Weight(&g, {64, 64}, 1);
  const Value x = g.AddInput("x", {F32, {DimExpr::Symbol("m"), 64}});
  const Value y = *g.Add(Op::tanh, {*g.Add(Op::dot, {x, w})});
  g.AddOutput("y", *g.Add(Op::dot, {y, w}));
  Plan plan = MakePlanOf(g);
  const UnpackedKernels found = FindUnpackedKernels(plan, 0);
  ASSERT_EQ(found.weights.size(), 1u);
  EXPECT_EQ(found.kernels.size(), 2u);
  plan.groups[found.kernels[1].group].phase = Phase::kBinding;
  EXPECT_TRUE(FindUnpackedKernels(plan, 0).weights.empty());
}

}  // namespace
}  // namespace skein
