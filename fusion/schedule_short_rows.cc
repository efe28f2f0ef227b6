// Row kernels whose rows are shorter than a vector: 16 rows at once, one a lane. Reductions over a row become plain
// operations between the registers of its columns.
//
//   parallel: other loops over rows, then tiles of rows
//     for each 16 rows, of which the last overlap those before them:
//       rows -> columns, in registers; the first phase       [of the next 16: the rest of these waits for it]
//       the other phases, the results; columns -> rows, which are whole lines
//     or, where there are fewer than 16 rows at all, once the same with masks
// Source: SCHEDULE-RECIPES-MEMORY section 4.9.
#include <algorithm>

#include "fusion/reduction_state.h"
#include "fusion/row_group.h"
#include "kernels/transpose_block.h"

namespace skein {
namespace {

constexpr int64_t kLongestRow = 24;  // elements
constexpr size_t kSlots = 64;        // of the orders of reductions, DESIGN section 6
constexpr int kLanes = kShortRows;
constexpr int64_t kTileRows = 256;   // of which 16 are read twice
constexpr int64_t kLine = 64;        // bytes
// Registers for the columns of one input or result, from which on one row at a time is as fast (measured: sums, layer
// norms and softmax, f32 and f64, AVX-512 and AVX2); and for all that are carried from one trip to the next.
constexpr int64_t kMostRegisters = 24, kMostCarried = 16;
// Each column has a copy of what is computed; more operations on a row than this take too long to compile.
constexpr int64_t kMaxOperations = 800;
// Operations on an element that are cheaper done again than kept from the first phase.
constexpr int64_t kCheap = 4;

class ShortRowScheduler {
 public:
  ShortRowScheduler(Emitter& emitter, RowGroup group, bool far, const Target& target)
      : emitter_(emitter), graph_(emitter.graph()), b_(emitter.builder()), group_(std::move(group)), far_(far),
        target_(target) {}

  absl::StatusOr<bool> Run() {
    SKEIN_RETURN_IF_ERROR(group_.Collapse());
    SKEIN_ASSIGN_OR_RETURN(const bool fits, FindStaged());
    if (!fits) return false;
    SKEIN_RETURN_IF_ERROR(group_.Prepare());
    SKEIN_RETURN_IF_ERROR(EmitTiles());
    return true;
  }

 private:
  // Rows of an input, or of a result, that are transposed. Those of a result lie one after the other.
  struct Staged {
    Demand demand;      // of an input, over placeholders
    size_t output = 0;  // or a result's number
    ElementType element;
    int64_t extent;     // elements of a row
    DimExpr pitch;      // from one row to the next
  };
  // Where consecutive rows and consecutive elements of one lie.
  struct Steps {
    DimExpr row, element;
  };

  // --- what the group reads and writes ---

  std::optional<Steps> StepsOf(DimExpr address) const {
    const std::optional<Affine> rows = AsAffine(address, lane_loop_.index());
    const std::optional<Affine> elements = AsAffine(address, element_.index());
    if (!rows || !elements) return std::nullopt;
    return Steps{rows->stride, elements->stride};
  }
  DimExpr Address(std::span<const DimExpr> coords, Value value) const {
    return Linearize(group_.At(coords, row_coords_, element_), graph_.type(value).dims);
  }
  // That columns take.
  int64_t Registers(ElementType element, int64_t extent) const {
    return extent * (kLanes * std::max(BitWidth(element), 32) / 32 / target_.lanes());
  }
  bool CanTranspose(const Steps& steps, ElementType element, int64_t extent) const {
    return steps.element.IsConst(1) && !HasCoords(steps.row) && Registers(element, extent) <= kMostRegisters &&
           BitWidth(element) != 4;
  }

  // Whether every access is to elements side by side, of a row or of several, or the same for all rows.
  absl::StatusOr<bool> FindStaged() {
    const int loops = group_.rows().loop_count();
    if (loops == 0 || ProveLess(group_.rows().extent(loops - 1), kLanes)) return false;
    std::vector<DimExpr> indices;
    for (int i = 0; i < loops; ++i) indices.push_back(group_.rows().Placeholder(i));
    lane_loop_ = indices.back();
    row_coords_ = group_.rows().Coords(indices);
    int64_t operations = 0;
    for (const Demand& d : group_.demands()) {
      const int64_t elements = Elements(d);
      if (elements > kLongestRow) return false;
      if (!emitter_.IsLeaf(d.value)) {
        operations += elements * Def(graph_.node(d.value.node).op).flops;
      } else if (!graph_.Known(d.value) && !graph_.SplatValue(d.value) && !AddInput(d, elements)) {
        return false;
      }
    }
    if (operations > kMaxOperations) return false;
    SKEIN_RETURN_IF_ERROR(CountFirstPhase());
    for (size_t i = 0; i < group_.outputs().size(); ++i) {
      SKEIN_ASSIGN_OR_RETURN(const bool added, AddOutput(i));
      if (!added) return false;
    }
    return true;
  }
  absl::Status CountFirstPhase() {
    absl::flat_hash_set<Demand> seen;
    std::vector<Demand> work = group_.Roots(0);
    while (!work.empty()) {
      const Demand d = std::move(work.back());
      work.pop_back();
      if (emitter_.IsLeaf(d.value) || !seen.insert(d).second) continue;
      first_phase_operations_ += Def(graph_.node(d.value.node).op).flops;
      SKEIN_ASSIGN_OR_RETURN(std::vector<Demand> children, emitter_.Children(d));
      for (Demand& child : children) work.push_back(std::move(child));
    }
    return absl::OkStatus();
  }
  // Elements of a row that a demand runs over: too many where they are not known, or selected by indices.
  static int64_t Elements(const Demand& d) {
    const std::optional<DimExpr> extent = RowGroup::InnerExtent(d);
    bool inner = false, computed = false;
    for (DimExpr c : d.coords) {
      VisitLeaves(c, [&](DimExpr leaf) {
        inner = inner || (leaf.kind() == DimKind::kCoord && RowGroup::IsInner(leaf.index()));
        computed = computed || leaf.kind() == DimKind::kValue;
      });
    }
    if (computed || (inner && !extent)) return kLongestRow + 1;
    return inner ? extent->AsConst().value_or(kLongestRow + 1) : 1;
  }

  bool AddInput(const Demand& d, int64_t extent) {
    element_ = DimExpr::Coord(2 * kPlaceholder, extent);
    const std::optional<Steps> steps = StepsOf(Address(d.coords, d.value));
    if (!steps) return false;
    if (steps->row.IsConst(0)) return true;
    if (!d.condition.IsConst(1)) return false;
    if (steps->row.IsConst(1)) return true;
    const ElementType element = graph_.type(d.value).element;
    if (!CanTranspose(*steps, element, extent)) return false;
    inputs_.push_back({.demand = d, .element = element, .extent = extent, .pitch = steps->row});
    return true;
  }

  absl::StatusOr<bool> AddOutput(size_t i) {
    const RowGroup::Output& o = group_.outputs()[i];
    const std::optional<int64_t> extent = o.inner ? group_.final_extent().AsConst() : 1;
    if (!extent || *extent > kLongestRow) return false;
    element_ = DimExpr::Coord(2 * kPlaceholder, *extent);
    SKEIN_ASSIGN_OR_RETURN(const DimExpr address, OutputAddress(o, row_coords_, element_));
    const std::optional<Steps> steps = StepsOf(address);
    if (!steps) return false;
    if (steps->row.IsConst(1)) return true;
    const ElementType element = graph_.type(o.path.core).element;
    if (!CanTranspose(*steps, element, *extent) || !steps->row.IsConst(*extent)) return false;
    outputs_.push_back({.output = i, .element = element, .extent = *extent, .pitch = steps->row});
    return true;
  }
  absl::StatusOr<DimExpr> OutputAddress(const RowGroup::Output& o, std::span<const DimExpr> row, DimExpr element) {
    SKEIN_ASSIGN_OR_RETURN(Dims place, StoreCoords(graph_, o.path, group_.At(o.coords, row, element)));
    return Linearize(place, graph_.type(o.path.output).dims);
  }

  // --- loops ---

  absl::Status EmitTiles() {
    const int loops = group_.rows().loop_count();
    count_ = group_.rows().extent(loops - 1);
    for (int i = 0; i + 1 < loops; ++i) {
      indices_.push_back(b_.BeginLoop(LoopKind::kParallel, group_.rows().extent(i)));
      emitter_.PushScope();
    }
    // The last tile has what is left too, so that every one has 16 rows, if there are as many.
    const DimExpr tiles = Max(FloorDiv(count_, kTileRows), Min(count_, 1));
    const DimExpr tile = b_.BeginLoop(LoopKind::kParallel, tiles);
    emitter_.PushScope();
    start_ = tile * kTileRows;
    rows_ = Mod(count_, kTileRows).IsConst(0) ? DimExpr(kTileRows)
                                              : Select(Less(tile + 1, tiles), kTileRows, count_ - start_);
    indices_.emplace_back();
    const DimExpr few = Less(count_, kLanes);
    const DimExpr rows = Select(few, 0, rows_);
    SKEIN_RETURN_IF_ERROR(IsPipelined() ? EmitPipelined(rows) : EmitPlain(rows));
    if (!few.IsConst(0)) {
      few_ = true;
      SKEIN_RETURN_IF_ERROR(EmitPlain(few));
    }
    for (int i = 0; i < loops; ++i) {
      emitter_.PopScope();
      b_.EndLoop();
    }
    return absl::OkStatus();
  }

  // Whether something is computed from the rows after the first phase, which takes in little more than they are.
  bool IsPipelined() const {
    for (ElementType t : CarriedTypes()) {
      if (IsFloat(t) && BitWidth(t) < 32) return false;  // no loop carries storage types
    }
    int64_t registers = 0;
    for (const Staged& s : inputs_) registers += Registers(s.element, s.extent);
    if (registers > kMostCarried) return false;
    bool inner = false;
    for (const RowGroup::Output& o : group_.outputs()) inner = inner || o.inner;
    return inner && first_phase_operations_ <= kCheap;
  }
  // Of what EmitFirst returns.
  std::vector<ElementType> CarriedTypes() const {
    std::vector<ElementType> types;
    for (const Staged& s : inputs_) types.insert(types.end(), s.extent, s.element);
    for (Value v : FirstResults()) types.push_back(graph_.type(v).element);
    return types;
  }

  absl::Status EmitPlain(DimExpr rows) {
    const DimExpr row = b_.BeginLoop(LoopKind::kSerial, rows, kLanes);
    emitter_.PushScope();
    OpenLanes(row, {});
    SKEIN_RETURN_IF_ERROR(EmitFirst().status());
    SKEIN_RETURN_IF_ERROR(EmitRest());
    CloseLanes({});
    emitter_.PopScope();
    b_.EndLoop();
    return absl::OkStatus();
  }

  absl::Status EmitPipelined(DimExpr rows) {
    std::vector<ValueId> nothing;
    for (ElementType t : CarriedTypes()) nothing.push_back(b_.Const(t, 0, kLanes));
    OpenLanes(0, nothing, Min(rows, kLanes));
    SKEIN_ASSIGN_OR_RETURN(std::vector<ValueId> first, EmitFirst());
    first = CloseLanes(first);
    const DimExpr row = b_.BeginLoop(LoopKind::kSerial, rows, kLanes, first);
    emitter_.PushScope();
    std::vector<ValueId> ready;
    for (size_t i = 0; i < first.size(); ++i) ready.push_back(b_.Carried(static_cast<int>(i)));
    OpenLanes(row + kLanes, nothing);
    SKEIN_ASSIGN_OR_RETURN(first, EmitFirst());
    first = CloseLanes(first);
    OpenLanes(row, {});
    TakeFirst(ready);
    SKEIN_RETURN_IF_ERROR(EmitRest());
    CloseLanes({});
    emitter_.PopScope();
    b_.EndLoop(first);
    return absl::OkStatus();
  }

  // A loop of one trip, whose index stands for the lanes: rows `row` of the tile and those after it, or the last ones.
  void OpenLanes(DimExpr row, std::span<const ValueId> inits, DimExpr count = kLanes) {
    const DimExpr lane = b_.BeginLoop(LoopKind::kSerial, count, kLanes, inits);
    emitter_.PushScope();
    emitter_.SetLane({lane.index(), kLanes});
    indices_.back() = start_ + Min(row, Max(rows_ - kLanes, 0)) + lane;
    row_coords_ = group_.rows().Coords(indices_);
  }
  std::vector<ValueId> CloseLanes(std::span<const ValueId> yields) {
    emitter_.SetLane({});
    emitter_.PopScope();
    return b_.EndLoop(yields);
  }

  // --- sixteen rows ---

  // The results of the first phase.
  std::vector<Value> FirstResults() const {
    std::vector<Value> results;
    for (NodeId id : group_.phases()[0].reductions) {
      const int32_t count = static_cast<int32_t>(graph_.node(id).results.size());
      for (int32_t i = 0; i < count; ++i) results.push_back({id, i});
    }
    return results;
  }

  // Emits and returns the columns of the inputs, then the results of the first phase.
  absl::StatusOr<std::vector<ValueId>> EmitFirst() {
    ProvideInputs();
    std::vector<ValueId> first;
    for (const Staged& s : inputs_) {
      const std::vector<ValueId> columns = EmitColumns(s);
      first.insert(first.end(), columns.begin(), columns.end());
    }
    TakeColumns(first);
    SKEIN_ASSIGN_OR_RETURN(const std::vector<ValueId> results, EmitPhase(0));
    first.insert(first.end(), results.begin(), results.end());
    return first;
  }
  // Columns that EmitFirst returned, of the rows that are open; how many.
  size_t TakeColumns(std::span<const ValueId> first) {
    columns_.clear();
    size_t at = 0;
    for (const Staged& s : inputs_) {
      for (int64_t c = 0; c < s.extent; ++c) columns_[At(s.demand, c)] = first[at++];
    }
    return at;
  }
  void TakeFirst(std::span<const ValueId> first) {
    size_t at = TakeColumns(first);
    for (Value v : FirstResults()) Provide(v, first[at++]);
  }
  void Provide(Value value, ValueId emitted) {
    emitter_.Provide(value, [emitted](const Demand&) -> absl::StatusOr<ValueId> { return emitted; });
  }

  absl::Status EmitRest() {
    for (size_t p = 1; p < group_.phases().size(); ++p) SKEIN_RETURN_IF_ERROR(EmitPhase(p).status());
    size_t staged = 0;
    for (size_t i = 0; i < group_.outputs().size(); ++i) {
      const bool is_staged = staged < outputs_.size() && outputs_[staged].output == i;
      SKEIN_RETURN_IF_ERROR(EmitOutput(group_.outputs()[i], is_staged));
      staged += is_staged;
    }
    return absl::OkStatus();
  }

  Demand At(const Demand& d, int64_t element) const { return group_.At(d, row_coords_, element); }

  // Of the sixteen rows; none if all.
  ValueId Existing() { return few_ ? b_.LaneMask(count_, kLanes) : ValueId(); }

  absl::StatusOr<ValueId> EmitVector(const Demand& d, int64_t element) {
    SKEIN_ASSIGN_OR_RETURN(const ValueId v, emitter_.Emit(At(d, element)));
    return b_.Splat(v, kLanes);
  }

  std::vector<ValueId> EmitColumns(const Staged& s) {
    const BufferId buffer = emitter_.InputBuffer(s.demand.value);
    const DimExpr first = Linearize(At(s.demand, 0).coords, graph_.type(s.demand.value).dims);
    Fetch(s, first);
    std::vector<ValueId> columns;
    for (int64_t begin = 0; begin < s.extent; begin += kLanes) {
      const int64_t count = std::min<int64_t>(s.extent - begin, kLanes);
      const int lanes = ShortRowLanes(count);
      const ValueId mask = lanes == count ? ValueId() : b_.LaneMask(count, lanes);
      std::vector<ValueId> rows;
      for (int64_t r = 0; r < kLanes; ++r) {
        const DimExpr row = few_ ? Min(r, count_ - 1) : DimExpr(r);
        rows.push_back(ToNumber(b_.Load(buffer, first + row * s.pitch + begin, lanes, 1, mask)));
      }
      rows = ShortRowsToColumns(b_, rows);
      columns.insert(columns.end(), rows.begin(), rows.begin() + count);
    }
    for (ValueId& v : columns) v = b_.Convert(s.element, v);
    return columns;
  }
  // Masks cannot be transposed.
  ValueId ToNumber(ValueId v) { return IsBool(b_.type(v).element) ? b_.Convert(ElementType::kI32, v) : v; }

  // Columns that were transposed, and loads along the lanes, of rows that exist.
  void ProvideInputs() {
    for (const Demand& d : group_.demands()) {
      if (!emitter_.IsLeaf(d.value) || graph_.Known(d.value) || graph_.SplatValue(d.value)) continue;
      emitter_.Provide(d.value, [this](const Demand& at) -> absl::StatusOr<ValueId> {
        if (auto it = columns_.find(at); it != columns_.end()) return it->second;
        if (!emitter_.DependsOnLane({at.value, at.coords})) return emitter_.EmitComputed(at);
        const DimExpr address = Linearize(at.coords, graph_.type(at.value).dims);
        return b_.Load(emitter_.InputBuffer(at.value), address, kLanes, 1, Existing());
      });
    }
  }

  // What later ones of sixteen rows will be read from: the processor itself does not run far enough ahead.
  void Fetch(const Staged& s, DimExpr address) {
    if (!far_ || !s.pitch.IsConst()) return;
    const int64_t line = kLine / BytesFor(s.element, 1), pitch = s.pitch.constant();
    const int64_t ahead = target_.prefetch_bytes / kLine * line / static_cast<int64_t>(inputs_.size());
    const int64_t rows = CeilDivide(ahead, pitch);
    for (int64_t at = 0; ahead > 0 && at < kLanes * pitch; at += std::max(line, pitch)) {
      b_.Prefetch(emitter_.InputBuffer(s.demand.value), address + (rows * pitch + at), target_.prefetch_level);
    }
  }
  static int64_t CeilDivide(int64_t a, int64_t b) { return (a + b - 1) / b; }

  // Returns the results of its reductions, and provides them.
  absl::StatusOr<std::vector<ValueId>> EmitPhase(size_t p) {
    std::vector<ValueId> all;
    const RowGroup::Phase& phase = group_.phases()[p];
    const std::vector<Demand> roots = group_.Roots(p);
    size_t root = 0;
    for (NodeId id : phase.reductions) {
      const Reducer& reducer = ReducerOf(graph_.node(id));
      const size_t operands = graph_.node(id).operands.size();
      std::vector<std::vector<ValueId>> slots;
      for (int64_t c = 0; c < *phase.extent.AsConst(); ++c) {
        std::vector<ValueId> element;
        for (size_t i = 0; i < operands; ++i) {
          SKEIN_ASSIGN_OR_RETURN(const ValueId v, EmitVector(roots[root + i], c));
          element.push_back(v);
        }
        slots.push_back(EmitScalarGraph(b_, reducer.map, element));
      }
      root += operands;
      const std::vector<ValueId> results = EmitScalarGraph(b_, reducer.finish, Total(reducer, std::move(slots)));
      for (size_t i = 0; i < results.size(); ++i) {
        all.push_back(b_.Splat(results[i], kLanes));
        Provide({id, static_cast<int32_t>(i)}, all.back());
      }
    }
    return all;
  }

  // In the order of DESIGN section 6. Slots without an element hold the identity, which changes no other slot
  // that started from it. Where one operation combines, an element does not change by it either, but that a sum
  // of nothing but -0 is +0.
  std::vector<ValueId> Total(const Reducer& reducer, std::vector<std::vector<ValueId>> slots) {
    std::vector<ValueId> identity;
    for (size_t s = 0; s < reducer.state.size(); ++s) {
      identity.push_back(b_.Const(reducer.state[s], reducer.initial[s], kLanes));
    }
    auto combine = [&](std::vector<ValueId> both, const std::vector<ValueId>& right) {
      both.insert(both.end(), right.begin(), right.end());
      return EmitScalarGraph(b_, reducer.combine, both);
    };
    const std::optional<Opcode> single = SingleOpcode(reducer.combine);
    if (!single) {
      for (std::vector<ValueId>& slot : slots) slot = combine(identity, slot);
    }
    for (size_t half = kSlots / 2; half >= 1; half /= 2) {
      for (size_t j = 0; j < half && j + half < slots.size(); ++j) slots[j] = combine(slots[j], slots[j + half]);
      slots.resize(std::min(slots.size(), half));
    }
    return single == Opcode::kAdd ? combine(identity, slots[0]) : slots[0];
  }

  absl::Status EmitOutput(const RowGroup::Output& o, bool staged) {
    const int64_t extent = o.inner ? *group_.final_extent().AsConst() : 1;
    std::vector<ValueId> columns;
    for (int64_t c = 0; c < extent; ++c) {
      SKEIN_ASSIGN_OR_RETURN(const ValueId v, EmitVector({o.path.core, o.coords}, c));
      columns.push_back(staged ? ToNumber(v) : v);
      if (staged) continue;
      SKEIN_ASSIGN_OR_RETURN(const DimExpr address, OutputAddress(o, row_coords_, c));
      b_.Store(o.buffer, address, v, 1, Existing());
    }
    if (!staged) return absl::OkStatus();
    SKEIN_ASSIGN_OR_RETURN(const DimExpr first, OutputAddress(o, row_coords_, 0));
    const std::vector<ValueId> lines = ColumnsToShortRows(b_, columns);
    for (int64_t i = 0; i < extent; ++i) {
      const ValueId mask = few_ ? b_.LaneMask(count_ * extent - i * kLanes, kLanes) : ValueId();
      b_.Store(o.buffer, first + i * kLanes, b_.Convert(graph_.type(o.path.output).element, lines[i]), 1, mask);
    }
    return absl::OkStatus();
  }

  Emitter& emitter_;
  const Graph& graph_;
  LoopBuilder& b_;
  RowGroup group_;
  const bool far_;
  const Target& target_;
  std::vector<Staged> inputs_, outputs_;
  int64_t first_phase_operations_ = 0;  // on an element
  DimExpr lane_loop_, element_;         // of the analysis
  std::vector<DimExpr> indices_;        // of the loops over rows
  DimExpr count_, start_, rows_;        // of the innermost of them; of a tile
  Dims row_coords_;
  bool few_ = false;                    // there are fewer than 16 rows
  absl::flat_hash_map<Demand, ValueId> columns_;
};

}  // namespace

absl::StatusOr<bool> ScheduleShortRows(Emitter& emitter, const GroupSpec& spec, const GroupContent& content,
                                       const Target& target) {
  for (NodeId id : content.inner_reductions) {
    const Node& node = emitter.graph().node(id);
    DimExpr extent = 1;
    for (int64_t axis : node.attributes.Ints("axes")) extent = extent * emitter.graph().type(node.operands[0]).dims[axis];
    if (!extent.IsConst() || extent.IsConst(0) || !ProveLessEqual(extent, kLongestRow)) return false;
  }
  SKEIN_ASSIGN_OR_RETURN(RowGroup group, RowGroup::Find(emitter, spec, content.inner_reductions));
  return ShortRowScheduler(emitter, std::move(group), spec.locality.far, target).Run();
}

}  // namespace skein
