// Coordinates: of reshapes, of movements in general, and of gathers whose indices are known.
#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "ir/op_helpers.h"

namespace skein {

Dims CoordsOf(std::span<const DimExpr> dims) {
  Dims coords;
  for (size_t i = 0; i < dims.size(); ++i) {
    coords.push_back(dims[i].IsConst(1) ? DimExpr(0)
                                        : DimExpr::Coord(static_cast<int>(i), dims[i]));
  }
  return coords;
}

DimExpr Linearize(std::span<const DimExpr> coords, std::span<const DimExpr> dims) {
  DimExpr linear = 0;
  for (size_t i = 0; i < dims.size(); ++i) linear = linear * dims[i] + coords[i];
  return linear;
}

Dims Delinearize(DimExpr linear, std::span<const DimExpr> dims) {
  Dims coords(dims.size());
  for (size_t i = dims.size(); i-- > 0;) {
    bool outermost =
        std::all_of(dims.begin(), dims.begin() + i, [](DimExpr d) { return d.IsConst(1); });
    coords[i] = dims[i].IsConst(1) ? DimExpr(0) : outermost ? linear : Mod(linear, dims[i]);
    if (!dims[i].IsConst(1)) linear = outermost ? DimExpr(0) : FloorDiv(linear, dims[i]);
  }
  return coords;
}

namespace {

// Positions in `dims` that are not 1.
std::vector<size_t> Proper(std::span<const DimExpr> dims) {
  std::vector<size_t> proper;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (!dims[i].IsConst(1)) proper.push_back(i);
  }
  return proper;
}

}  // namespace

// Takes dims from both lists, always from the one whose product is smaller or cannot be compared,
// until the products of a group agree; then the group is converted by itself. If the ends are
// reached without agreement (equal only by assumption), the last group covers the rest.
Dims ReshapeCoords(const Graph& graph, std::span<const DimExpr> coords,
                   std::span<const DimExpr> from, std::span<const DimExpr> to) {
  std::vector<size_t> source = Proper(from), target = Proper(to);
  Dims result(to.size(), DimExpr(0));
  auto convert = [&](size_t s0, size_t s1, size_t t0, size_t t1) {
    Dims group_coords, group_dims, target_dims;
    for (size_t s = s0; s < s1; ++s) {
      group_coords.push_back(coords[source[s]]);
      group_dims.push_back(graph.Assumed(from[source[s]]));
    }
    for (size_t t = t0; t < t1; ++t) target_dims.push_back(graph.Assumed(to[target[t]]));
    Dims converted = Delinearize(Linearize(group_coords, group_dims), target_dims);
    for (size_t t = t0; t < t1; ++t) result[target[t]] = converted[t - t0];
  };
  // Finds the shortest prefixes of equal product. Both lists are short.
  size_t s0 = 0, t0 = 0;
  while (s0 < source.size() || t0 < target.size()) {
    bool found = false;
    size_t total = (source.size() - s0) + (target.size() - t0);
    for (size_t length = 2; length <= total && !found; ++length) {
      for (size_t s = 1; s < length && !found; ++s) {
        size_t t = length - s;
        if (s0 + s > source.size() || t0 + t > target.size()) continue;
        DimExpr a = 1, b = 1;
        for (size_t i = 0; i < s; ++i) a = a * graph.Assumed(from[source[s0 + i]]);
        for (size_t i = 0; i < t; ++i) b = b * graph.Assumed(to[target[t0 + i]]);
        if (a != b) continue;
        convert(s0, s0 + s, t0, t0 + t);
        s0 += s;
        t0 += t;
        found = true;
      }
    }
    if (!found) {
      convert(s0, source.size(), t0, target.size());
      break;
    }
  }
  return result;
}

std::optional<Dims> ForwardMap(const Graph& graph, NodeId id, std::span<const DimExpr> coords) {
  const Node& node = graph.node(id);
  const OpDef& def = Def(node.op);
  return def.forward ? def.forward(graph, node, coords) : std::nullopt;
}

std::optional<std::vector<Piece>> MovementPieces(const Graph& graph, NodeId id) {
  return PiecesOf(graph, graph.node(id));
}

std::optional<Dims> KnownGatherMap(const Graph& graph, const Node& node) {
  const Dims& index_map = node.attributes.DimList("index_map");
  Dims coords = CoordsOf(node.results[0].dims);
  Dims indices;
  size_t next = 0;
  for (size_t i = 1; i < node.operands.size(); ++i) {
    auto known = graph.Known(node.operands[i]);
    size_t rank = graph.type(node.operands[i]).dims.size();
    if (!known) return std::nullopt;
    indices.push_back(SubstituteCoords(*known, std::span(index_map).subspan(next, rank)));
    next += rank;
  }
  Dims map = node.attributes.DimList("map");
  for (DimExpr& m : map) {
    m = Substitute(m, [&](DimExpr leaf) -> std::optional<DimExpr> {
      if (leaf.kind() != DimKind::kValue || leaf.index() >= static_cast<int>(indices.size()))
        return std::nullopt;
      return indices[leaf.index()];
    });
  }
  return map;
}

std::optional<std::vector<Piece>> PiecesOf(const Graph& graph, const Node& node) {
  const OpDef& def = Def(node.op);
  if (def.op_class == OpClass::kMovement) return def.pieces(graph, node);
  if (def.op_class != OpClass::kGather) return std::nullopt;
  auto map = KnownGatherMap(graph, node);
  if (!map) return std::nullopt;
  const Dims& extents = graph.type(node.operands[0]).dims;
  for (size_t i = 0; i < extents.size(); ++i) {
    auto condition = InRange((*map)[i], graph.Assumed(extents[i]));
    if (!condition) return std::nullopt;
    if (condition->IsConst(1)) continue;
    bool guarded = std::any_of(graph.guards().begin(), graph.guards().end(),
                               [&](const Guard& guard) { return guard.condition == *condition; });
    if (!guarded) return std::nullopt;
  }
  return std::vector<Piece>{Piece{1, 0, std::move(*map)}};
}

std::optional<DimExpr> InRange(DimExpr e, DimExpr extent) {
  if (ProveNonNegative(e) && ProveLess(e, extent)) return DimExpr(1);
  // The extreme values of an expression that is affine in every coordinate lie at its corners.
  DimExpr low = e, high = e;
  Dims leaves;
  VisitLeaves(e, [&](DimExpr leaf) {
    if (leaf.kind() == DimKind::kCoord || leaf.kind() == DimKind::kValue) leaves.push_back(leaf);
  });
  for (DimExpr leaf : leaves) {
    if (leaf.kind() == DimKind::kValue) return std::nullopt;
    auto affine = AsAffine(e, leaf.index());
    if (!affine || HasCoords(affine->stride)) return std::nullopt;
    DimExpr last = leaf.extent() - 1;
    bool up = ProveNonNegative(affine->stride), down = ProveNonNegative(-affine->stride);
    if (!up && !down) return std::nullopt;
    auto at = [&](DimExpr x, DimExpr value) {
      return Substitute(x,
                        [&](DimExpr l) { return l == leaf ? std::optional(value) : std::nullopt; });
    };
    low = at(low, up ? DimExpr(0) : last);
    high = at(high, up ? last : DimExpr(0));
  }
  DimExpr condition = And(ProveNonNegative(low) ? DimExpr(1) : Not(Less(low, 0)),
                          ProveLess(high, extent) ? DimExpr(1) : Less(high, extent));
  if (condition.IsConst(0)) return std::nullopt;
  return condition;
}

namespace {

void Count(DimExpr e, int limit, absl::flat_hash_set<const DimNode*>* seen, int* size) {
  if (*size >= limit || !seen->insert(e.node()).second) return;
  ++*size;
  std::span<const DimExpr> operands = e.operands();
  for (size_t i = 0; i < operands.size(); ++i) {
    // Factors of a power are equal neighbours: each takes room.
    if (i > 0 && operands[i] == operands[i - 1]) ++*size;
    Count(operands[i], limit, seen, size);
  }
}

}  // namespace

int ExpressionSize(DimExpr e, int limit) {
  absl::flat_hash_set<const DimNode*> seen;
  int size = 0;
  Count(e, limit, &seen, &size);
  return std::min(size, limit);
}

}  // namespace skein
