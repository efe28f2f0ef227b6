// Column kernels: reductions over outer axes, whichever way the columns are walked.
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
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
Plan PlanOfColumns(const char* dims, const char* reduced, const char* reducer) {
  return MakePlanOf(Parse(absl::StrCat("%0 = input() {name = \"x\"} : f32[", dims, "]\n",
                                       "%1 = reduce(%0) {axes = (0), reducer = ", reducer, "<f32>} : f32[", reduced,
                                       "]\noutput \"y\" = %1\n")));
}

TEST(Columns, FarStripsAreReadInLongRuns) {
  const std::string nest = PlanOfColumns("512, 262144", "1, 262144", "sum").groups[0].nest->ToString();
  EXPECT_EQ(CountOf(nest, "parallel $0 < 262144 step 32768"), 1) << nest;
  EXPECT_EQ(CountOf(nest, "prefetch"), 0) << nest;  // the processor fetches sums ahead by itself
}

TEST(Columns, FarMaximaAreFetchedAheadAndWhereAStripEndsInTheNextRows) {
  const std::string nest = PlanOfColumns("512, 262144", "1, 262144", "max").groups[0].nest->ToString();
  EXPECT_EQ(CountOf(nest, "prefetch b0[$0 + 262144*$2 + 1048576*floordiv($3 + 512, 32768) + mod($3 + 512, 32768)] "), 1)
      << nest;
  EXPECT_EQ(CountOf(nest, "prefetch"), 16) << nest;  // 4 rows of 4 lines
}

TEST(Columns, RowsOfAFewVectorsStayInRegisters) {
  const std::string nest = PlanOfColumns("262144, 256", "1, 256", "max").groups[0].nest->ToString();
  EXPECT_EQ(CountOf(nest, "load f32x64 b0["), 4) << nest;
  EXPECT_EQ(CountOf(nest, "prefetch"), 0) << nest;
}

}  // namespace
}  // namespace skein
