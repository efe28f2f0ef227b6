#include "fusion/emitter.h"

#include <algorithm>

namespace skein {
namespace {

constexpr auto kI64 = ElementType::kI64;

// Scratch keys for a gather's clamped indices share the scope tables with ordinary demands: result numbers
// from here on cannot be results of a node.
constexpr int kIndexKeys = 1 << 16;

// Opaque stand-ins for indices that are not emitted yet (Children), above any SSA id of one kernel.
constexpr int kOpaqueValues = 1 << 24;

Dims SubstituteAll(std::span<const DimExpr> dims, std::span<const DimExpr> coords) {
  Dims result;
  result.reserve(dims.size());
  for (DimExpr d : dims) result.push_back(SubstituteCoords(d, coords));
  return result;
}

// The dims of `map` with Value(j) replaced by index[j] and result coordinates by `coords`.
Dims GatherCoords(std::span<const DimExpr> map, std::span<const DimExpr> coords,
                  std::span<const DimExpr> index) {
  Dims result;
  for (DimExpr d : map) {
    result.push_back(Substitute(d, [&](DimExpr leaf) -> std::optional<DimExpr> {
      if (leaf.kind() == DimKind::kValue) return index[leaf.index()];
      if (leaf.kind() == DimKind::kCoord && leaf.index() < static_cast<int>(coords.size())) {
        return coords[leaf.index()];
      }
      return std::nullopt;
    }));
  }
  return result;
}

// Demands of a gather's index operands.
std::vector<Demand> IndexDemands(const Graph& graph, const Demand& demand) {
  const Node& node = graph.node(demand.value.node);
  const Dims& index_map = node.attributes.DimList("index_map");
  std::vector<Demand> result;
  size_t at = 0;
  for (size_t i = 1; i < node.operands.size(); ++i) {
    size_t rank = graph.type(node.operands[i]).dims.size();
    result.push_back({node.operands[i],
                      SubstituteAll(std::span(index_map).subspan(at, rank), demand.coords),
                      demand.condition});
    at += rank;
  }
  return result;
}

// f16 and bf16 are storage types: only casts and data movement touch them.
absl::Status CheckEmittable(const Graph& graph, Value v) {
  const Node& node = graph.node(v.node);
  const OpDef& def = Def(node.op);
  for (Value operand : node.operands) {
    const ElementType t = graph.type(operand).element;
    const bool narrow = t == ElementType::kF16 || t == ElementType::kBF16 || BitWidth(t) == 4;
    if (narrow && node.op != Op::cast && node.op != Op::select) {
      return Unimplemented("no kernel computes ", def.name, " in ", skein::Name(t));
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::vector<Demand> PieceDemands(const Graph& graph, const Demand& demand,
                                 const std::vector<Piece>& pieces) {
  const Node& node = graph.node(demand.value.node);
  std::vector<Demand> result;
  result.reserve(pieces.size());
  DimExpr remaining = demand.condition;
  for (const Piece& piece : pieces) {
    DimExpr condition = SubstituteCoords(piece.condition, demand.coords);
    result.push_back({node.operands[piece.operand], SubstituteAll(piece.map, demand.coords),
                      And(remaining, condition)});
    if (condition.IsConst() && condition.constant() != 0) break;
    remaining = And(remaining, Not(condition));
  }
  return result;
}

Emitter::Emitter(const Graph& graph, LoopBuilder* builder, std::function<bool(Value)> boundary)
    : graph_(graph), b_(builder), boundary_(std::move(boundary)) {
  scopes_.emplace_back();
}

bool Emitter::LaneFree(DimExpr e) const {
  if (lane_values_.empty()) return !DependsOnCoord(e, lane_.coord);
  if (!HasCoords(e)) return true;
  bool free = true;
  VisitLeaves(e, [&](DimExpr leaf) {
    if (leaf.kind() == DimKind::kCoord && leaf.index() == lane_.coord) free = false;
    if (leaf.kind() == DimKind::kValue && lane_values_.contains(leaf.index())) free = false;
  });
  return free;
}

bool Emitter::DependsOnLane(const Demand& demand) const {
  for (DimExpr c : demand.coords) {
    if (!LaneFree(c)) return true;
  }
  return !LaneFree(demand.condition);
}

bool IsCommutative(Op op) {
  switch (op) {
    case Op::add:
    case Op::mul:
    case Op::minimum:
    case Op::maximum:
    case Op::bit_and:
    case Op::bit_or:
    case Op::bit_xor:
    case Op::equal:
    case Op::not_equal: return true;
    default: return false;
  }
}

const std::optional<std::vector<Piece>>& Emitter::PiecesOf(NodeId id) const {
  auto [it, fresh] = pieces_.try_emplace(id);
  if (fresh) it->second = MovementPieces(graph_, id);
  return it->second;
}

bool Emitter::IsRead(Value v) const {
  while (!IsLeaf(v)) {
    const Node& node = graph_.node(v.node);
    if (Def(node.op).op_class != OpClass::kMovement) return false;
    v = node.operands[0];
  }
  return true;
}

// What is computed in this kernel comes before what is read. Which value of an earlier kernel an operand is cannot
// be told from there on, so equal kernels of different layers come out equal.
absl::InlinedVector<Value, 3> Emitter::OrderedOperands(const Node& node) const {
  absl::InlinedVector<Value, 3> operands = node.operands;
  // Commutative operations are of two operands.
  if (IsCommutative(node.op) && IsRead(operands[0]) && !IsRead(operands[1])) std::swap(operands[0], operands[1]);
  return operands;
}

bool Emitter::IsLeaf(Value v) const {
  return graph_.Known(v).has_value() || boundary_(v) ||
         (graph_.Constant(v) != nullptr && graph_.SplatValue(v).has_value());
}

BufferId Emitter::InputBuffer(Value v) {
  auto it = buffers_.find(v);
  if (it != buffers_.end()) return it->second;
  const TensorType& type = graph_.type(v);
  BufferId id = b_->AddBuffer(BufferKind::kInput, type.element, Product(type.dims));
  buffers_[v] = id;
  inputs_.push_back(v);
  return id;
}

absl::StatusOr<ValueId> Emitter::Emit(const Demand& demand) {
  const size_t hash = absl::Hash<Demand>()(demand);
  for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
    auto it = scope->find(demand, hash);
    if (it != scope->end()) return it->second;
  }
  SKEIN_ASSIGN_OR_RETURN(ValueId v, EmitUncached(demand));
  scopes_.back()[demand] = v;
  return v;
}

absl::StatusOr<ValueId> Emitter::EmitUncached(const Demand& demand) {
  auto provider = providers_.find(demand.value);
  if (provider != providers_.end()) return provider->second(demand);
  return EmitComputed(demand);
}

absl::StatusOr<ValueId> Emitter::EmitComputed(const Demand& demand) {
  const TensorType& type = graph_.type(demand.value);
  if (std::optional<DimExpr> known = graph_.Known(demand.value)) {
    DimExpr e = SubstituteCoords(*known, demand.coords);
    if (IsBool(type.element)) return EmitCondition(e);
    if (BitWidth(type.element) == 32 && IsInteger(type.element)) return EmitIndex32(type.element, e);
    return b_->Convert(type.element, EmitIndex(e));
  }
  if (graph_.Constant(demand.value) != nullptr) {
    // Splats are immediates, whatever the type; AsDouble is exact for every float and small integer.
    if (std::optional<double> splat = graph_.SplatValue(demand.value)) {
      return b_->Const(type.element, *splat);
    }
  }
  if (boundary_(demand.value)) return EmitLoad(demand);
  const Node& node = graph_.node(demand.value.node);
  const OpDef& def = Def(node.op);
  if (def.op_class == OpClass::kPointwise) {
    SKEIN_RETURN_IF_ERROR(CheckEmittable(graph_, demand.value));
    std::vector<ValueId> operands;
    int lanes = 1;
    for (Value v : OrderedOperands(node)) {
      SKEIN_ASSIGN_OR_RETURN(ValueId x, Emit({v, demand.coords, demand.condition}));
      operands.push_back(x);
      lanes = std::max(lanes, b_->type(x).lanes);
    }
    for (ValueId& x : operands) x = b_->Splat(x, lanes);
    return def.lower(*b_, node, operands);
  }
  if (const auto& pieces = PiecesOf(demand.value.node)) return EmitPieces(demand, *pieces);
  if (def.op_class == OpClass::kGather) return EmitGather(demand);
  return Unimplemented("the value of ", def.name,
                       " is needed at coordinates other than those at which it is computed");
}

absl::StatusOr<ValueId> Emitter::EmitLoad(const Demand& demand) {
  BufferId buffer = InputBuffer(demand.value);
  DimExpr address = Linearize(demand.coords, graph_.type(demand.value).dims);
  const bool masked = !demand.condition.IsConst(1);
  if (LaneFree(address)) {
    // One element. Its condition may still differ by lane: then any lane may need it, and the element
    // is in bounds only if some lane does; load it per lane under the mask.
    if (!masked) return b_->Load(buffer, address, 1);
    ValueId mask = EmitCondition(demand.condition);
    return b_->Load(buffer, address, b_->type(mask).lanes, 0, mask);
  }
  ValueId mask;
  if (masked) mask = b_->Splat(EmitCondition(demand.condition), lane_.lanes);
  std::optional<Affine> affine = AsAffine(address, lane_.coord);
  bool scalar_base = affine.has_value();
  if (affine) {
    VisitLeaves(affine->base, [&](DimExpr leaf) {
      if (leaf.kind() == DimKind::kValue && lane_values_.contains(leaf.index())) scalar_base = false;
    });
    if (HasCoords(affine->stride)) scalar_base = false;
  }
  if (scalar_base) {
    // The lane coordinate is the vector loop's index: address of lane 0 = the address itself.
    return b_->Load(buffer, address, lane_.lanes, affine->stride, mask);
  }
  ValueId index = b_->Splat(EmitIndex(address), lane_.lanes);
  return b_->Gather(buffer, 0, index, mask);
}

absl::StatusOr<ValueId> Emitter::EmitPieces(const Demand& demand, const std::vector<Piece>& pieces) {
  std::vector<Demand> demands = PieceDemands(graph_, demand, pieces);
  SKEIN_ASSIGN_OR_RETURN(ValueId result, Emit(demands.back()));
  for (int i = static_cast<int>(demands.size()) - 2; i >= 0; --i) {
    DimExpr condition = SubstituteCoords(pieces[i].condition, demand.coords);
    if (condition.IsConst(0)) continue;
    SKEIN_ASSIGN_OR_RETURN(ValueId piece, Emit(demands[i]));
    ValueId choose = EmitCondition(condition);
    int lanes = std::max({b_->type(choose).lanes, b_->type(piece).lanes, b_->type(result).lanes});
    result = b_->Select(b_->Splat(choose, lanes), b_->Splat(piece, lanes), b_->Splat(result, lanes));
  }
  return result;
}

absl::StatusOr<ValueId> Emitter::EmitGather(const Demand& demand) {
  SKEIN_ASSIGN_OR_RETURN(std::vector<DimExpr> index, EmitGatherIndices(demand));
  const Node& node = graph_.node(demand.value.node);
  return Emit({node.operands[0], GatherCoords(node.attributes.DimList("map"), demand.coords, index),
               demand.condition});
}

absl::StatusOr<std::vector<DimExpr>> Emitter::EmitGatherIndices(const Demand& demand) {
  const Node& node = graph_.node(demand.value.node);
  std::vector<Demand> index_demands = IndexDemands(graph_, demand);
  std::vector<DimExpr> index;
  for (size_t j = 0; j < index_demands.size(); ++j) {
    Demand key = index_demands[j];
    key.value = {demand.value.node, static_cast<int32_t>(kIndexKeys + j)};
    ValueId clamped;
    for (auto scope = scopes_.rbegin(); scope != scopes_.rend() && !clamped.valid(); ++scope) {
      auto it = scope->find(key);
      if (it != scope->end()) clamped = it->second;
    }
    if (!clamped.valid()) {
      SKEIN_ASSIGN_OR_RETURN(ValueId raw, Emit(index_demands[j]));
      ValueId wide = b_->Convert(kI64, raw);
      // The extent is that of the dim of `data` that this index selects in.
      DimExpr extent = 1;
      const Dims& map = node.attributes.DimList("map");
      for (size_t d = 0; d < map.size(); ++d) {
        if (map[d] == DimExpr::Value(static_cast<int>(j))) {
          extent = graph_.type(node.operands[0]).dims[d];
        }
      }
      if (!demand.condition.IsConst(1)) {  // an index that is not needed must not be reported
        ValueId needed = EmitCondition(demand.condition);
        int lanes = std::max(b_->type(needed).lanes, b_->type(wide).lanes);
        wide = b_->Select(b_->Splat(needed, lanes), b_->Splat(wide, lanes),
                          b_->ConstInt(kI64, 0, lanes));
      }
      gather_sites_.push_back(demand.value.node);
      clamped = b_->ClampIndex(wide, extent, static_cast<int>(gather_sites_.size()) - 1);
      scopes_.back()[key] = clamped;
    }
    if (b_->type(clamped).lanes > 1) lane_values_.insert(clamped.index);
    index.push_back(DimExpr::Value(clamped.index));
  }
  return index;
}

absl::StatusOr<std::vector<Demand>> Emitter::Children(const Demand& demand) const {
  if (providers_.contains(demand.value)) return std::vector<Demand>();
  return ComputedChildren(demand);
}

absl::StatusOr<std::vector<Demand>> Emitter::ComputedChildren(const Demand& demand) const {
  std::vector<Demand> result;
  if (IsLeaf(demand.value)) return result;
  const Node& node = graph_.node(demand.value.node);
  const OpDef& def = Def(node.op);
  if (def.op_class == OpClass::kPointwise) {
    result.reserve(node.operands.size());
    for (Value v : OrderedOperands(node)) result.push_back({v, demand.coords, demand.condition});
    return result;
  }
  if (const auto& pieces = PiecesOf(demand.value.node)) return PieceDemands(graph_, demand, *pieces);
  if (def.op_class == OpClass::kGather) {
    result = IndexDemands(graph_, demand);
    std::vector<DimExpr> index;
    for (size_t j = 0; j < result.size(); ++j) {
      index.push_back(DimExpr::Value(kOpaqueValues + 8 * demand.value.node.index + static_cast<int>(j)));
    }
    result.push_back({node.operands[0],
                      GatherCoords(node.attributes.DimList("map"), demand.coords, index),
                      demand.condition});
    return result;
  }
  return Unimplemented("the value of ", def.name,
                       " is needed at coordinates other than those at which it is computed");
}

absl::Status Emitter::EmitInvariant(const Demand& demand, const std::function<bool(int)>& inner,
                                    Value except) {
  absl::flat_hash_map<Value, bool> from_except;
  auto varies = [&](auto& self, Value v) -> bool {
    if (v == except) return true;
    if (!except.valid() || v.node < except.node || IsLeaf(v)) return false;
    if (auto it = from_except.find(v); it != from_except.end()) return it->second;
    bool result = false;
    for (Value operand : graph_.node(v.node).operands) result = result || self(self, operand);
    return from_except[v] = result;
  };
  auto invariant = [&](DimExpr e) {
    bool result = true;
    VisitLeaves(e, [&](DimExpr leaf) {
      if (leaf.kind() == DimKind::kCoord && inner(leaf.index())) result = false;
      if (leaf.kind() == DimKind::kValue && leaf.index() >= kOpaqueValues) result = false;
    });
    return result;
  };
  auto invariant_demand = [&](const Demand& d) {
    for (DimExpr c : d.coords) {
      if (!invariant(c)) return false;
    }
    return invariant(d.condition);
  };
  absl::flat_hash_set<Demand> seen;
  std::vector<Demand> work = {demand};
  while (!work.empty()) {
    Demand d = std::move(work.back());
    work.pop_back();
    if (d.value == except || !seen.insert(d).second) continue;
    if (invariant_demand(d) && !varies(varies, d.value)) {
      // Constants cost nothing where they are used.
      if (graph_.Constant(d.value) != nullptr && !boundary_(d.value)) continue;
      SKEIN_RETURN_IF_ERROR(Emit(d).status());
      continue;
    }
    SKEIN_ASSIGN_OR_RETURN(std::vector<Demand> children, Children(d));
    const bool gather = !children.empty() &&
                        Def(graph_.node(d.value.node).op).op_class == OpClass::kGather &&
                        !PiecesOf(d.value.node);
    if (gather) {
      // Clamp the indices out here, once, where all of them are invariant.
      bool all = invariant(d.condition);
      for (size_t j = 0; j + 1 < children.size(); ++j) all = all && invariant_demand(children[j]);
      if (all) {
        SKEIN_RETURN_IF_ERROR(EmitGatherIndices(d).status());
        continue;
      }
    }
    for (Demand& child : children) work.push_back(std::move(child));
  }
  return absl::OkStatus();
}

}  // namespace skein
