#include <gmock/gmock.h>

#include "tests/fusion/guarded_run.h"

namespace skein {
namespace {

using ::testing::HasSubstr;

const char kElements[] = R"(
  %0 = input() {name = "x"} : f32[ROWS]
  %1 = mul(%0, %0) : f32[ROWS]
  %2 = sub(%1, %0) : f32[ROWS]
  output "y" = %2
)";

const char kRows[] = R"(
  %0 = input() {name = "x"} : f32[ROWS, 100]
  %1 = input() {name = "bias"} : f32[100]
  %2 = reshape(%1) : f32[1, 100]
  %3 = broadcast(%2) : f32[ROWS, 100]
  %4 = add(%0, %3) : f32[ROWS, 100]
  output "y" = %4
)";

const char kGather[] = R"(
  %0 = input() {name = "table"} : f32[50, 100]
  %1 = input() {name = "ids"} : i64[ROWS]
  %2 = gather(%0, %1) {index_map = [$0], map = [%0, $1]} : f32[ROWS, 100]
  %3 = add(%2, %2) : f32[ROWS, 100]
  output "y" = %3
)";

TEST(SchedulePointwise, OneStreamFromMemoryIsWalkedAtFourPlaces) {
  const std::string one = OnlyNest(Parse(Replace(kElements, "ROWS", "4194304")));
  EXPECT_EQ(CountOf(one, "store"), 4) << one;
  EXPECT_THAT(one, HasSubstr("parallel $0 < 1048576 step 4096"));
  EXPECT_EQ(CountOf(OnlyNest(Parse(Replace(kElements, "ROWS", "4194305"))), "store"), 5);  // and what is left
  EXPECT_EQ(CountOf(OnlyNest(Parse(Replace(kRows, "ROWS", "40000"))), "store"), 4);
  EXPECT_EQ(CountOf(OnlyNest(Parse(Replace(kRows, "ROWS", "40003"))), "store"), 5);
}

TEST(SchedulePointwise, WhatIsInCacheOrReadsMoreOrComputesMuchIsWalkedAtOne) {
  EXPECT_EQ(CountOf(OnlyNest(Parse(Replace(kElements, "ROWS", "4096"))), "store"), 1);
  const std::string long_rows = Replace(kElements, "ROWS", "4194304");
  EXPECT_EQ(CountOf(OnlyNest(Parse(Replace(long_rows, "sub(%1, %0)", "exp(%1)"))), "store"), 1);
  EXPECT_EQ(CountOf(OnlyNest(Parse(Replace(long_rows, "mul(%0, %0)", "input() {name = \"z\"}"))), "store"), 1);
}

TEST(SchedulePointwise, FourPlacesAreRightForEverySize) {
  const auto ways = OutOfCache(WaysWithoutLlvm());
  for (int n : {0, 1, 63, 255, 256, 257, 511, 4 * 4096 - 1, 4 * 4096 + 64, 40000}) {
    ExpectRight(Parse(Replace(kElements, "ROWS", "n")), {{{"n", n}}}, ways);
    ExpectRight(Parse(Replace(kElements, "ROWS", std::to_string(n))), {{}}, ways);
  }
  for (const char* rows : {kRows, kGather}) {
    for (int n : {0, 1, 3, 4, 5, 7, 11, 64}) {
      ExpectRight(Parse(Replace(rows, "ROWS", "n")), {{{"n", n}}}, ways);
      ExpectRight(Parse(Replace(rows, "ROWS", std::to_string(n))), {{}}, ways);
    }
  }
}

TEST(SchedulePointwise, FourPlacesTouchNothingElse) {
  for (const char* graph : {kElements, kRows, kGather}) {
    ExpectTouchesNothingElse(Parse(Replace(graph, "ROWS", "n")), {{{"n", 5}}, {{"n", 259}}, {{"n", 17000}}}, OutOfCache(EveryWay()));
  }
}

TEST(SchedulePointwise, AnIndexOutOfRangeAtTheLastPlaceIsNamed) {
  const Graph graph = Parse(Replace(kGather, "ROWS", "8"));
  for (const NamedOptions& way : OutOfCache(WaysWithoutLlvm())) {
    auto program = Program::Compile(graph, way.options);
    ASSERT_TRUE(program.ok()) << program.status();
    std::vector<HostTensor> inputs = *DrawInputs(graph, {}, 5);
    const int64_t bad = 50;
    std::memcpy(inputs[1].bytes.data() + 7 * sizeof(bad), &bad, sizeof(bad));
    const absl::Status status = RunProgram(**program, inputs).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange) << way.name;
    EXPECT_THAT(std::string(status.message()), HasSubstr("50")) << way.name;
  }
}

}  // namespace
}  // namespace skein
