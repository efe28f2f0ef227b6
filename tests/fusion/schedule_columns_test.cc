// Column kernels: reductions over outer axes, whichever way the columns are walked.
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

#include "ir/kernel_abi.h"
#include "tests/fusion/guarded_run.h"

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
Plan PlanOfColumns(const char* dims, const char* reduced, const char* reducer, int axis = 0) {
  return MakePlanOf(Parse(absl::StrCat("%0 = input() {name = \"x\"} : f32[", dims, "]\n", "%1 = reduce(%0) {axes = (",
                                       axis, "), reducer = ", reducer, "<f32>} : f32[", reduced,
                                       "]\noutput \"y\" = %1\n")));
}

TEST(Columns, FarStripsAreReadInLongRuns) {
  const std::string nest = PlanOfColumns("512, 262144", "1, 262144", "sum").groups[0].nest->ToString();
  EXPECT_EQ(CountOf(nest, "parallel $0 < 262144 step 32768"), 1) << nest;
  EXPECT_EQ(CountOf(nest, "prefetch"), 0) << nest;  // the processor fetches sums ahead by itself
}

TEST(Columns, FarMaximaAreFetchedAheadAndWhereAStripEndsInTheNextRows) {
  const std::string nest = PlanOfColumns("512, 262144", "1, 262144", "max").groups[0].nest->ToString();
  EXPECT_EQ(CountOf(nest, "prefetch b0[$0 + 262144*$2 + 1048576*floordiv($3 + 640, 32768) + mod($3 + 640, 32768)] "), 1)
      << nest;
  EXPECT_EQ(CountOf(nest, "prefetch"), 4) << nest;  // a line of each of 4 rows
}

// Narrow vectors, whatever is left of the last strip and of the last four rows; full ones where lines do not divide a row.
TEST(Columns, FarStepsAreOneLine) {
  for (const auto& [n, lanes] : {std::pair{"4112", 8}, {"4113", 64}}) {
    const Graph graph = Parse(absl::StrReplaceAll(R"(
      %0 = input() {name = "x"} : f32[13, N]
      %1 = abs(%0) : f32[13, N]
      %2 = reduce(%1) {axes = (0), reducer = max<f32>} : f32[1, N]
      %3 = reduce(%1) {axes = (0), reducer = min<f32>} : f32[1, N]
      output "max" = %2
      output "min" = %3
    )", {{"N", n}}));
    PlanOptions far;
    far.target.l2_bytes = 64;
    const std::string nest = MakePlan(graph, far)->groups[0].nest->ToString();
    EXPECT_EQ(CountOf(nest, absl::StrCat("= abs f32x", lanes, " ")), lanes == 8 ? 8 : 5) << nest;
    ExpectRight(graph, {{}}, OutOfCache(WaysWithoutLlvm()));
    ExpectTouchesNothingElse(graph, {{}}, OutOfCache(WaysWithoutLlvm()));
  }
}

// In cache two rows of many groups of lanes a step, and one row after the other where there are no equal steps.
TEST(Columns, NearRowsAreReadInFewSteps) {
  const std::string nest = PlanOfColumns("256, 512", "1, 512", "sum").groups[0].nest->ToString();
  EXPECT_EQ(CountOf(nest, "parallel $0 < 512 step 512"), 1) << nest;
  EXPECT_EQ(CountOf(nest, "serial $4 < 64 step 2 {"), 1) << nest;
  EXPECT_EQ(CountOf(nest, "serial $5 < 512 step 256 {"), 1) << nest;
  const std::string odd = PlanOfColumns("256, 500", "1, 500", "sum").groups[0].nest->ToString();
  EXPECT_EQ(CountOf(odd, "serial $4 < 64 {"), 1) << odd;
  for (const char* n : {"384", "500", "576", "640", "1024", "1536"}) {
    for (const char* reducer : {"sum", "min"}) {
      ExpectRight(Parse(absl::StrReplaceAll(R"(
        %0 = input() {name = "x"} : f32[rows, N]
        %1 = reduce(%0) {axes = (0), reducer = REDUCER<f32>} : f32[1, N]
        output "y" = %1
      )", {{"N", n}, {"REDUCER", reducer}})), {{{"rows", 1}}, {{"rows", 3}}, {{"rows", 129}}});
    }
  }
}

// Halves of rows for a second thread, where one thread reads them about as fast as rows.
TEST(Columns, NearRowsAreHalvedWhereThatCostsLittle) {
  auto tiles = [](const char* dims, const char* reduced, int axis = 0) {
    const Plan plan = PlanOfColumns(dims, reduced, "max", axis);
    return *Evaluate(TileCount(*plan.groups[0].nest), {});
  };
  EXPECT_EQ(tiles("128, 512", "1, 512"), 1);
  EXPECT_EQ(tiles("128, 768", "1, 768"), 2);
  EXPECT_EQ(tiles("128, 1024", "1, 1024"), 2);
  EXPECT_EQ(tiles("384, 1024", "1, 1024"), 2);  // in the caches of two
  EXPECT_EQ(tiles("1024, 1024", "1, 1024"), 1);
  EXPECT_EQ(tiles("128, 1536", "1, 1536"), 1);
  EXPECT_EQ(tiles("4, 32, 1024", "4, 1, 1024", 1), 4);  // of which there are enough
}

// Each half row after row, with the accumulators of 7 of its 8 groups of lanes in registers.
TEST(Columns, HalvesAreSummedInRegisters) {
  const std::string nest = PlanOfColumns("130, 1024", "1, 1024", "sum").groups[0].nest->ToString();
  EXPECT_EQ(CountOf(nest, ": f32x64 = %"), 7) << nest;
  EXPECT_EQ(CountOf(nest, "load f32x64 b0["), 8) << nest;
  const Graph wrapping = Parse(R"(
    %0 = input() {name = "x"} : i32[130, 1024]
    %1 = reduce(%0) {axes = (0), reducer = sum<i32>} : i32[1, 1024]
    output "y" = %1
  )");
  EXPECT_EQ(CountOf(MakePlanOf(wrapping).groups[0].nest->ToString(), " carry "), 0);  // in chunks or not
  ExpectRight(wrapping, {{}});
}

TEST(Columns, RowsOfAFewVectorsStayInRegisters) {
  const std::string nest = PlanOfColumns("262144, 256", "1, 256", "max").groups[0].nest->ToString();
  EXPECT_EQ(CountOf(nest, "load f32x64 b0["), 4) << nest;
  EXPECT_EQ(CountOf(nest, "prefetch"), 0) << nest;
}

}  // namespace
}  // namespace skein
