// Renaming what index expressions mention, for passes that rebuild a LoopNest.
#ifndef SKEIN_CODEGEN_MAP_LEAVES_H_
#define SKEIN_CODEGEN_MAP_LEAVES_H_

#include <optional>

#include "absl/container/flat_hash_map.h"
#include "ir/dim_expr.h"

namespace skein {

// What expressions became, good for as long as their leaves keep their meaning.
using MappedExprs = absl::flat_hash_map<DimExpr, DimExpr>;

// `e` with map_leaf(x) for every coordinate and value x. Unlike Substitute it rebuilds nothing to
// find that nothing changes, which is the usual case, and meets a term that many addresses share
// once.
//   map_leaf: DimExpr -> DimExpr, of symbols too, which it leaves alone; it sees to a coordinate's
//   extent itself.
template <typename MapLeaf>
DimExpr MapLeaves(DimExpr e, MappedExprs& known, const MapLeaf& map_leaf) {
  if (!HasCoords(e)) return e;
  if (e.operands().empty()) return map_leaf(e);
  if (const auto found = known.find(e); found != known.end()) return found->second;
  DimExpr result = e;
  for (DimExpr operand : e.operands()) {
    if (MapLeaves(operand, known, map_leaf) == operand) continue;
    result = Substitute(e, [&](DimExpr leaf) { return std::optional<DimExpr>(map_leaf(leaf)); });
    break;
  }
  known.emplace(e, result);
  return result;
}

}  // namespace skein

#endif  // SKEIN_CODEGEN_MAP_LEAVES_H_
