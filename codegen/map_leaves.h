// Renaming what index expressions mention, for passes that rebuild a LoopNest.
#ifndef SKEIN_CODEGEN_MAP_LEAVES_H_
#define SKEIN_CODEGEN_MAP_LEAVES_H_

#include <algorithm>
#include <optional>

#include "ir/dim_expr.h"

namespace skein {

template <typename MapLeaf>
bool ChangesLeaf(DimExpr e, const MapLeaf& map_leaf) {
  if (e.operands().empty()) return !e.IsConst() && map_leaf(e) != e;
  return std::any_of(e.operands().begin(), e.operands().end(),
                     [&](DimExpr operand) { return ChangesLeaf(operand, map_leaf); });
}

// `e` with map_leaf(x) for every coordinate and value x. Unlike Substitute it rebuilds nothing to
// find that nothing changes, which is the usual case.
//   map_leaf: DimExpr -> DimExpr, of symbols too, which it leaves alone; it sees to a coordinate's
//   extent itself.
template <typename MapLeaf>
DimExpr MapLeaves(DimExpr e, const MapLeaf& map_leaf) {
  constexpr int kShallow = 6;  // expressions are DAGs: deep ones are walked with a memory
  if (!HasCoords(e)) return e;
  if (e.node()->depth <= kShallow && !ChangesLeaf(e, map_leaf)) return e;
  return Substitute(e, [&](DimExpr leaf) { return std::optional<DimExpr>(map_leaf(leaf)); });
}

}  // namespace skein

#endif  // SKEIN_CODEGEN_MAP_LEAVES_H_
