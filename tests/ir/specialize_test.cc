#include "ir/specialize.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace skein {
namespace {

using ::testing::HasSubstr;

DimExpr S(std::string_view name) { return DimExpr::Symbol(name); }

TEST(SpecializeTest, TypesAttributesKnownValuesAndOriginsFollow) {
  Graph g;
  g.source_names = {"/index", "/slice"};
  Value x = g.AddInput("x", {ElementType::kI64, {S("n"), S("m")}});
  Value index, slice;
  {
    Graph::OriginScope scope(&g, {0});
    index = g.AddIndex(ElementType::kI64, {S("n"), S("m")}, DimExpr::Coord(1, S("m")) + S("n"));
  }
  {
    Graph::OriginScope scope(&g, {1});
    Value sum = *g.Add(Op::add, {x, index});
    slice = *g.Add(Op::slice, {sum}, {{"starts", Dims{1, 0}}, {"steps", Dims{1, 1}},
                                      {"dims", Dims{S("n") - 1, S("m")}}});
  }
  g.AddOutput("y", slice);
  auto fixed = SpecializeSymbols(g, {{"n", DimExpr(5)}});
  ASSERT_TRUE(fixed.ok()) << fixed.status();
  EXPECT_TRUE(Verify(*fixed).ok()) << Verify(*fixed);
  EXPECT_EQ(fixed->type(fixed->inputs()[0].value).ToString(), "i64[5, m]");
  EXPECT_EQ(fixed->type(fixed->outputs()[0].value).ToString(), "i64[4, m]");
  EXPECT_EQ(fixed->outputs()[0].name, "y");
  EXPECT_EQ(fixed->origins(fixed->outputs()[0].value.node), SourceNodes({1}));
  EXPECT_THAT(fixed->ToString(), testing::Not(HasSubstr("n -")));
}

TEST(SpecializeTest, GuardsAreDecidedOrKept) {
  Graph g;
  g.AddInput("x", {ElementType::kF32, {S("n"), S("m")}});
  g.AddGuard(Less(S("n"), 10), "short");
  g.AddGuard(Less(S("m"), S("n")), "wide");
  auto fixed = SpecializeSymbols(g, {{"n", DimExpr(5)}});
  ASSERT_TRUE(fixed.ok()) << fixed.status();
  ASSERT_EQ(fixed->guards().size(), 1u);
  EXPECT_EQ(fixed->guards()[0].condition, Less(S("m"), 5));
  auto broken = SpecializeSymbols(g, {{"n", DimExpr(12)}});
  EXPECT_EQ(broken.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(broken.status().message(), HasSubstr("short"));
}

TEST(SpecializeTest, ANodeThatNoLongerFitsIsNamed) {
  Graph g;
  g.source_names = {"/add"};
  Value x = g.AddInput("x", {ElementType::kF32, {S("n")}}), y = g.AddInput("y", {ElementType::kF32, {S("m")}});
  Graph::OriginScope scope(&g, {0});
  g.AddOutput("z", *g.Add(Op::add, {x, y}));
  EXPECT_TRUE(SpecializeSymbols(g, {{"n", DimExpr(3)}, {"m", DimExpr(3)}}).ok());
  EXPECT_EQ(SpecializeSymbols(g, {{"n", DimExpr(3)}, {"m", DimExpr(4)}}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace skein
