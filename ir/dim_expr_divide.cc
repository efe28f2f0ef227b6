// FloorDiv and Mod.
//
// Divisors that are never negative are taken to be at least 1: a dim of 0 means an empty tensor,
// where nothing is computed.
#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "ir/dim_arithmetic.h"
#include "ir/dim_expr.h"
#include "ir/dim_node.h"
#include "ir/dim_polynomial.h"

namespace skein {
namespace {

constexpr int kMaxInnerMods = 16;  // dropped from one dividend

bool IsOne(const DimTerm& term) { return term.IsConstant() && term.coefficient == 1; }

bool IsRemainderOf(const DimPolynomial& p, const DimPolynomial& divisor, const DimTerm& positive) {
  DimPolynomial room = AddPolynomials(SubtractPolynomials(divisor, p), ConstantPolynomial(-1));
  return ProveNonNegativeGiven(p, positive) && ProveNonNegativeGiven(room, positive);
}

// floordiv(a, b) = quotient + floordiv(dividend, divisor)
// mod(a, b)      = scale*mod(dividend, divisor) + rest,   b = scale*divisor
struct Reduction {
  DimPolynomial dividend, divisor;
  DimPolynomial quotient;
  DimPolynomial scale = ConstantPolynomial(1);
  DimPolynomial rest;
  DimTerm positive{1, {}};  // what is known to be at least 1: the factors of b

  // With dividend = g*y + s and 0 <= s < g:
  // floordiv(g*y + s, g*d) = floordiv(y, d), mod(g*y + s, g*d) = g*mod(y, d) + s.
  bool DropFactor() {
    for (const DimPolynomial& g : FactorCandidates()) {
      DimDivision split = SplitMultiples(dividend, g);
      if (split.quotient.empty() || !IsRemainderOf(split.remainder, g, positive)) continue;
      std::optional<DimPolynomial> smaller = DivideExactly(divisor, g);
      if (!smaller) continue;
      rest = AddPolynomials(rest, MultiplyPolynomials(split.remainder, scale));
      scale = MultiplyPolynomials(scale, g);
      dividend = std::move(split.quotient);
      divisor = *std::move(smaller);
      return true;
    }
    return false;
  }

 private:
  // Monomials that divide the divisor and one or all terms of the dividend, the largest first;
  // and past + seq where the divisor is 12*past + 12*seq.
  std::vector<DimPolynomial> FactorCandidates() const {
    DimPolynomial terms;
    DimTerm content = ContentOf(divisor);
    DimTerm common = content;
    for (const DimTerm& term : dividend) {
      if (term.IsConstant()) continue;
      terms.push_back(CommonTerm(content, term));
      common = CommonTerm(common, term);
    }
    terms.push_back(std::move(common));
    std::sort(terms.begin(), terms.end(), [](const DimTerm& a, const DimTerm& b) {
      if (a.factors.size() != b.factors.size()) return a.factors.size() > b.factors.size();
      if (a.coefficient != b.coefficient) return a.coefficient > b.coefficient;
      return CompareFactors(a, b) < 0;
    });
    auto same = [](const DimTerm& a, const DimTerm& b) {
      return a.coefficient == b.coefficient && a.factors == b.factors;
    };
    terms.erase(std::unique(terms.begin(), terms.end(), same), terms.end());
    std::vector<DimPolynomial> candidates;
    for (const DimTerm& g : terms) {
      if (!IsOne(g)) candidates.push_back({g});
    }
    if (divisor.size() > 1 && !IsOne(content)) {
      std::optional<DimPolynomial> primitive = DivideExactly(divisor, {content});
      if (primitive) candidates.push_back(*std::move(primitive));
    }
    return candidates;
  }
};

Reduction Reduce(DimExpr a, DimExpr b) {
  Reduction r;
  r.dividend = ToPolynomial(a);
  r.divisor = ToPolynomial(b);
  r.positive = {1, ContentOf(r.divisor).factors};
  do {
    DimDivision split = SplitMultiples(r.dividend, r.divisor);
    r.quotient = AddPolynomials(r.quotient, split.quotient);
    r.dividend = std::move(split.remainder);
    if (r.dividend.empty()) break;
    bool remainder = IsRemainderOf(r.dividend, r.divisor, r.positive);
    if (!remainder) {
      DimPolynomial shifted = AddPolynomials(r.dividend, r.divisor);  // floordiv(-1, seq) = -1
      remainder = IsRemainderOf(shifted, r.divisor, r.positive);
      if (remainder) {
        r.quotient = AddPolynomials(r.quotient, ConstantPolynomial(-1));
        r.dividend = std::move(shifted);
      }
    }
    if (remainder) {
      r.rest = AddPolynomials(r.rest, MultiplyPolynomials(r.dividend, r.scale));
      r.dividend.clear();
    }
  } while (!r.dividend.empty() && r.DropFactor());
  return r;
}

// floordiv(y + floordiv(x, c), d) = floordiv(c*y + x, c*d)
std::optional<DimExpr> MergeNestedFloorDiv(const Reduction& r) {
  const DimTerm* inner = nullptr;
  for (const DimTerm& term : r.dividend) {
    bool is_quotient = term.coefficient == 1 && term.factors.size() == 1 &&
                       term.factors[0].kind() == DimKind::kFloorDiv;
    if (is_quotient && inner != nullptr) return std::nullopt;
    if (is_quotient) inner = &term;
  }
  if (inner == nullptr) return std::nullopt;
  DimExpr x = inner->factors[0].operands()[0], c = inner->factors[0].operands()[1];
  if (c.range().lo < 0) return std::nullopt;
  DimExpr y = FromPolynomial(SubtractPolynomials(r.dividend, {*inner}));
  return FloorDiv(c * y + x, c * FromPolynomial(r.divisor));
}

// k*mod(x, c) = k*x up to a multiple of d where d divides k*c.
bool DropInnerMods(DimPolynomial& dividend, const DimPolynomial& divisor) {
  for (const DimTerm& term : dividend) {
    for (size_t i = 0; i < term.factors.size(); ++i) {
      DimExpr mod = term.factors[i];
      if (mod.kind() != DimKind::kMod || mod.operands()[1].range().lo < 0) continue;
      DimTerm multiple = term;
      multiple.factors.erase(multiple.factors.begin() + i);
      if (!DivideExactly(MultiplyByTerm(ToPolynomial(mod.operands()[1]), multiple), divisor)) {
        continue;
      }
      dividend = AddPolynomials(SubtractPolynomials(dividend, {term}),
                                MultiplyByTerm(ToPolynomial(mod.operands()[0]), multiple));
      return true;
    }
  }
  return false;
}

DimExpr ReduceFloorDiv(DimExpr a, DimExpr b) {
  Reduction r = Reduce(a, b);
  DimExpr quotient = FromPolynomial(r.quotient);
  if (r.dividend.empty()) return quotient;
  if (std::optional<DimExpr> merged = MergeNestedFloorDiv(r)) return quotient + *merged;
  DimExpr dividend = FromPolynomial(r.dividend), divisor = FromPolynomial(r.divisor);
  if (divisor.IsConst(1)) return quotient + dividend;
  return quotient + InternDim(DimKind::kFloorDiv, {dividend, divisor});
}

DimExpr ReduceMod(DimExpr a, DimExpr b) {
  Reduction r = Reduce(a, b);
  DimExpr rest = FromPolynomial(r.rest);
  if (r.dividend.empty()) return rest;
  DimExpr divisor = FromPolynomial(r.divisor);
  if (divisor.IsConst(1)) return rest;
  DimExpr scale = FromPolynomial(r.scale);
  bool dropped = false;
  for (int i = 0; i < kMaxInnerMods && DropInnerMods(r.dividend, r.divisor); ++i) dropped = true;
  DimExpr dividend = FromPolynomial(r.dividend);
  if (dropped) return scale * Mod(dividend, divisor) + rest;
  return scale * InternDim(DimKind::kMod, {dividend, divisor}) + rest;
}

}  // namespace

DimExpr FloorDiv(DimExpr a, DimExpr b) {
  if (a.IsConst() && b.IsConst()) return DimFloorDiv(a.constant(), b.constant());
  if (a.IsConst(0) || b.IsConst(0)) return 0;
  if (b.range().hi == 0 && b.range().lo == 0) return 0;
  if (b.IsConst() && b.constant() < 0) return FloorDiv(-a, -b);
  if (b.range().lo < 0) return InternDim(DimKind::kFloorDiv, {a, b});
  return SimplifyOnce(DimKind::kFloorDiv, a, b, ReduceFloorDiv);
}

DimExpr Mod(DimExpr a, DimExpr b) {
  if (a.IsConst() && b.IsConst()) return DimMod(a.constant(), b.constant());
  if (a.IsConst(0) || b.IsConst(0)) return 0;
  if (b.range().hi == 0 && b.range().lo == 0) return 0;
  if (b.IsConst() && b.constant() < 0) return -Mod(-a, -b);
  if (b.range().lo < 0) return InternDim(DimKind::kMod, {a, b});
  return SimplifyOnce(DimKind::kMod, a, b, ReduceMod);
}

}  // namespace skein
