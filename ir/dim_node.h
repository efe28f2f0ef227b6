// The node behind a DimExpr and the interner; only ir/dim_expr*.cc include this.
#ifndef SKEIN_IR_DIM_NODE_H_
#define SKEIN_IR_DIM_NODE_H_

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ir/dim_expr.h"

namespace skein {

// Immutable and immortal once interned, so that readers need no lock.
struct DimNode {
  DimKind kind;
  bool has_coords = false;   // coordinates or values, not counting those in extents
  bool has_symbols = false;  // likewise
  int32_t index = 0;
  int32_t depth = 0;  // of nesting; a coordinate is one deeper than its extent
  int64_t constant = 0;
  DimRange range{0, 0};
  const DimNode* extent = nullptr;  // kCoord
  std::string symbol;
  std::vector<DimExpr> operands;
};

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

// The interval of a node whose operands are interned.
DimRange RangeOfNode(const DimNode& node);
DimRange AddRanges(DimRange a, DimRange b);
DimRange MulRanges(DimRange a, DimRange b);

// What a comparison, or any other expression in [0, 1], is.
inline bool IsBoolean(DimExpr e) {
  DimRange range = e.range();
  return range.lo >= 0 && range.hi <= 1;
}

}  // namespace skein

#endif  // SKEIN_IR_DIM_NODE_H_
