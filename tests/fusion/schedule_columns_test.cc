// Column kernels: reductions over outer axes, whichever way the columns are walked.
#include <gtest/gtest.h>

#include "absl/strings/str_replace.h"

#include "tests/fusion/fusion_graphs.h"

namespace skein {
namespace {

Graph SumAndMaximum(const std::string& columns) {
  return Parse(absl::StrReplaceAll(R"(
    %0 = input() {name = "x"} : f32[rows, N]
    %1 = input() {name = "scale"} : f32[1, N]
    %2 = broadcast(%1) : f32[rows, N]
    %3 = mul(%0, %2) : f32[rows, N]
    %4 = reduce(%3) {axes = (0), reducer = sum<f32>} : f32[1, N]
    %5 = reduce(%3) {axes = (0), reducer = max<f32>} : f32[1, N]
    %6 = add(%4, %1) : f32[1, N]
    output "sum" = %6
    output "max" = %5
  )", {{"N", columns}}));
}

// Blocks of 256 columns from memory; strips of 2048 in L2; what is left of either.
TEST(Columns, BlocksAndTheirRests) {
  const Graph graph = SumAndMaximum("n");
  EXPECT_EQ(Kinds(MakePlanOf(graph)), "columns");
  std::vector<SymbolValues> sizes;
  for (int64_t n : {1, 63, 65, 256, 257, 600, 2100}) sizes.push_back({{"n", n}, {"rows", 9}});
  for (int64_t rows : {0, 1, 63, 64, 65, 130}) sizes.push_back({{"n", 70}, {"rows", rows}});
  ExpectRight(graph, sizes);
}

TEST(Columns, BlocksOfConstantWidth) {
  for (const char* n : {"1", "40", "64", "128", "200", "300", "512", "1000"}) {
    ExpectRight(SumAndMaximum(n), {{{"rows", 3}}, {{"rows", 70}}});
  }
}

TEST(Columns, FewRowsAreOnePass) {
  ExpectRight(Parse(R"(
    %0 = input() {name = "x"} : f32[7, n]
    %1 = reduce(%0) {axes = (0), reducer = sum<f32>} : f32[1, n]
    %2 = reduce(%0) {axes = (0), reducer = min<f32>} : f32[1, n]
    output "sum" = %1
    output "min" = %2
  )"), {{{"n", 1}}, {{"n", 64}}, {{"n", 2049}}});
}

// From memory a block stays in registers; the processor fetches its rows by itself.
TEST(Columns, FarBlocksAreReadInLongRuns) {
  const Plan plan = MakePlanOf(Parse(R"(
    %0 = input() {name = "x"} : f32[512, 65536]
    %1 = reduce(%0) {axes = (0), reducer = max<f32>} : f32[1, 65536]
    output "max" = %1
  )"));
  const std::string nest = plan.groups[0].nest->ToString();
  EXPECT_EQ(CountOf(nest, "load f32x64 b0["), 4) << nest;
  EXPECT_EQ(CountOf(nest, "prefetch"), 0) << nest;
}

}  // namespace
}  // namespace skein
