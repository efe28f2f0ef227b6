#include "fusion/schedule_segments.h"

#include <gmock/gmock.h>

#include "tests/fusion/guarded_run.h"

namespace skein {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kConcat = R"(
  %0 = input() {name = "x"} : f32[r, m]
  %1 = input() {name = "y"} : f32[r, n]
  %2 = neg(%1) : f32[r, n]
  %3 = concat(%0, %2) {axis = 1} : f32[r, m + n]
  output "z" = %3
)";

// Between constants, under a row and a column that are read once; `F` is the type.
constexpr const char* kPad = R"(
  %0 = input() {name = "x"} : F[r, m]
  %1 = input() {name = "fill"} : F[]
  %2 = pad(%0, %1) {low = [0, 3], high = [0, 17]} : F[r, m + 20]
  %3 = input() {name = "row"} : F[m + 20]
  %4 = reshape(%3) : F[1, m + 20]
  %5 = broadcast(%4) : F[r, m + 20]
  %6 = input() {name = "column"} : F[r, 1]
  %7 = broadcast(%6) : F[r, m + 20]
  %8 = add(%2, %5) : F[r, m + 20]
  %9 = mul(%8, %7) : F[r, m + 20]
  output "z" = %9
)";

constexpr const char* kSlice = R"(
  %0 = input() {name = "x"} : f32[r, m + 9]
  %1 = slice(%0) {starts = [0, 5], steps = [1, 1], dims = [r, m]} : f32[r, m]
  output "y" = %1
)";

// A graph with these sizes in place of its symbols.
Graph Known(std::string text, int64_t r, int64_t m, int64_t n) {
  text = Replace(text, "m + n", absl::StrCat(m + n));
  text = Replace(text, "m + 20", absl::StrCat(m + 20));
  text = Replace(text, "m + 9", absl::StrCat(m + 9));
  text = Replace(Replace(text, "[r", absl::StrCat("[", r)), "r, m]", absl::StrCat(r, ", ", m, "]"));
  text = Replace(Replace(text, ", m]", absl::StrCat(", ", m, "]")), ", n]", absl::StrCat(", ", n, "]"));
  return Parse(Replace(text, "F[", "f32["));
}

TEST(Segments, EachPieceHasItsLoopAndChoosesNothing) {
  for (const std::string& text : {std::string(kConcat), Replace(kPad, "F[", "f32[")}) {
    const std::string nest = OnlyNest(Parse(text));
    EXPECT_THAT(nest, Not(HasSubstr("select"))) << text;
    EXPECT_THAT(nest, Not(HasSubstr("mask"))) << text;
  }
  EXPECT_EQ(CountOf(OnlyNest(Parse(kConcat)), "vector "), 2);
  EXPECT_EQ(CountOf(OnlyNest(Parse(Replace(kPad, "F[", "f32["))), "vector "), 3);
}

TEST(Segments, SymbolicWidths) {
  std::vector<SymbolValues> sizes;
  for (int64_t m : {0, 1, 15, 16, 17, 63, 64, 65, 127}) {
    for (int64_t n : {0, 1, 13, 64, 101}) sizes.push_back({{"r", 3}, {"m", m}, {"n", n}});
  }
  sizes.push_back({{"r", 0}, {"m", 5}, {"n", 7}});
  sizes.push_back({{"r", 1}, {"m", 5}, {"n", 7}});
  ExpectRight(Parse(kConcat), sizes);
  ExpectTouchesNothingElse(Parse(kConcat), sizes);
  for (const char* element : {"f32", "f64", "i32", "i8"}) {
    ExpectRight(Parse(Replace(kPad, "F[", absl::StrCat(element, "["))), {{{"r", 3}, {"m", 0}}, {{"r", 2}, {"m", 78}}});
  }
}

// Lines of the output begin anywhere in a row, and in the middle of a piece.
TEST(Segments, WholeLinesOfResultsThatStream) {
  PlanOptions far;
  far.target.l2_bytes = 64;
  far.target.stream_output_bytes = far.target.stream_intermediate_bytes = 1;
  const absl::StatusOr<Plan> plan = MakePlan(Known(kConcat, 5, 1001, 515), far);
  ASSERT_TRUE(plan.ok());
  const std::string nest = plan->groups[0].nest->ToString();
  EXPECT_EQ(CountOf(nest, "lanes 64"), 2) << nest;
  EXPECT_EQ(CountOf(nest, "lanes 16"), 4) << nest;
  EXPECT_THAT(nest, HasSubstr("prefetch"));
  for (const auto& [m, n] : std::vector<std::pair<int, int>>{{1001, 515}, {130, 1}, {64, 128}, {5, 200}, {333, 7}}) {
    for (const char* text : {kConcat, kPad, kSlice}) {
      ExpectRight(Known(text, 5, m, n), {{}}, EveryWay());
      ExpectRight(Known(text, 5, m, n), {{}}, OutOfCache(EveryWay()));
      ExpectTouchesNothingElse(Known(text, 5, m, n), {{}}, OutOfCache(EveryWay()));
    }
  }
}

TEST(Segments, ManyPiecesAndPiecesOfPieces) {
  ExpectRight(Parse(R"(
    %0 = input() {name = "x"} : f32[r, m]
    %1 = input() {name = "y"} : f32[r, 7]
    %2 = input() {name = "fill"} : f32[]
    %3 = pad(%0, %2) {low = [0, 1], high = [0, 2]} : f32[r, m + 3]
    %4 = concat(%1, %3, %0, %1) {axis = 1} : f32[r, 2*m + 17]
    %5 = concat(%4, %4) {axis = 1} : f32[r, 4*m + 34]
    %6 = concat(%5, %5) {axis = 0} : f32[2*r, 4*m + 34]
    output "z" = %6
  )"), {{{"r", 2}, {"m", 0}}, {{"r", 2}, {"m", 1}}, {{"r", 3}, {"m", 40}}});
}

}  // namespace
}  // namespace skein
