#include "ir/dim_polynomial.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "ir/dim_arithmetic.h"
#include "ir/dim_node.h"

namespace skein {
namespace {

// Past this many terms a product of sums stays a product: known values may multiply long sums.
constexpr size_t kMaxExpandedTerms = 64;

// A product with a sum in it that was too long to expand: what it is multiplied with joins it.
bool IsUnexpanded(const DimPolynomial& p) {
  return p.size() == 1 && std::any_of(p[0].factors.begin(), p[0].factors.end(),
                                      [](DimExpr f) { return f.kind() == DimKind::kAdd; });
}

DimTerm AsOneTerm(const DimPolynomial& p) {
  return p.size() == 1 ? p[0] : DimTerm{1, {FromPolynomial(p)}};
}

// Divides by a sum: each step subtracts a multiple of it that makes the rest shorter.
DimDivision SplitMultiplesOfSum(const DimPolynomial& p, const DimPolynomial& divisor) {
  DimDivision split{{}, p};
  for (bool progress = true; progress;) {
    progress = false;
    for (const DimTerm& term : split.remainder) {
      std::optional<DimTerm> multiple = DivideTerms(term, divisor[0]);
      if (!multiple) continue;
      DimPolynomial shorter =
          SubtractPolynomials(split.remainder, MultiplyByTerm(divisor, *multiple));
      if (shorter.size() >= split.remainder.size()) continue;
      split.quotient = AddPolynomials(split.quotient, {*multiple});
      split.remainder = std::move(shorter);
      progress = true;
      break;
    }
  }
  return split;
}

}  // namespace

DimTerm TermOf(DimExpr e) {
  DimRange range = e.range();
  if (range.lo == range.hi) return {range.lo, {}};  // also a coordinate of extent 1
  DimTerm term{1, {}};
  if (e.kind() != DimKind::kMul) {
    term.factors.push_back(e);
    return term;
  }
  std::span<const DimExpr> factors = e.operands();
  if (factors[0].IsConst()) {
    term.coefficient = factors[0].constant();
    factors = factors.subspan(1);
  }
  term.factors.assign(factors.begin(), factors.end());
  return term;
}

DimTerm MultiplyTerms(const DimTerm& a, const DimTerm& b) {
  if (a.factors.empty()) return {DimMul(a.coefficient, b.coefficient), b.factors};
  if (b.factors.empty()) return {DimMul(a.coefficient, b.coefficient), a.factors};
  DimTerm product{DimMul(a.coefficient, b.coefficient), {}};
  product.factors.reserve(a.factors.size() + b.factors.size());
  std::merge(a.factors.begin(), a.factors.end(), b.factors.begin(), b.factors.end(),
             std::back_inserter(product.factors),
             [](DimExpr x, DimExpr y) { return DimExpr::Compare(x, y) < 0; });
  // x * x = x for x in [0, 1].
  auto end = std::unique(product.factors.begin(), product.factors.end(),
                         [](DimExpr x, DimExpr y) { return x == y && IsBoolean(x); });
  product.factors.erase(end, product.factors.end());
  return product;
}

int CompareFactors(const DimTerm& a, const DimTerm& b) {
  size_t common = std::min(a.factors.size(), b.factors.size());
  for (size_t i = 0; i < common; ++i) {
    if (int order = DimExpr::Compare(a.factors[i], b.factors[i]); order != 0) return order;
  }
  // The longer first, and so the constant last.
  if (a.factors.size() == b.factors.size()) return 0;
  return a.factors.size() > b.factors.size() ? -1 : 1;
}

DimPolynomial ConstantPolynomial(int64_t c) {
  if (c == 0) return {};
  return {DimTerm{c, {}}};
}

DimPolynomial CollectTerms(DimPolynomial terms) {
  std::sort(terms.begin(), terms.end(),
            [](const DimTerm& a, const DimTerm& b) { return CompareFactors(a, b) < 0; });
  DimPolynomial result;
  for (DimTerm& term : terms) {
    if (!result.empty() && result.back().factors == term.factors) {
      result.back().coefficient = DimAdd(result.back().coefficient, term.coefficient);
    } else {
      if (!result.empty() && result.back().coefficient == 0) result.pop_back();
      result.push_back(std::move(term));
    }
  }
  if (!result.empty() && result.back().coefficient == 0) result.pop_back();
  return result;
}

DimPolynomial ToPolynomial(DimExpr e) {
  DimPolynomial terms;
  if (e.kind() != DimKind::kAdd) {
    terms.push_back(TermOf(e));
    if (terms[0].coefficient == 0) terms.clear();
    return terms;
  }
  terms.reserve(e.operands().size());
  for (DimExpr operand : e.operands()) terms.push_back(TermOf(operand));
  return terms;  // a sum's operands are in order already
}

DimExpr FromTerm(const DimTerm& term) {
  if (term.factors.empty() || term.coefficient == 0) return DimExpr(term.coefficient);
  if (term.factors.size() == 1 && term.coefficient == 1) return term.factors[0];
  absl::InlinedVector<DimExpr, 8> operands;
  if (term.coefficient != 1) operands.push_back(DimExpr(term.coefficient));
  operands.insert(operands.end(), term.factors.begin(), term.factors.end());
  return InternDim(DimKind::kMul, std::span<const DimExpr>(operands));
}

DimExpr FromPolynomial(const DimPolynomial& p) {
  if (p.empty()) return DimExpr(0);
  if (p.size() == 1) return FromTerm(p[0]);
  absl::InlinedVector<DimExpr, 12> operands;
  for (const DimTerm& term : p) operands.push_back(FromTerm(term));
  return InternDim(DimKind::kAdd, std::span<const DimExpr>(operands));
}

DimPolynomial AddPolynomials(const DimPolynomial& a, const DimPolynomial& b) {
  DimPolynomial sum;
  sum.reserve(a.size() + b.size());
  auto x = a.begin(), y = b.begin();
  while (x != a.end() && y != b.end()) {
    int order = CompareFactors(*x, *y);
    if (order != 0) {
      sum.push_back(order < 0 ? *x++ : *y++);
      continue;
    }
    int64_t coefficient = DimAdd(x->coefficient, y->coefficient);
    if (coefficient != 0) sum.push_back({coefficient, x->factors});
    ++x, ++y;
  }
  sum.insert(sum.end(), x, a.end());
  sum.insert(sum.end(), y, b.end());
  return sum;
}

DimPolynomial ScalePolynomial(const DimPolynomial& a, int64_t scale) {
  if (scale == 0) return {};
  DimPolynomial result = a;
  for (DimTerm& term : result) term.coefficient = DimMul(term.coefficient, scale);
  return result;
}

DimPolynomial SubtractPolynomials(const DimPolynomial& a, const DimPolynomial& b) {
  return AddPolynomials(a, ScalePolynomial(b, -1));
}

DimPolynomial MultiplyByTerm(const DimPolynomial& a, const DimTerm& term) {
  if (term.IsConstant()) return ScalePolynomial(a, term.coefficient);
  DimPolynomial terms;
  terms.reserve(a.size());
  for (const DimTerm& x : a) terms.push_back(MultiplyTerms(x, term));
  return CollectTerms(std::move(terms));
}

DimPolynomial MultiplyPolynomials(const DimPolynomial& a, const DimPolynomial& b) {
  if (a.empty() || b.empty()) return {};
  bool stays_product = IsUnexpanded(a) || IsUnexpanded(b);
  if (b.size() == 1 && (a.size() == 1 || !stays_product)) return MultiplyByTerm(a, b[0]);
  if (a.size() == 1 && !stays_product) return MultiplyByTerm(b, a[0]);
  if (stays_product || a.size() * b.size() > kMaxExpandedTerms) {
    return {MultiplyTerms(AsOneTerm(a), AsOneTerm(b))};
  }
  DimPolynomial terms;
  terms.reserve(a.size() * b.size());
  for (const DimTerm& x : a) {
    for (const DimTerm& y : b) terms.push_back(MultiplyTerms(x, y));
  }
  return CollectTerms(std::move(terms));
}

int64_t ConstantOf(const DimPolynomial& p) {
  return !p.empty() && p.back().IsConstant() ? p.back().coefficient : 0;
}

const DimTerm* FindMonomial(const DimPolynomial& p, const DimTerm& like) {
  for (const DimTerm& term : p) {
    if (term.factors == like.factors) return &term;
  }
  return nullptr;
}

std::optional<DimTerm> DivideTerms(const DimTerm& a, const DimTerm& b) {
  if (b.coefficient == 0 || a.coefficient % b.coefficient != 0) return std::nullopt;
  if (b.factors.size() > a.factors.size()) return std::nullopt;
  DimTerm quotient{a.coefficient / b.coefficient, {}};
  size_t matched = 0;
  for (DimExpr factor : a.factors) {
    if (matched < b.factors.size() && factor == b.factors[matched]) {
      ++matched;
    } else {
      quotient.factors.push_back(factor);
    }
  }
  if (matched != b.factors.size()) return std::nullopt;
  return quotient;
}

std::optional<DimPolynomial> DivideExactly(const DimPolynomial& a, const DimPolynomial& b) {
  if (b.empty()) return std::nullopt;
  DimDivision split = SplitMultiples(a, b);
  if (!split.remainder.empty()) return std::nullopt;
  return split.quotient;
}

DimTerm CommonTerm(const DimTerm& a, const DimTerm& b) {
  DimTerm common{std::gcd(a.coefficient, b.coefficient), {}};
  std::set_intersection(a.factors.begin(), a.factors.end(), b.factors.begin(), b.factors.end(),
                        std::back_inserter(common.factors),
                        [](DimExpr x, DimExpr y) { return DimExpr::Compare(x, y) < 0; });
  return common;
}

DimTerm ContentOf(const DimPolynomial& p) {
  DimTerm content = p[0];
  for (const DimTerm& term : p) content = CommonTerm(content, term);
  return content;
}

DimLinearSplit SplitByAtom(const DimPolynomial& p, DimExpr atom) {
  DimLinearSplit split;
  DimPolynomial coefficient;
  for (const DimTerm& term : p) {
    auto found = std::find(term.factors.begin(), term.factors.end(), atom);
    if (found == term.factors.end()) {
      split.rest.push_back(term);
      continue;
    }
    DimTerm without = term;
    without.factors.erase(without.factors.begin() + (found - term.factors.begin()));
    split.linear &=
        std::find(without.factors.begin(), without.factors.end(), atom) == without.factors.end();
    coefficient.push_back(std::move(without));
  }
  split.coefficient = CollectTerms(std::move(coefficient));
  return split;
}

DimDivision SplitMultiples(const DimPolynomial& p, const DimPolynomial& divisor) {
  if (divisor.size() != 1) return SplitMultiplesOfSum(p, divisor);
  const DimTerm& by = divisor[0];
  const DimTerm monomial{1, by.factors};
  DimPolynomial quotient, remainder;
  for (const DimTerm& term : p) {
    std::optional<DimTerm> multiple = DivideTerms(term, monomial);
    if (!multiple) {
      remainder.push_back(term);
      continue;
    }
    // A multiple of just the divisor's factors leaves a remainder that is certainly in range.
    // Other terms round towards 0, so that floordiv(-x, 64) does not become 63*x.
    int64_t times = multiple->IsConstant() ? DimFloorDiv(term.coefficient, by.coefficient)
                                           : term.coefficient / by.coefficient;
    multiple->coefficient = times;
    int64_t left = term.coefficient - times * by.coefficient;
    if (times != 0) quotient.push_back(*std::move(multiple));
    if (left != 0) remainder.push_back({left, term.factors});
  }
  return {CollectTerms(std::move(quotient)), CollectTerms(std::move(remainder))};
}

DimRange RangeOf(const DimPolynomial& p) {
  DimRange sum{0, 0};
  for (const DimTerm& term : p) sum = AddRanges(sum, ProductRange(term.coefficient, term.factors));
  return sum;
}

}  // namespace skein
