// The interner of DimExprs; only ir/dim_expr*.cc include this.
#ifndef SKEIN_IR_DIM_NODE_H_
#define SKEIN_IR_DIM_NODE_H_

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string_view>

#include "ir/dim_expr.h"

namespace skein {

// What makes two nodes equal.
struct DimNodeKey {
  DimKind kind;
  int32_t index = 0;
  int64_t constant = 0;
  const DimNode* extent = nullptr;
  std::string_view symbol = {};
  std::span<const DimExpr> operands = {};
};

struct DimInterner {
  static DimExpr Wrap(const DimNode* node) { return DimExpr(node); }
  static DimExpr Intern(const DimNodeKey& key);
};

// Interns a node as it stands; the caller has simplified and sorted the operands.
inline DimExpr InternDim(DimKind kind, std::span<const DimExpr> operands) {
  return DimInterner::Intern({.kind = kind, .operands = operands});
}
inline DimExpr InternDim(DimKind kind, std::initializer_list<DimExpr> operands) {
  return InternDim(kind, std::span<const DimExpr>(operands.begin(), operands.size()));
}

// simplify(a, b), remembered per thread; a plain node where simplifications have nested too deeply.
DimExpr SimplifyOnce(DimKind kind, DimExpr a, DimExpr b, DimExpr (*simplify)(DimExpr, DimExpr));

// Sums of canonical expressions, the quick way; nullopt where a sum may simplify beyond adding up
// coefficients. The results are those of the operators.
std::optional<DimExpr> AddConstant(DimExpr e, int64_t constant);
std::optional<DimExpr> MergeSums(DimExpr a, DimExpr b, int64_t scale);  // a + scale*b, scale != 0
std::optional<DimExpr> MergeSums(std::span<const DimExpr> terms);

// AsAffine, the quick way: nullopt also where more than one term has the coordinate, or is not as canonical sums have it.
std::optional<Affine> SplitAtCoord(DimExpr e, int index);

// The product of expressions that are no sums.
DimExpr MultiplyTerms(std::span<const DimExpr> terms);

// The interval of a node whose operands are interned.
DimRange RangeOfNode(const DimNode& node);
DimRange AddRanges(DimRange a, DimRange b);
DimRange MulRanges(DimRange a, DimRange b);
DimRange ProductRange(int64_t coefficient, std::span<const DimExpr> factors);  // equal factors side by side

// What a comparison, or any other expression in [0, 1], is.
inline bool IsBoolean(DimExpr e) {
  DimRange range = e.range();
  return range.lo >= 0 && range.hi <= 1;
}

}  // namespace skein

#endif  // SKEIN_IR_DIM_NODE_H_
