// The operators of DimExpr, with the identities between floordiv, mod and sums.
//
// Divisors that are never negative are taken to be at least 1: a dim of 0 means an empty tensor,
// where nothing is computed.
#include <algorithm>
#include <numeric>
#include <tuple>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "ir/dim_arithmetic.h"
#include "ir/dim_expr.h"
#include "ir/dim_node.h"
#include "ir/dim_polynomial.h"

namespace skein {
namespace {

constexpr int kMaxNesting = 16;      // of simplifications inside simplifications
constexpr int kMaxRewrites = 16;     // of one sum
constexpr size_t kMaxQuotients = 8;  // in one sum that are paired with each other
constexpr size_t kMaxFlattened = 8;  // operands of a chain of min or max that are sorted together

// Remembers results per thread: index maps divide the same sums over and over.
using OperationKey = std::tuple<DimKind, DimExpr, DimExpr>;

absl::flat_hash_map<OperationKey, DimExpr>& Memo() {
  constexpr size_t kMaxRemembered = 1 << 16;
  thread_local absl::flat_hash_map<OperationKey, DimExpr> memo;
  if (memo.size() > kMaxRemembered) memo.clear();
  return memo;
}

thread_local int nesting = 0;

struct NestingScope {
  NestingScope() { ++nesting; }
  ~NestingScope() { --nesting; }
  bool TooDeep() const { return nesting > kMaxNesting; }
};

template <typename Compute>
DimExpr Remember(DimKind kind, DimExpr a, DimExpr b, Compute compute) {
  NestingScope scope;
  if (scope.TooDeep()) return InternDim(kind, {a, b});
  OperationKey key(kind, a, b);
  if (auto found = Memo().find(key); found != Memo().end()) return found->second;
  DimExpr result = compute();
  Memo().emplace(key, result);
  return result;
}

bool IsOne(const DimTerm& term) { return term.IsConstant() && term.coefficient == 1; }

// --- Sums: c*floordiv(x, c) + mod(x, c) = x and its relatives ---------------------------------

bool HasFactorOfKind(const DimPolynomial& p, DimKind kind) {
  for (const DimTerm& term : p) {
    for (DimExpr factor : term.factors) {
      if (factor.kind() == kind) return true;
    }
  }
  return false;
}

std::vector<DimExpr> FactorsOfKind(const DimPolynomial& p, DimKind kind) {
  std::vector<DimExpr> found;
  for (const DimTerm& term : p) {
    for (DimExpr factor : term.factors) {
      if (factor.kind() == kind && std::find(found.begin(), found.end(), factor) == found.end()) {
        found.push_back(factor);
      }
    }
  }
  return found;
}

// Whether p has the terms of `part`; constants may differ, since what is left is a constant too.
bool ContainsTerms(const DimPolynomial& p, const DimPolynomial& part) {
  bool any = false;
  for (const DimTerm& term : part) {
    if (term.IsConstant()) continue;
    any = true;
    const DimTerm* found = FindMonomial(p, term);
    if (found == nullptr || found->coefficient != term.coefficient) return false;
  }
  return any;
}

// m*mod(y, d) + m*d*floordiv(y, d) = m*y
bool JoinModAndFloorDiv(DimPolynomial& p) {
  for (const DimTerm& term : p) {
    for (size_t i = 0; i < term.factors.size(); ++i) {
      DimExpr mod = term.factors[i];
      if (mod.kind() != DimKind::kMod || mod.operands()[1].range().lo < 0) continue;
      DimTerm multiple = term;
      multiple.factors.erase(multiple.factors.begin() + i);
      DimExpr y = mod.operands()[0], divisor = mod.operands()[1];
      DimPolynomial whole = MultiplyByTerm(MultiplyPolynomials(ToPolynomial(divisor),
                                                               ToPolynomial(FloorDiv(y, divisor))),
                                           multiple);
      if (!ContainsTerms(p, whole)) continue;
      p = SubtractPolynomials(SubtractPolynomials(p, whole), {term});
      p = AddPolynomials(p, MultiplyByTerm(ToPolynomial(y), multiple));
      return true;
    }
  }
  return false;
}

// What m can be in -m*d*quotient, given the coefficient of the quotient in the sum.
std::vector<DimPolynomial> MultiplesFor(const DimPolynomial& coefficient,
                                        const DimPolynomial& divisor) {
  std::vector<DimPolynomial> multiples;
  DimPolynomial negated = ScalePolynomial(divisor, -1);
  if (auto whole = DivideExactly(coefficient, negated)) multiples.push_back(*std::move(whole));
  if (coefficient.size() < 2 || divisor.size() != 1) return multiples;
  for (const DimTerm& term : coefficient) {
    if (auto part = DivideTerms(term, negated[0])) multiples.push_back({*std::move(part)});
  }
  return multiples;
}

// m*y - m*d*floordiv(y, d) = m*mod(y, d), where floordiv(y, d) appears as floordiv(x, inner*d)
// because y is floordiv(x, inner).
bool MakeModWith(DimPolynomial& p, DimExpr quotient, DimExpr inner) {
  DimExpr x = quotient.operands()[0];
  auto divisor = DivideExactly(ToPolynomial(quotient.operands()[1]), ToPolynomial(inner));
  if (!divisor || divisor->empty()) return false;
  DimLinearSplit split = SplitByAtom(p, quotient);
  if (!split.linear) return false;
  std::vector<DimPolynomial> multiples = MultiplesFor(split.coefficient, *divisor);
  if (multiples.empty()) return false;
  DimExpr y = FloorDiv(x, inner);
  for (const DimPolynomial& multiple : multiples) {
    DimPolynomial whole = MultiplyPolynomials(multiple, ToPolynomial(y));
    if (!ContainsTerms(p, whole)) continue;
    DimPolynomial quotients = MultiplyPolynomials(MultiplyPolynomials(multiple, *divisor),
                                                  ToPolynomial(quotient));
    DimExpr mod = Mod(y, FromPolynomial(*divisor));
    p = AddPolynomials(SubtractPolynomials(p, whole), quotients);
    p = AddPolynomials(p, MultiplyPolynomials(multiple, ToPolynomial(mod)));
    return true;
  }
  return false;
}

bool MakeMod(DimPolynomial& p) {
  std::vector<DimExpr> quotients = FactorsOfKind(p, DimKind::kFloorDiv);
  for (DimExpr quotient : quotients) {
    DimExpr divisor = quotient.operands()[1];
    if (divisor.range().lo < 0) continue;
    if (MakeModWith(p, quotient, DimExpr(1))) return true;
    if (quotients.size() > kMaxQuotients) continue;
    for (DimExpr other : quotients) {
      DimExpr inner = other.operands()[1];
      if (inner != divisor && inner.range().lo >= 0 && MakeModWith(p, quotient, inner)) return true;
    }
  }
  return false;
}

// Interns a sum after joining quotients and remainders. Each rewrite removes a floordiv.
DimExpr FinishSum(DimPolynomial p) {
  NestingScope scope;
  for (int i = 0; i < kMaxRewrites && !scope.TooDeep(); ++i) {
    if (p.size() < 2 || !HasFactorOfKind(p, DimKind::kFloorDiv)) break;
    if (!JoinModAndFloorDiv(p) && !MakeMod(p)) break;
  }
  return FromPolynomial(p);
}

// --- floordiv and mod -------------------------------------------------------------------------

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
    std::vector<DimTerm> terms;
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
    DimPolynomial shifted = AddPolynomials(r.dividend, r.divisor);  // floordiv(-1, seq) = -1
    if (IsRemainderOf(shifted, r.divisor, r.positive)) {
      r.quotient = AddPolynomials(r.quotient, ConstantPolynomial(-1));
      r.dividend = std::move(shifted);
    }
    if (IsRemainderOf(r.dividend, r.divisor, r.positive)) {
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
  for (int i = 0; i < kMaxRewrites && DropInnerMods(r.dividend, r.divisor); ++i) dropped = true;
  DimExpr dividend = FromPolynomial(r.dividend);
  if (dropped) return scale * Mod(dividend, divisor) + rest;
  return scale * InternDim(DimKind::kMod, {dividend, divisor}) + rest;
}

// --- Comparisons ------------------------------------------------------------------------------

// The sum of the terms of one sign, made positive.
DimExpr TermsOfSign(const DimPolynomial& p, int sign) {
  DimPolynomial terms;
  for (DimTerm term : p) {
    if ((term.coefficient > 0) != (sign > 0)) continue;
    term.coefficient *= sign;
    terms.push_back(std::move(term));
  }
  return FromPolynomial(terms);
}

int64_t CommonCoefficient(const DimPolynomial& p) {
  int64_t common = 0;
  for (const DimTerm& term : p) {
    if (!term.IsConstant()) common = std::gcd(common, term.coefficient);
  }
  return common;
}

// less(0, p): divides by the common factor g of the terms, as g*x + c >= 1 is
// x + floordiv(c - 1, g) >= 0, and puts the negative terms on the left.
DimExpr IsPositive(const DimPolynomial& p) {
  const DimTerm nothing{1, {}};
  if (ProveNonNegativeGiven(AddPolynomials(p, ConstantPolynomial(-1)), nothing)) return 1;
  if (ProveNonNegativeGiven(ScalePolynomial(p, -1), nothing)) return 0;
  int64_t common = CommonCoefficient(p), constant = ConstantOf(p);
  DimPolynomial scaled;
  for (DimTerm term : p) {
    if (term.IsConstant()) continue;
    term.coefficient /= common;
    scaled.push_back(std::move(term));
  }
  int64_t offset = DimAdd(DimFloorDiv(DimAdd(constant, -1), common), 1);
  scaled = AddPolynomials(scaled, ConstantPolynomial(offset));
  bool one_atom = scaled[0].factors.size() == 1 && scaled.size() == (offset == 0 ? 1 : 2);
  if (one_atom && IsBoolean(scaled[0].factors[0])) {
    DimExpr flag = scaled[0].factors[0];  // 0 < flag, or 0 < 1 - flag: others are proved above
    if (scaled[0].coefficient == 1 && offset == 0) return flag;
    if (scaled[0].coefficient == -1 && offset == 1) return Not(flag);
  }
  return InternDim(DimKind::kLess, {TermsOfSign(scaled, -1), TermsOfSign(scaled, 1)});
}

// equal(p, 0), p not constant.
DimExpr IsZero(DimPolynomial p) {
  int64_t common = CommonCoefficient(p);
  for (DimTerm& term : p) term.coefficient /= common;  // ProveNotEqual saw to the constant
  if (p[0].coefficient < 0) p = ScalePolynomial(p, -1);
  if (p[0].factors.size() == 1 && p[0].coefficient == 1 && IsBoolean(p[0].factors[0])) {
    DimExpr flag = p[0].factors[0];
    if (p.size() == 2 && ConstantOf(p) == -1) return flag;  // equal(flag, 1)
    std::span<const DimExpr> x = flag.operands();
    if (p.size() == 1 && flag.kind() == DimKind::kLess) return Less(x[1], x[0] + 1);
    if (p.size() == 1 && flag.kind() == DimKind::kEqual && x[1].IsConst(0) && IsBoolean(x[0])) {
      return x[0];
    }
  }
  DimExpr a = TermsOfSign(p, 1), b = TermsOfSign(p, -1);
  if (DimExpr::Compare(a, b) > 0) std::swap(a, b);
  return InternDim(DimKind::kEqual, {a, b});
}

// --- min and max ------------------------------------------------------------------------------

void Flatten(DimKind kind, DimExpr e, std::vector<DimExpr>& operands) {
  if (e.kind() != kind || operands.size() >= kMaxFlattened) return operands.push_back(e);
  for (DimExpr operand : e.operands()) Flatten(kind, operand, operands);
}

// Whether a wins over b: is the lesser for min, the greater for max.
bool Wins(DimKind kind, DimExpr a, DimExpr b) {
  if (kind == DimKind::kMax) std::swap(a, b);
  return a.range().hi <= b.range().lo || ProveLessEqual(a, b);
}

// min or max of all operands: drops the ones that another beats, sorts, and nests to the left.
DimExpr Extremum(DimKind kind, DimExpr a, DimExpr b) {
  std::vector<DimExpr> operands, kept;
  Flatten(kind, a, operands);
  Flatten(kind, b, operands);
  for (DimExpr x : operands) {
    auto beats_x = [kind, x](DimExpr y) { return Wins(kind, y, x); };
    if (std::any_of(kept.begin(), kept.end(), beats_x)) continue;
    std::erase_if(kept, [kind, x](DimExpr y) { return Wins(kind, x, y); });
    kept.push_back(x);
  }
  std::sort(kept.begin(), kept.end(),
            [](DimExpr x, DimExpr y) { return DimExpr::Compare(x, y) < 0; });
  DimExpr result = kept[0];
  for (size_t i = 1; i < kept.size(); ++i) {
    bool in_order = DimExpr::Compare(result, kept[i]) < 0;
    result = in_order ? InternDim(kind, {result, kept[i]}) : InternDim(kind, {kept[i], result});
  }
  return result;
}

}  // namespace

DimExpr operator+(DimExpr a, DimExpr b) {
  if (a.IsConst() && b.IsConst()) return DimAdd(a.constant(), b.constant());
  return FinishSum(AddPolynomials(ToPolynomial(a), ToPolynomial(b)));
}

DimExpr operator-(DimExpr a, DimExpr b) {
  if (a.IsConst() && b.IsConst()) return DimAdd(a.constant(), -b.constant());
  return FinishSum(SubtractPolynomials(ToPolynomial(a), ToPolynomial(b)));
}

DimExpr operator*(DimExpr a, DimExpr b) {
  if (a.IsConst() && b.IsConst()) return DimMul(a.constant(), b.constant());
  return FinishSum(MultiplyPolynomials(ToPolynomial(a), ToPolynomial(b)));
}

DimExpr FloorDiv(DimExpr a, DimExpr b) {
  if (a.IsConst() && b.IsConst()) return DimFloorDiv(a.constant(), b.constant());
  if (a.IsConst(0) || b.IsConst(0)) return 0;
  if (b.range().hi == 0 && b.range().lo == 0) return 0;
  if (b.IsConst() && b.constant() < 0) return FloorDiv(-a, -b);
  if (b.range().lo < 0) return InternDim(DimKind::kFloorDiv, {a, b});
  return Remember(DimKind::kFloorDiv, a, b, [a, b] { return ReduceFloorDiv(a, b); });
}

DimExpr Mod(DimExpr a, DimExpr b) {
  if (a.IsConst() && b.IsConst()) return DimMod(a.constant(), b.constant());
  if (a.IsConst(0) || b.IsConst(0)) return 0;
  if (b.range().hi == 0 && b.range().lo == 0) return 0;
  if (b.IsConst() && b.constant() < 0) return -Mod(-a, -b);
  if (b.range().lo < 0) return InternDim(DimKind::kMod, {a, b});
  return Remember(DimKind::kMod, a, b, [a, b] { return ReduceMod(a, b); });
}

DimExpr Min(DimExpr a, DimExpr b) {
  if (a == b) return a;
  if (DimExpr::Compare(a, b) > 0) std::swap(a, b);
  return Remember(DimKind::kMin, a, b, [a, b] { return Extremum(DimKind::kMin, a, b); });
}

DimExpr Max(DimExpr a, DimExpr b) {
  if (a == b) return a;
  if (DimExpr::Compare(a, b) > 0) std::swap(a, b);
  return Remember(DimKind::kMax, a, b, [a, b] { return Extremum(DimKind::kMax, a, b); });
}

DimExpr Less(DimExpr a, DimExpr b) {
  if (a == b) return 0;
  if (a.range().hi < b.range().lo) return 1;
  if (a.range().lo >= b.range().hi) return 0;
  return Remember(DimKind::kLess, a, b, [a, b] {
    DimPolynomial difference = ToPolynomial(b - a);
    if (CommonCoefficient(difference) == 0) return DimExpr(ConstantOf(difference) > 0);
    return IsPositive(difference);
  });
}

DimExpr Equal(DimExpr a, DimExpr b) {
  if (a == b) return 1;
  if (DimExpr::Compare(a, b) > 0) std::swap(a, b);
  return Remember(DimKind::kEqual, a, b, [a, b] {
    DimPolynomial difference = ToPolynomial(a - b);
    if (CommonCoefficient(difference) == 0) return DimExpr(ConstantOf(difference) == 0);
    if (ProveNotEqual(FromPolynomial(difference), 0)) return DimExpr(0);
    return IsZero(std::move(difference));
  });
}

DimExpr Select(DimExpr condition, DimExpr a, DimExpr b) {
  if (a == b) return a;
  DimRange range = condition.range();
  if (range.lo > 0 || range.hi < 0) return a;
  if (range.lo == 0 && range.hi == 0) return b;
  std::span<const DimExpr> x = condition.operands();
  // equal(y, 0) is true exactly where y is false.
  if (condition.kind() == DimKind::kEqual && x[1].IsConst(0)) return Select(x[0], b, a);
  // c < 1 says c = 0 of a coordinate: if b is a there, it is b everywhere.
  if (condition.kind() == DimKind::kLess && x[0].kind() == DimKind::kCoord && x[1].IsConst(1)) {
    const DimExpr coord = x[0];
    DimExpr at_zero = Substitute(b, [&](DimExpr leaf) -> std::optional<DimExpr> {
      return leaf == coord ? std::optional<DimExpr>(0) : std::nullopt;
    });
    if (at_zero == a) return b;
  }
  if (IsBoolean(condition) && a.IsConst(1) && b.IsConst(0)) return condition;
  if (IsBoolean(condition) && a.IsConst(0) && b.IsConst(1)) return Not(condition);
  if (condition.kind() == DimKind::kLess && a == x[0] && b == x[1]) return Min(a, b);
  if (condition.kind() == DimKind::kLess && a == x[1] && b == x[0]) return Max(a, b);
  if (a.kind() == DimKind::kSelect && a.operands()[0] == condition) a = a.operands()[1];
  if (b.kind() == DimKind::kSelect && b.operands()[0] == condition) b = b.operands()[2];
  if (a == b) return a;
  return InternDim(DimKind::kSelect, {condition, a, b});
}

}  // namespace skein
