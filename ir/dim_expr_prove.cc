// ProveNonNegative: bounds atoms one after another, the most deeply nested first, until interval
// arithmetic decides. Both the steps and the depth are limited; running out means "not proved".
#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "ir/dim_arithmetic.h"
#include "ir/dim_expr.h"
#include "ir/dim_node.h"
#include "ir/dim_polynomial.h"

namespace skein {
namespace {

constexpr int kMaxSteps = 200;  // of elimination; real index maps need fewer than 20
constexpr int kMaxDepth = 24;
constexpr int kAtomsTried = 4;    // per step
constexpr size_t kMaxTerms = 48;  // of an intermediate polynomial
constexpr int kMaxVisits = 2000;  // of nodes in a trial evaluation: expressions are DAGs

uint64_t Mix(uint64_t x) {  // the finalizer of MurmurHash3
  x = (x ^ (x >> 33)) * 0xff51afd7ed558ccdULL;
  x = (x ^ (x >> 33)) * 0xc4ceb9fe1a85ec53ULL;
  return x ^ (x >> 33);
}

// Evaluates at one made-up binding. A negative result refutes a claim at once, which spares most
// of the searches that would fail.
class Trial {
 public:
  explicit Trial(int number) : number_(number) {}

  // Whether p is negative at this binding; false also where the binding is impossible.
  bool IsNegative(const DimPolynomial& p) {
    int64_t sum = 0;
    for (const DimTerm& term : p) {
      int64_t product = term.coefficient;
      for (DimExpr factor : term.factors) product = DimMul(product, Value(factor));
      sum = DimAdd(sum, product);
    }
    return valid_ && sum < 0;
  }

 private:
  int64_t Value(DimExpr e) {
    if (e.IsConst()) return e.constant();
    if (++visits_ > kMaxVisits) valid_ = false;
    if (!valid_) return 0;
    std::span<const DimExpr> x = e.operands();
    switch (e.kind()) {
      case DimKind::kSymbol:
        return SymbolValue(std::hash<std::string_view>()(e.symbol()));
      case DimKind::kCoord:
        return CoordValue(e);
      case DimKind::kValue:
        return static_cast<int64_t>(Random(e.index()) % 201) - 100;
      case DimKind::kAdd: {
        int64_t sum = 0;
        for (DimExpr term : x) sum = DimAdd(sum, Value(term));
        return sum;
      }
      case DimKind::kMul: {
        int64_t product = 1;
        for (DimExpr factor : x) product = DimMul(product, Value(factor));
        return product;
      }
      case DimKind::kFloorDiv:
        return DimFloorDiv(Value(x[0]), Divisor(x[1]));
      case DimKind::kMod:
        return DimMod(Value(x[0]), Divisor(x[1]));
      case DimKind::kMin:
        return std::min(Value(x[0]), Value(x[1]));
      case DimKind::kMax:
        return std::max(Value(x[0]), Value(x[1]));
      case DimKind::kLess:
        return Value(x[0]) < Value(x[1]);
      case DimKind::kEqual:
        return Value(x[0]) == Value(x[1]);
      case DimKind::kSelect:
        return Value(x[0]) != 0 ? Value(x[1]) : Value(x[2]);
      default:
        return 0;
    }
  }

  uint64_t Random(uint64_t seed) const { return Mix(seed * 16 + number_ + 1); }

  int64_t SymbolValue(uint64_t name) const {
    switch (number_) {
      case 0:
        return 1;
      case 1:
        return 1 + Random(name) % 3;
      case 2:
        return 64;
      case 3:
        return 1000 + Random(name) % 1000;
      default:
        return 1 + Random(name) % 200;
    }
  }

  int64_t CoordValue(DimExpr e) {
    int64_t extent = Value(e.extent());
    if (extent <= 0) valid_ = false;
    if (!valid_) return 0;
    uint64_t random = Random(e.index() + 1000);
    switch (number_ % 4) {
      case 0:
        return extent - 1;
      case 1:
        return random % 2 == 0 ? 0 : extent - 1;
      case 2:
        return 0;
      default:
        return static_cast<int64_t>(random % static_cast<uint64_t>(extent));
    }
  }

  int64_t Divisor(DimExpr e) {  // a divisor of 0 belongs to an empty tensor
    int64_t divisor = Value(e);
    if (divisor == 0) valid_ = false;
    return divisor;
  }

  uint64_t number_;
  int visits_ = 0;
  bool valid_ = true;
};

bool IsRefuted(const DimPolynomial& p) {
  for (int number = 0; number < 8; ++number) {
    if (Trial(number).IsNegative(p)) return true;
  }
  return false;
}

class Prover {
 public:
  Prover(const DimPolynomial& claim, const DimTerm& positive) {
    AddPositive(positive);
    absl::flat_hash_set<DimExpr> seen;
    for (const DimTerm& term : claim) {
      for (DimExpr factor : term.factors) FindPositive(factor, seen);
    }
  }

  bool NonNegative(const DimPolynomial& p, int depth) {
    if (LowerBound(p) >= 0) return true;
    if (p.size() <= 1 && (p.empty() || p[0].IsConstant())) return false;
    if (depth <= 0 || p.size() > kMaxTerms || --steps_ < 0) return false;
    for (const DimTerm& term : p) {  // a coefficient that saturated proves nothing
      if (std::abs(term.coefficient) == INT64_MAX) return false;
    }
    for (DimExpr atom : AtomsToTry(p)) {
      if (BoundAtom(p, atom, depth - 1)) return true;
    }
    return false;
  }

 private:
  // A coordinate exists only where its extent is at least 1, and then so are the symbols in it.
  void FindPositive(DimExpr e, absl::flat_hash_set<DimExpr>& seen) {
    if (e.IsConst() || !seen.insert(e).second) return;
    if (e.kind() == DimKind::kCoord) {
      DimPolynomial extent = ToPolynomial(e.extent());
      if (extent.size() == 1) AddPositive(extent[0]);
      FindPositive(e.extent(), seen);
    }
    for (DimExpr operand : e.operands()) FindPositive(operand, seen);
  }

  void AddPositive(const DimTerm& term) {
    for (DimExpr factor : term.factors) {
      if (factor.range().lo == 0) positive_.insert(factor);
    }
  }

  DimRange AtomRange(DimExpr atom) const {
    DimRange range = atom.range();
    if (range.lo == 0 && positive_.contains(atom)) range.lo = 1;
    return range;
  }

  int64_t LowerBound(const DimPolynomial& p) const {
    int64_t sum = 0;
    for (const DimTerm& term : p) {
      DimRange product{term.coefficient, term.coefficient};
      for (size_t i = 0; i < term.factors.size(); ++i) {
        DimRange factor = AtomRange(term.factors[i]);
        if (i + 1 < term.factors.size() && term.factors[i] == term.factors[i + 1]) {
          factor = MulRanges(factor, factor);  // a square
          factor.lo = std::max<int64_t>(factor.lo, 0);
          ++i;
        }
        product = MulRanges(product, factor);
      }
      if (product.lo == -kUnbounded) return -kUnbounded;
      sum = DimAdd(sum, product.lo);
    }
    return sum;
  }

  // Distinct atoms, the most deeply nested first: their bounds are made of the others.
  static std::vector<DimExpr> AtomsToTry(const DimPolynomial& p) {
    std::vector<DimExpr> atoms;
    for (const DimTerm& term : p) {
      for (DimExpr factor : term.factors) {
        if (factor.kind() == DimKind::kValue) continue;  // has no bounds
        if (std::find(atoms.begin(), atoms.end(), factor) == atoms.end()) atoms.push_back(factor);
      }
    }
    std::stable_sort(atoms.begin(), atoms.end(),
                     [](DimExpr a, DimExpr b) { return a.node()->depth > b.node()->depth; });
    if (atoms.size() > kAtomsTried) atoms.resize(kAtomsTried);
    return atoms;
  }

  bool BoundAtom(const DimPolynomial& p, DimExpr atom, int depth) {
    DimLinearSplit split = SplitByAtom(p, atom);
    if (!split.linear) return false;
    if (IsChoice(atom) && BoundChoice(split, atom, depth)) return true;
    if (NonNegative(split.coefficient, std::min(depth, 4))) {
      return BoundBelow(split, atom, depth);
    }
    if (NonNegative(ScalePolynomial(split.coefficient, -1), std::min(depth, 4))) {
      return BoundAbove(split, atom, depth);
    }
    return false;
  }

  // rest + coefficient * bound >= 0
  bool With(const DimLinearSplit& split, const DimPolynomial& bound, int depth) {
    return NonNegative(AddPolynomials(split.rest, MultiplyPolynomials(split.coefficient, bound)),
                       depth);
  }

  static bool IsChoice(DimExpr atom) {
    return atom.kind() == DimKind::kMin || atom.kind() == DimKind::kMax ||
           atom.kind() == DimKind::kSelect;
  }

  // Min, max and select equal one of their arms: the claim holds if it holds for each.
  bool BoundChoice(const DimLinearSplit& split, DimExpr atom, int depth) {
    size_t first = atom.kind() == DimKind::kSelect ? 1 : 0;
    return With(split, ToPolynomial(atom.operands()[first]), depth) &&
           With(split, ToPolynomial(atom.operands()[first + 1]), depth);
  }

  // The coefficient is >= 0: puts lower bounds in place of the atom.
  bool BoundBelow(const DimLinearSplit& split, DimExpr atom, int depth) {
    std::span<const DimExpr> x = atom.operands();
    DimRange range = AtomRange(atom);
    if (range.lo != -kUnbounded && With(split, ConstantPolynomial(range.lo), depth)) return true;
    if (atom.kind() == DimKind::kMax) {
      return With(split, ToPolynomial(x[0]), depth) || With(split, ToPolynomial(x[1]), depth);
    }
    if (atom.kind() == DimKind::kFloorDiv && x[1].range().lo >= 0) {
      if (range.lo < 0 && NonNegative(ToPolynomial(x[0]), std::min(depth, 4)) && With(split, {}, depth)) return true;
      DimPolynomial divisor = ToPolynomial(x[1]);
      // divisor * floordiv(x, divisor) >= x - divisor + 1
      DimPolynomial bound =
          AddPolynomials(SubtractPolynomials(ToPolynomial(x[0]), divisor), ConstantPolynomial(1));
      return WithQuotient(split, divisor, bound, depth);
    }
    return false;
  }

  // The coefficient is <= 0: puts upper bounds in place of the atom.
  bool BoundAbove(const DimLinearSplit& split, DimExpr atom, int depth) {
    std::span<const DimExpr> x = atom.operands();
    const DimPolynomial minus_one = ConstantPolynomial(-1);
    if (atom.kind() == DimKind::kCoord) {
      return With(split, AddPolynomials(ToPolynomial(atom.extent()), minus_one), depth);
    }
    DimRange range = AtomRange(atom);
    if (range.hi != kUnbounded && With(split, ConstantPolynomial(range.hi), depth)) return true;
    if (atom.kind() == DimKind::kMin) {
      return With(split, ToPolynomial(x[0]), depth) || With(split, ToPolynomial(x[1]), depth);
    }
    bool divides = atom.kind() == DimKind::kFloorDiv || atom.kind() == DimKind::kMod;
    if (!divides || x[1].range().lo < 0) return false;
    DimPolynomial dividend = ToPolynomial(x[0]), divisor = ToPolynomial(x[1]);
    if (atom.kind() == DimKind::kMod) {
      if (With(split, AddPolynomials(divisor, minus_one), depth)) return true;
    } else if (WithQuotient(split, divisor, dividend, depth)) {
      return true;
    }
    // Neither the quotient nor the remainder of x >= 0 is above x.
    return NonNegative(dividend, std::min(depth, 4)) && With(split, dividend, depth);
  }

  // For an atom with divisor * atom bounded by `bound`: the claim, times divisor if need be.
  bool WithQuotient(const DimLinearSplit& split, const DimPolynomial& divisor,
                    const DimPolynomial& bound, int depth) {
    if (std::optional<DimPolynomial> scale = DivideExactly(split.coefficient, divisor)) {
      return NonNegative(AddPolynomials(split.rest, MultiplyPolynomials(*scale, bound)), depth);
    }
    return NonNegative(AddPolynomials(MultiplyPolynomials(split.rest, divisor),
                                      MultiplyPolynomials(split.coefficient, bound)),
                       depth);
  }

  absl::flat_hash_set<DimExpr> positive_;
  int steps_ = kMaxSteps;
};

// Remembers answers per thread; a claim comes back as often as its expression is built.
using ProofMemo = absl::flat_hash_map<std::pair<DimExpr, DimExpr>, bool>;
constexpr size_t kMaxRemembered = 1 << 16;

ProofMemo& Memo() {
  thread_local ProofMemo memo;
  if (memo.size() > kMaxRemembered) memo.clear();
  return memo;
}

}  // namespace

bool ProveNonNegativeGiven(const DimPolynomial& p, const DimTerm& positive) {
  DimRange range = RangeOf(p);
  if (range.lo >= 0) return true;
  if (range.hi < 0) return false;
  std::pair<DimExpr, DimExpr> key(FromPolynomial(p), FromTerm(positive));
  if (auto found = Memo().find(key); found != Memo().end()) return found->second;
  bool proved = !IsRefuted(p) && Prover(p, positive).NonNegative(p, kMaxDepth);
  Memo().emplace(key, proved);
  return proved;
}

bool ProveNonNegative(DimExpr a) {
  if (a.range().lo >= 0) return true;
  return ProveNonNegativeGiven(ToPolynomial(a), DimTerm{1, {}});
}

bool ProveNotEqual(DimExpr a, DimExpr b) {
  if (a == b) return false;
  if (a.range().lo > b.range().hi || a.range().hi < b.range().lo) return true;
  DimPolynomial difference = SubtractPolynomials(ToPolynomial(a), ToPolynomial(b));
  if (difference.empty()) return false;
  // g*x + c is not 0 if g does not divide c.
  int64_t constant = ConstantOf(difference), divisor = 0;
  for (const DimTerm& term : difference) {
    if (!term.IsConstant()) divisor = std::gcd(divisor, term.coefficient);
  }
  if (divisor == 0 ? constant != 0 : constant % divisor != 0) return true;
  DimPolynomial minus_one = ConstantPolynomial(-1);
  DimTerm nothing{1, {}};
  return ProveNonNegativeGiven(AddPolynomials(difference, minus_one), nothing) ||
         ProveNonNegativeGiven(AddPolynomials(ScalePolynomial(difference, -1), minus_one), nothing);
}

}  // namespace skein
