#include "fusion/schedule_transpose.h"

#include <gmock/gmock.h>

#include "tests/fusion/guarded_run.h"

namespace skein {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Loads and stores of one element per line, gathers, and scatters: what these kernels do without.
void ExpectNoStrides(const std::string& nest) {
  for (const char* strided : {"gather", "scatter", "stride"}) EXPECT_THAT(nest, Not(HasSubstr(strided)));
  EXPECT_THAT(nest, HasSubstr("shuffle"));
}

constexpr const char* kTranspose = R"(
  %0 = input() {name = "x"} : f32[m, n]
  %1 = transpose(%0) {permutation = (1, 0)} : f32[n, m]
  output "y" = %1
)";

// In and out of order along both dims, several odd values, and results both ways.
constexpr const char* kMixed = R"(
  %0 = input() {name = "x"} : f32[m, n]
  %1 = input() {name = "y"} : f32[n, m]
  %2 = input() {name = "z"} : f32[m, n]
  %3 = input() {name = "bias"} : f32[m]
  %4 = mul(%0, %2) : f32[m, n]
  %5 = neg(%4) : f32[m, n]
  %6 = transpose(%5) {permutation = (1, 0)} : f32[n, m]
  %7 = reshape(%3) : f32[1, m]
  %8 = broadcast(%7) : f32[n, m]
  %9 = add(%6, %8) : f32[n, m]
  %10 = sub(%9, %1) : f32[n, m]
  output "r" = %10
)";

std::string Sized(const char* text, int m, int n) {
  std::string known = Replace(Replace(text, "[m", absl::StrCat("[", m)), "[n", absl::StrCat("[", n));
  return Replace(Replace(known, ", m]", absl::StrCat(", ", m, "]")), ", n]", absl::StrCat(", ", n, "]"));
}

std::vector<SymbolValues> Edges() {
  std::vector<SymbolValues> sizes;
  for (int64_t m : {0, 1, 15, 16, 17, 31, 33, 67}) {
    for (int64_t n : {1, 16, 29, 32, 130}) sizes.push_back({{"m", m}, {"n", n}});
  }
  sizes.push_back({{"m", 5}, {"n", 0}});
  return sizes;
}

TEST(Transpose, NothingElse) {
  const Graph graph = Parse(kTranspose);
  const std::string nest = OnlyNest(graph);
  ExpectNoStrides(nest);
  EXPECT_THAT(nest, Not(HasSubstr("scratch")));
  ExpectRight(graph, Edges());
}

TEST(Transpose, SeveralOddValuesAreTransposedOnceAfterWhatIsComputedFromThem) {
  const Graph graph = Parse(kMixed);
  const std::string nest = OnlyNest(graph);
  ExpectNoStrides(nest);
  EXPECT_EQ(CountOf(nest, " mul "), 1) << nest;
  EXPECT_EQ(CountOf(nest, "scratch f32"), 2) << nest;  // the product, before and after
  ExpectRight(graph, Edges());
}

TEST(Transpose, BothWaysFromOneInput) {
  const Graph graph = Parse(R"(
    %0 = input() {name = "x"} : f32[n, n]
    %1 = transpose(%0) {permutation = (1, 0)} : f32[n, n]
    %2 = add(%0, %1) : f32[n, n]
    %3 = transpose(%2) {permutation = (1, 0)} : f32[n, n]
    output "sum" = %2
    output "same" = %3
  )");
  ExpectNoStrides(OnlyNest(graph));
  ExpectRight(graph, {{{"n", 0}}, {{"n", 1}}, {{"n", 17}}, {{"n", 64}}, {{"n", 131}}});
}

TEST(Transpose, BatchesMovementAndPieces) {
  const Graph graph = Parse(R"(
    %0 = input() {name = "x"} : f32[2, m, 3, n]
    %1 = transpose(%0) {permutation = (0, 2, 3, 1)} : f32[2, 3, n, m]
    %2 = input() {name = "y"} : f32[2, 3, n, 5]
    %3 = concat(%1, %2) {axis = 3} : f32[2, 3, n, m + 5]
    %4 = reshape(%3) : f32[6, n, m + 5]
    %5 = exp(%4) : f32[6, n, m + 5]
    output "r" = %5
  )");
  ExpectRight(graph, {{{"m", 1}, {"n", 1}}, {{"m", 40}, {"n", 17}}, {{"m", 16}, {"n", 64}}, {{"m", 0}, {"n", 7}}});
}

TEST(Transpose, NarrowDimsStayAsTheyAre) {
  const std::string nest = OnlyNest(Parse(R"(
    %0 = input() {name = "x"} : f32[m, 3]
    %1 = transpose(%0) {permutation = (1, 0)} : f32[3, m]
    output "y" = %1
  )"));
  EXPECT_THAT(nest, Not(HasSubstr("shuffle")));
}

TEST(Transpose, EveryWidth) {
  for (const char* element : {"f64", "i64", "i32", "f16", "bf16", "i16", "u8", "i8", "bool"}) {
    const Graph graph = Parse(Replace(kTranspose, "f32", element));
    if (std::string(element) != "bool") ExpectNoStrides(OnlyNest(graph));
    ExpectRight(graph, {{{"m", 17}, {"n", 37}}, {{"m", 64}, {"n", 16}}});
  }
}

TEST(Transpose, SizesThatAreKnown) {
  for (const auto& [m, n] : std::vector<std::pair<int, int>>{{16, 16}, {5, 7}, {17, 33}, {67, 129}, {160, 40}}) {
    for (const char* text : {kTranspose, kMixed}) {
      const Graph graph = Parse(Sized(text, m, n));
      ExpectNoStrides(OnlyNest(graph));
      ExpectRight(graph, {{}}, EveryWay());
      ExpectRight(graph, {{}}, OutOfCache(EveryWay()));
    }
  }
}

// Beyond L2: with operands in order, that differ by row, and that differ by lane.
constexpr const char* kWithOthers = R"(
  %0 = input() {name = "x"} : f32[m, n]
  %1 = input() {name = "y"} : f32[n, m]
  %2 = input() {name = "z"} : f32[n, m]
  %3 = input() {name = "bias"} : f32[n, 1]
  %4 = input() {name = "scale"} : f32[1, m]
  %5 = transpose(%0) {permutation = (1, 0)} : f32[n, m]
  %6 = broadcast(%3) : f32[n, m]
  %7 = broadcast(%4) : f32[n, m]
  %8 = mul(%5, %2) : f32[n, m]
  %9 = add(%8, %6) : f32[n, m]
  %10 = sub(%9, %1) : f32[n, m]
  %11 = mul(%10, %7) : f32[n, m]
  output "r" = %11
)";

TEST(Transpose, OfWholeUnitsFromMemoryIsPipelined) {
  const std::string nest = OnlyNest(Parse(Sized(kTranspose, 4096, 1056)));
  EXPECT_THAT(nest, HasSubstr("step 32"));                   // tiles, one after the other
  EXPECT_THAT(nest, HasSubstr("scratch f32 b2[3072]"));      // two of them
  EXPECT_EQ(CountOf(nest, "store b1"), 4) << nest;           // a unit's
  EXPECT_THAT(OnlyNest(Parse(Sized(kTranspose, 4096, 1088))), HasSubstr("scratch f32 b2[5120]"));  // tiles of 64 rows
  for (const auto& [m, n] : std::vector<std::pair<int, int>>{{4096, 1058}, {1024, 1056}}) {
    EXPECT_EQ(CountOf(OnlyNest(Parse(Sized(kTranspose, m, n))), "scratch"), 0);
  }
}

// Last tiles of lanes and of rows that are not whole, last blocks, and sizes that are left to the other schedule.
TEST(Transpose, PipelinedIsRight) {
  for (const auto& [m, n] : std::vector<std::pair<int, int>>{{80, 260}, {16, 1092}, {40, 258}}) {
    ExpectRight(Parse(Sized(kWithOthers, m, n)), {{}}, OutOfCache(EveryWay()));
  }
  for (const char* element : {"f32", "f16", "i8", "i64"}) {
    for (const int n : {272, 576}) {  // tiles of 32 and of 64 rows
      ExpectRight(Parse(Replace(Sized(kTranspose, 80, n), "f32", element)), {{}}, OutOfCache(EveryWay()));
    }
  }
}

TEST(Transpose, PipelinedTouchesNothingOutsideItsTensors) {
  for (const char* text : {kTranspose, kWithOthers}) {
    ExpectTouchesNothingElse(Parse(Sized(text, 80, 260)), {{}}, OutOfCache(EveryWay()));
  }
  ExpectTouchesNothingElse(Parse(Sized(kTranspose, 80, 576)), {{}}, OutOfCache(EveryWay()));
}

// Kernels for other localities read their inputs in the same order.
TEST(Transpose, FetchingAheadKeepsTheOrderOfInputs) {
  for (const int n : {2048, 2001}) EXPECT_THAT(OnlyNest(Parse(Sized(kWithOthers, 4096, n))), HasSubstr("prefetch"));
}

TEST(Transpose, TouchesNothingOutsideItsTensors) {
  for (const char* text : {kTranspose, kMixed}) ExpectTouchesNothingElse(Parse(text), Edges());
}

}  // namespace
}  // namespace skein
