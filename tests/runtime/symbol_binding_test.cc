#include "runtime/symbol_binding.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/program.h"

namespace skein {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

DimExpr S(std::string_view name) { return DimExpr::Symbol(name); }

struct Bound {
  absl::Status status;
  SymbolValues values;
};

Bound BindDims(const std::vector<Dims>& types, const std::vector<std::vector<int64_t>>& dims) {
  Graph graph;
  for (size_t i = 0; i < types.size(); ++i) {
    graph.AddInput(absl::StrCat("in", i), {ElementType::kF32, types[i]});
  }
  absl::StatusOr<SymbolBinder> binder = SymbolBinder::Create(graph);
  if (!binder.ok()) return {binder.status(), {}};
  std::vector<TensorView> views;
  for (const auto& d : dims) views.push_back({ElementType::kF32, d, nullptr});
  absl::StatusOr<std::vector<int64_t>> values = binder->Bind(views);
  if (!values.ok()) return {values.status(), {}};
  return {absl::OkStatus(), binder->ToMap(*values)};
}

TEST(SymbolBindingTest, PlainSymbolsThenAffineOnes) {
  // past + seq comes first in the file but can be solved only when seq is known.
  Bound bound = BindDims({{S("past") + S("seq")}, {S("batch"), S("seq"), 768}, {2 * S("half") + 1}},
                         {{12}, {3, 4, 768}, {7}});
  ASSERT_TRUE(bound.status.ok()) << bound.status;
  EXPECT_EQ(bound.values["past"], 8);
  EXPECT_EQ(bound.values["seq"], 4);
  EXPECT_EQ(bound.values["batch"], 3);
  EXPECT_EQ(bound.values["half"], 3);
}

TEST(SymbolBindingTest, AProductIsSolvedByItsKnownFactor) {
  Bound bound = BindDims({{S("n") * S("m")}, {S("n")}}, {{35}, {5}});
  ASSERT_TRUE(bound.status.ok()) << bound.status;
  EXPECT_EQ(bound.values["m"], 7);
  EXPECT_TRUE(BindDims({{S("n") * S("m")}, {S("n")}}, {{0}, {0}}).status.ok());
  EXPECT_FALSE(BindDims({{S("n") * S("m")}, {S("n")}}, {{3}, {0}}).status.ok());
}

TEST(SymbolBindingTest, ConflictsNameInputsDimsAndValues) {
  Bound bound = BindDims({{S("n")}, {4, S("n")}}, {{5}, {4, 6}});
  EXPECT_EQ(bound.status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(bound.status.message(), AllOf(HasSubstr("'in1' has 6 in dim 1"), HasSubstr("n = 5"), HasSubstr("'in0'")));
  bound = BindDims({{S("n"), 3}}, {{5, 4}});
  EXPECT_THAT(bound.status.message(), AllOf(HasSubstr("has 4 in dim 1"), HasSubstr("3 is required")));
}

TEST(SymbolBindingTest, RefusesWhatNoValueFits) {
  EXPECT_THAT(BindDims({{S("past") + 1}}, {{0}}).status.message(), HasSubstr("no past >= 0 fits"));
  EXPECT_THAT(BindDims({{2 * S("n")}}, {{5}}).status.message(), HasSubstr("no n >= 0 fits"));
  EXPECT_FALSE(BindDims({{S("n")}}, {{-1}}).status.ok());
  EXPECT_THAT(BindDims({{S("n")}}, {{1, 2}}).status.message(), HasSubstr("rank"));
  EXPECT_THAT(BindDims({{S("n")}}, {}).status.message(), HasSubstr("1 inputs"));
}

TEST(SymbolBindingTest, ASymbolThatNothingDetermines) {
  EXPECT_THAT(BindDims({{FloorDiv(S("n"), 2)}}, {{3}}).status.message(), HasSubstr("'n'"));
  // But a floordiv is checked where another dim determines the symbol.
  EXPECT_TRUE(BindDims({{FloorDiv(S("n"), 2)}, {S("n")}}, {{3}, {7}}).status.ok());
  EXPECT_FALSE(BindDims({{FloorDiv(S("n"), 2)}, {S("n")}}, {{4}, {7}}).status.ok());
}

}  // namespace
}  // namespace skein
