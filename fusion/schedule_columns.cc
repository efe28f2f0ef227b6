// Column kernels: reductions over outer axes, and what is pointwise around them. Lanes are columns; a
// reduction runs down the rows, in chunks of 64 of them.
//
// A single reduction streams: strips of columns, a few rows at a time, into accumulators in L1, so that memory is
// read in long runs. Several phases walk a narrow block of columns that stays in cache from one to the next.
#include <algorithm>

#include "fusion/row_group.h"

namespace skein {
namespace {

constexpr int64_t kChunk = 64;    // rows, of the orders of reductions, DESIGN section 6
constexpr int kLanes = 64;
constexpr int64_t kStrip = 2048;  // columns: 8 KiB of f32 accumulators and as much again of totals
// Rows that are added while an accumulator is in a register: from memory 8 streams are best, from L2 fewer.
constexpr int kFarPass = 8, kNearPass = 4;

absl::Status Refuse(const char* code, const std::string& sentence) {
  return absl::FailedPreconditionError(absl::StrCat(code, ": ", sentence));
}

// The states of several reductions, one after the other.
struct States {
  std::vector<const Reducer*> reducers;
  std::vector<ElementType> types;

  States(const Graph& graph, const std::vector<NodeId>& reductions) {
    for (NodeId id : reductions) {
      reducers.push_back(graph.node(id).attributes.Get<ReducerRef>("reducer")->get());
      types.insert(types.end(), reducers.back()->state.begin(), reducers.back()->state.end());
    }
  }
  std::vector<ValueId> Identities(LoopBuilder& b) const {
    std::vector<ValueId> result;
    for (const Reducer* reducer : reducers) {
      for (size_t s = 0; s < reducer->state.size(); ++s) {
        result.push_back(b.Const(reducer->state[s], reducer->initial[s], kLanes));
      }
    }
    return result;
  }
  // a combined with b, reducer by reducer.
  std::vector<ValueId> Combine(LoopBuilder& b, std::span<const ValueId> left,
                               std::span<const ValueId> right) const {
    std::vector<ValueId> result;
    for (const Reducer* reducer : reducers) {
      const size_t at = result.size(), n = reducer->state.size();
      std::vector<ValueId> both(left.begin() + at, left.begin() + at + n);
      both.insert(both.end(), right.begin() + at, right.begin() + at + n);
      for (ValueId v : EmitScalarGraph(b, reducer->combine, both)) result.push_back(b.Splat(v, kLanes));
    }
    return result;
  }
};

class ColumnScheduler {
 public:
  ColumnScheduler(Emitter& emitter, RowGroup group, bool far)
      : emitter_(emitter), graph_(emitter.graph()), b_(emitter.builder()), group_(std::move(group)),
        pass_(far ? kFarPass : kNearPass) {}

  absl::Status Run() {
    SKEIN_RETURN_IF_ERROR(group_.Prepare());
    const int loops = group_.rows().loop_count();
    if (loops == 0) return Refuse("SK135", "one column only");
    const bool streams = group_.phases().size() == 1 && group_.final_extent().IsConst(1);
    for (int i = 0; i + 1 < loops; ++i) {
      indices_.push_back(b_.BeginLoop(LoopKind::kParallel, group_.rows().extent(i)));
      emitter_.PushScope();
    }
    const DimExpr columns = group_.rows().extent(loops - 1);
    const int64_t width = streams ? kStrip : kLanes;
    const DimExpr start = b_.BeginLoop(LoopKind::kParallel, columns, width);
    emitter_.PushScope();
    SKEIN_RETURN_IF_ERROR(streams ? EmitStrip(start, Min(width, columns - start))
                                  : EmitBlock(start, Min(width, columns - start)));
    for (int i = 0; i < loops; ++i) {
      emitter_.PopScope();
      b_.EndLoop();
    }
    return absl::OkStatus();
  }

 private:
  // Opens a loop over columns start .. start + count, in whose body row_coords_ are lanes.
  void OpenColumns(DimExpr start, DimExpr count) {
    DimExpr j = b_.BeginVectorLoop(count, kLanes);
    emitter_.PushScope();
    emitter_.SetLane({j.index(), kLanes});
    column_ = j;
    std::vector<DimExpr> indices = indices_;
    indices.push_back(start + j);
    row_coords_ = group_.rows().Coords(indices);
  }
  void Close() {
    emitter_.SetLane({});
    emitter_.PopScope();
    b_.EndLoop();
  }

  Demand At(const Demand& d, DimExpr row) const { return group_.At(d, row_coords_, row); }

  // What the reductions of a phase take in at one row: each one's mapped elements, as a state.
  absl::StatusOr<std::vector<ValueId>> EmitElements(size_t phase, const States& states, DimExpr row) {
    std::vector<ValueId> result;
    const std::vector<Demand> roots = group_.Roots(phase);
    size_t root = 0;
    for (size_t r = 0; r < states.reducers.size(); ++r) {
      std::vector<ValueId> elements;
      const size_t operands = graph_.node(group_.phases()[phase].reductions[r]).operands.size();
      for (size_t i = 0; i < operands; ++i) {
        SKEIN_ASSIGN_OR_RETURN(ValueId v, emitter_.Emit(At(roots[root++], row)));
        elements.push_back(b_.Splat(v, kLanes));
      }
      for (ValueId v : EmitScalarGraph(b_, states.reducers[r]->map, elements)) {
        result.push_back(b_.Splat(v, kLanes));
      }
    }
    return result;
  }

  // Declares the results of a phase's reductions.
  void Provide(size_t phase, const States& states, std::span<const ValueId> totals) {
    size_t at = 0;
    for (size_t r = 0; r < states.reducers.size(); ++r) {
      const size_t n = states.reducers[r]->state.size();
      const std::vector<ValueId> state(totals.begin() + at, totals.begin() + at + n);
      at += n;
      const std::vector<ValueId> results = EmitScalarGraph(b_, states.reducers[r]->finish, state);
      for (size_t i = 0; i < results.size(); ++i) {
        emitter_.Provide({group_.phases()[phase].reductions[r], static_cast<int32_t>(i)},
                         [v = results[i]](const Demand&) -> absl::StatusOr<ValueId> { return v; });
      }
    }
  }

  absl::Status EmitStores(bool inner, DimExpr row) {
    for (const RowGroup::Output& o : group_.outputs()) {
      if (o.inner != inner) continue;
      SKEIN_RETURN_IF_ERROR(EmitStore(emitter_, o.path, o.buffer, group_.At(o.coords, row_coords_, row)));
    }
    return absl::OkStatus();
  }

  // Emits before a loop over rows what its body needs and does not change in it.
  absl::Status EmitAhead(size_t phase, DimExpr extent) {
    if (extent.IsConst(0)) return absl::OkStatus();  // what nobody needs may not even exist
    const int first_loop = b_.nest().loop_count;
    const DimExpr row = DimExpr::Coord(first_loop, extent);
    for (const Demand& d : group_.Roots(phase)) {
      SKEIN_RETURN_IF_ERROR(
          emitter_.EmitInvariant(At(d, row), [&](int i) { return i >= first_loop && i < kPlaceholder; }));
    }
    return absl::OkStatus();
  }

  // --- several phases: one block of columns, all state in registers ---

  absl::Status EmitBlock(DimExpr start, DimExpr count) {
    OpenColumns(start, count);
    const size_t phases = group_.phases().size();
    for (size_t p = 0; p < phases; ++p) {
      const DimExpr extent = group_.phases()[p].extent;
      const States states(graph_, group_.phases()[p].reductions);
      SKEIN_RETURN_IF_ERROR(EmitAhead(p, extent));
      SKEIN_ASSIGN_OR_RETURN(std::vector<ValueId> totals, EmitTotals(p, states, extent));
      Provide(p, states, totals);
    }
    if (!group_.final_extent().IsConst(1)) {
      SKEIN_RETURN_IF_ERROR(EmitAhead(phases, group_.final_extent()));
      const DimExpr row = b_.BeginLoop(LoopKind::kSerial, group_.final_extent());
      emitter_.PushScope();
      SKEIN_RETURN_IF_ERROR(EmitStores(true, row));
      emitter_.PopScope();
      b_.EndLoop();
    }
    SKEIN_RETURN_IF_ERROR(EmitStores(false, 0));
    Close();
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<ValueId>> EmitTotals(size_t phase, const States& states, DimExpr extent) {
    const std::vector<ValueId> identities = states.Identities(b_);
    const bool one_chunk = ProveLessEqual(extent, kChunk);
    std::vector<ValueId> totals = identities;
    DimExpr start = 0, rows = extent;
    if (!one_chunk) {
      start = b_.BeginLoop(LoopKind::kSerial, extent, kChunk, identities);
      emitter_.PushScope();
      for (size_t i = 0; i < totals.size(); ++i) totals[i] = b_.Carried(static_cast<int>(i));
      rows = Min(kChunk, extent - start);
    }
    const DimExpr row = b_.BeginLoop(LoopKind::kSerial, rows, 1, identities);
    emitter_.PushScope();
    std::vector<ValueId> carried;
    for (size_t i = 0; i < identities.size(); ++i) carried.push_back(b_.Carried(static_cast<int>(i)));
    SKEIN_ASSIGN_OR_RETURN(std::vector<ValueId> elements, EmitElements(phase, states, start + row));
    const std::vector<ValueId> next = states.Combine(b_, carried, elements);
    emitter_.PopScope();
    totals = states.Combine(b_, totals, b_.EndLoop(next));
    if (!one_chunk) {
      emitter_.PopScope();
      totals = b_.EndLoop(totals);
    }
    return totals;
  }

  // --- one phase: a strip of columns, state in scratch ---

  absl::Status EmitStrip(DimExpr start, DimExpr count) {
    const DimExpr extent = group_.phases()[0].extent;
    const States states(graph_, group_.phases()[0].reductions);
    if (ProveLessEqual(extent, kFarPass) && extent.IsConst()) {  // a single pass
      OpenColumns(start, count);
      std::vector<ValueId> sums = states.Identities(b_);
      SKEIN_ASSIGN_OR_RETURN(sums, EmitRows(states, 0, *extent.AsConst(), std::move(sums)));
      return EmitStripResults(states, states.Combine(b_, states.Identities(b_), sums));
    }
    for (ElementType t : states.types) {
      sums_.push_back(b_.AddBuffer(BufferKind::kScratch, t, kStrip));
      totals_.push_back(b_.AddBuffer(BufferKind::kScratch, t, kStrip));
    }
    OpenColumns(0, count);
    StoreAll(totals_, states.Identities(b_));
    Close();
    // `sums` of a chunk, then `totals`.
    const DimExpr chunk = b_.BeginLoop(LoopKind::kSerial, extent, kChunk);
    emitter_.PushScope();
    const DimExpr rows = Min(kChunk, extent - chunk);
    OpenColumns(0, count);
    StoreAll(sums_, states.Identities(b_));
    Close();
    const DimExpr whole = FloorDiv(rows, pass_) * pass_;
    SKEIN_RETURN_IF_ERROR(EmitPass(states, start, count, chunk, whole, pass_));
    SKEIN_RETURN_IF_ERROR(EmitPass(states, start, count, chunk + whole, rows - whole, 1));
    OpenColumns(0, count);
    StoreAll(totals_, states.Combine(b_, LoadAll(totals_, states), LoadAll(sums_, states)));
    Close();
    emitter_.PopScope();
    b_.EndLoop();
    OpenColumns(start, count);
    return EmitStripResults(states, LoadAll(totals_, states));
  }

  // Adds rows first .. first + count to the sums, `rows` at a time.
  absl::Status EmitPass(const States& states, DimExpr start, DimExpr columns, DimExpr first, DimExpr count,
                        int rows) {
    const DimExpr row = b_.BeginLoop(LoopKind::kSerial, count, rows);
    emitter_.PushScope();
    OpenColumns(start, columns);
    SKEIN_ASSIGN_OR_RETURN(std::vector<ValueId> sums,
                           EmitRows(states, first + row, rows, LoadAll(sums_, states)));
    StoreAll(sums_, sums);
    Close();
    emitter_.PopScope();
    b_.EndLoop();
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<ValueId>> EmitRows(const States& states, DimExpr first, int64_t rows,
                                                std::vector<ValueId> sums) {
    for (int64_t r = 0; r < rows; ++r) {
      SKEIN_ASSIGN_OR_RETURN(std::vector<ValueId> elements, EmitElements(0, states, first + r));
      sums = states.Combine(b_, sums, elements);
    }
    return sums;
  }

  absl::Status EmitStripResults(const States& states, const std::vector<ValueId>& totals) {
    Provide(0, states, totals);
    SKEIN_RETURN_IF_ERROR(EmitStores(true, 0));
    SKEIN_RETURN_IF_ERROR(EmitStores(false, 0));
    Close();
    return absl::OkStatus();
  }

  std::vector<ValueId> LoadAll(const std::vector<BufferId>& buffers, const States& states) {
    std::vector<ValueId> values;
    for (size_t i = 0; i < states.types.size(); ++i) values.push_back(b_.Load(buffers[i], column_));
    return values;
  }
  void StoreAll(const std::vector<BufferId>& buffers, const std::vector<ValueId>& values) {
    for (size_t i = 0; i < values.size(); ++i) b_.Store(buffers[i], column_, values[i]);
  }

  Emitter& emitter_;
  const Graph& graph_;
  LoopBuilder& b_;
  RowGroup group_;
  const int pass_;
  std::vector<DimExpr> indices_;          // of the loops around the columns
  DimExpr column_;                        // of the vector loop
  Dims row_coords_;
  std::vector<BufferId> sums_, totals_;   // per element of state
};

}  // namespace

absl::Status ScheduleColumns(Emitter& emitter, const GroupSpec& spec, const GroupContent& content,
                             const Target&) {
  SKEIN_ASSIGN_OR_RETURN(RowGroup group, RowGroup::Find(emitter, spec, content.outer_reductions));
  return ColumnScheduler(emitter, std::move(group), spec.locality.far).Run();
}

}  // namespace skein
