#include "ir/dim_expr_eval.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace skein {
namespace {

// "s0" is in slot 0 and so on; other names have no slot.
int Slot(std::string_view name) { return name[0] == 's' ? name[1] - '0' : -1; }

const DimExpr s0 = DimExpr::Symbol("s0"), s2 = DimExpr::Symbol("s2");

CompiledDimExpr Compile(DimExpr e) { return CompiledDimExpr::Compile(e, Slot).value(); }

TEST(DimExprEvalTest, LinearExpressions) {
  DimExpr row = DimExpr::Coord(1, s0), value = DimExpr::Value(3);
  CompiledDimExpr compiled = Compile(row * 64 + s2 - value * 2 + 5);
  EXPECT_EQ(compiled.symbol_count(), 3);
  EXPECT_EQ(compiled.coord_count(), 2);
  EXPECT_EQ(compiled.value_count(), 4);
  std::vector<int64_t> symbols = {10, 0, 100}, coords = {0, 7}, values = {0, 0, 0, 4};
  EXPECT_EQ(compiled.Eval(symbols, coords, values), 7 * 64 + 100 - 8 + 5);
  EXPECT_EQ(CompiledDimExpr().Eval({}), 0);
  EXPECT_EQ(Compile(42).Eval({}), 42);
}

TEST(DimExprEvalTest, EveryOperation) {
  std::vector<int64_t> symbols = {17, 0, 5}, values = {-17};
  DimExpr v = DimExpr::Value(0);
  auto eval = [&](DimExpr e) { return Compile(e).Eval(symbols, {}, values); };
  EXPECT_EQ(eval(s0 * s2 * 3 + 1), 256);
  EXPECT_EQ(eval(FloorDiv(v, s2)), -4);
  EXPECT_EQ(eval(Mod(v, s2)), 3);
  EXPECT_EQ(eval(Mod(s0, v * s2)), -68);
  EXPECT_EQ(eval(Min(s0, s2)), 5);
  EXPECT_EQ(eval(Max(s0, s2)), 17);
  EXPECT_EQ(eval(Less(s2, s0)), 1);
  EXPECT_EQ(eval(Equal(s2, s0)), 0);
  EXPECT_EQ(eval(Select(Less(s0, s2), s0 + 1, s2 + 1)), 6);
  symbols = {INT64_MAX, 0, 0};
  EXPECT_EQ(eval(s0 + 1), INT64_MAX);
  EXPECT_EQ(eval(s0 * s0 + 1), INT64_MAX);
  EXPECT_EQ(eval(FloorDiv(s0, s2)), 0) << "a divisor of 0 gives 0";
  values = {INT64_MIN};
  EXPECT_EQ(eval(FloorDiv(v, -1)), INT64_MAX) << "no trap";
}

TEST(DimExprEvalTest, LongProgramsLeaveTheStack) {
  DimExpr sum = 0;
  int64_t expected = 0;
  for (int i = 1; i <= 100; ++i) {
    sum = sum + FloorDiv(s0 * s0, 2 * i + 1) * i;
    expected += 1000 * 1000 / (2 * i + 1) * i;
  }
  std::vector<int64_t> symbols = {1000};
  EXPECT_EQ(Compile(sum).Eval(symbols), expected);
}

TEST(DimExprEvalTest, NamesASymbolWithoutSlot) {
  auto compiled = CompiledDimExpr::Compile(DimExpr::Symbol("width") * 2, Slot);
  ASSERT_FALSE(compiled.ok());
  EXPECT_NE(std::string(compiled.status().message()).find("width"), std::string::npos);
}

}  // namespace
}  // namespace skein
