#include "ir/dim_expr.h"

#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace skein {
namespace {

DimExpr S(std::string_view name) { return DimExpr::Symbol(name); }
DimExpr C(int index, DimExpr extent) { return DimExpr::Coord(index, extent); }

class DimExprTest : public ::testing::Test {
 protected:
  const DimExpr batch = S("batch"), seq = S("seq"), past = S("past"), n = S("n"), m = S("m");
  const DimExpr head = C(0, 12), lane = C(1, 64), row = C(2, seq), entry = C(3, batch);
};

TEST_F(DimExprTest, SumsAndProductsAreCanonical) {
  EXPECT_EQ(batch * seq + 1, 1 + seq * batch);
  EXPECT_EQ((batch + seq) * (batch - seq), batch * batch - seq * seq);
  EXPECT_EQ(batch - batch, DimExpr(0));
  EXPECT_EQ((n + 1) * 3 - 3, n * 3);
  EXPECT_EQ((batch * seq + 1).ToString(), "batch*seq + 1");
  EXPECT_EQ((n - m * 3 - 2).ToString(), "-3*m + n - 2");
  EXPECT_EQ(C(4, 1) + n, n) << "a coordinate of extent 1 is 0";
}

TEST_F(DimExprTest, LongProductsStayBounded) {
  DimExpr sum = 1, product = 1;
  for (int i = 0; i < 12; ++i) sum = sum + S("s" + std::to_string(i));
  for (int i = 0; i < 12; ++i) product = product * (sum + S("t" + std::to_string(i)));
  EXPECT_LT(product.ToString().size(), 20000u);
  SymbolValues values;
  for (int i = 0; i < 12; ++i)
    values["s" + std::to_string(i)] = values["t" + std::to_string(i)] = 0;
  EXPECT_EQ(*Evaluate(product, values), 1);
}

TEST_F(DimExprTest, ConstantsSaturate) {
  DimExpr huge = INT64_MAX;
  EXPECT_EQ(huge + 1, huge);
  EXPECT_EQ(huge * -2, DimExpr(-INT64_MAX));
  EXPECT_EQ(DimExpr(INT64_MIN), DimExpr(-INT64_MAX));
  EXPECT_EQ(Min(huge, seq), seq);
  EXPECT_EQ(FloorDiv(7, 0), DimExpr(0));
  EXPECT_EQ(Mod(7, 0), DimExpr(0));
}

TEST_F(DimExprTest, DivisionByConstants) {
  DimExpr flat = row * 768 + head * 64 + lane;
  EXPECT_EQ(FloorDiv(flat, 64), row * 12 + head);
  EXPECT_EQ(Mod(flat, 64), lane);
  EXPECT_EQ(FloorDiv(flat, 768), row);
  EXPECT_EQ(Mod(flat, 768), head * 64 + lane);
  EXPECT_EQ(Mod(FloorDiv(flat, 64), 12), head);
  EXPECT_EQ(FloorDiv(head * 64 + lane + n * 3072, 256), n * 12 + FloorDiv(head, 4));
  EXPECT_EQ(FloorDiv(FloorDiv(n, 4), 8), FloorDiv(n, 32));
  EXPECT_EQ(FloorDiv(FloorDiv(n + 64 * m, 64), 12), FloorDiv(n + 64 * m, 768));
  EXPECT_EQ(FloorDiv(4 * n, 8), FloorDiv(n, 2));
  EXPECT_EQ(FloorDiv(4 * n + 3, 8), FloorDiv(n, 2));
  EXPECT_EQ(Mod(4 * n + 3, 8), 4 * Mod(n, 2) + 3);
  EXPECT_EQ(Mod(Mod(n, 64), 16), Mod(n, 16));
  EXPECT_EQ(Mod(Mod(n, 16), 64), Mod(n, 16));
  EXPECT_EQ(Mod(3 * m + Mod(n, 64), 16), Mod(3 * m + n, 16));
  EXPECT_EQ(FloorDiv(n, -4), FloorDiv(-n, 4));
  EXPECT_EQ(FloorDiv(n, 1), n);
  EXPECT_EQ(Mod(n, 1), DimExpr(0));
}

TEST_F(DimExprTest, DivisionBySymbols) {
  EXPECT_EQ(FloorDiv(seq * entry + row, seq), entry);
  EXPECT_EQ(Mod(entry * seq + row, seq), row);
  EXPECT_EQ(FloorDiv(n, n), DimExpr(1));
  EXPECT_EQ(CeilDiv(seq * n, seq), n);
  EXPECT_EQ(FloorDiv(batch * seq * 768, seq), batch * 768);
  EXPECT_EQ(FloorDiv(batch * seq * 768, batch * seq), DimExpr(768));
  DimExpr total = past + seq;
  DimExpr column = C(5, total);
  EXPECT_EQ(FloorDiv(row * total + column, total), row);
  EXPECT_EQ(Mod(row * total + column, total), column);
  // A [batch, 12, seq, 64] tensor seen as [batch*12, seq, 64].
  DimExpr flat = ((entry * 12 + head) * seq + row) * 64 + lane;
  EXPECT_EQ(FloorDiv(flat, seq * 64), entry * 12 + head);
  EXPECT_EQ(FloorDiv(Mod(flat, seq * 64), 64), row);
  EXPECT_EQ(FloorDiv(flat, 12 * seq * 64), entry);
  EXPECT_EQ(Mod(FloorDiv(flat, seq * 64), 12), head);
  EXPECT_EQ(Mod(FloorDiv(flat, 64), seq), row);
}

TEST_F(DimExprTest, DivisionBySums) {
  // A [batch, 12, past + seq, 64] key cache, flat and back.
  DimExpr total = past + seq, position = C(5, total);
  DimExpr flat = ((entry * 12 + head) * total + position) * 64 + lane;
  EXPECT_EQ(FloorDiv(flat, total * 64), entry * 12 + head);
  EXPECT_EQ(FloorDiv(FloorDiv(flat, 64), total), entry * 12 + head);
  EXPECT_EQ(FloorDiv(Mod(flat, total * 64), 64), position);
  EXPECT_EQ(Mod(FloorDiv(flat, 64), total), position);
  EXPECT_EQ(FloorDiv(flat, 12 * total * 64), entry);
  EXPECT_EQ(Mod(FloorDiv(flat, total * 64), 12), head);
  EXPECT_EQ(FloorDiv(n * total + position, 12 * total), FloorDiv(n, 12));
  EXPECT_EQ(Mod(n * total + position, 12 * total), total * Mod(n, 12) + position);
  EXPECT_EQ(FloorDiv(FloorDiv(n, total), 12), FloorDiv(n, 12 * total));
  // The dim that Reshape leaves open.
  EXPECT_EQ(FloorDiv(batch * total * 768, batch * 12 * 64), total);
  EXPECT_EQ(FloorDiv(batch * total * 768, total * 768), batch);
}

TEST_F(DimExprTest, QuotientsAndRemaindersJoin) {
  EXPECT_EQ(64 * FloorDiv(n, 64) + Mod(n, 64), n);
  EXPECT_EQ(m * 64 * FloorDiv(n, 64) + m * Mod(n, 64) + 7, m * n + 7);
  EXPECT_EQ(m * FloorDiv(n, m) + Mod(n, m), n);
  DimExpr x = n * 12 + m + row;
  EXPECT_EQ(64 * FloorDiv(x, 64) + Mod(x, 64), x);
  EXPECT_EQ(seq * FloorDiv(x, seq) + Mod(x, seq), x);
  DimExpr pulled = n * 64 + m + 70;
  EXPECT_EQ(64 * FloorDiv(pulled, 64) + Mod(pulled, 64), pulled);
  EXPECT_EQ(n - 64 * FloorDiv(n, 64), Mod(n, 64));
  EXPECT_EQ(pulled - 64 * FloorDiv(pulled, 64), Mod(pulled, 64));
  EXPECT_EQ(m * n - m * 64 * FloorDiv(n, 64), m * Mod(n, 64));
  EXPECT_EQ(FloorDiv(n, 64) - 12 * FloorDiv(n, 768), Mod(FloorDiv(n, 64), 12));
  EXPECT_EQ(768 * FloorDiv(n, 768) + 64 * Mod(FloorDiv(n, 64), 12) + Mod(n, 64), n);
  EXPECT_EQ((past + 1) * FloorDiv(n, past + 1) + Mod(n, past + 1), n);
  EXPECT_EQ(n - (past + 1) * FloorDiv(n, past + 1), Mod(n, past + 1));
}

TEST_F(DimExprTest, MinAndMax) {
  EXPECT_EQ(Min(n, n + 1), n);
  EXPECT_EQ(Max(n, 0), n);
  EXPECT_EQ(Max(n, n + m), n + m);
  EXPECT_EQ(Min(Min(n, m), seq), Min(m, Min(seq, n)));
  EXPECT_EQ(Min(Min(n, m), n), Min(m, n));
  EXPECT_EQ(Min(row, seq), row);
  EXPECT_EQ(Min(lane, 63), lane);
  EXPECT_EQ(Min(seq, 512).ToString(), "min(seq, 512)");
}

TEST_F(DimExprTest, ComparisonsAndSelect) {
  EXPECT_EQ(Less(row, seq), DimExpr(1));
  EXPECT_EQ(Less(seq, row), DimExpr(0));
  EXPECT_EQ(Less(n + 3, m + 3), Less(n, m));
  EXPECT_EQ(Less(2 * n, 2 * m + 1), Less(n, m + 1));
  EXPECT_EQ(Equal(n, n + 1), DimExpr(0));
  EXPECT_EQ(Equal(2 * n, 2 * m + 1), DimExpr(0));
  EXPECT_EQ(Equal(n, m), Equal(m, n));
  EXPECT_EQ(Not(Not(Less(n, m))), Less(n, m));
  EXPECT_EQ(Not(Not(Equal(n, m))), Equal(n, m));
  EXPECT_EQ(Not(Less(n, m)), Less(m, n + 1));
  DimExpr flag = Less(n, m);
  EXPECT_EQ(And(flag, flag), flag);
  EXPECT_EQ(Or(flag, flag), flag);
  EXPECT_EQ(Select(flag, 1, 0), flag);
  EXPECT_EQ(Select(flag, n, n), n);
  EXPECT_EQ(Select(1, n, m), n);
  EXPECT_EQ(Select(0, n, m), m);
  EXPECT_EQ(Select(Not(Equal(n, m)), n, seq), Select(Equal(n, m), seq, n));
  EXPECT_EQ(Select(Less(row, 0), row + seq, row), row) << "a negative index wraps";
  EXPECT_EQ(Less(0, flag + n).kind(), DimKind::kLess) << "n alone can make it true";
}

TEST_F(DimExprTest, Proofs) {
  EXPECT_TRUE(ProveNonNegative(seq * 12 - (12 * row + head) - 1));
  EXPECT_FALSE(ProveNonNegative(seq * 12 - (12 * row + head) - 2));
  EXPECT_FALSE(ProveNonNegative(seq - 1)) << "a symbol may be 0";
  // Rows in blocks of 96 and tiles of 6: a quotient is not negative where its dividend is not.
  const DimExpr block = DimExpr::Coord(1, CeilDiv(seq, 96)), tiles = FloorDiv(Min(seq - 96 * block, 96), 6);
  EXPECT_TRUE(ProveNonNegative(96 * block + 6 * tiles));
  EXPECT_FALSE(ProveNonNegative(96 * block + 6 * tiles - 1));
  EXPECT_TRUE(ProveLessEqual(Mod(n, 64), 63));
  EXPECT_FALSE(ProveLessEqual(Mod(n, 64), 62));
  EXPECT_TRUE(ProveLessEqual(Min(n, m), n));
  EXPECT_TRUE(ProveLessEqual(Min(n, m), m));
  EXPECT_TRUE(ProveLessEqual(m, Max(n, m)));
  EXPECT_FALSE(ProveLessEqual(n, Min(n, m)));
  EXPECT_TRUE(ProveLessEqual(64 * FloorDiv(n, 64), n));
  EXPECT_TRUE(ProveLess(n, 64 * FloorDiv(n, 64) + 64));
  EXPECT_FALSE(ProveLess(n, 64 * FloorDiv(n, 64) + 63));
  EXPECT_TRUE(ProveLessEqual(n, 64 * CeilDiv(n, 64)));
  EXPECT_TRUE(ProveLess(C(3, Mod(n, m)), m));
  EXPECT_TRUE(ProveLessEqual(Select(Less(n, m), n, m), m + n));
  EXPECT_TRUE(ProveNotEqual(row, seq));
  EXPECT_FALSE(ProveNotEqual(row, n));
}

TEST_F(DimExprTest, ProofsAboutTiles) {
  DimExpr tile = C(6, CeilDiv(n, 64));
  DimExpr inside = C(7, Min(64, n - 64 * tile));
  EXPECT_TRUE(ProveLess(64 * tile, n));
  EXPECT_TRUE(ProveLess(64 * tile + inside, n));
  EXPECT_TRUE(ProveLess(inside, 64));
  EXPECT_FALSE(ProveLess(64 * tile + C(8, 64), n));
  DimExpr column = C(9, FloorDiv(n, 64));
  EXPECT_TRUE(ProveLess(64 * column + lane, n));
  EXPECT_TRUE(ProveLess((entry * seq + row) * 768 + head * 64 + lane, batch * seq * 768));
}

TEST_F(DimExprTest, SubstituteReachesExtents) {
  DimExpr tile = C(6, CeilDiv(n, 64));
  SymbolMap to_128{{"n", DimExpr(128)}};
  EXPECT_EQ(SubstituteSymbols(tile, to_128), C(6, 2));
  EXPECT_EQ(SubstituteSymbols(batch * seq + n, to_128), batch * seq + 128);
  std::vector<DimExpr> with = {FloorDiv(lane, 8), Mod(lane, 8)};
  EXPECT_EQ(SubstituteCoords(C(0, 8) * 8 + C(1, 8) + row, with), lane + row);
  EXPECT_TRUE(DependsOnCoord(n * FloorDiv(row, 2), 2));
  EXPECT_FALSE(DependsOnCoord(n * FloorDiv(row, 2), 1));
  EXPECT_TRUE(HasCoords(DimExpr::Value(3) + 1));
  EXPECT_FALSE(HasSymbols(row));
}

TEST_F(DimExprTest, AffineParts) {
  auto affine = AsAffine(n * row + 3 * row + head * 64 + 5, 2);
  ASSERT_TRUE(affine.has_value());
  EXPECT_EQ(affine->stride, n + 3);
  EXPECT_EQ(affine->base, head * 64 + 5);
  EXPECT_FALSE(AsAffine(row * row, 2).has_value());
  EXPECT_FALSE(AsAffine(Mod(row, 3) + row, 2).has_value());
  EXPECT_EQ(AsAffine(n, 2)->stride, DimExpr(0));
  affine = AsAffine(n * row + head * 64 + 5, 2);  // one term
  EXPECT_EQ(affine->base, head * 64 + 5);
  EXPECT_EQ(affine->stride, n);
  EXPECT_EQ(AsAffine(7 * row, 2)->base, DimExpr(0));
  EXPECT_FALSE(AsAffine(row * Mod(row, 3) + head, 2).has_value());
}

TEST_F(DimExprTest, EvaluateNamesWhatIsMissing) {
  EXPECT_EQ(*Evaluate(batch * seq + 1, {{"batch", 2}, {"seq", 5}}), 11);
  auto missing = Evaluate(batch * seq, {{"batch", 2}});
  ASSERT_FALSE(missing.ok());
  EXPECT_NE(std::string(missing.status().message()).find("seq"), std::string::npos);
  EXPECT_FALSE(Evaluate(row + n, {{"n", 1}}).ok());
  std::vector<int64_t> coords = {0, 0, 4};
  EXPECT_EQ(*Evaluate(row + n, {{"n", 1}}, coords), 5);
}

TEST_F(DimExprTest, ParsesWhatExportersWrite) {
  auto parse = [](std::string_view text) { return ParseDimExpr(text).value(); };
  EXPECT_EQ(parse("past + 1"), past + 1);
  EXPECT_EQ(parse("n//64"), FloorDiv(n, 64));
  EXPECT_EQ(parse("n % 7"), Mod(n, 7));
  EXPECT_EQ(parse("-(n - m)*2"), (m - n) * 2);
  EXPECT_EQ(parse("Max(n, m, 3)"), Max(Max(n, m), 3));
  EXPECT_EQ(parse("floor(n/2 - 1/2) + 1"), FloorDiv(n - 1, 2) + 1);
  EXPECT_EQ(parse("ceiling(n/3)"), CeilDiv(n, 3));
  EXPECT_EQ(parse("n**2"), n * n);
  EXPECT_EQ(parse("\"odd name\""), S("odd name"));
  EXPECT_EQ(parse("%3 + n % 2"), DimExpr::Value(3) + Mod(n, 2));
  for (const char* text : {"", "n +", "n/2", "f(n)", "(n", "3n", "a b", "n n", "$0", "-", "?",
                           "99999999999999999999", "min()", "less(n)", "\"n"}) {
    EXPECT_FALSE(ParseDimExpr(text).ok()) << text;
  }
  EXPECT_FALSE(ParseDimExpr(std::string(100000, '(')).ok());
  EXPECT_FALSE(ParseDimExpr(std::string(100000, '-')).ok());
}

TEST_F(DimExprTest, ThreadsShareNodes) {
  auto build = [](std::vector<DimExpr>* out) {
    for (int i = 0; i < 200; ++i) {
      DimExpr x = S("shared" + std::to_string(i % 50)) * 5000 + i;
      out->push_back(FloorDiv(x, 64) + Mod(x, 7) + Min(x, C(i, x)));
    }
  };
  std::vector<DimExpr> results[4];
  std::vector<std::thread> threads;
  for (auto& result : results) threads.emplace_back(build, &result);
  for (std::thread& thread : threads) thread.join();
  for (const auto& result : results) EXPECT_EQ(result, results[0]);
}

TEST_F(DimExprTest, PrintsWhatItParses) {
  auto extent = [this](int i) { return std::vector<DimExpr>{12, 64, seq, batch}[i]; };
  for (DimExpr e : {batch * seq + 1, -n, -n * m - 3, FloorDiv(n, 64) * m, Mod(row * 5, seq),
                    Select(Less(n, m), Min(n, 512), Max(m, 3)), Equal(row, DimExpr::Value(7)),
                    S("a name") * S("x\"y\\z"), DimExpr(-INT64_MAX), head * 64 + lane - 1}) {
    auto parsed = ParseDimExpr(e.ToString(), extent);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(*parsed, e) << e.ToString();
  }
  std::vector<DimExpr> dims = {batch, seq, 768};
  EXPECT_EQ(ToString(dims), "[batch, seq, 768]");
}

}  // namespace
}  // namespace skein
