#include "fusion/locality.h"

#include <gmock/gmock.h>

#include "fusion/choose_locality.h"
#include "tests/fusion/fusion_graphs.h"

namespace skein {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kChain = R"(
  %0 = input() {name = "x"} : f32[4096, 1024]
  %1 = input() {name = "y"} : f32[1024]
  %2 = reshape(%1) : f32[1, 1024]
  %3 = broadcast(%2) : f32[4096, 1024]
  %4 = add(%0, %3) : f32[4096, 1024]
  %5 = mul(%4, %0) : f32[4096, 1024]
  output "z" = %5
)";

TEST(Locality, LargeOutputsBypassTheCachesAndLargeInputsAreFetchedAhead) {
  const std::string nest = OnlyNest(Parse(kChain));
  EXPECT_THAT(nest, HasSubstr("streaming"));
  // The one large stream, at four places: 4 KiB ahead at each. The vector y stays in cache.
  EXPECT_EQ(CountOf(nest, "prefetch b0"), 8) << nest;
  EXPECT_THAT(nest, HasSubstr("prefetch b0[1024*$0 + $1 + 1024] level 0"));
  EXPECT_THAT(nest, HasSubstr("prefetch b0[1024*$0 + $1 + 3146768] level 0"));
  EXPECT_THAT(nest, Not(HasSubstr("prefetch b1")));
}

TEST(Locality, AMaskThatEveryHeadReadsIsNotFetched) {
  const std::string text = R"(
    %0 = input() {name = "x"} : f32[32, 512, 512]
    %1 = input() {name = "mask"} : f32[1, 512, 512]
    %2 = broadcast(%1) : f32[32, 512, 512]
    %3 = add(%0, %2) : f32[32, 512, 512]
    %4 = tanh(%3) : f32[32, 512, 512]
    output "z" = %4
  )";
  const std::string nest = OnlyNest(Parse(text));
  EXPECT_THAT(nest, HasSubstr("prefetch b0"));
  EXPECT_THAT(nest, Not(HasSubstr("prefetch b1")));
  std::string large = text;  // one that no cache holds
  for (const char* name : {"512, 512", "512, 512", "512, 512", "512, 512", "512, 512"}) large.replace(large.find(name), 8, "2048, 8192");
  EXPECT_THAT(OnlyNest(Parse(large)), HasSubstr("prefetch b1"));
}

TEST(Locality, SeveralStreamsBesideMuchArithmeticAndSumsAreFetchedInOneStep) {
  auto two = [](const char* function) {
    return OnlyNest(Parse(R"(
      %0 = input() {name = "x"} : f32[4096, 1024]
      %1 = input() {name = "y"} : f32[4096, 1024]
      %2 = )" + std::string(function) + R"((%1) : f32[4096, 1024]
      %3 = add(%0, %2) : f32[4096, 1024]
      output "z" = %3
    )"));
  };
  EXPECT_EQ(CountOf(two("abs"), "prefetch"), 0);
  EXPECT_EQ(CountOf(two("tanh"), "prefetch"), 8);
  EXPECT_THAT(two("tanh"), Not(HasSubstr("level 1")));
  EXPECT_THAT(two("tanh"), HasSubstr("+ 768] level 0"));
  const std::string sum = OnlyNest(Parse(R"(
    %0 = input() {name = "x"} : f32[4096, 1024]
    %1 = reduce(%0) {axes = (1), reducer = sum<f32>} : f32[4096, 1]
    output "y" = %1
  )"));
  EXPECT_EQ(CountOf(sum, "prefetch"), 4) << sum;
  EXPECT_THAT(sum, HasSubstr("+ 2304] level 0"));
}

TEST(Locality, SmallGraphsAreLeftAlone) {
  std::string text = kChain;
  for (size_t at; (at = text.find("4096")) != std::string::npos;) text.replace(at, 4, "32");
  const std::string nest = OnlyNest(Parse(text));
  EXPECT_THAT(nest, Not(HasSubstr("streaming")));
  EXPECT_THAT(nest, Not(HasSubstr("prefetch")));
}

TEST(Locality, ALoopThatFindsItsRowInCacheFetchesTheNext) {
  const std::string nest = OnlyNest(Parse(R"(
    %0 = input() {name = "x"} : f32[8192, 2560]
    %1 = input() {name = "y"} : f32[8192, 2560]
    %2 = add(%0, %1) : f32[8192, 2560]
    %3 = reduce(%2) {axes = (1), reducer = sum<f32>} : f32[8192, 1]
    %4 = broadcast(%3) : f32[8192, 2560]
    %5 = mul(%2, %4) : f32[8192, 2560]
    output "z" = %5
  )"));
  // Rows in flight would not fit into L1. 8 KiB of each are one row; only the second loop fetches.
  EXPECT_EQ(CountOf(nest, "prefetch"), 8) << nest;
  EXPECT_GT(nest.find("prefetch"), nest.find("reduce")) << nest;
  EXPECT_THAT(nest, HasSubstr("prefetch b0[2560*$0 + $2 + 2560] level 0"));
}

TEST(Locality, PipelinedRowsAreFetchedWhereTheyAreFirstRead) {
  const std::string nest = OnlyNest(Parse(R"(
    %0 = input() {name = "x"} : f32[8192, 1024]
    %1 = reduce(%0) {axes = (1), reducer = sum<f32>} : f32[8192, 1]
    %2 = broadcast(%1) : f32[8192, 1024]
    %3 = mul(%0, %2) : f32[8192, 1024]
    output "y" = %3
  )"));
  EXPECT_EQ(CountOf(nest, "prefetch"), 8) << nest;
  EXPECT_LT(nest.find("prefetch"), nest.find("load")) << nest;
  EXPECT_THAT(nest, HasSubstr("parallel $0 < 8192 step 256"));
  EXPECT_THAT(nest, HasSubstr(
      "prefetch b0[1024*$0 + $2 + 1024*min($1, min(-$0 + 8192, 256) - 1) + 8192] level 1"));
}

TEST(Locality, SeveralStreamsOfPipelinedRowsAreFetchedOnlyBesideMuchArithmetic) {
  auto rows = [](const char* function) {
    return OnlyNest(Parse(R"(
      %0 = input() {name = "x"} : f32[8192, 1024]
      %1 = input() {name = "y"} : f32[8192, 1024]
      %2 = )" + std::string(function) + R"((%0) : f32[8192, 1024]
      %3 = add(%2, %1) : f32[8192, 1024]
      %4 = reduce(%3) {axes = (1), reducer = sum<f32>} : f32[8192, 1]
      %5 = broadcast(%4) : f32[8192, 1024]
      %6 = mul(%3, %5) : f32[8192, 1024]
      output "z" = %6
    )"));
  };
  EXPECT_EQ(CountOf(rows("abs"), "prefetch"), 0);
  EXPECT_EQ(CountOf(rows("tanh"), "prefetch"), 8);
}

TEST(Locality, RowsTooLongForL1AreFetchedIntoL2) {
  const std::string nest = OnlyNest(Parse(R"(
    %0 = input() {name = "x"} : f32[512, 32000]
    %1 = reduce(%0) {axes = (1), reducer = max<f32>} : f32[512, 1]
    %2 = broadcast(%1) : f32[512, 32000]
    %3 = sub(%0, %2) : f32[512, 32000]
    output "y" = %3
  )"));
  EXPECT_THAT(nest, HasSubstr("prefetch b0[32000*$0 + $3 + 32000] level 1"));
}

TEST(Locality, WhatIsReadSoonStaysInCache) {
  // 8 MiB between two kernels: more than an output that nobody reads, less than one read at once.
  const Plan plan = MakePlanOf(Parse(R"(
    %0 = input() {name = "x"} : f32[2048, 1024]
    %1 = mul(%0, %0) : f32[2048, 1024]
    %2 = transpose(%1) {permutation = (1, 0)} : f32[1024, 2048]
    %3 = reduce(%2) {axes = (1), reducer = sum<f32>} : f32[1024, 1]
    %4 = broadcast(%3) : f32[1024, 2048]
    %5 = add(%2, %4) : f32[1024, 2048]
    output "y" = %5
  )"), false);
  ASSERT_GE(plan.groups.size(), 3u);
  EXPECT_THAT(plan.groups.front().nest->ToString(), Not(HasSubstr("streaming")));
  EXPECT_THAT(plan.groups.back().nest->ToString(), HasSubstr("streaming"));
}

// A machine on which every kernel is far from its memory.
std::vector<NamedOptions> FarWays() {
  std::vector<NamedOptions> ways;
  for (NamedOptions& way : WaysWithoutLlvm()) {
    ways.push_back(way);
    Target& target = way.options.target;
    target.l2_bytes = target.stream_output_bytes = target.stream_intermediate_bytes = 128;
    way.name += ", far";
    ways.push_back(std::move(way));
  }
  return ways;
}

TEST(Locality, ChangesNoBit) {
  std::vector<SymbolValues> sizes;
  for (int64_t n : {0, 1, 15, 16, 17, 64, 100, 131}) sizes.push_back({{"n", n}, {"rows", 5}});
  ExpectRight(Parse(R"(
    %0 = input() {name = "x"} : f32[rows, n]
    %1 = reduce(%0) {axes = (1), reducer = max<f32>} : f32[rows, 1]
    %2 = broadcast(%1) : f32[rows, n]
    %3 = sub(%0, %2) : f32[rows, n]
    %4 = exp(%3) : f32[rows, n]
    %5 = reduce(%4) {axes = (0), reducer = sum<f32>} : f32[1, n]
    output "y" = %4
    output "s" = %5
  )"), sizes, FarWays());
}

// One program, small and large sizes in turn: a kernel more per class of sizes, compiled once.
TEST(Locality, SymbolicSizesChooseAtBinding) {
  const Graph graph = Parse(R"(
    %0 = input() {name = "x"} : f32[rows, n]
    %1 = mul(%0, %0) : f32[rows, n]
    output "y" = %1
  )");
  CompileOptions options;
  options.tier = Tier::kFast;
  auto program = Program::Compile(graph, options);
  ASSERT_TRUE(program.ok()) << program.status();
  auto run = [&](int64_t rows, int64_t n) {
    std::vector<HostTensor> inputs = *DrawInputs(graph, {{"rows", rows}, {"n", n}}, 3);
    const auto outputs = RunProgram(**program, inputs);
    ASSERT_TRUE(outputs.ok()) << outputs.status();
    CompileOptions interpreted;
    interpreted.interpret = true;
    EXPECT_EQ(FirstDifference(*RunGraph(graph, interpreted, inputs), *outputs), "");
  };
  run(3, 5);
  EXPECT_EQ((*program)->stats().variants, 1);
  run(1024, 1024);
  EXPECT_EQ((*program)->stats().variants, 2);
  run(1024, 1030);
  run(4, 5);
  EXPECT_EQ((*program)->stats().variants, 2);
}

}  // namespace
}  // namespace skein
