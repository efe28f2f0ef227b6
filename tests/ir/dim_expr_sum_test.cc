// Sums that merge terms as they stand, against the same sums by way of polynomials.
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "ir/dim_expr.h"
#include "ir/dim_node.h"
#include "ir/dim_polynomial.h"

namespace skein {
namespace {

DimExpr ByPolynomials(DimExpr a, DimExpr b, int64_t scale) {
  return FromPolynomial(AddPolynomials(ToPolynomial(a), ScalePolynomial(ToPolynomial(b), scale)));
}

// Sums of few monomials over few leaves, so that monomials meet.
std::vector<DimExpr> RandomSums(std::mt19937& random, int count) {
  const DimExpr n = DimExpr::Symbol("n"), m = DimExpr::Symbol("m");
  const std::vector<DimExpr> atoms = {
      n,         m, DimExpr::Coord(0, n), DimExpr::Coord(1, 64), DimExpr::Value(3), Mod(n, 7),
      Min(n, m), 1};
  auto pick = [&](int64_t choices) { return static_cast<int64_t>(random() % choices); };
  std::vector<DimExpr> sums;
  for (int i = 0; i < count; ++i) {
    DimExpr sum = pick(5) - 2;
    for (int64_t terms = pick(4); terms > 0; --terms) {
      sum = sum + DimExpr(pick(7) - 3) * atoms[pick(atoms.size())] * atoms[pick(atoms.size())];
    }
    sums.push_back(sum);
  }
  return sums;
}

TEST(DimExprSumTest, MergingIsAddingPolynomials) {
  std::mt19937 random(1);
  const std::vector<DimExpr> sums = RandomSums(random, 60);
  int merged = 0;
  for (DimExpr a : sums) {
    for (DimExpr b : sums) {
      for (int64_t scale : {1, -1, 5}) {
        const std::optional<DimExpr> sum = MergeSums(a, b, scale);
        if (!sum) continue;
        ++merged;
        ASSERT_EQ(*sum, ByPolynomials(a, b, scale))
            << a.ToString() << " + " << scale << " * (" << b.ToString() << ")";
      }
      const std::vector<DimExpr> three = {a, b, a};
      if (const std::optional<DimExpr> sum = MergeSums(three)) {
        ASSERT_EQ(*sum, ByPolynomials(b, a, 2)) << a.ToString() << " and " << b.ToString();
      }
    }
  }
  EXPECT_GT(merged, 3 * 60 * 60 / 2);
}

TEST(DimExprSumTest, AddConstant) {
  std::mt19937 random(2);
  for (DimExpr e : RandomSums(random, 200)) {
    for (int64_t constant : {int64_t{0}, int64_t{1}, int64_t{-2}, int64_t{5000}, kUnbounded}) {
      const std::optional<DimExpr> sum = AddConstant(e, constant);
      if (!sum) continue;
      ASSERT_EQ(*sum, ByPolynomials(e, constant, 1)) << e.ToString() << " + " << constant;
    }
  }
}

TEST(DimExprSumTest, LeavesToOthersWhatMaySimplify) {
  const DimExpr n = DimExpr::Symbol("n"), x = DimExpr::Coord(0, n);
  EXPECT_FALSE(MergeSums(x, FloorDiv(x, 4), -4).has_value());  // is mod(x, 4)
  EXPECT_EQ(x - 4 * FloorDiv(x, 4), Mod(x, 4));
  const DimExpr zero = DimExpr::Coord(1, 1);  // can only be 0
  EXPECT_FALSE(AddConstant(zero, 3).has_value());
  EXPECT_EQ(zero + 3, DimExpr(3));
  // A constant beside a quotient hides no identity.
  EXPECT_EQ(AddConstant(x + FloorDiv(x, 4), 5), x + FloorDiv(x, 4) + 5);
}

}  // namespace
}  // namespace skein
