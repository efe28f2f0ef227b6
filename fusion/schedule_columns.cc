// Column kernels: reductions over outer axes, and what is pointwise around them. Lanes are columns; a
// reduction runs down the rows, in chunks of 64 of them.
//
// A single phase reads memory once, in runs as long as possible: strips of columns, a few rows at a time, into
// accumulators in L1 or L2. Rows of a few vectors stay in registers from the first to the last. Where taking an element
// in is more than one operation, too few loads are under way at a time for memory, and the next ones are fetched ahead.
// Several phases walk a narrow block of columns that stays in cache from one to the next.
#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "fusion/column_strip.h"
#include "fusion/reduction_state.h"
#include "fusion/row_group.h"

namespace skein {
namespace {

constexpr int64_t kChunk = 64;    // rows, of the orders of reductions, DESIGN section 6
constexpr int kLanes = 64;
constexpr int kMostGroups = 4;     // of 64 columns side by side: 16 registers of f32
constexpr int64_t kFewRows = 8;    // are a single pass

absl::Status Refuse(const char* code, const std::string& sentence) {
  return absl::FailedPreconditionError(absl::StrCat(code, ": ", sentence));
}

class ColumnScheduler {
 public:
  ColumnScheduler(Emitter& emitter, RowGroup group, bool far, const Target& target)
      : emitter_(emitter), graph_(emitter.graph()), b_(emitter.builder()), group_(std::move(group)), far_(far),
        target_(target) {}

  absl::Status Run() {
    SKEIN_RETURN_IF_ERROR(group_.Prepare());
    const int loops = group_.rows().loop_count();
    if (loops == 0) return Refuse("SK135", "one column only");
    for (int i = 0; i + 1 < loops; ++i) {
      indices_.push_back(b_.BeginLoop(LoopKind::kParallel, group_.rows().extent(i)));
      emitter_.PushScope();
    }
    const DimExpr columns = group_.rows().extent(loops - 1), rows = group_.phases()[0].extent;
    const bool few = rows.IsConst() && ProveLessEqual(rows, kFewRows);
    if (group_.phases().size() > 1 || !group_.final_extent().IsConst(1)) {
      SKEIN_RETURN_IF_ERROR(EmitBlock(columns));
    } else if (!few && KeepsInRegisters(columns)) {
      SKEIN_RETURN_IF_ERROR(EmitWideBlock(columns));
    } else {
      SKEIN_RETURN_IF_ERROR(EmitStrip(columns, few));
    }
    for (int i = 0; i < loops; ++i) {
      emitter_.PopScope();
      b_.EndLoop();
    }
    return absl::OkStatus();
  }

 private:
  // Blocks in registers read whole rows.
  bool KeepsInRegisters(DimExpr columns) const {
    return ProveLessEqual(columns, GroupsFor(MakeStates(0, 1)) * kLanes);
  }
  static int GroupsFor(const ReductionStates& states) {
    return std::clamp(kMostGroups / states.units(), 1, kMostGroups);
  }

  DimExpr OpenBlocks(DimExpr columns, int64_t width) {
    const DimExpr start = b_.BeginLoop(LoopKind::kParallel, columns, width);
    emitter_.PushScope();
    return start;
  }

  // Opens a loop over columns start .. start + count, which are lanes in its body, and returns its index. `groups`: of
  // `lanes` in one body, if count is a multiple of them.
  DimExpr OpenColumns(DimExpr start, DimExpr count, int groups = 1, int lanes = kLanes) {
    DimExpr j = groups == 1 ? b_.BeginVectorLoop(count, lanes)
                            : b_.BeginLoop(LoopKind::kSerial, count, groups * lanes);
    emitter_.PushScope();
    emitter_.SetLane({j.index(), lanes});
    column_ = j;
    SetColumns(start + j, 1);
    return j;
  }
  void Close() {
    emitter_.SetLane({});
    emitter_.PopScope();
    b_.EndLoop();
  }
  // Lane 0 of the first group is column `first`; that of each other, 64 further.
  void SetColumns(DimExpr first, DimExpr condition) {
    std::vector<DimExpr> indices = indices_;
    indices.push_back(first);
    row_coords_ = group_.rows().Coords(indices);
    condition_ = condition;
  }

  Demand At(const Demand& d, DimExpr row) const {
    Demand at = group_.At(d, row_coords_, row);
    at.condition = at.condition * condition_;
    return at;
  }

  ReductionStates MakeStates(size_t phase, int groups, int lanes = kLanes) const {
    const RowGroup::Phase& p = group_.phases()[phase];
    const std::vector<Demand> roots = group_.Roots(phase);
    std::vector<ReductionState> reductions;
    size_t root = 0;
    for (NodeId id : p.reductions) {
      const Node& node = graph_.node(id);
      std::optional<DimExpr> rows;
      if (node.operands.size() == 2 && IsNumberOfRow(roots[root + 1])) rows = p.extent;
      root += node.operands.size();
      reductions.emplace_back(ReducerOf(node), rows);
    }
    return ReductionStates(std::move(reductions), groups, lanes);
  }

  bool IsNumberOfRow(const Demand& d) const {
    const std::optional<DimExpr> known = graph_.Known(d.value);
    if (!known) return false;
    const DimExpr place = SubstituteCoords(*known, d.coords);
    return place.kind() == DimKind::kCoord && RowGroup::IsInner(place.index());
  }

  // Appends the states of a phase and the group that is emitted after one more row; `before` has those of all groups.
  absl::Status EmitRow(size_t phase, const ReductionStates& states, std::span<const ValueId> before, DimExpr row,
                       std::vector<ValueId>* after) {
    const std::vector<Demand> roots = group_.Roots(phase);
    size_t root = 0;
    for (size_t r = 0; r < states.reductions.size(); ++r) {
      const ReductionState& state = states.reductions[r];
      std::vector<ValueId> elements;
      const size_t operands = graph_.node(group_.phases()[phase].reductions[r]).operands.size();
      for (size_t i = 0; i < operands; ++i, ++root) {
        ValueId v;
        if (i == 1 && state.counts_rows()) {
          v = b_.Convert(state.types()[1], b_.Index(row));
        } else {
          SKEIN_ASSIGN_OR_RETURN(v, emitter_.Emit(At(roots[root], row)));
        }
        elements.push_back(b_.Splat(v, states.lanes));
      }
      const std::vector<ValueId> taken =
          state.Take(b_, before.subspan(after->size(), state.types().size()), elements, states.lanes);
      after->insert(after->end(), taken.begin(), taken.end());
    }
    return absl::OkStatus();
  }

  // Declares the results of a phase's reductions.
  void Provide(size_t phase, const ReductionStates& states, std::span<const ValueId> totals) {
    size_t at = 0;
    for (size_t r = 0; r < states.reductions.size(); ++r) {
      const size_t n = states.reductions[r].types().size();
      const std::vector<ValueId> results = states.reductions[r].Finish(b_, totals.subspan(at, n));
      at += n;
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

  // --- several phases: a block of 64 columns ---

  absl::Status EmitBlock(DimExpr columns) {
    const DimExpr start = OpenBlocks(columns, kLanes);
    OpenColumns(start, Min(kLanes, columns - start));
    const auto here = [](int) {};
    const size_t phases = group_.phases().size();
    for (size_t p = 0; p < phases; ++p) {
      const ReductionStates states = MakeStates(p, 1);
      SKEIN_ASSIGN_OR_RETURN(std::vector<ValueId> totals, EmitTotals(p, states, here));
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

  // The states after all rows of a phase; `go_to` makes a group the one that is emitted.
  using GoTo = std::function<void(int)>;
  absl::StatusOr<std::vector<ValueId>> EmitTotals(size_t phase, const ReductionStates& states, const GoTo& go_to) {
    const DimExpr extent = group_.phases()[phase].extent;
    for (int g = 0; g < states.groups; ++g) {
      go_to(g);
      SKEIN_RETURN_IF_ERROR(EmitAhead(phase, extent));
    }
    const std::vector<ValueId> none = states.Start(b_);
    if (!states.chunked) return EmitChunk(phase, states, 0, extent, none, go_to);
    if (ProveLessEqual(extent, kChunk)) {
      SKEIN_ASSIGN_OR_RETURN(std::vector<ValueId> sums, EmitChunk(phase, states, 0, extent, none, go_to));
      return states.Join(b_, none, sums);
    }
    const DimExpr start = b_.BeginLoop(LoopKind::kSerial, extent, kChunk, none);
    emitter_.PushScope();
    const std::vector<ValueId> totals = Carried(none.size());
    SKEIN_ASSIGN_OR_RETURN(std::vector<ValueId> sums,
                           EmitChunk(phase, states, start, Min(kChunk, extent - start), none, go_to));
    const std::vector<ValueId> next = states.Join(b_, totals, sums);
    emitter_.PopScope();
    return b_.EndLoop(next);
  }

  absl::StatusOr<std::vector<ValueId>> EmitChunk(size_t phase, const ReductionStates& states, DimExpr start,
                                                 DimExpr rows, std::span<const ValueId> none, const GoTo& go_to) {
    const DimExpr row = b_.BeginLoop(LoopKind::kSerial, rows, 1, none);
    emitter_.PushScope();
    const std::vector<ValueId> before = Carried(none.size());
    std::vector<ValueId> after;
    for (int g = 0; g < states.groups; ++g) {
      go_to(g);
      SKEIN_RETURN_IF_ERROR(EmitRow(phase, states, before, start + row, &after));
    }
    emitter_.PopScope();
    return b_.EndLoop(after);
  }

  std::vector<ValueId> Carried(size_t count) const {
    std::vector<ValueId> values;
    for (size_t i = 0; i < count; ++i) values.push_back(b_.Carried(static_cast<int>(i)));
    return values;
  }

  // --- one phase, in registers: a block of several groups of columns ---

  absl::Status EmitWideBlock(DimExpr columns) {
    int groups = GroupsFor(MakeStates(0, 1));
    if (std::optional<int64_t> n = columns.AsConst()) {
      groups = static_cast<int>(std::clamp<int64_t>((*n + kLanes - 1) / kLanes, 1, groups));
    }
    const ReductionStates states = MakeStates(0, groups);
    const int64_t width = groups * kLanes;
    totals_ = AddBuffers(states, width);
    const bool even = Mod(columns, width).IsConst(0);
    // Where no block has a rest, lanes count from `start`, whose extent says so.
    const DimExpr start = OpenBlocks(even ? columns - (width - kLanes) : columns, width);
    const DimExpr count = even ? DimExpr(width) : Min(width, columns - start);
    if (even) {
      SKEIN_RETURN_IF_ERROR(EmitGroups(states, start, start, columns, false));
    } else {
      const DimExpr whole = FloorDiv(count, width);
      for (bool rest : {false, true}) {
        if (!rest && ProveLess(columns, width)) continue;
        const DimExpr j = b_.BeginLoop(LoopKind::kSerial, kLanes * (rest ? 1 - whole : whole), kLanes);
        emitter_.PushScope();
        SKEIN_RETURN_IF_ERROR(EmitGroups(states, j, start + j, columns, rest));
        emitter_.PopScope();
        b_.EndLoop();
      }
    }
    OpenColumns(start, count);
    return EmitResults(states, LoadAll(totals_));
  }

  // Leaves the totals of a block's columns in scratch. They count from `start`, in which `lane` is the coordinate of
  // the lanes. `rest`: some of them do not exist.
  absl::Status EmitGroups(const ReductionStates& states, DimExpr lane, DimExpr start, DimExpr columns, bool rest) {
    emitter_.SetLane({lane.index(), kLanes});
    const auto go_to = [&](int g) {
      const DimExpr first = start + g * kLanes;
      SetColumns(first, rest ? Less(first, columns) : 1);
      if (rest) emitter_.EmitCondition(condition_);  // once, where the rows begin
    };
    SKEIN_ASSIGN_OR_RETURN(std::vector<ValueId> totals, EmitTotals(0, states, go_to));
    for (size_t i = 0; i < totals.size(); ++i) {
      const size_t types = states.types.size();
      b_.Store(totals_[i % types], static_cast<int64_t>(i / types) * kLanes, totals[i]);
    }
    emitter_.SetLane({});
    return absl::OkStatus();
  }

  // --- one phase, in L1: a strip of columns ---

  absl::Status EmitStrip(DimExpr columns, bool few_rows) {
    const ReductionStates states = MakeStates(0, 1);
    const DimExpr extent = group_.phases()[0].extent;
    const ColumnStrip strip = ChooseStrip(WorkOf(states, columns), target_);
    const DimExpr start = OpenBlocks(columns, strip.width), count = PartOf(columns, start, strip.width);
    if (few_rows) {
      OpenColumns(start, count);
      const std::vector<ValueId> none = states.Start(b_);
      SKEIN_ASSIGN_OR_RETURN(std::vector<ValueId> sums, EmitRows(states, 0, *extent.AsConst(), none));
      return EmitResults(states, states.chunked ? states.Join(b_, none, sums) : sums);
    }
    totals_ = AddBuffers(states, strip.width);
    StoreStart(states, totals_, count);
    if (!states.chunked) {
      SKEIN_RETURN_IF_ERROR(EmitPasses(start, count, 0, extent, strip, totals_));
    } else {  // each chunk's sum, which is then added to the totals
      const std::vector<BufferId> sums = AddBuffers(states, strip.width);
      const DimExpr chunk = b_.BeginLoop(LoopKind::kSerial, extent, kChunk), rows = PartOf(extent, chunk, kChunk);
      emitter_.PushScope();
      if (strip.kept > 0) {
        SKEIN_RETURN_IF_ERROR(EmitKept(start, count, chunk, rows, strip, sums));
      } else {
        StoreStart(states, sums, count);
        SKEIN_RETURN_IF_ERROR(EmitPasses(start, count, chunk, rows, strip, sums));
        OpenColumns(0, count);
        StoreAll(totals_, states.Join(b_, LoadAll(totals_), LoadAll(sums)));
        Close();
      }
      emitter_.PopScope();
      b_.EndLoop();
    }
    OpenColumns(start, count);
    return EmitResults(states, LoadAll(totals_));
  }

  ColumnWork WorkOf(const ReductionStates& states, DimExpr columns) const {
    // Elements that stay in L2 where two threads share them out.
    const DimExpr rows = group_.phases()[0].extent, shared = 2 * target_.l2_bytes / 4;
    absl::flat_hash_set<Value> read;
    int64_t operations = 0;
    for (const Demand& d : group_.demands()) {
      if (!RowGroup::InnerExtent(d)) continue;
      const OpDef& def = Def(graph_.node(d.value.node).op);
      if (emitter_.IsLeaf(d.value)) {
        if (!graph_.Known(d.value)) read.insert(d.value);
      } else if (def.op_class == OpClass::kPointwise) {
        operations += def.flops;
      }
    }
    const bool single = read.size() == 1 && BitWidth(graph_.type(*read.begin()).element) == 32 &&
                        states.units() == static_cast<int>(states.types.size());
    return {.columns = columns.AsConst(),
            .alone = indices_.empty(),
            .far = far_ && !(indices_.empty() && ProveLessEqual(columns * rows, shared)),
            .light = states.light(),
            .chunked = states.chunked,
            .single = single,
            .units = states.units(),
            .operations = operations,
            .bytes = states.units() * 4 * (states.chunked ? 2 : 1)};
  }
  // How many of `all` the part from `start` on has, of at most `size`.
  static DimExpr PartOf(DimExpr all, DimExpr start, int64_t size) {
    return Mod(all, size).IsConst(0) ? DimExpr(size) : Min(size, all - start);
  }

  // Takes rows first .. first + rows into the states in `buffers`.
  absl::Status EmitPasses(DimExpr start, DimExpr columns, DimExpr first, DimExpr rows, const ColumnStrip& strip,
                          const std::vector<BufferId>& buffers) {
    const DimExpr whole = FloorDiv(rows, strip.pass) * strip.pass;
    SKEIN_RETURN_IF_ERROR(EmitPass(start, columns, first, whole, strip, buffers));
    if (strip.pass == 1) return absl::OkStatus();
    return EmitPass(start, columns, first + whole, rows - whole, {strip.width, 1}, buffers);
  }

  absl::Status EmitPass(DimExpr start, DimExpr columns, DimExpr first, DimExpr count, const ColumnStrip& strip,
                        const std::vector<BufferId>& buffers) {
    const ReductionStates states = MakeStates(0, 1, strip.lanes);
    const DimExpr row = b_.BeginLoop(LoopKind::kSerial, count, strip.pass);
    emitter_.PushScope();
    const DimExpr column = OpenColumns(start, columns, strip.groups, strip.lanes);
    for (int g = 0; g < strip.groups; ++g) {
      column_ = column + g * strip.lanes;
      SetColumns(start + column_, 1);
      SKEIN_ASSIGN_OR_RETURN(std::vector<ValueId> sums,
                             EmitRows(states, first + row, strip.pass, LoadAll(buffers, strip.lanes)));
      StoreAll(buffers, sums);
    }
    Close();
    if (strip.ahead > 0) Fetch(strip, BodyOf(b_.nest(), column.index()), row, column);
    emitter_.PopScope();
    b_.EndLoop();
    return absl::OkStatus();
  }

  // Adds a chunk's sums to the totals, of all columns in one step: row by row, with the first groups' states in
  // registers and the others' in `sums`.
  absl::Status EmitKept(DimExpr start, DimExpr columns, DimExpr first, DimExpr rows, const ColumnStrip& strip,
                        const std::vector<BufferId>& sums) {
    const ReductionStates states = MakeStates(0, 1);
    const std::vector<ValueId> none = states.Start(b_);
    const auto each = static_cast<int64_t>(none.size());
    std::vector<ValueId> kept;
    const auto load = [&](int g) {
      const auto mine = kept.begin() + g * each;
      return g < strip.kept ? std::vector<ValueId>(mine, mine + each) : LoadAll(sums);
    };
    const auto store = [&](int g, const std::vector<ValueId>& values) {
      if (g < strip.kept) {
        kept.insert(kept.end(), values.begin(), values.end());
      } else {
        StoreAll(sums, values);
      }
    };
    const DimExpr column = OpenColumns(start, columns, strip.groups);
    const auto go_to = [&](int g) {
      column_ = column + g * kLanes;
      SetColumns(start + column_, 1);
    };
    for (int g = 0; g < strip.groups; ++g) {
      go_to(g);
      store(g, none);
    }
    const DimExpr row = b_.BeginLoop(LoopKind::kSerial, rows, 1, kept);
    emitter_.PushScope();
    std::vector<std::vector<ValueId>> after(strip.groups);
    kept = Carried(kept.size());
    for (int g = 0; g < strip.groups; ++g) {
      go_to(g);
      SKEIN_RETURN_IF_ERROR(EmitRow(0, states, load(g), first + row, &after[g]));
      if (g >= strip.kept) store(g, after[g]);
    }
    kept.clear();
    for (int g = 0; g < strip.kept; ++g) store(g, after[g]);
    emitter_.PopScope();
    kept = b_.EndLoop(kept);
    for (int g = 0; g < strip.groups; ++g) {
      go_to(g);
      StoreAll(totals_, states.Join(b_, LoadAll(totals_), load(g)));
    }
    Close();
    return absl::OkStatus();
  }

  // Fetches what the loop over columns reads further on in the strip, or else at the beginning of the next rows.
  void Fetch(const ColumnStrip& strip, BlockId body, DimExpr row, DimExpr column) {
    FetchAhead(target_, strip.level, body, strip.lanes, &b_.nest(), [&](const Inst& load, int64_t element_bytes) {
      const DimExpr place = column + strip.ahead / element_bytes;
      return Substitute(load.address, [&](DimExpr leaf) -> std::optional<DimExpr> {
        if (leaf == column) return Mod(place, strip.width);
        if (leaf == row) return leaf + strip.pass * FloorDiv(place, strip.width);
        return std::nullopt;
      });
    });
  }

  absl::StatusOr<std::vector<ValueId>> EmitRows(const ReductionStates& states, DimExpr first, int64_t rows,
                                                std::vector<ValueId> sums) {
    for (int64_t r = 0; r < rows; ++r) {
      std::vector<ValueId> after;
      SKEIN_RETURN_IF_ERROR(EmitRow(0, states, sums, first + r, &after));
      sums = std::move(after);
    }
    return sums;
  }

  absl::Status EmitResults(const ReductionStates& states, const std::vector<ValueId>& totals) {
    Provide(0, states, totals);
    SKEIN_RETURN_IF_ERROR(EmitStores(true, 0));
    SKEIN_RETURN_IF_ERROR(EmitStores(false, 0));
    Close();
    return absl::OkStatus();
  }

  // States of columns in scratch.
  std::vector<BufferId> AddBuffers(const ReductionStates& states, int64_t columns) {
    std::vector<BufferId> buffers;
    for (ElementType t : states.types) buffers.push_back(b_.AddBuffer(BufferKind::kScratch, t, columns));
    return buffers;
  }
  void StoreStart(const ReductionStates& states, const std::vector<BufferId>& buffers, DimExpr count) {
    OpenColumns(0, count);
    StoreAll(buffers, states.Start(b_));
    Close();
  }
  std::vector<ValueId> LoadAll(const std::vector<BufferId>& buffers, int lanes = kLanes) {
    std::vector<ValueId> values;
    for (BufferId buffer : buffers) values.push_back(b_.Load(buffer, column_, lanes));
    return values;
  }
  void StoreAll(const std::vector<BufferId>& buffers, const std::vector<ValueId>& values) {
    for (size_t i = 0; i < values.size(); ++i) b_.Store(buffers[i], column_, values[i]);
  }

  Emitter& emitter_;
  const Graph& graph_;
  LoopBuilder& b_;
  RowGroup group_;
  const bool far_;
  const Target& target_;
  std::vector<DimExpr> indices_;          // of the loops around the columns
  DimExpr column_;                        // of the vector loop
  Dims row_coords_;                       // of the group of columns that is emitted
  DimExpr condition_ = 1;                 // where its lanes exist
  std::vector<BufferId> totals_;          // per element of state
};

}  // namespace

absl::Status ScheduleColumns(Emitter& emitter, const GroupSpec& spec, const GroupContent& content,
                             const Target& target) {
  SKEIN_ASSIGN_OR_RETURN(RowGroup group, RowGroup::Find(emitter, spec, content.outer_reductions));
  return ColumnScheduler(emitter, std::move(group), spec.locality.far, target).Run();
}

}  // namespace skein
