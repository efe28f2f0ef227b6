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
      std::string known = Replace(Replace(text, "[m", absl::StrCat("[", m)), "[n", absl::StrCat("[", n));
      known = Replace(Replace(known, ", m]", absl::StrCat(", ", m, "]")), ", n]", absl::StrCat(", ", n, "]"));
      const Graph graph = Parse(known);
      ExpectNoStrides(OnlyNest(graph));
      ExpectRight(graph, {{}}, EveryWay());
      ExpectRight(graph, {{}}, OutOfCache(EveryWay()));
    }
  }
}

TEST(Transpose, TouchesNothingOutsideItsTensors) {
  for (const char* text : {kTranspose, kMixed}) ExpectTouchesNothingElse(Parse(text), Edges());
}

}  // namespace
}  // namespace skein
