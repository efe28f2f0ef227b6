// Which nodes share a kernel, when it runs, and what is said about those that do not.
#include <gmock/gmock.h>

#include <set>

#include "tests/fusion/fusion_graphs.h"

namespace skein {
namespace {

using ::testing::HasSubstr;

std::string Codes(const Plan& plan) {
  std::set<std::string> codes;
  for (const Refusal& r : plan.refusals) codes.insert(r.code);
  std::string text;
  for (const std::string& code : codes) text += (text.empty() ? "" : " ") + code;
  return text;
}

// x -> exp -> {a long way round through a product} -> add: merging exp and add would need the product inside.
TEST(Planner, NeverMergesAroundAThirdKernel) {
  const Graph graph = Parse(R"(
    %0 = input() {name = "x"} : f32[m, m]
    %1 = exp(%0) : f32[m, m]
    %2 = dot(%1, %0) : f32[m, m]
    %3 = reduce(%2) {axes = (1), reducer = max<f32>} : f32[m, 1]
    %4 = broadcast(%3) : f32[m, m]
    %5 = add(%1, %4) : f32[m, m]
    output "y" = %5
  )");
  const Plan plan = MakePlanOf(graph);
  EXPECT_EQ(Kinds(plan), "pointwise dot row");
  EXPECT_THAT(Codes(plan), HasSubstr("SK102"));
  EXPECT_THAT(Codes(plan), HasSubstr("SK160"));
  ExpectRight(graph, {{{"m", 5}}, {{"m", 1}}});
}

TEST(Planner, PhasesFollowFromWhatIsRead) {
  const Graph graph = Parse(R"(
    %0 = input() {name = "x"} : f32[n, 4]
    %1 = constant() {literal = f32[4] {0.1, 0.2, 0.3, 0.4}} : f32[4]
    %2 = exp(%1) : f32[4]
    %3 = reshape(%2) : f32[1, 4]
    %4 = broadcast(%3) : f32[n, 4]
    %5 = index() {expr = [$0]} : i64[n, 4]
    %6 = cast(%5) : f32[n, 4]
    %7 = sin(%6) : f32[n, 4]
    %8 = mul(%0, %4) : f32[n, 4]
    %9 = add(%8, %7) : f32[n, 4]
    output "y" = %9
  )");
  const Plan plan = MakePlanOf(graph);
  std::vector<Phase> phases;
  for (const Group& g : plan.groups) phases.push_back(g.phase);
  EXPECT_THAT(phases, testing::UnorderedElementsAre(Phase::kProgram, Phase::kBinding, Phase::kRun));
  EXPECT_EQ(plan.groups.back().phase, Phase::kRun);
  EXPECT_EQ(Codes(plan), "SK163");
  ExpectRight(graph, {{{"n", 5}}, {{"n", 0}}});
}

TEST(Planner, ACheapValueIsRecomputedAndACostlyOneIsNot) {
  // x + x is needed by two kernels: each computes it. exp(x) is computed once.
  for (const auto& [op, kernels] : {std::pair("add(%0, %0)", 2), std::pair("exp(%0)", 3)}) {
    const Graph graph = Parse(std::string(R"(
      %0 = input() {name = "x"} : f32[n, n]
      %1 = )") + op + R"( : f32[n, n]
      %2 = dot(%0, %1) : f32[n, n]
      %3 = transpose(%1) {permutation = (1, 0)} : f32[n, n]
      %4 = dot(%3, %0) : f32[n, n]
      output "y" = %2
      output "z" = %4
    )");
    const Plan plan = MakePlanOf(graph);
    int dots = 0;
    for (const Group& g : plan.groups) dots += g.kind == "dot";
    EXPECT_EQ(dots, 2) << op;
    ExpectRight(graph, {{{"n", 5}}});
    EXPECT_TRUE(kernels == 2 || plan.groups.size() == 3u) << Kinds(plan);
  }
}

TEST(Planner, OutputsThatAreInputsViewsConstantsOrKnown) {
  const Graph graph = Parse(R"(
    %0 = input() {name = "x"} : f32[n, 6]
    %1 = transpose(%0) {permutation = (1, 0)} : f32[6, n]
    %2 = reshape(%0) : f32[2*n, 3]
    %3 = constant() {literal = f32[2] {1.0, 2.0}} : f32[2]
    %4 = index() {expr = [$0*$0 + 1]} : i64[n]
    %5 = constant() {literal = f32[] {0.5}} : f32[]
    %6 = reshape(%5) : f32[1]
    %7 = broadcast(%6) : f32[n]
    output "transposed" = %1
    output "view" = %2
    output "x" = %0
    output "constant" = %3
    output "known" = %4
    output "splat" = %7
    output "again" = %1
  )");
  ExpectRight(graph, {{{"n", 5}}, {{"n", 0}}, {{"n", 70}}});
}

TEST(Planner, ValuesWithoutElements) {
  const Graph graph = Parse(R"(
    %0 = input() {name = "x"} : f32[n, 6]
    %1 = slice(%0) {starts = [0, 6], steps = [1, 1]} : f32[n, 0]
    %2 = reduce(%1) {axes = (1), reducer = sum<f32>} : f32[n, 1]
    %3 = concat(%0, %1) {axis = 1} : f32[n, 6]
    %4 = reduce(%1) {axes = (1), reducer = max<f32>} : f32[n, 1]
    %5 = input() {name = "w"} : f32[0, 3]
    %6 = dot(%1, %5) : f32[n, 3]
    output "empty" = %1
    output "zero" = %2
    output "x" = %3
    output "lowest" = %4
    output "product" = %6
  )");
  ExpectRight(graph, {{{"n", 3}}, {{"n", 0}}});
}

TEST(Planner, NoFuseIsOneGroupPerSourceNode) {
  const std::string text = R"(
    %0 = input() {name = "x"} : f32[n]
    %1 = neg(%0) : f32[n]
    %2 = exp(%1) : f32[n]
    %3 = mul(%2, %1) : f32[n]
    output "y" = %3
  )";
  Graph graph = Parse(text);
  graph.source_names = {"/Neg", "/Softplus"};
  graph.AddOrigins(NodeId(1), std::vector<int32_t>{0});
  graph.AddOrigins(NodeId(2), std::vector<int32_t>{1});
  graph.AddOrigins(NodeId(3), std::vector<int32_t>{1});  // one node of the user's, two of ours
  EXPECT_EQ(Kinds(MakePlanOf(graph, false)), "pointwise pointwise");
  EXPECT_EQ(Kinds(MakePlanOf(graph, true)), "pointwise");
  const Plan plan = MakePlanOf(graph, true);
  EXPECT_EQ(Origins(plan, plan.groups[0]), (std::vector<std::string>{"/Neg", "/Softplus"}));
  EXPECT_THAT(Why(plan, "/Neg", "/Softplus"), HasSubstr("share kernel 0"));
  EXPECT_THAT(Why(plan, "/Neg", "/Nothing"), HasSubstr("no node '/Nothing'"));
}

TEST(Planner, WhyNamesTheUsersNodesAndACode) {
  Graph graph = Parse(R"(
    %0 = input() {name = "x"} : f32[m, m]
    %1 = dot(%0, %0) : f32[m, m]
    %2 = reduce(%1) {axes = (1), reducer = sum<f32>} : f32[m, 1]
    output "y" = %2
  )");
  graph.source_names = {"/MatMul", "/ReduceSum", "/Dead"};
  graph.AddOrigins(NodeId(1), std::vector<int32_t>{0});
  graph.AddOrigins(NodeId(2), std::vector<int32_t>{1});
  const Plan plan = MakePlanOf(graph);
  const std::string why = Why(plan, "/MatMul", "/ReduceSum");
  EXPECT_THAT(why, HasSubstr("SK102"));
  EXPECT_THAT(why, HasSubstr("'/MatMul'"));
  EXPECT_THAT(why, HasSubstr("'/ReduceSum'"));
  EXPECT_THAT(Why(plan, "/MatMul", "/Dead"), HasSubstr("'/Dead' is in no kernel"));
}

TEST(Planner, TheSameGraphGivesTheSamePlan) {
  const std::string text = R"(
    %0 = input() {name = "x"} : f32[n, 32]
    %1 = input() {name = "y"} : f32[n, 32]
    %2 = add(%0, %1) : f32[n, 32]
    %3 = reduce(%2) {axes = (1), reducer = max<f32>} : f32[n, 1]
    %4 = broadcast(%3) : f32[n, 32]
    %5 = sub(%2, %4) : f32[n, 32]
    %6 = reduce(%5) {axes = (0), reducer = sum<f32>} : f32[1, 32]
    output "y" = %6
  )";
  const Plan a = MakePlanOf(Parse(text)), b = MakePlanOf(Parse(text));
  ASSERT_EQ(a.groups.size(), b.groups.size());
  for (size_t g = 0; g < a.groups.size(); ++g) EXPECT_EQ(a.groups[g].hash, b.groups[g].hash);
  EXPECT_EQ(a.fused_bytes, b.fused_bytes);
}

// Op by op, y is stored by the kernel of exp and read by that of the user's product, whose first node comes before exp.
TEST(Planner, AnOutputStoredThroughMovementIsWrittenBeforeItIsRead) {
  Graph graph = Parse(R"(
    %0 = input() {name = "x"} : f32[6, n]
    %1 = input() {name = "w"} : f32[2, n, 8]
    %2 = mul(%1, %1) : f32[2, n, 8]
    %3 = exp(%0) : f32[6, n]
    %4 = reshape(%3) : f32[2, 3, n]
    %5 = dot(%4, %2) : f32[2, 3, 8]
    output "y" = %4
    output "z" = %5
  )");
  graph.source_names = {"/Exp", "/Product"};
  graph.AddOrigins(NodeId(3), std::vector<int32_t>{0});
  graph.AddOrigins(NodeId(2), std::vector<int32_t>{1});
  graph.AddOrigins(NodeId(5), std::vector<int32_t>{1});
  EXPECT_EQ(Kinds(MakePlanOf(graph, false)), "pointwise dot");
  ExpectRight(graph, {{{"n", 70}}, {{"n", 1}}});
}

TEST(Planner, SiblingsThatReadTheSameShareAKernel) {
  const Graph graph = Parse(R"(
    %0 = input() {name = "x"} : f32[n, 256]
    %1 = input() {name = "y"} : f32[n, 256]
    %2 = exp(%0) : f32[n, 256]
    %3 = add(%0, %1) : f32[n, 256]
    output "exp" = %2
    output "sum" = %3
  )");
  const Plan plan = MakePlanOf(graph);
  EXPECT_EQ(Kinds(plan), "pointwise");
  EXPECT_EQ(*Evaluate(plan.fused_bytes, {{"n", 10}}), 4 * 4 * 10 * 256);  // x once, y, and two results
  // Also where x is so small that it would not make siblings of them.
  EXPECT_EQ(MeasureGap(plan, PlanOptions(), {{"n", 10}}).bytes, 4 * 4 * 10 * 256);
  ExpectRight(graph, {{{"n", 5}}, {{"n", 0}}});
}

TEST(Planner, SiblingRowsShareAKernel) {
  const Graph graph = Parse(R"(
    %0 = input() {name = "x"} : f32[n, 256]
    %1 = reduce(%0) {axes = (1), reducer = sum<f32>} : f32[n, 1]
    %2 = reduce(%0) {axes = (1), reducer = max<f32>} : f32[n, 1]
    output "sum" = %1
    output "max" = %2
  )");
  EXPECT_EQ(Kinds(MakePlanOf(graph)), "row");
  ExpectRight(graph, {{{"n", 5}}, {{"n", 0}}});
}

TEST(Planner, SiblingsStayApartWhereLittleIsSharedOrAKernelLiesBetween) {
  // Nothing that is worth a kernel of two results is read by both.
  EXPECT_EQ(Kinds(MakePlanOf(Parse(R"(
    %0 = input() {name = "x"} : f32[16]
    %1 = exp(%0) : f32[16]
    %2 = sin(%0) : f32[16]
    output "exp" = %1
    output "sin" = %2
  )"))), "pointwise pointwise");
  // sin reads x, and what is made from exp.
  EXPECT_EQ(Kinds(MakePlanOf(Parse(R"(
    %0 = input() {name = "x"} : f32[m, m]
    %1 = exp(%0) : f32[m, m]
    %2 = dot(%1, %1) : f32[m, m]
    %3 = reduce(%2) {axes = (0), reducer = max<f32>} : f32[1, m]
    %4 = broadcast(%3) : f32[m, m]
    %5 = add(%0, %4) : f32[m, m]
    output "exp" = %1
    output "y" = %5
  )"))), "pointwise dot columns");
  // Two products of one matrix: refused, and said so.
  Graph products = Parse(R"(
    %0 = input() {name = "x"} : f32[m, m]
    %1 = input() {name = "a"} : f32[m, m]
    %2 = input() {name = "b"} : f32[m, m]
    %3 = dot(%0, %1) : f32[m, m]
    %4 = dot(%0, %2) : f32[m, m]
    output "y" = %3
    output "z" = %4
  )");
  products.source_names = {"/A", "/B"};
  products.AddOrigins(NodeId(3), std::vector<int32_t>{0});
  products.AddOrigins(NodeId(4), std::vector<int32_t>{1});
  const Plan plan = MakePlanOf(products);
  EXPECT_EQ(Kinds(plan), "dot dot");
  EXPECT_THAT(Why(plan, "/A", "/B"), HasSubstr("SK101"));
}

TEST(Planner, CountsBytesAndFlops) {
  const Graph graph = Parse(R"(
    %0 = input() {name = "x"} : f32[n, 8]
    %1 = input() {name = "w"} : f32[8, 16]
    %2 = dot(%0, %1) : f32[n, 16]
    %3 = exp(%2) : f32[n, 16]
    output "y" = %3
  )");
  const Plan plan = MakePlanOf(graph);
  ASSERT_EQ(plan.groups.size(), 1u);
  const SymbolValues sizes = {{"n", 10}};
  EXPECT_EQ(*Evaluate(plan.groups[0].bytes_read, sizes), 4 * (10 * 8 + 8 * 16));
  EXPECT_EQ(*Evaluate(plan.groups[0].bytes_written, sizes), 4 * 10 * 16);
  EXPECT_EQ(*Evaluate(plan.groups[0].dot_flops, sizes), 2 * 10 * 8 * 16);
  EXPECT_EQ(*Evaluate(plan.groups[0].flops, sizes), 2 * 10 * 8 * 16 + 20 * 10 * 16);
}

}  // namespace
}  // namespace skein
