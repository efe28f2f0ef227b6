#include "fusion/settle.h"

#include <gmock/gmock.h>

#include <set>

#include "fusion/rewrite.h"
#include "tests/fusion/fusion_graphs.h"
#include "tests/support/random_graph.h"

namespace skein {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// The settled graph without its inputs and constants: what is left to compute.
std::string Settled(const std::string& text) {
  const absl::StatusOr<Graph> settled = Settle(Parse(text));
  EXPECT_TRUE(settled.ok()) << settled.status();
  return settled.ok() ? settled->ToString() : "";
}

TEST(Settle, ReachesAFixedPoint) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    const Graph graph = RandomGraph(RandomBytes(seed));
    const absl::StatusOr<Graph> once = Simplify(graph);
    ASSERT_TRUE(once.ok()) << once.status();
    const absl::StatusOr<Graph> twice = Simplify(*once);
    ASSERT_TRUE(twice.ok()) << twice.status();
    EXPECT_EQ(twice->ToString(), once->ToString()) << seed;
  }
}

TEST(Settle, OrdersFollowFromTheInnermostDimThatIsNotOne) {
  const std::string text = Settled(R"(
    %0 = input() {name = "x"} : f32[a, b, 1]
    %1 = reduce(%0) {axes = (1), reducer = sum<f32>} : f32[a, 1, 1]
    %2 = reduce(%0) {axes = (0), reducer = max<f32>} : f32[1, b, 1]
    output "y" = %1
    output "z" = %2
  )");
  EXPECT_THAT(text, HasSubstr("{axes = (1), order = \"inner\", reducer = sum<f32>}"));
  EXPECT_THAT(text, HasSubstr("{axes = (0), order = \"outer\", reducer = max<f32>}"));
}

TEST(Settle, ReductionsOfOneElementAreGone) {
  const std::string text = Settled(R"(
    %0 = input() {name = "x"} : f32[a, 1]
    %1 = reduce(%0) {axes = (1), reducer = sum<f32>} : f32[a, 1]
    %2 = reduce(%1) {axes = (0, 1), reducer = max<f32>} : f32[1, 1]
    output "y" = %2
  )");
  EXPECT_EQ(CountOf(text, "reduce("), 1) << text;
  EXPECT_THAT(text, HasSubstr("axes = (0)"));
}

TEST(Settle, DeadNodesAndDoubleMovementAreGone) {
  const std::string text = Settled(R"(
    %0 = input() {name = "x"} : f32[a, 8]
    %1 = exp(%0) : f32[a, 8]
    %2 = transpose(%0) {permutation = (1, 0)} : f32[8, a]
    %3 = transpose(%2) {permutation = (1, 0)} : f32[a, 8]
    %4 = reshape(%3) : f32[a, 2, 4]
    %5 = reshape(%4) : f32[a, 8]
    %6 = neg(%5) : f32[a, 8]
    %7 = neg(%6) : f32[a, 8]
    %8 = tanh(%7) : f32[a, 8]
    output "y" = %8
  )");
  for (const char* gone : {"exp", "transpose", "reshape", "neg"}) EXPECT_THAT(text, Not(HasSubstr(gone)));
}

TEST(Settle, KeepsWhatIsNotEqual) {
  // x - x is not 0 for infinities, x * 0 is not 0 for NaN, x / x is not 1.
  const std::string text = Settled(R"(
    %0 = input() {name = "x"} : f32[a]
    %1 = sub(%0, %0) : f32[a]
    %2 = div(%0, %0) : f32[a]
    %3 = constant() {literal = f32[] {0.0}} : f32[]
    %4 = reshape(%3) : f32[1]
    %5 = broadcast(%4) : f32[a]
    %6 = mul(%0, %5) : f32[a]
    output "zero" = %1
    output "one" = %2
    output "product" = %6
  )");
  for (const char* kept : {"sub(", "div(", "mul("}) EXPECT_THAT(text, HasSubstr(kept));
}

TEST(Settle, IntegersAreNotTreatedAsReals) {
  const std::string text = Settled(R"(
    %0 = input() {name = "x"} : i64[a]
    %1 = constant() {literal = i64[] {3}} : i64[]
    %2 = reshape(%1) : i64[1]
    %3 = broadcast(%2) : i64[a]
    %4 = div(%0, %3) : i64[a]
    %5 = mul(%4, %3) : i64[a]
    output "y" = %5
  )");
  EXPECT_THAT(text, HasSubstr("div("));
  EXPECT_THAT(text, HasSubstr("mul("));
}

TEST(Settle, NoNanIsInventedBySmallConstants) {
  // 1 / 1e-42 overflows in f32 and 1 / 3e38 is subnormal: these divisions stay. 1e30 * 1e30 and 1e-30 * 1e-30 are not
  // multiplied together.
  for (const char* c : {"1e-42", "3e38"}) {
    const std::string text = Settled(std::string(R"(
      %0 = input() {name = "x"} : f32[a]
      %1 = constant() {literal = f32[] {)") + c + R"(}} : f32[]
      %2 = reshape(%1) : f32[1]
      %3 = broadcast(%2) : f32[a]
      %4 = div(%0, %3) : f32[a]
      output "y" = %4
    )");
    EXPECT_THAT(text, HasSubstr("div(")) << c;
  }
  for (const char* c : {"1e30", "1e-30"}) {
    const std::string text = Settled(std::string(R"(
      %0 = input() {name = "x"} : f32[a]
      %1 = constant() {literal = f32[] {)") + c + R"(}} : f32[]
      %2 = reshape(%1) : f32[1]
      %3 = broadcast(%2) : f32[a]
      %4 = mul(%0, %3) : f32[a]
      %5 = mul(%4, %3) : f32[a]
      output "y" = %5
    )");
    EXPECT_EQ(CountOf(text, "mul("), 2) << c;
  }
}

TEST(Settle, NamesOfPassesAreUnique) {
  std::set<std::string> names;
  for (const Pass& pass : SettlePasses()) EXPECT_TRUE(names.insert(pass.name).second) << pass.name;
  EXPECT_GE(names.size(), 2u);
}

}  // namespace
}  // namespace skein
