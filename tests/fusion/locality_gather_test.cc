#include "fusion/locality.h"

#include <gmock/gmock.h>

#include "fusion/schedule.h"
#include "tests/fusion/fusion_graphs.h"

namespace skein {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// A machine to which small tensors are far away.
Target Tiny() {
  Target target = DefaultTarget();
  target.l2_bytes = 1 << 10;
  target.stream_output_bytes = target.stream_intermediate_bytes = 1 << 10;
  target.prefetch_bytes = 1 << 10;
  return target;
}

std::string FarNest(const Graph& graph) {
  GroupSpec spec{{graph.outputs()[0].value}, [&](Value v) { return graph.op(v) == Op::input; }, {{true}, true}};
  absl::StatusOr<Group> group = Schedule(graph, spec, Tiny());
  EXPECT_TRUE(group.ok()) << group.status();
  if (!group.ok()) return "";
  EXPECT_TRUE(Verify(*group->nest).ok()) << Verify(*group->nest);
  return group->nest->ToString();
}

void ExpectRightFarAway(const Graph& graph) {
  std::vector<NamedOptions> ways = WaysWithoutLlvm();
  for (NamedOptions& way : ways) way.options.target = Tiny();
  ExpectRight(graph, {{}}, ways);
}

constexpr const char* kRows = R"(
  %0 = input() {name = "table"} : f32[50, 96]
  %1 = input() {name = "ids"} : i64[40]
  %2 = gather(%0, %1) {index_map = [$0], map = [%0, $1]} : f32[40, 96]
  %3 = add(%2, %2) : f32[40, 96]
  output "y" = %3
)";

TEST(LocalityOfGathers, RowsThatIndicesSelectAreFetchedTilesAhead) {
  const Graph graph = Parse(kRows);
  const std::string nest = FarNest(graph);
  EXPECT_EQ(CountOf(nest, "clamp_index"), 4) << nest;  // one a place; the later indices report nothing
  EXPECT_THAT(nest, HasSubstr("[min($0 + 1, 9)]"));
  EXPECT_THAT(nest, HasSubstr("[min($0 + 1, 9) + 30]"));
  EXPECT_EQ(CountOf(nest, "level 1"), 0) << nest;
  EXPECT_EQ(CountOf(nest, "level 0"), 4) << nest;
  ExpectRightFarAway(graph);
}

TEST(LocalityOfGathers, ARowReadAtOnePlaceIsFetchedInTwoSteps) {
  const Graph graph = Parse(R"(
    %0 = input() {name = "table"} : f32[50, 96]
    %1 = input() {name = "ids"} : i64[40]
    %2 = gather(%0, %1) {index_map = [$0], map = [%0, $1]} : f32[40, 96]
    %3 = exp(%2) : f32[40, 96]
    output "y" = %3
  )");
  const std::string nest = FarNest(graph);
  EXPECT_EQ(CountOf(nest, "clamp_index"), 1) << nest;
  EXPECT_THAT(nest, HasSubstr("[min($0 + 3, 39)]"));
  EXPECT_THAT(nest, HasSubstr("[min($0 + 1, 39)]"));
  EXPECT_EQ(CountOf(nest, "level 1"), 2) << nest;  // few lines at a time
  EXPECT_EQ(CountOf(nest, "level 0"), 2) << nest;
  ExpectRightFarAway(graph);
}

TEST(LocalityOfGathers, IndicesThatAreComputedAreComputedAgain) {
  const Graph graph = Parse(R"(
    %0 = input() {name = "table"} : f32[50, 96]
    %1 = input() {name = "ids"} : i32[40]
    %2 = input() {name = "shift"} : i32[40]
    %3 = add(%1, %2) : i32[40]
    %4 = gather(%0, %3) {index_map = [$0], map = [%0, $1]} : f32[40, 96]
    %5 = reduce(%4) {axes = (1), order = "inner", reducer = sum<f32>} : f32[40, 1]
    %6 = broadcast(%5) : f32[40, 96]
    %7 = sub(%4, %6) : f32[40, 96]
    output "y" = %7
  )");
  const std::string nest = FarNest(graph);
  EXPECT_EQ(CountOf(nest, "add i32"), 3) << nest;
  EXPECT_THAT(nest, HasSubstr("prefetch"));
  ExpectRightFarAway(graph);
}

TEST(LocalityOfGathers, IndicesThatDifferByLaneAreNot) {
  const Graph graph = Parse(R"(
    %0 = input() {name = "table"} : f32[5000]
    %1 = input() {name = "ids"} : i64[40, 96]
    %2 = gather(%0, %1) {index_map = [$0, $1], map = [%0]} : f32[40, 96]
    output "y" = %2
  )");
  EXPECT_EQ(CountOf(FarNest(graph), "prefetch b0"), 0);
  ExpectRightFarAway(graph);
}

}  // namespace
}  // namespace skein
