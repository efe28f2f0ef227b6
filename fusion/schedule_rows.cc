// Row-phase kernels: pointwise operations and any number of reductions over inner axes, one row at a time.
//
// A row is a point of the dims that no reduction runs over. Reductions that do not depend on each other and run
// over the same extent share a loop over the row (a phase); the last phase stores the results. A value that
// several phases need is recomputed where that is cheap, and kept in scratch (one row, in cache) where not.
//
// Column kernels are the same with lanes turned: reductions over outer axes run serially down the columns, one
// column per lane, and nothing is kept.
#include <algorithm>
#include <map>

#include "absl/numeric/bits.h"
#include "fusion/domain.h"
#include "fusion/schedule.h"

namespace skein {
namespace {

constexpr int kInner = 2 * kPlaceholder;    // inner index placeholders, one per distinct extent
constexpr int64_t kRowChunk = 4096;         // of the orders of reductions, DESIGN section 6
constexpr int64_t kColumnChunk = 64;
constexpr int kColumnLanes = 64;

absl::Status Refuse(const char* code, const std::string& sentence) {
  return absl::FailedPreconditionError(absl::StrCat(code, ": ", sentence));
}

class RowScheduler {
 public:
  RowScheduler(Emitter& emitter, const GroupSpec& spec, const std::vector<NodeId>& reductions,
               bool columns)
      : emitter_(emitter), graph_(emitter.graph()), b_(emitter.builder()), spec_(spec),
        reductions_(reductions), columns_(columns) {}

  absl::Status Run() {
    SKEIN_RETURN_IF_ERROR(Analyze());
    SKEIN_RETURN_IF_ERROR(FindPhases());
    if (!columns_) SKEIN_RETURN_IF_ERROR(ChooseScratch());
    return EmitAll();
  }

 private:
  struct Phase {
    int level;
    DimExpr extent;
    std::vector<NodeId> reductions;
  };
  struct Output {
    OutputPath path;
    Dims coords;       // of the core, over placeholders
    bool inner;        // stored once per element of the row (else once per row)
    BufferId buffer;
  };
  struct Kept {        // a value kept in scratch
    Demand demand;     // over placeholders
    int first_phase;
    BufferId buffer;
  };

  // The placeholder that runs over `extent` elements of a row.
  DimExpr Inner(DimExpr extent) {
    for (size_t i = 0; i < inner_extents_.size(); ++i) {
      if (inner_extents_[i] == extent) return DimExpr::Coord(kInner + static_cast<int>(i), extent);
    }
    inner_extents_.push_back(extent);
    return DimExpr::Coord(kInner + static_cast<int>(inner_extents_.size()) - 1, extent);
  }
  static bool IsInner(int coord) { return coord >= kInner; }

  DimExpr ExtentOf(NodeId reduction) const {
    const Node& node = graph_.node(reduction);
    const Dims& dims = graph_.type(node.operands[0]).dims;
    DimExpr extent = 1;
    for (int64_t axis : node.attributes.Ints("axes")) extent = extent * dims[axis];
    return extent;
  }

  // Operand coordinates of a reduction at given result coordinates: its axes run along the row.
  Dims OperandCoords(NodeId reduction, Dims coords) {
    const Node& node = graph_.node(reduction);
    const Dims& dims = graph_.type(node.operands[0]).dims;
    std::vector<int64_t> axes = node.attributes.Ints("axes");
    std::sort(axes.begin(), axes.end());
    Dims reduced;
    for (int64_t axis : axes) reduced.push_back(dims[axis]);
    Dims parts = Delinearize(Inner(ExtentOf(reduction)), reduced);
    for (size_t i = 0; i < axes.size(); ++i) coords[axes[i]] = parts[i];
    return coords;
  }

  // Whether a place exists even where the demand's condition does not hold: its row is reduced all the same.
  bool SurelyInside(const Demand& d) const {
    const Dims& dims = graph_.type(d.value).dims;
    for (size_t i = 0; i < dims.size(); ++i) {
      if (!ProveNonNegative(d.coords[i]) || !ProveLess(d.coords[i], dims[i])) return false;
    }
    return true;
  }

  absl::StatusOr<std::vector<Demand>> Walk(std::vector<Demand> roots) {
    places_.clear();
    return ReachableDemands(emitter_, std::move(roots), [&](const Demand& d) -> absl::StatusOr<Dims> {
      auto [it, fresh] = places_.emplace(d.value.node, d.coords);
      if (!fresh && it->second != d.coords) {
        return Refuse("SK130", absl::StrCat("a reduction is needed at two places of a row: ",
                                            OriginText(graph_, d.value.node)));
      }
      if (!d.condition.IsConst(1) && !SurelyInside(d)) {
        return Refuse("SK136", absl::StrCat("a reduction is needed for some of the rows only: ",
                                            OriginText(graph_, d.value.node)));
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
                                              OriginText(graph_, d.value.node)));
        }
      }
      return OperandCoords(d.value.node, d.coords);
    });
  }

  // Finds rows (dims that the reductions' places mention), the row's inner dims, and all demands.
  absl::Status Analyze() {
    for (Value v : spec_.outputs) outputs_.push_back({FindOutputPath(graph_, v, spec_.boundary), {}, true, {}});
    // The widest output spans the loops.
    size_t main = 0;
    auto elements = [&](size_t i) { return Product(graph_.type(outputs_[i].path.core).dims); };
    for (size_t i = 1; i < outputs_.size(); ++i) {
      if (!ProveLessEqual(elements(i), elements(main))) main = i;
    }
    const Dims dims = graph_.type(outputs_[main].path.core).dims;
    Domain all(dims);
    std::vector<Demand> roots = {{outputs_[main].path.core, all.placeholders()}};
    for (const Output& o : outputs_) {
      if (graph_.type(o.path.core).dims == dims) roots.push_back({o.path.core, all.placeholders()});
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
  absl::Status PlaceOutput(const Dims& main_dims, const Dims& main_coords, Output* o) {
    if (graph_.type(o->path.core).dims == main_dims) {
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
    if (produced != Product(graph_.type(o->path.core).dims) || produced != rows) {
      return Refuse("SK133", "results have different shapes");
    }
    o->coords = found->coords;
    o->inner = false;
    return absl::OkStatus();
  }

  absl::Status FindPhases() {
    absl::flat_hash_map<Demand, int> level;  // reductions on the longest chain up to and including it
    std::map<NodeId, int> reduction_level;
    for (auto d = demands_.rbegin(); d != demands_.rend(); ++d) {
      int most = 0;
      if (places_.contains(d->value.node) && !emitter_.IsLeaf(d->value)) {
        Dims coords = OperandCoords(d->value.node, d->coords);
        for (Value v : graph_.node(d->value.node).operands) most = std::max(most, level[{v, coords, 1}]);
        reduction_level[d->value.node] = ++most;
      } else {
        SKEIN_ASSIGN_OR_RETURN(std::vector<Demand> children, emitter_.Children(*d));
        for (const Demand& child : children) most = std::max(most, level[child]);
      }
      level[*d] = most;
    }
    if (reduction_level.size() != reductions_.size()) {
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

  std::vector<Demand> PhaseRoots(size_t phase) {
    std::vector<Demand> roots;
    if (phase == phases_.size()) {
      for (const Output& o : outputs_) roots.push_back({o.path.core, o.coords});
      return roots;
    }
    for (NodeId id : phases_[phase].reductions) {
      Dims coords = OperandCoords(id, places_.at(id));
      for (Value v : graph_.node(id).operands) roots.push_back({v, coords, 1});
    }
    return roots;
  }

  static bool AlongRow(const Demand& d) {
    bool inner = false;
    for (DimExpr c : d.coords) {
      VisitLeaves(c, [&](DimExpr leaf) {
        inner = inner || (leaf.kind() == DimKind::kCoord && IsInner(leaf.index()));
      });
    }
    return inner;
  }

  // Phases in which each demand is needed: those of its users, only the first of them behind a kept value.
  absl::StatusOr<absl::flat_hash_map<Demand, uint64_t>> FindNeeds() {
    absl::flat_hash_map<Demand, uint64_t> needs;
    for (size_t p = 0; p <= phases_.size(); ++p) {
      for (const Demand& root : PhaseRoots(p)) needs[root] |= uint64_t{1} << std::min<size_t>(p, 63);
    }
    for (const Demand& d : demands_) {
      if (emitter_.IsLeaf(d.value) || places_.contains(d.value.node)) continue;
      uint64_t mask = needs[d];
      SKEIN_ASSIGN_OR_RETURN(std::vector<Demand> children, emitter_.Children(d));
      for (const Demand& child : children) needs[child] |= mask;
    }
    return needs;
  }

  bool CanKeep(const Demand& d) const {
    return !emitter_.IsLeaf(d.value) && !places_.contains(d.value.node) &&
           Def(graph_.node(d.value.node).op).op_class == OpClass::kPointwise && AlongRow(d) &&
           d.condition.IsConst(1) && InnerExtent(d).has_value();
  }

  // A value needed in several phases is kept if recomputing it costs more than a store and a load: 2 a load, and
  // its flops, are weighed against 4. Operands that will be kept themselves count as a load.
  absl::Status ChooseScratch() {
    constexpr int kLoad = 2, kWorthKeeping = 4;
    SKEIN_ASSIGN_OR_RETURN(auto needs, FindNeeds());
    absl::flat_hash_map<Demand, int> cost;
    for (auto d = demands_.rbegin(); d != demands_.rend(); ++d) {
      if (!AlongRow(*d)) continue;
      if (emitter_.IsLeaf(d->value)) {
        cost[*d] = spec_.boundary(d->value) ? kLoad : 0;
        continue;
      }
      const OpDef& def = Def(graph_.node(d->value.node).op);
      int sum = def.op_class == OpClass::kPointwise ? def.flops : 0;
      SKEIN_ASSIGN_OR_RETURN(std::vector<Demand> children, emitter_.Children(*d));
      for (const Demand& child : children) {
        auto it = cost.find(child);
        if (it == cost.end()) continue;
        const bool kept = CanKeep(child) && absl::popcount(needs[child]) > 1 && it->second >= kWorthKeeping;
        sum += kept ? kLoad : it->second;
      }
      cost[*d] = std::min(sum, 1000);
    }
    absl::flat_hash_map<Demand, uint64_t> phases;
    for (size_t p = 0; p <= phases_.size(); ++p) {
      for (const Demand& root : PhaseRoots(p)) phases[root] |= uint64_t{1} << std::min<size_t>(p, 63);
    }
    for (const Demand& d : demands_) {
      if (emitter_.IsLeaf(d.value) || places_.contains(d.value.node)) continue;
      uint64_t mask = phases[d];
      if (CanKeep(d) && absl::popcount(mask) > 1 && cost[d] >= kWorthKeeping) {
        kept_.push_back({d, absl::countr_zero(mask), {}});
        mask &= ~mask + 1;  // its operands are needed in the first phase only
      }
      SKEIN_ASSIGN_OR_RETURN(std::vector<Demand> children, emitter_.Children(d));
      for (const Demand& child : children) phases[child] |= mask;
    }
    return absl::OkStatus();
  }

  // The one inner extent that a demand's coordinates run over.
  static std::optional<DimExpr> InnerExtent(const Demand& d) {
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

  // Placeholders -> the loops that are open.
  Dims AtLoops(std::span<const DimExpr> coords) const {
    Dims result;
    for (DimExpr c : coords) {
      result.push_back(Substitute(c, [&](DimExpr leaf) -> std::optional<DimExpr> {
        if (leaf.kind() != DimKind::kCoord) return std::nullopt;
        if (IsInner(leaf.index())) return inner_index_;
        if (leaf.index() < kPlaceholder) return std::nullopt;
        for (size_t d = 0; d < row_coords_.size(); ++d) {
          if (rows_->placeholders()[d] == leaf) return row_coords_[d];
        }
        return std::nullopt;
      }));
    }
    return result;
  }
  Demand AtLoops(const Demand& d) const { return {d.value, AtLoops(d.coords), d.condition}; }

  absl::Status EmitAll() {
    std::vector<DimExpr> uses;
    for (const Demand& d : demands_) AppendLeafUses(emitter_, d, &uses);
    for (Output& o : outputs_) {
      SKEIN_ASSIGN_OR_RETURN(Dims place, StoreCoords(graph_, o.path, o.coords));
      const TensorType& type = graph_.type(o.path.output);
      uses.push_back(Linearize(place, type.dims));
      o.buffer = b_.AddBuffer(BufferKind::kOutput, type.element, Product(type.dims));
    }
    rows_->Collapse(uses);
    for (Kept& k : kept_) {
      k.buffer = b_.AddBuffer(BufferKind::kScratch, graph_.type(k.demand.value).element,
                              *InnerExtent(k.demand));
    }
    if (columns_ && rows_->loop_count() == 0) return Refuse("SK135", "one column only");
    std::vector<DimExpr> indices;
    int loops = rows_->loop_count();
    for (int i = 0; i < rows_->loop_count(); ++i) {
      const bool lane = columns_ && i + 1 == rows_->loop_count();
      DimExpr extent = rows_->extent(i);
      indices.push_back(b_.BeginLoop(LoopKind::kParallel, extent, lane ? kColumnLanes : 1));
      emitter_.PushScope();
      if (lane) {
        DimExpr start = indices.back();
        DimExpr j = b_.BeginVectorLoop(Min(kColumnLanes, extent - start), kColumnLanes);
        emitter_.PushScope();
        emitter_.SetLane({j.index(), kColumnLanes});
        indices.back() = start + j;
        ++loops;
      }
    }
    row_coords_ = rows_->Coords(indices);
    ProvideKept();
    for (phase_ = 0; phase_ < phases_.size(); ++phase_) SKEIN_RETURN_IF_ERROR(EmitPhase(phases_[phase_]));
    SKEIN_RETURN_IF_ERROR(columns_ ? EmitColumnResults() : EmitResults());
    emitter_.SetLane({});
    for (int i = 0; i < loops; ++i) {
      emitter_.PopScope();
      b_.EndLoop();
    }
    return absl::OkStatus();
  }

  void ProvideKept() {
    for (size_t i = 0; i < kept_.size(); ++i) {
      const Value value = kept_[i].demand.value;
      emitter_.Provide(value, [this, value](const Demand& d) -> absl::StatusOr<ValueId> {
        for (const Kept& k : kept_) {
          if (k.demand.value != value || AtLoops(k.demand) != d) continue;
          if (static_cast<size_t>(k.first_phase) != phase_) return b_.Load(k.buffer, inner_index_);
          SKEIN_ASSIGN_OR_RETURN(ValueId v, emitter_.EmitComputed(d));
          b_.Store(k.buffer, inner_index_, b_.Splat(v, emitter_.lane().lanes));
          return v;
        }
        return emitter_.EmitComputed(d);
      });
    }
  }

  // Emits before a loop what its body needs and does not change in it.
  absl::Status EmitAhead(std::span<const Demand> roots, const std::function<bool(int)>& inner) {
    std::vector<Demand> all(roots.begin(), roots.end());
    for (const Kept& k : kept_) {
      if (static_cast<size_t>(k.first_phase) != phase_) continue;
      SKEIN_ASSIGN_OR_RETURN(std::vector<Demand> children, emitter_.ComputedChildren(k.demand));
      for (Demand& child : children) all.push_back(std::move(child));
    }
    for (const Demand& d : all) SKEIN_RETURN_IF_ERROR(emitter_.EmitInvariant(AtLoops(d), inner));
    return absl::OkStatus();
  }

  absl::Status EmitPhase(const Phase& phase) {
    const int lanes = columns_ ? kColumnLanes : LanesFor(phase.extent);
    const int64_t chunk = columns_ ? kColumnChunk : kRowChunk;
    std::vector<const Reducer*> reducers;
    std::vector<ValueId> identities, scalars;
    for (NodeId id : phase.reductions) {
      const Reducer& reducer = **graph_.node(id).attributes.Get<ReducerRef>("reducer");
      reducers.push_back(&reducer);
      for (size_t s = 0; s < reducer.state.size(); ++s) {
        scalars.push_back(b_.Const(reducer.state[s], reducer.initial[s], columns_ ? lanes : 1));
        identities.push_back(b_.Const(reducer.state[s], reducer.initial[s], lanes));
      }
    }
    const bool one_chunk = ProveLessEqual(phase.extent, chunk);
    const int first_loop = b_.nest().loop_count;
    std::vector<Demand> roots = PhaseRoots(phase_);
    inner_index_ = DimExpr::Coord(first_loop, phase.extent);  // only to tell what is invariant
    SKEIN_RETURN_IF_ERROR(EmitAhead(roots, [&](int i) { return i >= first_loop && i < kPlaceholder; }));

    std::vector<ValueId> totals = scalars;
    DimExpr start = 0, extent = phase.extent;
    if (!one_chunk) {
      start = b_.BeginLoop(LoopKind::kSerial, phase.extent, chunk, scalars);
      emitter_.PushScope();
      for (size_t i = 0; i < totals.size(); ++i) totals[i] = b_.Carried(static_cast<int>(i));
      extent = Min(chunk, phase.extent - start);
    }
    DimExpr j = columns_ ? b_.BeginLoop(LoopKind::kSerial, extent, 1, identities)
                         : b_.BeginVectorLoop(extent, lanes, identities);
    emitter_.PushScope();
    if (!columns_) emitter_.SetLane({j.index(), lanes});
    inner_index_ = start + j;
    std::vector<ValueId> next;
    size_t root = 0;
    for (size_t r = 0; r < reducers.size(); ++r) {
      std::vector<ValueId> elements;
      for (size_t i = 0; i < graph_.node(phase.reductions[r]).operands.size(); ++i) {
        SKEIN_ASSIGN_OR_RETURN(ValueId v, emitter_.Emit(AtLoops(roots[root++])));
        elements.push_back(b_.Splat(v, lanes));
      }
      std::vector<ValueId> both;
      for (size_t s = 0; s < reducers[r]->state.size(); ++s) {
        both.push_back(b_.Carried(static_cast<int>(next.size() + s)));
      }
      for (ValueId v : EmitScalarGraph(b_, reducers[r]->map, elements)) both.push_back(v);
      for (ValueId v : EmitScalarGraph(b_, reducers[r]->combine, both)) next.push_back(b_.Splat(v, lanes));
    }
    if (!columns_) emitter_.SetLane({});
    emitter_.PopScope();
    std::vector<ValueId> slots = b_.EndLoop(next);
    std::vector<ValueId> sums;
    size_t at = 0;
    for (const Reducer* reducer : reducers) {
      std::vector<ValueId> state(slots.begin() + at, slots.begin() + at + reducer->state.size());
      std::vector<ValueId> both(totals.begin() + at, totals.begin() + at + reducer->state.size());
      if (!columns_) state = CombineLanes(*reducer, state, lanes);
      both.insert(both.end(), state.begin(), state.end());
      for (ValueId v : EmitScalarGraph(b_, reducer->combine, both)) sums.push_back(v);
      at += reducer->state.size();
    }
    if (!one_chunk) {
      emitter_.PopScope();
      sums = b_.EndLoop(sums);
    }
    at = 0;
    for (size_t r = 0; r < reducers.size(); ++r) {
      std::vector<ValueId> state(sums.begin() + at, sums.begin() + at + reducers[r]->state.size());
      at += state.size();
      std::vector<ValueId> results = EmitScalarGraph(b_, reducers[r]->finish, state);
      for (size_t i = 0; i < results.size(); ++i) {
        emitter_.Provide({phase.reductions[r], static_cast<int32_t>(i)},
                         [v = results[i]](const Demand&) -> absl::StatusOr<ValueId> { return v; });
      }
    }
    return absl::OkStatus();
  }

  // Lane j with j + lanes/2, and so on down to one.
  std::vector<ValueId> CombineLanes(const Reducer& reducer, std::vector<ValueId> state, int lanes) {
    if (std::optional<Opcode> op = SingleOpcode(reducer.combine)) return {b_.Reduce(*op, state[0])};
    for (int half = lanes / 2; half >= 1; half /= 2) {
      std::vector<int> low(half), high(half);
      for (int i = 0; i < half; ++i) {
        low[i] = i;
        high[i] = half + i;
      }
      std::vector<ValueId> both;
      for (ValueId v : state) both.push_back(b_.Shuffle(v, low));
      for (ValueId v : state) both.push_back(b_.Shuffle(v, high));
      state = EmitScalarGraph(b_, reducer.combine, both);
    }
    return state;
  }

  absl::Status EmitColumnResults() {
    if (!final_extent_.IsConst(1)) {
      const int loop = b_.nest().loop_count;
      inner_index_ = DimExpr::Coord(loop, final_extent_);
      SKEIN_RETURN_IF_ERROR(EmitAhead(PhaseRoots(phase_), [&](int i) { return i == loop; }));
      inner_index_ = b_.BeginLoop(LoopKind::kSerial, final_extent_);
      emitter_.PushScope();
      for (const Output& o : outputs_) {
        if (o.inner) SKEIN_RETURN_IF_ERROR(EmitStore(emitter_, o.path, o.buffer, AtLoops(o.coords)));
      }
      emitter_.PopScope();
      b_.EndLoop();
    }
    for (const Output& o : outputs_) {
      if (!o.inner) SKEIN_RETURN_IF_ERROR(EmitStore(emitter_, o.path, o.buffer, AtLoops(o.coords)));
    }
    return absl::OkStatus();
  }

  absl::Status EmitResults() {
    const int loop = b_.nest().loop_count;
    if (!final_extent_.IsConst(1)) {
      const int lanes = LanesFor(final_extent_);
      inner_index_ = DimExpr::Coord(loop, final_extent_);
      SKEIN_RETURN_IF_ERROR(EmitAhead(PhaseRoots(phase_), [&](int i) { return i == loop; }));
      DimExpr j = b_.BeginVectorLoop(final_extent_, lanes);
      emitter_.PushScope();
      emitter_.SetLane({j.index(), lanes});
      inner_index_ = j;
      for (const Output& o : outputs_) {
        if (o.inner) SKEIN_RETURN_IF_ERROR(EmitStore(emitter_, o.path, o.buffer, AtLoops(o.coords)));
      }
      emitter_.SetLane({});
      emitter_.PopScope();
      b_.EndLoop();
    }
    for (const Output& o : outputs_) {
      if (!o.inner) SKEIN_RETURN_IF_ERROR(EmitStore(emitter_, o.path, o.buffer, AtLoops(o.coords)));
    }
    return absl::OkStatus();
  }

  Emitter& emitter_;
  const Graph& graph_;
  LoopBuilder& b_;
  const GroupSpec& spec_;
  const std::vector<NodeId>& reductions_;
  const bool columns_;
  std::vector<Output> outputs_;
  std::vector<DimExpr> inner_extents_;
  std::map<NodeId, Dims> places_;          // result coordinates of each reduction, over placeholders
  std::optional<Domain> rows_;
  DimExpr final_extent_;
  std::vector<Demand> demands_;            // users first
  std::vector<Phase> phases_;
  std::vector<Kept> kept_;
  size_t phase_ = 0;
  Dims row_coords_;
  DimExpr inner_index_;
};

}  // namespace

absl::Status ScheduleRows(Emitter& emitter, const GroupSpec& spec, const GroupContent& content,
                          const Target&) {
  return RowScheduler(emitter, spec, content.inner_reductions, false).Run();
}

absl::Status ScheduleColumns(Emitter& emitter, const GroupSpec& spec, const GroupContent& content,
                             const Target&) {
  return RowScheduler(emitter, spec, content.outer_reductions, true).Run();
}

}  // namespace skein
