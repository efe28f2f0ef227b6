// Row-phase kernels: pointwise operations and any number of reductions over inner axes, one row at a time.
//
// Each phase of the group is a loop over the row; the last one stores the results. A value that several phases
// need is recomputed where that is cheap, and kept in scratch (one row, in cache) where not.
#include <algorithm>

#include "absl/numeric/bits.h"
#include "fusion/reduction_state.h"
#include "fusion/row_group.h"

namespace skein {
namespace {

constexpr int64_t kRowChunk = 4096;  // of the orders of reductions, DESIGN section 6

class RowScheduler {
 public:
  RowScheduler(Emitter& emitter, const GroupSpec& spec, RowGroup group)
      : emitter_(emitter), graph_(emitter.graph()), b_(emitter.builder()), spec_(spec),
        group_(std::move(group)) {}

  absl::Status Run() {
    SKEIN_RETURN_IF_ERROR(ChooseScratch());
    return EmitAll();
  }

 private:
  struct Kept {        // a value kept in scratch
    Demand demand;     // over placeholders
    int first_phase;
    BufferId buffer;
  };

  static bool AlongRow(const Demand& d) {
    bool inner = false;
    for (DimExpr c : d.coords) {
      VisitLeaves(c, [&](DimExpr leaf) {
        inner = inner || (leaf.kind() == DimKind::kCoord && RowGroup::IsInner(leaf.index()));
      });
    }
    return inner;
  }

  // Phases in which each demand is needed: those of its users, only the first of them behind a kept value.
  absl::StatusOr<absl::flat_hash_map<Demand, uint64_t>> FindNeeds() {
    absl::flat_hash_map<Demand, uint64_t> needs;
    for (size_t p = 0; p <= group_.phases().size(); ++p) {
      for (const Demand& root : group_.Roots(p)) needs[root] |= uint64_t{1} << std::min<size_t>(p, 63);
    }
    for (const Demand& d : group_.demands()) {
      if (emitter_.IsLeaf(d.value) || group_.IsReduction(d.value.node)) continue;
      uint64_t mask = needs[d];
      SKEIN_ASSIGN_OR_RETURN(std::vector<Demand> children, emitter_.Children(d));
      for (const Demand& child : children) needs[child] |= mask;
    }
    return needs;
  }

  bool CanKeep(const Demand& d) const {
    return !emitter_.IsLeaf(d.value) && !group_.IsReduction(d.value.node) &&
           Def(graph_.node(d.value.node).op).op_class == OpClass::kPointwise && AlongRow(d) &&
           d.condition.IsConst(1) && RowGroup::InnerExtent(d).has_value();
  }

  // A value needed in several phases is kept if recomputing it costs more than a store and a load: 2 a load, and
  // its flops, are weighed against 4. Operands that will be kept themselves count as a load.
  absl::Status ChooseScratch() {
    constexpr int kLoad = 2, kWorthKeeping = 4;
    SKEIN_ASSIGN_OR_RETURN(auto needs, FindNeeds());
    absl::flat_hash_map<Demand, int> cost;
    const std::vector<Demand>& demands = group_.demands();
    for (auto d = demands.rbegin(); d != demands.rend(); ++d) {
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
    for (size_t p = 0; p <= group_.phases().size(); ++p) {
      for (const Demand& root : group_.Roots(p)) phases[root] |= uint64_t{1} << std::min<size_t>(p, 63);
    }
    for (const Demand& d : group_.demands()) {
      if (emitter_.IsLeaf(d.value) || group_.IsReduction(d.value.node)) continue;
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

  Demand AtLoops(const Demand& d) const { return group_.At(d, row_coords_, inner_index_); }
  Dims AtLoops(std::span<const DimExpr> coords) const { return group_.At(coords, row_coords_, inner_index_); }

  absl::Status EmitAll() {
    SKEIN_RETURN_IF_ERROR(group_.Prepare());
    for (Kept& k : kept_) {
      k.buffer = b_.AddBuffer(BufferKind::kScratch, graph_.type(k.demand.value).element,
                              *RowGroup::InnerExtent(k.demand));
    }
    std::vector<DimExpr> indices;
    const int loops = group_.rows().loop_count();
    for (int i = 0; i < loops; ++i) {
      indices.push_back(b_.BeginLoop(LoopKind::kParallel, group_.rows().extent(i)));
      emitter_.PushScope();
    }
    row_coords_ = group_.rows().Coords(indices);
    ProvideKept();
    for (phase_ = 0; phase_ < group_.phases().size(); ++phase_) {
      SKEIN_RETURN_IF_ERROR(EmitPhase(group_.phases()[phase_]));
    }
    SKEIN_RETURN_IF_ERROR(EmitResults());
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

  // Emits before a loop over `extent` what its body needs and does not change in it.
  absl::Status EmitAhead(DimExpr extent, std::span<const Demand> roots, const std::function<bool(int)>& inner) {
    if (extent.IsConst(0)) return absl::OkStatus();  // what nobody needs may not even exist
    std::vector<Demand> all(roots.begin(), roots.end());
    for (const Kept& k : kept_) {
      if (static_cast<size_t>(k.first_phase) != phase_) continue;
      SKEIN_ASSIGN_OR_RETURN(std::vector<Demand> children, emitter_.ComputedChildren(k.demand));
      for (Demand& child : children) all.push_back(std::move(child));
    }
    for (const Demand& d : all) SKEIN_RETURN_IF_ERROR(emitter_.EmitInvariant(AtLoops(d), inner));
    return absl::OkStatus();
  }

  // A reduction along a row.
  struct Along {
    const Reducer* reducer;
    std::optional<ReductionState> first_place;  // where it looks for one, elements numbered from 0 in each chunk
    size_t root;                                // the first of its operands
    size_t state;                               // the first of its states
  };

  // Whether an operand is the number of the row's element.
  bool IsNumber(const Demand& d) const {
    const std::optional<DimExpr> known = graph_.Known(d.value);
    return known && SubstituteCoords(*known, AtLoops(d.coords)) == inner_index_;
  }

  std::vector<Along> ReductionsOf(const RowGroup::Phase& phase, std::span<const Demand> roots) const {
    std::vector<Along> result;
    size_t root = 0, state = 0;
    for (NodeId id : phase.reductions) {
      const Reducer& reducer = ReducerOf(graph_.node(id));
      Along along{&reducer, std::nullopt, root, state};
      root += graph_.node(id).operands.size();
      state += reducer.state.size();
      if (root - along.root == 2 && IsNumber(roots[along.root + 1])) {
        const ReductionState numbered(reducer, Min(phase.extent, kRowChunk));
        if (numbered.counts_rows()) along.first_place.emplace(numbered);
      }
      result.push_back(std::move(along));
    }
    return result;
  }

  // The states of all lanes and `j`'s elements.
  absl::StatusOr<std::vector<ValueId>> Take(std::span<const Along> reductions, std::span<const Demand> roots, DimExpr j,
                                            int lanes) {
    std::vector<ValueId> next;
    for (const Along& along : reductions) {
      std::vector<ValueId> elements, before;
      const size_t operands = along.first_place ? 1 : along.reducer->map.inputs().size();
      for (size_t i = 0; i < operands; ++i) {
        SKEIN_ASSIGN_OR_RETURN(ValueId v, emitter_.Emit(AtLoops(roots[along.root + i])));
        elements.push_back(b_.Splat(v, lanes));
      }
      for (size_t s = 0; s < along.reducer->state.size(); ++s) before.push_back(b_.Carried(static_cast<int>(along.state + s)));
      std::vector<ValueId> after;
      if (along.first_place) {
        elements.push_back(b_.Splat(b_.Convert(along.first_place->types()[1], b_.Index(j)), lanes));
        after = along.first_place->Take(b_, before, elements, lanes);
      } else {
        for (ValueId v : EmitScalarGraph(b_, along.reducer->map, elements)) before.push_back(v);
        after = EmitScalarGraph(b_, along.reducer->combine, before);
      }
      for (ValueId v : after) next.push_back(b_.Splat(v, lanes));
    }
    return next;
  }

  absl::Status EmitPhase(const RowGroup::Phase& phase) {
    const int lanes = LanesFor(phase.extent);
    const bool one_chunk = ProveLessEqual(phase.extent, kRowChunk);
    const int first_loop = b_.nest().loop_count;
    const std::vector<Demand> roots = group_.Roots(phase_);
    inner_index_ = DimExpr::Coord(first_loop, phase.extent);  // only to tell what is invariant, and what numbers elements
    const std::vector<Along> reductions = ReductionsOf(phase, roots);
    std::vector<ValueId> identities, scalars;
    for (const Along& along : reductions) {
      const Reducer& reducer = *along.reducer;
      for (size_t s = 0; s < reducer.state.size(); ++s) {
        scalars.push_back(b_.Const(reducer.state[s], reducer.initial[s]));
        if (!along.first_place) identities.push_back(b_.Const(reducer.state[s], reducer.initial[s], lanes));
      }
      if (!along.first_place) continue;
      for (ValueId v : along.first_place->Start(b_, lanes)) identities.push_back(v);
    }
    SKEIN_RETURN_IF_ERROR(EmitAhead(phase.extent, roots, [&](int i) { return i >= first_loop && i < kPlaceholder; }));

    std::vector<ValueId> totals = scalars;
    DimExpr start = 0, extent = phase.extent;
    if (!one_chunk) {
      start = b_.BeginLoop(LoopKind::kSerial, phase.extent, kRowChunk, scalars);
      emitter_.PushScope();
      for (size_t i = 0; i < totals.size(); ++i) totals[i] = b_.Carried(static_cast<int>(i));
      extent = Min(kRowChunk, phase.extent - start);
    }
    DimExpr j = b_.BeginVectorLoop(extent, lanes, identities);
    emitter_.PushScope();
    emitter_.SetLane({j.index(), lanes});
    inner_index_ = start + j;
    SKEIN_ASSIGN_OR_RETURN(const std::vector<ValueId> next, Take(reductions, roots, j, lanes));
    emitter_.SetLane({});
    emitter_.PopScope();
    const std::vector<ValueId> slots = b_.EndLoop(next);
    std::vector<ValueId> sums;
    for (const Along& along : reductions) {
      const auto states_of = [&](const std::vector<ValueId>& all) {
        return std::vector<ValueId>(all.begin() + along.state, all.begin() + along.state + along.reducer->state.size());
      };
      std::vector<ValueId> both = states_of(totals), state = states_of(slots);
      if (along.first_place) {
        state = along.first_place->JoinLanes(b_, state, start);
        if (one_chunk) state = OfSome(phase.extent, state, both);
      } else {
        state = CombineLanes(*along.reducer, state, lanes);
      }
      if (one_chunk && (along.first_place || SingleOpcode(along.reducer->combine))) {  // slots started at the identity already
        sums.insert(sums.end(), state.begin(), state.end());
        continue;
      }
      both.insert(both.end(), state.begin(), state.end());
      for (ValueId v : EmitScalarGraph(b_, along.reducer->combine, both)) sums.push_back(v);
    }
    if (!one_chunk) {
      emitter_.PopScope();
      sums = b_.EndLoop(sums);
    }
    for (size_t r = 0; r < reductions.size(); ++r) {
      const auto first = sums.begin() + reductions[r].state;
      const std::vector<ValueId> state(first, first + reductions[r].reducer->state.size());
      std::vector<ValueId> results = EmitScalarGraph(b_, reductions[r].reducer->finish, state);
      for (size_t i = 0; i < results.size(); ++i) {
        emitter_.Provide({phase.reductions[r], static_cast<int32_t>(i)},
                         [v = results[i]](const Demand&) -> absl::StatusOr<ValueId> { return v; });
      }
    }
    return absl::OkStatus();
  }

  // `state`, or that of no element where there may be none.
  std::vector<ValueId> OfSome(DimExpr extent, std::vector<ValueId> state, const std::vector<ValueId>& of_none) {
    if (ProveLess(0, extent)) return state;
    const ValueId any = b_.Binary(Opcode::kNotEqual, b_.Index(extent), b_.ConstInt(ElementType::kI64, 0));
    for (size_t i = 0; i < state.size(); ++i) state[i] = b_.Select(any, state[i], of_none[i]);
    return state;
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

  absl::Status EmitResults() {
    const int loop = b_.nest().loop_count;
    if (!group_.final_extent().IsConst(1)) {
      const int lanes = LanesFor(group_.final_extent());
      inner_index_ = DimExpr::Coord(loop, group_.final_extent());
      SKEIN_RETURN_IF_ERROR(EmitAhead(group_.final_extent(), group_.Roots(phase_), [&](int i) { return i == loop; }));
      DimExpr j = b_.BeginVectorLoop(group_.final_extent(), lanes);
      emitter_.PushScope();
      emitter_.SetLane({j.index(), lanes});
      inner_index_ = j;
      for (const RowGroup::Output& o : group_.outputs()) {
        if (o.inner) SKEIN_RETURN_IF_ERROR(EmitStore(emitter_, o.path, o.buffer, AtLoops(o.coords)));
      }
      emitter_.SetLane({});
      emitter_.PopScope();
      b_.EndLoop();
    }
    for (const RowGroup::Output& o : group_.outputs()) {
      if (!o.inner) SKEIN_RETURN_IF_ERROR(EmitStore(emitter_, o.path, o.buffer, AtLoops(o.coords)));
    }
    return absl::OkStatus();
  }

  Emitter& emitter_;
  const Graph& graph_;
  LoopBuilder& b_;
  const GroupSpec& spec_;
  RowGroup group_;
  std::vector<Kept> kept_;
  size_t phase_ = 0;
  Dims row_coords_;
  DimExpr inner_index_;
};

}  // namespace

absl::Status ScheduleRows(Emitter& emitter, const GroupSpec& spec, const GroupContent& content,
                          const Target&) {
  SKEIN_ASSIGN_OR_RETURN(RowGroup group, RowGroup::Find(emitter, spec, content.inner_reductions));
  return RowScheduler(emitter, spec, std::move(group)).Run();
}

}  // namespace skein
