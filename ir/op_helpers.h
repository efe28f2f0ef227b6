// What the files of ir/ops share: type rules, folding and error bounds.
#ifndef SKEIN_IR_OP_HELPERS_H_
#define SKEIN_IR_OP_HELPERS_H_

#include <cmath>
#include <optional>
#include <span>
#include <vector>

#include "ir/numeric.h"
#include "ir/op.h"

namespace skein {

// Results like the first operand, which must be a number / an integer / an integer or bool.
absl::Status NumberSameAsFirst(const Graph& graph, const Node& node,
                               ResultTypes* results);
absl::Status IntegerSameAsFirst(const Graph& graph, const Node& node,
                                ResultTypes* results);
absl::Status BitsSameAsFirst(const Graph& graph, const Node& node,
                             ResultTypes* results);
absl::Status BoolSameAsFirst(const Graph& graph, const Node& node,
                             ResultTypes* results);
// Bool of the first operand's shape, which must be a float.
absl::Status BoolLikeFloat(const Graph& graph, const Node& node, ResultTypes* results);

// f of the known values of all operands.
std::optional<DimExpr> FoldUnary(const Graph& graph, const Node& node, DimExpr (*f)(DimExpr));
std::optional<DimExpr> FoldBinary(const Graph& graph, const Node& node,
                                  DimExpr (*f)(DimExpr, DimExpr));

// y = f(x) for a monotone f: what an error of x does is seen at the two ends. `ulp` is the stated
// bound of generated code. An end outside f's domain (NaN) makes the error infinite.
Bounded Monotone(ElementType type, Bounded x, double (*f)(double), double ulp);
// y = f(x) for an f whose slope is at most `slope` anywhere.
Bounded Sloped(ElementType type, Bounded x, long double (*f)(long double), double slope, double ulp);
// `ulp` ulps of y in `type`, and for f64 the reference's own rounding.
double Ulps(ElementType type, double y, double ulp);
// One rounding of y by an operation that is correctly rounded.
Bounded Rounded(ElementType type, double y, double error);
// A comparison with the outcome `value`: uncertain where the operands differ by no more than their
// errors.
Bounded Comparison(bool value, Bounded a, Bounded b);

inline uint64_t AsUnsigned(int64_t v) { return static_cast<uint64_t>(v); }

// v as an element of the integer or bool type t: wrapped, or (from a double) as kConvert says.
inline int64_t WrapTo(ElementType t, int64_t v) { return Int64FromBits(t, BitsFromInt64(t, v)); }
inline int64_t SaturateTo(ElementType t, double v) {
  return Int64FromBits(t, BitsFromDouble(t, v));
}

// Of a float type: digits of the significand, exponent of the smallest normal and of the largest
// finite.
struct FloatFormat {
  int digits, min_exponent, max_exponent;
};
FloatFormat FormatOf(ElementType t);
// Half an ulp beyond the largest finite value of a float type: from there on rounding gives
// infinity.
double OverflowLimit(ElementType type);

// a - floor(a/b)*b, exact up to one rounding; the sign of b.
double FloorMod(double a, double b);
Bounded PowReference(ElementType type, Bounded a, Bounded b);

// The value of an integer or bool literal as an expression of its coordinates: splat, affine in
// them, a lower triangle of ones, or of at most 64 elements.
std::optional<DimExpr> KnownLiteral(const Literal& literal);

// Row-major coordinates under `from` turned into those under `to`, which has as many elements.
Dims ReshapeCoords(const Graph& graph, std::span<const DimExpr> coords,
                   std::span<const DimExpr> from, std::span<const DimExpr> to);

// Pieces of a movement node, or of a gather whose indices are known and in range (by proof or by a
// guard of the graph); `node` need not be in the graph yet, but has its result types.
std::optional<std::vector<Piece>> PiecesOf(const Graph& graph, const Node& node);
// For a gather with known indices: the coordinates of `data` over the result's. No range check.
std::optional<Dims> KnownGatherMap(const Graph& graph, const Node& node);
// A condition, free of coordinates, under which 0 <= e < extent for all coordinates; 1 where that
// is proved; nullopt where none can be stated.
std::optional<DimExpr> InRange(DimExpr e, DimExpr extent);
// The known value of a node that is about to be added (its result types are there), see
// Graph::Known.
std::optional<DimExpr> FindKnown(const Graph& graph, const Node& node);
// Number of distinct nodes of e and of repeated factors, counted up to `limit`.
int ExpressionSize(DimExpr e, int limit);

}  // namespace skein

#endif  // SKEIN_IR_OP_HELPERS_H_
