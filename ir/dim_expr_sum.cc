// Sums by merging the terms of canonical operands as they stand, without the working form of
// dim_polynomial.h: most sums that compiling a kernel makes have nothing to simplify.
#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "ir/dim_arithmetic.h"
#include "ir/dim_expr.h"
#include "ir/dim_node.h"
#include "ir/dim_sum.h"

namespace skein {
namespace {

// coefficient * product of factors, which lie in a node or in a variable of the caller's.
struct TermView {
  int64_t coefficient = 0;
  std::span<const DimExpr> factors;
  const DimExpr* whole = nullptr;  // the term as an expression; none once it is scaled
};

using Views = absl::InlinedVector<TermView, 12>;

std::span<const DimExpr> TermsOf(const DimExpr& e) {
  if (e.kind() == DimKind::kAdd) return e.operands();
  return {&e, e.IsConst(0) ? size_t{0} : size_t{1}};
}

TermView ViewOf(const DimExpr& term) {
  if (term.IsConst()) return {term.constant(), {}, &term};
  if (term.kind() != DimKind::kMul) return {1, {&term, 1}, &term};
  std::span<const DimExpr> factors = term.operands();
  if (factors[0].IsConst()) return {factors[0].constant(), factors.subspan(1), &term};
  return {1, factors, &term};
}

// As CompareFactors of dim_polynomial.h: the longer first of two with a common start.
int CompareMonomials(const TermView& a, const TermView& b) {
  const size_t common = std::min(a.factors.size(), b.factors.size());
  for (size_t i = 0; i < common; ++i) {
    if (int order = DimExpr::Compare(a.factors[i], b.factors[i]); order != 0) return order;
  }
  if (a.factors.size() == b.factors.size()) return 0;
  return a.factors.size() > b.factors.size() ? -1 : 1;
}

bool ComesFirst(const TermView& a, const TermView& b) { return CompareMonomials(a, b) < 0; }

// A term that can only be one number is written as that number.
bool IsDecided(DimExpr term) { return !term.IsConst() && term.range().lo == term.range().hi; }

bool HasQuotient(DimExpr term) {
  if (term.kind() == DimKind::kFloorDiv) return true;
  if (term.kind() != DimKind::kMul) return false;
  return std::any_of(term.operands().begin(), term.operands().end(),
                     [](DimExpr factor) { return factor.kind() == DimKind::kFloorDiv; });
}

// False if `e` has terms that a sum has to look into: only quotients start an identity.
bool AddTerms(const DimExpr& e, int64_t scale, Views& views) {
  for (const DimExpr& term : TermsOf(e)) {
    if (IsDecided(term) || HasQuotient(term)) return false;
    TermView view = ViewOf(term);
    if (scale != 1) {
      view.coefficient = DimMul(view.coefficient, scale);
      view.whole = nullptr;
    }
    if (view.coefficient != 0) views.push_back(view);
  }
  return true;
}

DimExpr TermFrom(int64_t coefficient, std::span<const DimExpr> factors) {
  if (factors.empty()) return DimExpr(coefficient);
  if (factors.size() == 1 && coefficient == 1) return factors[0];
  if (coefficient == 1) return InternDim(DimKind::kMul, factors);
  absl::InlinedVector<DimExpr, 6> operands;
  operands.push_back(DimExpr(coefficient));
  for (DimExpr factor : factors) operands.push_back(factor);
  return InternDim(DimKind::kMul, std::span<const DimExpr>(operands));
}

// The sum of `views`, which are in order, equal monomials side by side.
DimExpr Collect(const Views& views) {
  absl::InlinedVector<DimExpr, 12> operands;
  for (size_t i = 0; i < views.size();) {
    int64_t coefficient = views[i].coefficient;
    size_t end = i + 1;
    for (; end < views.size() && CompareMonomials(views[i], views[end]) == 0; ++end) {
      coefficient = DimAdd(coefficient, views[end].coefficient);
    }
    if (end == i + 1 && views[i].whole != nullptr) {
      operands.push_back(*views[i].whole);
    } else if (coefficient != 0) {
      operands.push_back(TermFrom(coefficient, views[i].factors));
    }
    i = end;
  }
  if (operands.empty()) return 0;
  if (operands.size() == 1) return operands[0];
  return InternDim(DimKind::kAdd, std::span<const DimExpr>(operands));
}

}  // namespace

// Identities look past the constant of a sum, so `e` has none left to find.
std::optional<DimExpr> AddConstant(DimExpr e, int64_t constant) {
  std::span<const DimExpr> terms = TermsOf(e);
  if (std::any_of(terms.begin(), terms.end(), IsDecided)) return std::nullopt;
  if (!terms.empty() && terms.back().IsConst()) {
    constant = DimAdd(terms.back().constant(), constant);
    terms = terms.first(terms.size() - 1);
  }
  if (constant != 0 && terms.empty()) return DimExpr(constant);
  if (constant == 0 && terms.size() == 1) return terms[0];
  absl::InlinedVector<DimExpr, 12> operands(terms.begin(), terms.end());
  if (constant != 0) operands.push_back(DimExpr(constant));
  return operands.empty() ? DimExpr(0)
                          : InternDim(DimKind::kAdd, std::span<const DimExpr>(operands));
}

std::optional<DimExpr> MergeSums(DimExpr a, DimExpr b, int64_t scale) {
  Views left, right, views;
  if (!AddTerms(a, 1, left) || !AddTerms(b, scale, right)) return std::nullopt;
  views.reserve(left.size() + right.size());
  std::merge(left.begin(), left.end(), right.begin(), right.end(), std::back_inserter(views), ComesFirst);
  return Collect(views);
}

std::optional<DimExpr> MergeSums(std::span<const DimExpr> terms) {
  Views views;
  for (const DimExpr& term : terms) {
    if (!AddTerms(term, 1, views)) return std::nullopt;
  }
  std::sort(views.begin(), views.end(), ComesFirst);
  return Collect(views);
}

DimExpr Sum(std::span<const DimExpr> terms) {
  if (terms.empty()) return 0;
  if (terms.size() > 1) {
    if (const std::optional<DimExpr> merged = MergeSums(terms)) return *merged;
  }
  DimExpr sum = terms[0];
  for (DimExpr term : terms.subspan(1)) sum = sum + term;
  return sum;
}

std::optional<Affine> SplitAtCoord(DimExpr e, int index) {
  absl::InlinedVector<DimExpr, 12> base;
  std::optional<DimExpr> stride;
  for (DimExpr term : TermsOf(e)) {
    if (IsDecided(term)) return std::nullopt;
    if (!DependsOnCoord(term, index)) {
      base.push_back(term);
      continue;
    }
    if (stride) return std::nullopt;
    const TermView view = ViewOf(term);
    absl::InlinedVector<DimExpr, 4> rest;
    for (DimExpr factor : view.factors) {
      if (factor.kind() != DimKind::kCoord || factor.index() != index) rest.push_back(factor);
    }
    if (rest.size() + 1 != view.factors.size()) return std::nullopt;
    for (DimExpr factor : rest) {
      if (DependsOnCoord(factor, index)) return std::nullopt;
    }
    stride = TermFrom(view.coefficient, rest);
  }
  if (!stride) return Affine{e, DimExpr(0)};
  const DimExpr sum = base.empty()       ? DimExpr(0)
                      : base.size() == 1 ? base[0]
                                         : InternDim(DimKind::kAdd, std::span<const DimExpr>(base));
  return Affine{sum, *stride};
}

DimExpr MultiplyTerms(std::span<const DimExpr> terms) {
  int64_t coefficient = 1;
  std::span<const DimExpr> first;  // factors of the first term that has some
  absl::InlinedVector<DimExpr, 8> factors;
  for (const DimExpr& term : terms) {
    const TermView view = IsDecided(term) ? TermView{term.range().lo, {}, nullptr} : ViewOf(term);
    coefficient = DimMul(coefficient, view.coefficient);
    if (view.factors.empty()) continue;
    if (first.empty()) {
      first = view.factors;
      continue;
    }
    if (factors.empty()) factors.assign(first.begin(), first.end());
    for (DimExpr factor : view.factors) factors.push_back(factor);
  }
  if (coefficient == 0) return 0;
  if (factors.empty()) return TermFrom(coefficient, first);
  std::sort(factors.begin(), factors.end(), [](DimExpr x, DimExpr y) { return DimExpr::Compare(x, y) < 0; });
  // x * x = x for x in [0, 1].
  const auto end = std::unique(factors.begin(), factors.end(), [](DimExpr x, DimExpr y) { return x == y && IsBoolean(x); });
  factors.erase(end, factors.end());
  return TermFrom(coefficient, factors);
}

}  // namespace skein
