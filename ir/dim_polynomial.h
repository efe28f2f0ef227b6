// Sums of constant * monomial, the working form of the canonical DimExpr; only ir/dim_*.cc include
// this. All arithmetic keeps the canonical order and saturates coefficients.
#ifndef SKEIN_IR_DIM_POLYNOMIAL_H_
#define SKEIN_IR_DIM_POLYNOMIAL_H_

#include <cstdint>
#include <optional>

#include "absl/container/inlined_vector.h"
#include "ir/dim_expr.h"

namespace skein {

// coefficient * product of factors; no factors: a constant. Factors are atoms, sorted, with repeats
// for powers. A factor is a sum only where expanding the product would have had too many terms.
struct DimTerm {
  int64_t coefficient = 0;
  absl::InlinedVector<DimExpr, 3> factors;

  bool IsConstant() const { return factors.empty(); }
};

// Sorted by factors (the constant last), one term per monomial, no zero coefficient.
using DimPolynomial = absl::InlinedVector<DimTerm, 3>;

DimPolynomial ToPolynomial(DimExpr e);
// Of anything but a sum.
DimTerm TermOf(DimExpr e);
DimTerm MultiplyTerms(const DimTerm& a, const DimTerm& b);
// Interns without looking for floordiv/mod identities.
DimExpr FromPolynomial(const DimPolynomial& p);
DimExpr FromTerm(const DimTerm& term);
DimPolynomial ConstantPolynomial(int64_t c);

DimPolynomial AddPolynomials(const DimPolynomial& a, const DimPolynomial& b);
DimPolynomial SubtractPolynomials(const DimPolynomial& a, const DimPolynomial& b);
DimPolynomial ScalePolynomial(const DimPolynomial& a, int64_t scale);
// Distributes; past 64 terms it keeps sums as factors, so that sizes stay bounded.
DimPolynomial MultiplyPolynomials(const DimPolynomial& a, const DimPolynomial& b);
DimPolynomial MultiplyByTerm(const DimPolynomial& a, const DimTerm& term);
// The sum of terms in any order.
DimPolynomial CollectTerms(DimPolynomial terms);

int CompareFactors(const DimTerm& a, const DimTerm& b);
// The constant term, 0 if there is none.
int64_t ConstantOf(const DimPolynomial& p);
const DimTerm* FindMonomial(const DimPolynomial& p, const DimTerm& like);

// a / b where that is a term, that is, b's factors are among a's and its coefficient divides a's.
std::optional<DimTerm> DivideTerms(const DimTerm& a, const DimTerm& b);
std::optional<DimPolynomial> DivideExactly(const DimPolynomial& a, const DimPolynomial& b);
// The largest monomial that divides both; its coefficient is positive.
DimTerm CommonTerm(const DimTerm& a, const DimTerm& b);
// The largest monomial that divides every term of p, which is not zero.
DimTerm ContentOf(const DimPolynomial& p);

// p = atom * coefficient + rest. `linear` is false if a power of atom is in the coefficient.
struct DimLinearSplit {
  DimPolynomial coefficient, rest;
  bool linear = true;
};
DimLinearSplit SplitByAtom(const DimPolynomial& p, DimExpr atom);

// p = divisor * quotient + remainder; moves what visibly is a multiple into the quotient.
struct DimDivision {
  DimPolynomial quotient, remainder;
};
DimDivision SplitMultiples(const DimPolynomial& p, const DimPolynomial& divisor);

DimRange RangeOf(const DimPolynomial& p);

// ProveNonNegative with facts: each of `positive` is at least 1.
bool ProveNonNegativeGiven(const DimPolynomial& p, const DimTerm& positive);

}  // namespace skein

#endif  // SKEIN_IR_DIM_POLYNOMIAL_H_
