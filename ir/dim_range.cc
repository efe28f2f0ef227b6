// Interval arithmetic of dimension expressions.
#include <algorithm>

#include "ir/dim_arithmetic.h"
#include "ir/dim_node.h"

namespace skein {
namespace {

constexpr DimRange kAnything{-kUnbounded, kUnbounded};

// The k-th power of an interval; an even power is never negative.
DimRange PowerRange(DimRange base, int power) {
  DimRange result = base;
  for (int i = 1; i < power; ++i) result = MulRanges(result, base);
  if (power % 2 == 0) result.lo = std::max<int64_t>(result.lo, 0);
  return result;
}

DimRange FloorDivRange(DimRange a, DimRange b) {
  if (b.lo < 0) {  // |floordiv(a, b)| <= |a| for any integer b
    int64_t size = std::max(-a.lo, a.hi);
    return {-size, size};
  }
  int64_t least = std::max<int64_t>(b.lo, 1), most = std::max<int64_t>(b.hi, 1);
  int64_t lo = a.lo == -kUnbounded ? -kUnbounded : DimFloorDiv(a.lo, a.lo < 0 ? least : most);
  int64_t hi = a.hi == kUnbounded ? kUnbounded : DimFloorDiv(a.hi, a.hi < 0 ? most : least);
  if (b.lo == 0) return {std::min<int64_t>(lo, 0), std::max<int64_t>(hi, 0)};
  return {lo, hi};
}

DimRange ModRange(DimRange a, DimRange b) {
  int64_t lo = b.lo == -kUnbounded ? -kUnbounded : std::min<int64_t>(b.lo + 1, 0);
  int64_t hi = b.hi == kUnbounded ? kUnbounded : std::max<int64_t>(b.hi - 1, 0);
  if (a.lo >= 0 && b.lo >= 0) hi = std::min(hi, a.hi);
  return {lo, hi};
}

}  // namespace

DimRange AddRanges(DimRange a, DimRange b) {
  return {a.lo == -kUnbounded || b.lo == -kUnbounded ? -kUnbounded : DimAdd(a.lo, b.lo),
          a.hi == kUnbounded || b.hi == kUnbounded ? kUnbounded : DimAdd(a.hi, b.hi)};
}

DimRange MulRanges(DimRange a, DimRange b) {
  // Saturation does the right thing for unbounded ends: 0 * unbounded = 0, else unbounded.
  auto [lo, hi] =
      std::minmax({DimMul(a.lo, b.lo), DimMul(a.lo, b.hi), DimMul(a.hi, b.lo), DimMul(a.hi, b.hi)});
  return {lo, hi};
}

DimRange ProductRange(int64_t coefficient, std::span<const DimExpr> factors) {
  DimRange result{coefficient, coefficient};
  for (size_t i = 0; i < factors.size();) {
    size_t end = i + 1;
    while (end < factors.size() && factors[end] == factors[i]) ++end;
    result = MulRanges(result, PowerRange(factors[i].range(), static_cast<int>(end - i)));
    i = end;
  }
  return result;
}

DimRange RangeOfNode(const DimNode& node) {
  auto operand = [&node](int i) { return node.operands()[i].range(); };
  switch (node.kind) {
    case DimKind::kConst:
      return {node.constant, node.constant};
    case DimKind::kSymbol:
      return {0, kUnbounded};
    case DimKind::kCoord: {
      int64_t extent = node.extent->range.hi;
      return {0, extent == kUnbounded ? kUnbounded : std::max<int64_t>(extent - 1, 0)};
    }
    case DimKind::kValue:
      return kAnything;
    case DimKind::kAdd: {
      DimRange sum{0, 0};
      for (DimExpr term : node.operands()) sum = AddRanges(sum, term.range());
      return sum;
    }
    case DimKind::kMul:
      return ProductRange(1, node.operands());
    case DimKind::kFloorDiv:
      return FloorDivRange(operand(0), operand(1));
    case DimKind::kMod:
      return ModRange(operand(0), operand(1));
    case DimKind::kMin:
      return {std::min(operand(0).lo, operand(1).lo), std::min(operand(0).hi, operand(1).hi)};
    case DimKind::kMax:
      return {std::max(operand(0).lo, operand(1).lo), std::max(operand(0).hi, operand(1).hi)};
    case DimKind::kLess:
    case DimKind::kEqual:
      return {0, 1};
    case DimKind::kSelect:
      return {std::min(operand(1).lo, operand(2).lo), std::max(operand(1).hi, operand(2).hi)};
  }
  return kAnything;
}

}  // namespace skein
