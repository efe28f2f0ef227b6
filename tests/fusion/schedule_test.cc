#include "fusion/schedule.h"

#include <gmock/gmock.h>

#include "tests/fusion/fusion_graphs.h"

namespace skein {
namespace {

using ::testing::HasSubstr;

// Sizes around vectors, tiles and chunks of the loops.
std::vector<SymbolValues> Around(std::initializer_list<int64_t> values) {
  std::vector<SymbolValues> sizes;
  for (int64_t n : values) sizes.push_back({{"n", n}, {"rows", 3}});
  sizes.push_back({{"n", 7}, {"rows", 0}});
  sizes.push_back({{"n", 7}, {"rows", 1}});
  return sizes;
}

TEST(Pointwise, TailsOfEverySize) {
  const Graph graph = Parse(R"(
    %0 = input() {name = "x"} : f32[n]
    %1 = input() {name = "sizes"} : f32[rows]
    %2 = mul(%0, %0) : f32[n]
    %3 = add(%2, %0) : f32[n]
    output "y" = %3
    output "square" = %2
  )");
  OnlyNest(graph);
  ExpectRight(graph, Around({0, 1, 15, 16, 17, 63, 64, 65, 4095, 4096, 4097, 9000}));
}

TEST(Pointwise, ScalarsAndDimsOfOne) {
  ExpectRight(Parse(R"(
    %0 = input() {name = "x"} : f32[]
    %1 = neg(%0) : f32[]
    %2 = reshape(%1) : f32[1, 1, 1]
    output "y" = %2
  )"), {{}});
}

constexpr const char* kNorm = R"(
  %0 = input() {name = "x"} : f32[rows, n]
  %1 = input() {name = "scale"} : f32[rows, 1]
  %2 = reduce(%0) {axes = (1), reducer = max<f32>} : f32[rows, 1]
  %3 = broadcast(%2) : f32[rows, n]
  %4 = sub(%0, %3) : f32[rows, n]
  %5 = exp(%4) : f32[rows, n]
  %6 = reduce(%5) {axes = (1), reducer = sum<f32>} : f32[rows, 1]
  %7 = reduce(%4) {axes = (1), reducer = min<f32>} : f32[rows, 1]
  %8 = add(%6, %7) : f32[rows, 1]
  %9 = mul(%8, %1) : f32[rows, 1]
  %10 = broadcast(%9) : f32[rows, n]
  %11 = mul(%5, %10) : f32[rows, n]
  output "y" = %11
)";

TEST(Rows, SeveralReductionsShareALoopAndCostlyValuesAreKept) {
  const Graph graph = Parse(kNorm);
  const std::string nest = OnlyNest(graph);
  EXPECT_EQ(CountOf(nest, "scratch f32"), 1) << nest;   // the exponentials, not the differences
  // The maximum; sum and minimum; the results: one loop, in which they are two rows apart.
  EXPECT_EQ(CountOf(nest, "vector "), 1) << nest;
  EXPECT_EQ(CountOf(nest, " load f32x64 b0["), 2) << nest;
  EXPECT_EQ(CountOf(nest, "max($1 - 2, 0)"), 2) << nest;
  EXPECT_EQ(CountOf(nest, "max($1 - 4, 0)"), 1) << nest;
  ExpectRight(graph, Around({0, 1, 16, 17, 64, 65, 4096, 4097, 8200}));
}

// 10,000 elements: slots of 64, chunks of 4,096, chunks left to right (DESIGN section 6), in plain C++.
TEST(Rows, SumsInTheOrderThatIsPromised) {
  const Graph graph = Parse(R"(
    %0 = input() {name = "x"} : f32[n]
    %1 = reduce(%0) {axes = (0), reducer = sum<f32>} : f32[1]
    output "y" = %1
  )");
  for (int64_t n : {0, 1, 64, 100, 4096, 4097, 10000}) {
    std::vector<HostTensor> inputs = *DrawInputs(graph, {{"n", n}}, 3);
    const auto* x = reinterpret_cast<const float*>(inputs[0].bytes.data());
    float total = 0;
    for (int64_t chunk = 0; chunk < n; chunk += 4096) {
      float slots[64] = {};
      for (int64_t i = chunk; i < std::min(n, chunk + 4096); ++i) slots[(i - chunk) % 64] += x[i];
      for (int half = 32; half >= 1; half /= 2) {
        for (int j = 0; j < half; ++j) slots[j] += slots[j + half];
      }
      total += slots[0];
    }
    for (const NamedOptions& way : WaysWithoutLlvm()) {
      const auto outputs = RunGraph(graph, way.options, inputs);
      ASSERT_TRUE(outputs.ok()) << outputs.status();
      EXPECT_EQ(*reinterpret_cast<const float*>((*outputs)[0].bytes.data()), total) << way.name << " n=" << n;
    }
  }
}

TEST(Rows, ResultsOfARowAndOfItsElementsTogether) {
  const Graph graph = Parse(R"(
    %0 = input() {name = "x"} : f32[rows, n]
    %1 = reduce(%0) {axes = (1), reducer = sum<f32>} : f32[rows, 1]
    %2 = broadcast(%1) : f32[rows, n]
    %3 = sub(%0, %2) : f32[rows, n]
    output "y" = %3
    output "sum" = %1
  )");
  EXPECT_EQ(Kinds(MakePlanOf(graph)), "row");
  ExpectRight(graph, Around({1, 70}));
}

TEST(Rows, SeveralAxesFlattenRowMajor) {
  ExpectRight(Parse(R"(
    %0 = input() {name = "x"} : f32[rows, n, 3, 7]
    %1 = reduce(%0) {axes = (1, 2, 3), reducer = sum<f32>} : f32[rows, 1, 1, 1]
    %2 = broadcast(%1) : f32[rows, n, 3, 7]
    %3 = mul(%0, %2) : f32[rows, n, 3, 7]
    output "y" = %3
  )"), Around({1, 5, 200}));
}

TEST(Columns, ChunksOf64RowsAndColumnTails) {
  const Graph graph = Parse(R"(
    %0 = input() {name = "x"} : f32[rows, n]
    %1 = reduce(%0) {axes = (0), reducer = sum<f32>} : f32[1, n]
    %2 = broadcast(%1) : f32[rows, n]
    %3 = sub(%0, %2) : f32[rows, n]
    output "y" = %3
  )");
  EXPECT_EQ(Kinds(MakePlanOf(graph)), "columns");
  std::vector<SymbolValues> sizes = Around({1, 63, 64, 65, 130});
  for (int64_t rows : {64, 65, 200}) sizes.push_back({{"n", 3}, {"rows", rows}});
  ExpectRight(graph, sizes);
}

TEST(Columns, MiddleAxes) {
  ExpectRight(Parse(R"(
    %0 = input() {name = "x"} : f32[rows, 5, n, 2]
    %1 = reduce(%0) {axes = (1), reducer = max<f32>} : f32[rows, 1, n, 2]
    %2 = reduce(%0) {axes = (0, 2), reducer = sum<f32>} : f32[1, 5, 1, 2]
    output "max" = %1
    output "sum" = %2
  )"), Around({1, 40}));
}

// Nothing is read for a row without elements, not even what would be the same for all of them.
TEST(Rows, ReductionsOverNothingReadNothing) {
  ExpectRight(Parse(R"(
    %0 = input() {name = "x"} : f32[1]
    %1 = input() {name = "sizes"} : f32[n]
    %2 = slice(%0) {starts = [1], steps = [1]} : f32[0]
    %3 = reduce(%2) {axes = (0), reducer = sum<f32>} : f32[1]
    %4 = broadcast(%3) : f32[n]
    %5 = add(%4, %1) : f32[n]
    output "y" = %5
  )"), {{{"n", 1}}, {{"n", 20}}});
}

// A reduction needed for some rows only is no part of the kernel that needs it: its rows would not exist.
TEST(Rows, BehindPaddingOfRowsIsRefused) {
  const Graph graph = Parse(R"(
    %0 = input() {name = "x"} : f32[n, n]
    %1 = input() {name = "sizes"} : f32[rows]
    %2 = constant() {literal = f32[] {0.5}} : f32[]
    %3 = reduce(%0) {axes = (1), reducer = sum<f32>} : f32[n, 1]
    %4 = broadcast(%3) : f32[n, n]
    %5 = mul(%0, %4) : f32[n, n]
    %6 = pad(%5, %2) {high = [0, 1], low = [2, 1]} : f32[n + 2, n + 2]
    %7 = tanh(%6) : f32[n + 2, n + 2]
    output "y" = %7
  )");
  const Plan plan = MakePlanOf(graph);
  EXPECT_EQ(Kinds(plan), "row pointwise");
  ExpectRight(graph, Around({1, 2, 20}));
}

TEST(CollapseDims, MergesWhatStaysAffine) {
  const DimExpr a = DimExpr::Symbol("a");
  const Dims dims = {a, 12, 64};
  auto c = [&](int i) { return DimExpr::Coord(kPlaceholder + i, dims[i]); };
  using Runs = std::vector<std::pair<int, int>>;
  const std::vector<DimExpr> contiguous = {Linearize(Dims{c(0), c(1), c(2)}, dims)};
  EXPECT_EQ(CollapseDims(dims, contiguous), (Runs{{0, 2}}));
  const std::vector<DimExpr> transposed = {contiguous[0], c(1) * 64 * a + c(0) * 64 + c(2)};
  EXPECT_EQ(CollapseDims(dims, transposed), (Runs{{0, 0}, {1, 1}, {2, 2}}));
  const std::vector<DimExpr> bias = {contiguous[0], c(2)};  // read along the last dim only
  EXPECT_EQ(CollapseDims(dims, bias), (Runs{{0, 1}, {2, 2}}));
  EXPECT_TRUE(CollapseDims({}, {}).empty());
}

TEST(FindOutputPath, LooksThroughMovementToWhatIsComputed) {
  const Graph graph = Parse(R"(
    %0 = input() {name = "x"} : f32[a, 6]
    %1 = neg(%0) : f32[a, 6]
    %2 = transpose(%1) {permutation = (1, 0)} : f32[6, a]
    %3 = reshape(%2) : f32[2, 3, a]
    %4 = transpose(%0) {permutation = (1, 0)} : f32[6, a]
    output "y" = %3
    output "z" = %4
  )");
  auto is_input = [&](Value v) { return graph.op(v) == Op::input; };
  const OutputPath path = FindOutputPath(graph, graph.outputs()[0].value, is_input);
  EXPECT_EQ(graph.op(path.core), Op::neg);
  EXPECT_EQ(path.movement.size(), 2u);
  const DimExpr r = DimExpr::Coord(0, DimExpr::Symbol("a")), k = DimExpr::Coord(1, 6);
  const Dims place = *StoreCoords(graph, path, {r, k});
  EXPECT_EQ(Linearize(place, graph.type(path.output).dims), k * DimExpr::Symbol("a") + r);
  // A view of an input is copied from the side of the result.
  EXPECT_TRUE(FindOutputPath(graph, graph.outputs()[1].value, is_input).movement.empty());
}

TEST(Schedule, SaysWhyAGroupDoesNotFitOneKernel) {
  const Graph graph = Parse(R"(
    %0 = input() {name = "x"} : f32[8, 8]
    %1 = dot(%0, %0) : f32[8, 8]
    %2 = dot(%1, %0) : f32[8, 8]
    %3 = reduce(%1) {axes = (1), order = "inner", reducer = sum<f32>} : f32[8, 1]
    %4 = reduce(%0) {axes = (0), order = "outer", reducer = sum<f32>} : f32[1, 8]
    %5 = reshape(%4) : f32[8, 1]
    %6 = reduce(%0) {axes = (1), order = "inner", reducer = sum<f32>} : f32[8, 1]
    %7 = add(%5, %6) : f32[8, 1]
    output "two" = %2
    output "sum" = %3
    output "both" = %7
  )");
  auto refusal = [&](int output) {
    GroupSpec spec{{graph.outputs()[output].value}, [&](Value v) { return graph.op(v) == Op::input; }};
    return Schedule(graph, spec, Target()).status();
  };
  EXPECT_THAT(std::string(refusal(0).message()), HasSubstr("SK101"));
  EXPECT_THAT(std::string(refusal(1).message()), HasSubstr("SK102"));
  EXPECT_THAT(std::string(refusal(2).message()), HasSubstr("SK103"));
}

TEST(FindContent, StopsAtTheBoundary) {
  const Graph graph = Parse(kNorm);
  const Value exponential{NodeId(5)};
  GroupSpec spec{{graph.outputs()[0].value},
                 [&](Value v) { return graph.op(v) == Op::input || v == exponential; }};
  const GroupContent content = *FindContent(graph, spec);
  EXPECT_FALSE(std::binary_search(content.nodes.begin(), content.nodes.end(), exponential.node));
  EXPECT_EQ(content.inner_reductions.size(), 3u);  // no order yet: rows
  EXPECT_TRUE(content.dots.empty());
}

}  // namespace
}  // namespace skein
