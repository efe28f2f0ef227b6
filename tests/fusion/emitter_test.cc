#include "fusion/emitter.h"

#include <gmock/gmock.h>

#include "tests/fusion/fusion_graphs.h"

namespace skein {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const std::vector<SymbolValues> kSizes = {{{"a", 5}, {"b", 3}}, {{"a", 1}, {"b", 1}}, {{"a", 0}, {"b", 4}}, {{"a", 66}, {"b", 2}}};

TEST(Emitter, SplittingAndMergingDimsNeedsNoDivision) {
  const Graph graph = Parse(R"(
    %0 = input() {name = "x"} : f32[a, b, 96]
    %1 = reshape(%0) : f32[a, b, 4, 24]
    %2 = transpose(%1) {permutation = (0, 2, 1, 3)} : f32[a, 4, b, 24]
    %3 = neg(%2) : f32[a, 4, b, 24]
    %4 = reshape(%3) : f32[4*a, b, 24]
    output "y" = %4
  )");
  const std::string nest = OnlyNest(graph);
  EXPECT_THAT(nest, Not(HasSubstr("floordiv")));
  EXPECT_THAT(nest, Not(HasSubstr("mod(")));
  EXPECT_THAT(nest, Not(HasSubstr("gather")));
  ExpectRight(graph, kSizes);
}

TEST(Emitter, IndicesOf32BitsAreAddedIn32Bits) {
  const Graph graph = Parse(R"(
    %0 = input() {name = "x"} : i32[a, b]
    %1 = index() {expr = [$0 + $1 - 2]} : i32[a, b]
    %2 = index() {expr = [3*$1 + 1000000007*$0]} : i32[a, b]
    %3 = add(%0, %1) : i32[a, b]
    %4 = bit_xor(%3, %2) : i32[a, b]
    output "y" = %4
  )");
  EXPECT_THAT(OnlyNest(graph), HasSubstr("iota i32x64"));
  ExpectRight(graph, kSizes);
}

// The place of the largest element, as the importer spells it.
TEST(Emitter, PlacesOfTheBestAreRight) {
  for (const std::string axis : {"0", "1"}) {
    const std::string kept = axis == "0" ? "[1, b]\n" : "[a, 1]\n";
    const Graph graph = Parse("%0 = input() {name = \"x\"} : f32[a, b]\n"
                              "%1 = reduce(%0) {axes = (" + axis + "), reducer = max<f32>} : f32" + kept +
                              "%2 = broadcast(%1) : f32[a, b]\n"
                              "%3 = equal(%0, %2) : bool[a, b]\n"
                              "%4 = is_nan(%0) : bool[a, b]\n"
                              "%5 = bit_or(%3, %4) : bool[a, b]\n"
                              "%6 = index() {expr = [$" + axis + "]} : i32[a, b]\n"
                              "%7 = index() {expr = [2147483647]} : i32[a, b]\n"
                              "%8 = select(%5, %6, %7) : i32[a, b]\n"
                              "%9 = reduce(%8) {axes = (" + axis + "), reducer = min<i32>} : i32" + kept +
                              "output \"y\" = %9\n");
    OnlyNest(graph);
    ExpectRight(graph, {{{"a", 5}, {"b", 3}}, {{"a", 1}, {"b", 1}}, {{"a", 70}, {"b", 131}}, {{"a", 3}, {"b", 5000}}}, EveryWay());
  }
}

TEST(Emitter, ReshapeThatCrossesDimsGathers) {
  const Graph graph = Parse(R"(
    %0 = input() {name = "x"} : f32[a, 6]
    %1 = transpose(%0) {permutation = (1, 0)} : f32[6, a]
    %2 = reshape(%1) : f32[2*a, 3]
    %3 = neg(%2) : f32[2*a, 3]
    %4 = input() {name = "sizes"} : f32[b]
    output "y" = %3
  )");
  OnlyNest(graph);
  ExpectRight(graph, kSizes);
}

TEST(Emitter, BackwardSlicesAndStridesAreLoads) {
  const Graph graph = Parse(R"(
    %0 = input() {name = "x"} : f32[a, b, 33]
    %1 = slice(%0) {starts = [a - 1, 0, 32], steps = [-1, 1, -2]} : f32[a, b, 17]
    %2 = neg(%1) : f32[a, b, 17]
    output "y" = %2
  )");
  EXPECT_THAT(OnlyNest(graph), HasSubstr("; -2]"));
  ExpectRight(graph, kSizes);
}

TEST(Emitter, PiecesOfConcatAndPadAreReadWhereTheyAre) {
  const Graph graph = Parse(R"(
    %0 = input() {name = "x"} : f32[a, 20]
    %1 = input() {name = "y"} : f32[a, b]
    %2 = constant() {literal = f32[] {2.5}} : f32[]
    %3 = concat(%0, %1, %0) {axis = 1} : f32[a, b + 40]
    %4 = pad(%3, %2) {high = [b, 3], low = [1, b]} : f32[a + b + 1, 2*b + 43]
    %5 = neg(%4) : f32[a + b + 1, 2*b + 43]
    output "y" = %5
  )");
  // Nothing outside a piece is touched: every load of the concatenation has a mask.
  const std::string nest = OnlyNest(graph);
  EXPECT_EQ(CountOf(nest, "= load f32"), CountOf(nest, " mask %"));
  ExpectRight(graph, kSizes);
}

// Masks that sizes determine are arithmetic, splats immediates; a table of floats that sizes determine is computed
// once per binding.
TEST(Emitter, KnownValuesAreNoLoads) {
  const Graph graph = Parse(R"(
    %0 = input() {name = "x"} : f32[a, b]
    %1 = index() {expr = [less($0, $1 + 1)]} : bool[a, b]
    %2 = constant() {literal = f32[] {-3.5}} : f32[]
    %3 = reshape(%2) : f32[1, 1]
    %4 = broadcast(%3) : f32[a, b]
    %5 = select(%1, %0, %4) : f32[a, b]
    output "y" = %5
  )");
  const std::string nest = OnlyNest(graph);
  EXPECT_EQ(CountOf(nest, "= load"), 1) << nest;
  ExpectRight(graph, kSizes);
  const Graph positions = Parse(R"(
    %0 = input() {name = "x"} : f32[a, b]
    %1 = index() {expr = [2*$0 + $1]} : i64[a, b]
    %2 = cast(%1) : f32[a, b]
    %3 = sin(%2) : f32[a, b]
    %4 = mul(%0, %3) : f32[a, b]
    output "y" = %4
  )");
  const Plan plan = MakePlanOf(positions);
  ASSERT_EQ(plan.groups.size(), 2u);
  EXPECT_EQ(plan.groups[0].phase, Phase::kBinding);
  EXPECT_EQ(plan.groups[1].phase, Phase::kRun);
  ExpectRight(positions, kSizes);
}

constexpr const char* kPaddedGather = R"(
  %0 = input() {name = "table"} : f32[5, 8]
  %1 = input() {name = "i"} : i64[a]
  %2 = input() {name = "sizes"} : f32[b]
  %3 = constant() {literal = f32[] {1.5}} : f32[]
  %4 = gather(%0, %1) {index_map = [$0], map = [%0, $1]} : f32[a, 8]
  %5 = pad(%4, %3) {high = [2, 0], low = [1, 0]} : f32[a + 3, 8]
  output "y" = %5
)";

TEST(Emitter, GatherBehindAMaskReadsNoIndexOutside) {
  const Graph graph = Parse(kPaddedGather);
  EXPECT_THAT(OnlyNest(graph), HasSubstr("clamp_index"));
  ExpectRight(graph, kSizes);
}

TEST(Emitter, AnIndexOutOfRangeIsReported) {
  Graph graph = Parse(kPaddedGather);
  std::vector<HostTensor> inputs = *DrawInputs(graph, {{"a", 3}, {"b", 1}}, 1);
  reinterpret_cast<int64_t*>(inputs[1].bytes.data())[2] = 5;
  for (const NamedOptions& way : WaysWithoutLlvm()) {
    const absl::Status status = RunGraph(graph, way.options, inputs).status();
    EXPECT_TRUE(absl::IsOutOfRange(status)) << way.name << ": " << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("5"));
  }
}

// Two index operands, one per row and one per element; and indices that are computed in the kernel.
TEST(Emitter, GathersWithIndicesPerRowAndPerElement) {
  ExpectRight(Parse(R"(
    %0 = input() {name = "x"} : f32[4, 4, a]
    %1 = input() {name = "rows"} : i64[b]
    %2 = input() {name = "columns"} : i64[b, a]
    %3 = gather(%0, %1, %2) {index_map = [$0, $0, $1], map = [%0, %1, $1]} : f32[b, a]
    %4 = neg(%3) : f32[b, a]
    output "y" = %4
  )"), {{{"a", 5}, {"b", 3}}, {{"a", 66}, {"b", 2}}, {{"a", 1}, {"b", 0}}});
}

TEST(Emitter, PieceDemandsAreDisjointAndComplete) {
  Graph graph;
  Value x = graph.AddInput("x", {ElementType::kF32, {3}}), y = graph.AddInput("y", {ElementType::kF32, {4}});
  Value both = *graph.Add(Op::concat, {x, y}, {{"axis", int64_t{0}}});
  const DimExpr c = DimExpr::Coord(0, 7);
  const std::vector<Demand> demands =
      PieceDemands(graph, {both, {c}, 1}, *MovementPieces(graph, both.node));
  ASSERT_EQ(demands.size(), 2u);
  for (int64_t at = 0; at < 7; ++at) {
    const int64_t coords[] = {at};
    const int64_t first = *Evaluate(demands[0].condition, {}, coords), second = *Evaluate(demands[1].condition, {}, coords);
    EXPECT_EQ(first, at < 3);
    EXPECT_EQ(first + second, 1);
    EXPECT_EQ(*Evaluate(demands[first ? 0 : 1].coords[0], {}, coords), at < 3 ? at : at - 3);
  }
}

}  // namespace
}  // namespace skein
