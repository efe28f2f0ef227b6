#include "fusion/row_group.h"

#include <algorithm>

namespace skein {
namespace {

constexpr int kInner = 2 * kPlaceholder;  // inner index placeholders, one per distinct extent

absl::Status Refuse(const char* code, const std::string& sentence) {
  return absl::FailedPreconditionError(absl::StrCat(code, ": ", sentence));
}

}  // namespace

bool RowGroup::IsInner(int coord) { return coord >= kInner; }

// The placeholder that runs over `extent` elements of a row.
DimExpr RowGroup::Inner(DimExpr extent) const {
  for (size_t i = 0; i < inner_extents_.size(); ++i) {
    if (inner_extents_[i] == extent) return DimExpr::Coord(kInner + static_cast<int>(i), extent);
  }
  inner_extents_.push_back(extent);
  return DimExpr::Coord(kInner + static_cast<int>(inner_extents_.size()) - 1, extent);
}

DimExpr RowGroup::ExtentOf(NodeId reduction) const {
  const Node& node = graph_->node(reduction);
  const Dims& dims = graph_->type(node.operands[0]).dims;
  DimExpr extent = 1;
  for (int64_t axis : node.attributes.Ints("axes")) extent = extent * dims[axis];
  return extent;
}

// Operand coordinates of a reduction at given result coordinates: its axes run along the row.
Dims RowGroup::OperandCoords(NodeId reduction, Dims coords) const {
  const Node& node = graph_->node(reduction);
  const Dims& dims = graph_->type(node.operands[0]).dims;
  std::vector<int64_t> axes = node.attributes.Ints("axes");
  std::sort(axes.begin(), axes.end());
  Dims reduced;
  for (int64_t axis : axes) reduced.push_back(dims[axis]);
  Dims parts = Delinearize(Inner(ExtentOf(reduction)), reduced);
  for (size_t i = 0; i < axes.size(); ++i) coords[axes[i]] = parts[i];
  return coords;
}

// Whether a place exists even where the demand's condition does not hold: its row is reduced all the same.
bool RowGroup::SurelyInside(const Demand& d) const {
  const Dims& dims = graph_->type(d.value).dims;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (!ProveNonNegative(d.coords[i]) || !ProveLess(d.coords[i], dims[i])) return false;
  }
  return true;
}

absl::StatusOr<std::vector<Demand>> RowGroup::Walk(std::vector<Demand> roots) {
  places_.clear();
  return ReachableDemands(*emitter_, std::move(roots), [&](const Demand& d) -> absl::StatusOr<Dims> {
    auto [it, fresh] = places_.emplace(d.value.node, d.coords);
    if (!fresh && it->second != d.coords) {
      return Refuse("SK130", absl::StrCat("a reduction is needed at two places of a row: ",
                                          OriginText(*graph_, d.value.node)));
    }
    if (!d.condition.IsConst(1) && !SurelyInside(d)) {
      return Refuse("SK136", absl::StrCat("a reduction is needed for some of the rows only: ",
                                          OriginText(*graph_, d.value.node)));
    }
    for (DimExpr c : d.coords) {
      bool row = true;
      VisitLeaves(c, [&](DimExpr leaf) {
        if (leaf.kind() == DimKind::kValue || (leaf.kind() == DimKind::kCoord && IsInner(leaf.index()))) {
          row = false;
        }
      });
      if (!row) {
        return Refuse("SK131", absl::StrCat("a reduction varies along the row of another: ",
                                            OriginText(*graph_, d.value.node)));
      }
    }
    return OperandCoords(d.value.node, d.coords);
  });
}

// Finds rows (dims that the reductions' places mention), the row's inner dims, and all demands.
absl::Status RowGroup::Analyze() {
  for (Value v : spec_->outputs) outputs_.push_back({FindOutputPath(*graph_, v, spec_->boundary), {}, true, {}});
  // The widest output spans the loops.
  size_t main = 0;
  auto elements = [&](size_t i) { return Product(graph_->type(outputs_[i].path.core).dims); };
  for (size_t i = 1; i < outputs_.size(); ++i) {
    if (!ProveLessEqual(elements(i), elements(main))) main = i;
  }
  const Dims dims = graph_->type(outputs_[main].path.core).dims;
  Domain all(dims);
  std::vector<Demand> roots = {{outputs_[main].path.core, all.placeholders()}};
  for (const Output& o : outputs_) {
    if (graph_->type(o.path.core).dims == dims) roots.push_back({o.path.core, all.placeholders()});
  }
  SKEIN_RETURN_IF_ERROR(Walk(roots).status());
  std::vector<bool> is_row(dims.size(), false);
  for (const auto& [node, coords] : places_) {
    for (size_t d = 0; d < dims.size(); ++d) {
      if (dims[d].IsConst(1)) continue;
      const int coord = all.placeholders()[d].index();
      for (DimExpr c : coords) is_row[d] = is_row[d] || DependsOnCoord(c, coord);
    }
  }
  Dims row_dims, inner_dims;
  for (size_t d = 0; d < dims.size(); ++d) {
    row_dims.push_back(is_row[d] ? dims[d] : DimExpr(1));
    if (!is_row[d]) inner_dims.push_back(dims[d]);
  }
  rows_.emplace(row_dims);
  final_extent_ = Product(inner_dims);
  Dims inner_parts = final_extent_.IsConst(1) ? Dims(inner_dims.size(), DimExpr(0))
                                              : Delinearize(Inner(final_extent_), inner_dims);
  Dims main_coords = rows_->placeholders();
  for (size_t d = 0, i = 0; d < dims.size(); ++d) {
    if (!is_row[d]) main_coords[d] = inner_parts[i++];
  }
  for (Demand& root : roots) root.coords = main_coords;
  SKEIN_ASSIGN_OR_RETURN(demands_, Walk(roots));
  for (Output& o : outputs_) SKEIN_RETURN_IF_ERROR(PlaceOutput(dims, main_coords, &o));
  return absl::OkStatus();
}

// Where in the loops an output is produced: at the one place at which the walk came by it.
absl::Status RowGroup::PlaceOutput(const Dims& main_dims, const Dims& main_coords, Output* o) {
  if (graph_->type(o->path.core).dims == main_dims) {
    o->coords = main_coords;
    o->inner = !final_extent_.IsConst(1);
    return absl::OkStatus();
  }
  const Demand* found = nullptr;
  for (const Demand& d : demands_) {
    if (d.value != o->path.core || !d.condition.IsConst(1)) continue;
    if (found != nullptr) return Refuse("SK132", "a result is needed at two places");
    found = &d;
  }
  if (found == nullptr) return Refuse("SK133", "results have different shapes");
  // Every element must be produced exactly once: rows in some order, one element a row.
  DimExpr produced = 1;
  for (DimExpr c : found->coords) {
    if (c.IsConst(0)) continue;
    if (c.kind() != DimKind::kCoord || IsInner(c.index())) return Refuse("SK133", "results have different shapes");
    produced = produced * c.extent();
  }
  DimExpr rows = 1;
  for (int i = 0; i < rows_->loop_count(); ++i) rows = rows * rows_->extent(i);
  if (produced != Product(graph_->type(o->path.core).dims) || produced != rows) {
    return Refuse("SK133", "results have different shapes");
  }
  o->coords = found->coords;
  o->inner = false;
  return absl::OkStatus();
}

absl::Status RowGroup::FindPhases(size_t reductions) {
  absl::flat_hash_map<Demand, int> level;  // reductions on the longest chain up to and including it
  std::map<NodeId, int> reduction_level;
  for (auto d = demands_.rbegin(); d != demands_.rend(); ++d) {
    int most = 0;
    if (places_.contains(d->value.node) && !emitter_->IsLeaf(d->value)) {
      Dims coords = OperandCoords(d->value.node, d->coords);
      for (Value v : graph_->node(d->value.node).operands) most = std::max(most, level[{v, coords, 1}]);
      reduction_level[d->value.node] = ++most;
    } else {
      SKEIN_ASSIGN_OR_RETURN(std::vector<Demand> children, emitter_->Children(*d));
      for (const Demand& child : children) most = std::max(most, level[child]);
    }
    level[*d] = most;
  }
  if (reduction_level.size() != reductions) {
    return Refuse("SK134", "a reduction is not on the way to the widest result");
  }
  for (const auto& [node, l] : reduction_level) {
    auto same = std::find_if(phases_.begin(), phases_.end(), [&, l = l, node = node](const Phase& p) {
      return p.level == l && p.extent == ExtentOf(node);
    });
    if (same == phases_.end()) {
      phases_.push_back({l, ExtentOf(node), {node}});
    } else {
      same->reductions.push_back(node);
    }
  }
  std::stable_sort(phases_.begin(), phases_.end(),
                   [](const Phase& a, const Phase& b) { return a.level < b.level; });
  return absl::OkStatus();
}

std::vector<Demand> RowGroup::Roots(size_t phase) const {
  std::vector<Demand> roots;
  if (phase == phases_.size()) {
    for (const Output& o : outputs_) roots.push_back({o.path.core, o.coords});
    return roots;
  }
  for (NodeId id : phases_[phase].reductions) {
    Dims coords = OperandCoords(id, places_.at(id));
    for (Value v : graph_->node(id).operands) roots.push_back({v, coords, 1});
  }
  return roots;
}

// The one inner extent that a demand's coordinates run over.
std::optional<DimExpr> RowGroup::InnerExtent(const Demand& d) {
  std::optional<DimExpr> extent;
  bool one = true;
  for (DimExpr c : d.coords) {
    VisitLeaves(c, [&](DimExpr leaf) {
      if (leaf.kind() != DimKind::kCoord || !IsInner(leaf.index())) return;
      if (extent && *extent != leaf.extent()) one = false;
      extent = leaf.extent();
    });
  }
  return one ? extent : std::nullopt;
}

absl::StatusOr<RowGroup> RowGroup::Find(Emitter& emitter, const GroupSpec& spec,
                                        const std::vector<NodeId>& reductions) {
  RowGroup group(emitter, spec);
  SKEIN_RETURN_IF_ERROR(group.Analyze());
  SKEIN_RETURN_IF_ERROR(group.FindPhases(reductions.size()));
  return group;
}

absl::Status RowGroup::Collapse() {
  std::vector<DimExpr> uses;
  for (const Demand& d : demands_) AppendLeafUses(*emitter_, d, &uses);
  for (const Output& o : outputs_) {
    SKEIN_ASSIGN_OR_RETURN(Dims place, StoreCoords(*graph_, o.path, o.coords));
    uses.push_back(Linearize(place, graph_->type(o.path.output).dims));
  }
  rows_->Collapse(uses);
  return absl::OkStatus();
}

absl::Status RowGroup::Prepare() {
  SKEIN_RETURN_IF_ERROR(Collapse());
  for (Output& o : outputs_) {
    const TensorType& type = graph_->type(o.path.output);
    o.buffer = emitter_->builder().AddBuffer(BufferKind::kOutput, type.element, Product(type.dims));
  }
  return absl::OkStatus();
}

Dims RowGroup::At(std::span<const DimExpr> coords, std::span<const DimExpr> row_coords, DimExpr inner) const {
  Dims result;
  for (DimExpr c : coords) {
    result.push_back(Substitute(c, [&](DimExpr leaf) -> std::optional<DimExpr> {
      if (leaf.kind() != DimKind::kCoord) return std::nullopt;
      if (IsInner(leaf.index())) return inner;
      if (leaf.index() < kPlaceholder) return std::nullopt;
      for (size_t d = 0; d < row_coords.size(); ++d) {
        if (rows_->placeholders()[d] == leaf) return row_coords[d];
      }
      return std::nullopt;
    }));
  }
  return result;
}

}  // namespace skein
