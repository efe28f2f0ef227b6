#include "fusion/pipeline_rows.h"

#include <gmock/gmock.h>

#include "tests/fusion/fusion_graphs.h"

namespace skein {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Two sums, the second one over differences from the first, and what is divided by both.
std::string Norm(const std::string& rows, const std::string& n) {
  std::string text = R"(
    %0 = input() {name = "x"} : f32[R, N]
    %1 = input() {name = "scale"} : f32[R, 1]
    %2 = reduce(%0) {axes = (1), reducer = sum<f32>} : f32[R, 1]
    %3 = mul(%2, %1) : f32[R, 1]
    %4 = broadcast(%3) : f32[R, N]
    %5 = sub(%0, %4) : f32[R, N]
    %6 = mul(%5, %5) : f32[R, N]
    %7 = reduce(%6) {axes = (1), reducer = sum<f32>} : f32[R, 1]
    %8 = broadcast(%7) : f32[R, N]
    %9 = exp(%0) : f32[R, N]
    %10 = reduce(%9) {axes = (1), reducer = sum<f32>} : f32[R, 1]
    %11 = broadcast(%10) : f32[R, N]
    %12 = mul(%9, %11) : f32[R, N]
    %13 = mul(%5, %8) : f32[R, N]
    %14 = add(%12, %13) : f32[R, N]
    output "y" = %14
    output "mean" = %3
  )";
  for (const auto& [from, to] : {std::pair<std::string, std::string>{"[R", "[" + rows}, {"N]", n + "]"}}) {
    for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
      text.replace(at, from.size(), to);
    }
  }
  return text;
}

TEST(PipelineRows, EveryNumberOfRowsAndColumnsIsRight) {
  std::vector<SymbolValues> sizes;
  for (int64_t rows : {0, 1, 2, 3, 5, 63, 64, 65, 130}) sizes.push_back({{"rows", rows}, {"n", 17}});
  for (int64_t n : {0, 1, 15, 64, 65, 131, 4096, 4097, 8200}) sizes.push_back({{"rows", 3}, {"n", n}});
  const Graph graph = Parse(Norm("rows", "n"));
  EXPECT_THAT(OnlyNest(graph), HasSubstr("step 64"));
  ExpectRight(graph, sizes);
}

TEST(PipelineRows, KnownSizesAreRight) {
  // One chunk, so that vector loops stand in the row itself; several blocks, the last one short.
  for (const char* n : {"33", "64", "100"}) {
    const Graph graph = Parse(Norm("1030", n));
    EXPECT_EQ(CountOf(OnlyNest(graph), "vector "), 1);
    ExpectRight(graph, {{}});
  }
}

TEST(PipelineRows, ValuesBetweenStagesAreKeptPerRow) {
  const std::string nest = OnlyNest(Parse(Norm("4096", "128")));
  // exp(x) from the first stage is used by the last one, four rows later: five rows of 128 + 16 floats.
  EXPECT_THAT(nest, HasSubstr("scratch f32 b4[720]"));
  EXPECT_THAT(nest, HasSubstr("144*mod("));
}

TEST(PipelineRows, FewRowsAreNotPipelined) {
  EXPECT_EQ(CountOf(OnlyNest(Parse(Norm("31", "128"))), "vector "), 3);
  EXPECT_EQ(CountOf(OnlyNest(Parse(Norm("32", "128"))), "vector "), 1);
}

TEST(PipelineRows, LongRowsWithLittleArithmeticAreNotPipelined) {
  auto sum = [](const std::string& n) {
    return OnlyNest(Parse("%0 = input() {name = \"x\"} : f32[512, " + n + R"(]
      %1 = reduce(%0) {axes = (1), reducer = sum<f32>} : f32[512, 1]
      %2 = broadcast(%1) : f32[512, )" + n + R"(]
      %3 = mul(%0, %2) : f32[512, )" + n + R"(]
      output "y" = %3)"));
  };
  EXPECT_EQ(CountOf(sum("2048"), "vector "), 3);  // the first stage alone, both, the second one alone
  EXPECT_EQ(CountOf(sum("8192"), "vector "), 2);
}

// The first stage alone, both, the second one alone; blocks that divide the rows and others, of fewer rows than a lag too.
TEST(PipelineRows, ShortBlocksOfTwoStagesAreThreeLoops) {
  auto sum = [](const std::string& rows, const std::string& n) {
    return Parse("%0 = input() {name = \"x\"} : f32[" + rows + ", " + n + R"(]
      %1 = reduce(%0) {axes = (1), reducer = sum<f32>} : f32[)" + rows + R"(, 1]
      %2 = broadcast(%1) : f32[)" + rows + ", " + n + R"(]
      %3 = mul(%0, %2) : f32[)" + rows + ", " + n + R"(]
      output "y" = %3)");
  };
  EXPECT_EQ(CountOf(OnlyNest(sum("4096", "800")), "vector "), 1);  // long blocks
  EXPECT_EQ(CountOf(OnlyNest(sum("128", "640")), "vector "), 1);   // rows too close
  for (const char* rows : {"64", "70", "128"}) {
    const Graph graph = sum(rows, "800");
    EXPECT_EQ(CountOf(OnlyNest(graph), "vector "), 3);
    ExpectRight(graph, {{}});
  }
  const Graph graph = sum("rows", "800");
  EXPECT_EQ(CountOf(OnlyNest(graph), "vector "), 3);
  for (int64_t count : {0, 1, 2, 3, 5, 63, 64, 65, 130}) ExpectRight(graph, {{{"rows", count}}});
  const Graph chunks = sum("33", "4400");  // and one row between the stages
  EXPECT_EQ(CountOf(OnlyNest(chunks), "vector "), 3);
  ExpectRight(chunks, {{}});
}

TEST(PipelineRows, RowsThatIndicesSelectAreNotPipelined) {
  const std::string nest = OnlyNest(Parse(R"(
    %0 = input() {name = "table"} : f32[1000, 128]
    %1 = input() {name = "ids"} : i64[256]
    %2 = gather(%0, %1) {index_map = [$0], map = [%0, $1]} : f32[256, 128]
    %3 = reduce(%2) {axes = (1), reducer = sum<f32>} : f32[256, 1]
    %4 = broadcast(%3) : f32[256, 128]
    %5 = mul(%2, %4) : f32[256, 128]
    output "y" = %5
  )"));
  EXPECT_THAT(nest, Not(HasSubstr("serial")));
}

}  // namespace
}  // namespace skein
