// The operators of DimExpr except floordiv and mod: sums with the identities that join quotients
// and remainders, comparisons, min, max and select.
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
      DimPolynomial whole = MultiplyByTerm(
          MultiplyPolynomials(ToPolynomial(divisor), ToPolynomial(FloorDiv(y, divisor))), multiple);
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
    DimPolynomial quotients =
        MultiplyPolynomials(MultiplyPolynomials(multiple, *divisor), ToPolynomial(quotient));
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

// FinishSum(polynomial()), remembered per thread where nothing that nests bounds it: addresses add the same index maps
// over and over. A difference is kept under a kind that no other operation has.
template <typename Polynomial>
DimExpr RememberSum(DimKind kind, DimExpr a, DimExpr b, Polynomial polynomial) {
  if (nesting > 0) return FinishSum(polynomial());
  const OperationKey key(kind, a, b);
  if (auto found = Memo().find(key); found != Memo().end()) return found->second;
  const DimExpr result = FinishSum(polynomial());
  Memo().emplace(key, result);
  return result;
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

DimExpr MinOf(DimExpr a, DimExpr b) { return Extremum(DimKind::kMin, a, b); }
DimExpr MaxOf(DimExpr a, DimExpr b) { return Extremum(DimKind::kMax, a, b); }

DimExpr DecideLess(DimExpr a, DimExpr b) {
  DimPolynomial difference = ToPolynomial(b - a);
  if (CommonCoefficient(difference) == 0) return ConstantOf(difference) > 0 ? 1 : 0;
  return IsPositive(difference);
}

DimExpr DecideEqual(DimExpr a, DimExpr b) {
  DimPolynomial difference = ToPolynomial(a - b);
  if (CommonCoefficient(difference) == 0) return ConstantOf(difference) == 0 ? 1 : 0;
  if (ProveNotEqual(FromPolynomial(difference), 0)) return 0;
  return IsZero(std::move(difference));
}

}  // namespace

DimExpr SimplifyOnce(DimKind kind, DimExpr a, DimExpr b, DimExpr (*simplify)(DimExpr, DimExpr)) {
  NestingScope scope;
  if (scope.TooDeep()) return InternDim(kind, {a, b});
  OperationKey key(kind, a, b);
  if (auto found = Memo().find(key); found != Memo().end()) return found->second;
  DimExpr result = simplify(a, b);
  Memo().emplace(key, result);
  return result;
}

DimExpr operator+(DimExpr a, DimExpr b) {
  if (a.IsConst()) std::swap(a, b);
  const std::optional<DimExpr> sum =
      b.IsConst() ? AddConstant(a, b.constant()) : MergeSums(a, b, 1);
  if (sum) return *sum;
  return RememberSum(DimKind::kAdd, a, b, [&] { return AddPolynomials(ToPolynomial(a), ToPolynomial(b)); });
}

DimExpr operator-(DimExpr a, DimExpr b) {
  const std::optional<DimExpr> difference =
      b.IsConst() ? AddConstant(a, -b.constant()) : MergeSums(a, b, -1);
  if (difference) return *difference;
  return RememberSum(DimKind::kConst, a, b, [&] { return SubtractPolynomials(ToPolynomial(a), ToPolynomial(b)); });
}

DimExpr operator*(DimExpr a, DimExpr b) {
  if (a.IsConst() && b.IsConst()) return DimMul(a.constant(), b.constant());
  if (a.kind() != DimKind::kAdd && b.kind() != DimKind::kAdd) {
    const DimExpr terms[] = {a, b};
    return MultiplyTerms(terms);
  }
  if (a.IsConst()) std::swap(a, b);
  if (b.IsConst() && !b.IsConst(0)) {
    if (const std::optional<DimExpr> product = MergeSums(0, a, b.constant())) return *product;
  }
  return RememberSum(DimKind::kMul, a, b, [&] { return MultiplyPolynomials(ToPolynomial(a), ToPolynomial(b)); });
}

DimExpr Min(DimExpr a, DimExpr b) {
  if (a == b) return a;
  if (DimExpr::Compare(a, b) > 0) std::swap(a, b);
  return SimplifyOnce(DimKind::kMin, a, b, MinOf);
}

DimExpr Max(DimExpr a, DimExpr b) {
  if (a == b) return a;
  if (DimExpr::Compare(a, b) > 0) std::swap(a, b);
  return SimplifyOnce(DimKind::kMax, a, b, MaxOf);
}

DimExpr Less(DimExpr a, DimExpr b) {
  if (a == b) return 0;
  if (a.range().hi < b.range().lo) return 1;
  if (a.range().lo >= b.range().hi) return 0;
  return SimplifyOnce(DimKind::kLess, a, b, DecideLess);
}

DimExpr Equal(DimExpr a, DimExpr b) {
  if (a == b) return 1;
  if (a.IsConst() && b.IsConst()) return 0;
  if (DimExpr::Compare(a, b) > 0) std::swap(a, b);
  return SimplifyOnce(DimKind::kEqual, a, b, DecideEqual);
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
