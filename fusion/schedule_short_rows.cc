// Row kernels whose rows are shorter than a vector: 16 rows at once, one a lane. Reductions over a row become plain
// operations between the registers of its columns.
//
//   parallel: other loops over rows, then tiles of 64 rows
//     rows in memory -> scratch, as they lie                  [whole vectors, masked only at the tile's end]
//     for each 16 rows: rows of scratch -> columns, in registers; everything that is computed;
//                       columns of results -> rows, stored in ascending order: what a store puts past the end
//                       of its row, the next one overwrites
//     rows in scratch -> memory                               [whole lines, which may bypass the caches]
// Source: SCHEDULE-RECIPES-MEMORY section 4.9.
#include <algorithm>

#include "fusion/row_group.h"
#include "kernels/transpose_block.h"

namespace skein {
namespace {

constexpr int64_t kLongestRow = 16;  // elements: columns that registers hold
constexpr int kLanes = kShortRows;
constexpr int64_t kTileRows = 64;
constexpr int kCopyLanes = 64;
constexpr int64_t kLine = 64;  // bytes
// Operations per row that are worth a copy of them for each column.
constexpr int64_t kMaxOperations = 2000;

class ShortRowScheduler {
 public:
  // Inputs are fetched `ahead` bytes before they are read.
  ShortRowScheduler(Emitter& emitter, RowGroup group, int64_t ahead, int level)
      : emitter_(emitter), graph_(emitter.graph()), b_(emitter.builder()), group_(std::move(group)),
        ahead_(ahead), level_(level) {}

  absl::StatusOr<bool> Run() {
    SKEIN_RETURN_IF_ERROR(group_.Collapse());
    SKEIN_ASSIGN_OR_RETURN(const bool fits, FindStaged());
    if (!fits) return false;
    SKEIN_RETURN_IF_ERROR(group_.Prepare());
    SKEIN_RETURN_IF_ERROR(EmitTiles());
    return true;
  }

 private:
  // Rows of an input or a result that lie one after the other, and are transposed.
  struct Staged {
    Demand demand;         // of an input, over placeholders
    size_t output = 0;     // or a result's number
    ElementType element;
    int64_t extent;        // elements of a row
    BufferId copy;         // a tile of it, in scratch
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
  static bool AreStaged(const Steps& steps, ElementType element, int64_t extent) {
    return steps.element.IsConst(1) && steps.row.IsConst(extent) && extent <= kLongestRow && !IsBool(element) &&
           BitWidth(element) >= 8 && BitWidth(element) <= 32;
  }

  // Whether every access is to whole rows, or along the lanes, or the same for all of them.
  absl::StatusOr<bool> FindStaged() {
    const int loops = group_.rows().loop_count();
    if (loops == 0 || ProveLess(group_.rows().extent(loops - 1), kLanes)) return false;
    std::vector<DimExpr> indices;
    for (int i = 0; i < loops; ++i) indices.push_back(group_.rows().Placeholder(i));
    lane_loop_ = indices.back();
    row_coords_ = group_.rows().Coords(indices);
    int64_t operations = 0;
    for (const Demand& d : group_.demands()) {
      const std::optional<DimExpr> extent = RowGroup::InnerExtent(d);
      const int64_t elements = extent ? extent->AsConst().value_or(kLongestRow + 1) : 1;
      if (elements > kLongestRow || IsComputed(d)) return false;
      if (!emitter_.IsLeaf(d.value)) {
        operations += elements * Def(graph_.node(d.value.node).op).flops;
      } else if (!graph_.Known(d.value) && !graph_.SplatValue(d.value) && !AddInput(d, elements)) {
        return false;
      }
    }
    if (operations > kMaxOperations) return false;
    for (size_t i = 0; i < group_.outputs().size(); ++i) {
      SKEIN_ASSIGN_OR_RETURN(const bool added, AddOutput(i));
      if (!added) return false;
    }
    return true;
  }
  // Places that are gathered may differ along any loop, whatever the expression mentions.
  static bool IsComputed(const Demand& d) {
    bool computed = false;
    for (DimExpr c : d.coords) {
      VisitLeaves(c, [&](DimExpr leaf) { computed = computed || leaf.kind() == DimKind::kValue; });
    }
    return computed;
  }

  bool AddInput(const Demand& d, int64_t extent) {
    element_ = DimExpr::Coord(2 * kPlaceholder, extent);
    const std::optional<Steps> steps = StepsOf(Address(d.coords, d.value));
    if (!steps) return false;
    if (steps->row.IsConst(0) || steps->row.IsConst(1)) return true;
    const ElementType element = graph_.type(d.value).element;
    if (!d.condition.IsConst(1) || !AreStaged(*steps, element, extent)) return false;
    inputs_.push_back({.demand = d, .element = element, .extent = extent});
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
    if (!AreStaged(*steps, element, *extent)) return false;
    outputs_.push_back({.output = i, .element = element, .extent = *extent});
    return true;
  }
  absl::StatusOr<DimExpr> OutputAddress(const RowGroup::Output& o, std::span<const DimExpr> row, DimExpr element) {
    SKEIN_ASSIGN_OR_RETURN(Dims place, StoreCoords(graph_, o.path, group_.At(o.coords, row, element)));
    return Linearize(place, graph_.type(o.path.output).dims);
  }

  // --- loops ---

  absl::Status EmitTiles() {
    const int loops = group_.rows().loop_count();
    std::vector<DimExpr> indices;
    for (int i = 0; i < loops; ++i) {
      const bool last = i + 1 == loops;
      indices.push_back(b_.BeginLoop(LoopKind::kParallel, group_.rows().extent(i), last ? kTileRows : 1));
      emitter_.PushScope();
    }
    const DimExpr count = group_.rows().extent(loops - 1), start = indices.back();
    rows_ = Mod(count, kTileRows).IsConst(0) ? DimExpr(kTileRows) : Min(kTileRows, count - start);
    const Dims first_row = group_.rows().Coords(indices);
    for (Staged& s : outputs_) s.copy = AddCopy(s);
    row_ = b_.BeginLoop(LoopKind::kSerial, rows_, kLanes);
    emitter_.PushScope();
    emitter_.SetLane({row_.index(), kLanes});
    indices.back() = start + row_;
    row_coords_ = group_.rows().Coords(indices);
    SKEIN_RETURN_IF_ERROR(EmitRows());
    emitter_.SetLane({});
    emitter_.PopScope();
    b_.EndLoop();
    for (const Staged& s : outputs_) {
      const RowGroup::Output& o = group_.outputs()[s.output];
      SKEIN_ASSIGN_OR_RETURN(const DimExpr to, OutputAddress(o, first_row, 0));
      Copy(s.copy, 0, o.buffer, to, s.extent);
    }
    for (int i = 0; i < loops; ++i) {
      emitter_.PopScope();
      b_.EndLoop();
    }
    return absl::OkStatus();
  }

  // Room for a tile's rows, and for what is touched past the last of them.
  BufferId AddCopy(const Staged& s) {
    return b_.AddBuffer(BufferKind::kScratch, s.element, kTileRows * s.extent + kLongestRow);
  }
  void Copy(BufferId from, DimExpr from_address, BufferId to, DimExpr to_address, int64_t extent) {
    const DimExpr i = b_.BeginVectorLoop(rows_ * extent, kCopyLanes);
    b_.Store(to, to_address + i, b_.Load(from, from_address + i));
    b_.EndLoop();
  }

  // --- sixteen rows ---

  absl::Status EmitRows() {
    ProvideInputs();
    for (size_t p = 0; p < group_.phases().size(); ++p) SKEIN_RETURN_IF_ERROR(EmitPhase(p));
    size_t staged = 0;
    for (size_t i = 0; i < group_.outputs().size(); ++i) {
      const bool is_staged = staged < outputs_.size() && outputs_[staged].output == i;
      SKEIN_RETURN_IF_ERROR(EmitOutput(group_.outputs()[i], is_staged ? &outputs_[staged++] : nullptr));
    }
    return absl::OkStatus();
  }

  Demand At(const Demand& d, int64_t element) const { return group_.At(d, row_coords_, element); }

  // Of the sixteen; none where all of them exist.
  ValueId Existing() { return rows_.IsConst() ? ValueId() : b_.LaneMask(rows_ - row_, kLanes); }

  ValueId EmitRowsThatExist(const Demand& d) {
    ValueId mask = Existing();
    if (!d.condition.IsConst(1)) {
      const ValueId needed = b_.Splat(emitter_.EmitCondition(d.condition), kLanes);
      mask = mask.valid() ? b_.Binary(Opcode::kAnd, mask, needed) : needed;
    }
    return b_.Load(emitter_.InputBuffer(d.value), Linearize(d.coords, graph_.type(d.value).dims), kLanes, 1, mask);
  }

  absl::StatusOr<ValueId> EmitVector(const Demand& d, int64_t element) {
    SKEIN_ASSIGN_OR_RETURN(const ValueId v, emitter_.Emit(At(d, element)));
    return b_.Splat(v, kLanes);
  }

  // Columns that were transposed, and loads along the lanes of rows that exist.
  void ProvideInputs() {
    for (const Staged& s : inputs_) {
      const int lanes = ShortRowLanes(s.extent);
      const ValueId mask = lanes == s.extent ? ValueId() : b_.LaneMask(s.extent, lanes);
      const DimExpr first = Linearize(At(s.demand, 0).coords, graph_.type(s.demand.value).dims);
      const DimExpr last = (rows_ - 1 - row_) * s.extent;
      Fetch(s, first);
      std::vector<ValueId> rows;
      for (int64_t r = 0; r < kLanes; ++r) {
        const DimExpr at = first + (rows_.IsConst() ? DimExpr(r * s.extent) : Min(r * s.extent, last));
        rows.push_back(b_.Load(emitter_.InputBuffer(s.demand.value), at, lanes, 1, mask));
      }
      rows = ShortRowsToColumns(b_, rows);
      for (int64_t c = 0; c < s.extent; ++c) columns_[At(s.demand, c)] = rows[c];
    }
    for (const Demand& d : group_.demands()) {
      if (!emitter_.IsLeaf(d.value) || graph_.Known(d.value) || graph_.SplatValue(d.value)) continue;
      emitter_.Provide(d.value, [this](const Demand& at) -> absl::StatusOr<ValueId> {
        if (auto it = columns_.find(at); it != columns_.end()) return it->second;
        if (!emitter_.DependsOnLane({at.value, at.coords})) return emitter_.EmitComputed(at);
        return EmitRowsThatExist(at);
      });
    }
  }

  // What later ones of sixteen rows will be read from: the processor itself does not run far enough ahead.
  void Fetch(const Staged& s, DimExpr address) {
    const int64_t line = kLine / BytesFor(s.element, 1);
    const int64_t distance = ahead_ / static_cast<int64_t>(inputs_.size()) / BytesFor(s.element, 1);
    for (int64_t at = 0; distance > 0 && at < kLanes * s.extent; at += line) {
      b_.Prefetch(emitter_.InputBuffer(s.demand.value), address + (distance + at), level_);
    }
  }

  absl::Status EmitPhase(size_t p) {
    const RowGroup::Phase& phase = group_.phases()[p];
    const std::vector<Demand> roots = group_.Roots(p);
    size_t root = 0;
    for (NodeId id : phase.reductions) {
      const Reducer& reducer = **graph_.node(id).attributes.Get<ReducerRef>("reducer");
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
        emitter_.Provide({id, static_cast<int32_t>(i)},
                         [v = results[i]](const Demand&) -> absl::StatusOr<ValueId> { return v; });
      }
    }
    return absl::OkStatus();
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
    for (size_t half = kLongestRow / 2; half >= 1; half /= 2) {
      for (size_t j = 0; j < half && j + half < slots.size(); ++j) slots[j] = combine(slots[j], slots[j + half]);
      slots.resize(std::min(slots.size(), half));
    }
    return single == Opcode::kAdd ? combine(identity, slots[0]) : slots[0];
  }

  absl::Status EmitOutput(const RowGroup::Output& o, const Staged* staged) {
    const int64_t extent = o.inner ? *group_.final_extent().AsConst() : 1;
    std::vector<ValueId> columns;
    for (int64_t c = 0; c < extent; ++c) {
      SKEIN_ASSIGN_OR_RETURN(const ValueId v, EmitVector({o.path.core, o.coords}, c));
      columns.push_back(v);
      if (staged != nullptr) continue;
      SKEIN_ASSIGN_OR_RETURN(const DimExpr address, OutputAddress(o, row_coords_, c));
      b_.Store(o.buffer, address, v, 1, Existing());
    }
    if (staged == nullptr) return absl::OkStatus();
    columns.resize(ShortRowLanes(extent), columns[0]);  // these lanes are overwritten
    const std::vector<ValueId> rows = ColumnsToShortRows(b_, columns);
    for (int r = 0; r < kLanes; ++r) b_.Store(staged->copy, (row_ + r) * extent, rows[r]);
    return absl::OkStatus();
  }

  Emitter& emitter_;
  const Graph& graph_;
  LoopBuilder& b_;
  RowGroup group_;
  const int64_t ahead_;
  const int level_;
  std::vector<Staged> inputs_, outputs_;
  DimExpr lane_loop_, element_;  // of the analysis
  DimExpr rows_;                 // of a tile
  DimExpr row_;                  // the first of sixteen, in the tile
  Dims row_coords_;
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
  const int64_t ahead = spec.locality.far ? target.prefetch_bytes : 0;
  return ShortRowScheduler(emitter, std::move(group), ahead, target.prefetch_level).Run();
}

}  // namespace skein
