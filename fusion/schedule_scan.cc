// Scan kernels: running sums along one axis, with pointwise operations before and after them.
//
// Along rows (the innermost axis), 64 elements at a time: blocks of 16 by doubling distance in registers, then
// the carry. The next carry is the old one plus the block's own total, which is the last element of the block,
// bit for bit, and leaves one addition a block on the way from row begin to row end. What is left of a row goes
// through scratch, in the same order. Along any other axis: one column per lane, in order.
#include <algorithm>

#include "fusion/domain.h"
#include "fusion/schedule.h"

namespace skein {
namespace {

constexpr int kInner = 2 * kPlaceholder;  // the placeholder of the coordinate along the axis
constexpr int kBlock = 16;                // of the order of scans, DESIGN section 6
constexpr int kStep = 64;                 // elements of a row at a time

absl::Status Refuse(const char* code, const std::string& sentence) {
  return absl::FailedPreconditionError(absl::StrCat(code, ": ", sentence));
}

// Sums are kept in f32 for the storage types, and in i32 for short integers, where they wrap at the end.
ElementType SumType(ElementType t) {
  if (IsFloat(t)) return BitWidth(t) < 32 ? ElementType::kF32 : t;
  return BitWidth(t) < 32 ? ElementType::kI32 : t;
}

class ScanScheduler {
 public:
  ScanScheduler(Emitter& emitter, const GroupSpec& spec, const std::vector<NodeId>& scans)
      : emitter_(emitter), graph_(emitter.graph()), b_(emitter.builder()), spec_(spec) {
    for (NodeId id : scans) {
      const Node& node = graph_.node(id);
      const ElementType element = node.results[0].element;
      scans_.push_back({{id, 0}, node.operands[0], element, SumType(element),
                        node.attributes.Int("exclusive") != 0, ValueId(), ValueId(), BufferId()});
    }
  }

  absl::Status Run() {
    SKEIN_RETURN_IF_ERROR(Analyze());
    for (const OutputPath& path : paths_) {
      const TensorType& type = graph_.type(path.output);
      buffers_.push_back(b_.AddBuffer(BufferKind::kOutput, type.element, Product(type.dims)));
    }
    return inner_ ? EmitRows() : EmitColumns();
  }

 private:
  struct Scan {
    Value value, operand;
    ElementType element, sum;
    bool exclusive;
    ValueId result;    // where the loops are now: of the type `element`; invalid if it is in `scratch`
    ValueId carry;     // the sum of everything before, in all lanes
    BufferId scratch;  // what is left of a row
  };

  absl::Status Analyze() {
    const Node& first = graph_.node(scans_[0].value.node);
    dims_ = first.results[0].dims;
    axis_ = static_cast<size_t>(first.attributes.Int("axis"));
    reverse_ = first.attributes.Int("reverse") != 0;
    const std::string* order = first.attributes.Get<std::string>("order");
    inner_ = order == nullptr ? axis_ + 1 == dims_.size() : *order == "inner";
    extent_ = dims_[axis_];
    for (Scan& s : scans_) {
      const Attributes& attributes = graph_.node(s.value.node).attributes;
      if (graph_.type(s.value).dims != dims_ || attributes.Int("axis") != static_cast<int64_t>(axis_) ||
          (attributes.Int("reverse") != 0) != reverse_) {
        return Refuse("SK155", "they run along different axes or in different directions");
      }
      // Its place is checked below; what it is is said where the loops are.
      emitter_.Provide(s.value, [this, &s](const Demand&) -> absl::StatusOr<ValueId> {
        if (s.result.valid()) return s.result;
        return b_.Convert(s.element, b_.Load(s.scratch, scratch_index_));
      });
    }
    Dims row_dims = dims_;
    row_dims[axis_] = 1;
    rows_.emplace(row_dims);
    Dims places = rows_->placeholders();
    places[axis_] = DimExpr::Coord(kInner, extent_);
    std::vector<Demand> roots;
    std::vector<DimExpr> uses;
    for (Value v : spec_.outputs) {
      paths_.push_back(FindOutputPath(graph_, v, spec_.boundary));
      if (graph_.type(paths_.back().core).dims != dims_) return Refuse("SK120", "the results have different shapes");
      roots.push_back({paths_.back().core, places});
      SKEIN_ASSIGN_OR_RETURN(Dims place, StoreCoords(graph_, paths_.back(), places));
      uses.push_back(Linearize(place, graph_.type(v).dims));
    }
    for (const Scan& s : scans_) roots.push_back({s.operand, places});
    SKEIN_ASSIGN_OR_RETURN(std::vector<Demand> demands,
                           ReachableDemands(emitter_, roots, [](const Demand&) -> absl::StatusOr<Dims> {
                             return Internal("a scan kernel has no reduction");
                           }));
    for (const Demand& d : demands) {
      const bool scan = std::any_of(scans_.begin(), scans_.end(), [&](const Scan& s) { return s.value == d.value; });
      if (scan && d.coords != places) {
        return Refuse("SK156", absl::StrCat("a running sum is needed at another place than where it is made: ",
                                            OriginText(graph_, d.value.node)));
      }
      AppendLeafUses(emitter_, d, &uses);
    }
    rows_->Collapse(uses);
    return absl::OkStatus();
  }

  DimExpr Open(LoopKind kind, DimExpr extent, int64_t step = 1, std::span<const ValueId> inits = {}) {
    DimExpr i = b_.BeginLoop(kind, extent, step, inits);
    emitter_.PushScope();
    ++loops_;
    return i;
  }
  DimExpr OpenVector(DimExpr extent, int lanes) {
    DimExpr j = b_.BeginVectorLoop(extent, lanes);
    emitter_.PushScope();
    emitter_.SetLane({j.index(), lanes, extent.IsConst(1)});
    ++loops_;
    return j;
  }
  std::vector<ValueId> Close(std::span<const ValueId> yields = {}) {
    emitter_.PopScope();
    --loops_;
    return b_.EndLoop(yields);
  }
  void CloseVector() {
    emitter_.SetLane({});
    Close();
  }
  void CloseAll() {
    emitter_.SetLane({});
    while (loops_ > 0) Close();
  }

  Dims CoordsAt(DimExpr i) const {
    Dims coords = row_coords_;
    coords[axis_] = i;
    return coords;
  }

  // Emits what does not change along the axis before a loop over it.
  absl::Status EmitAhead(DimExpr extent) {
    const int loop = b_.nest().loop_count;
    const Dims coords = CoordsAt(DimExpr::Coord(loop, extent));
    auto inner = [loop](int i) { return i == loop; };
    for (const Scan& s : scans_) SKEIN_RETURN_IF_ERROR(emitter_.EmitInvariant({s.operand, coords}, inner));
    for (const OutputPath& p : paths_) SKEIN_RETURN_IF_ERROR(emitter_.EmitInvariant({p.core, coords}, inner));
    return absl::OkStatus();
  }

  absl::StatusOr<ValueId> EmitOperand(const Scan& s, const Dims& coords, int lanes) {
    SKEIN_ASSIGN_OR_RETURN(ValueId x, emitter_.Emit({s.operand, coords}));
    return b_.Convert(s.sum, b_.Splat(x, lanes));
  }

  absl::Status EmitStores(const Dims& coords) {
    for (size_t i = 0; i < paths_.size(); ++i) {
      SKEIN_RETURN_IF_ERROR(EmitStore(emitter_, paths_[i], buffers_[i], coords));
    }
    return absl::OkStatus();
  }

  std::vector<ValueId> Zeros(int lanes) {
    std::vector<ValueId> zeros;
    for (const Scan& s : scans_) zeros.push_back(b_.Const(s.sum, 0, lanes));
    return zeros;
  }

  // --- along rows ---

  absl::Status EmitRows() {
    std::vector<DimExpr> indices;
    for (int i = 0; i < rows_->loop_count(); ++i) indices.push_back(Open(LoopKind::kParallel, rows_->extent(i)));
    row_coords_ = rows_->Coords(indices);
    SKEIN_RETURN_IF_ERROR(EmitAhead(extent_));
    std::vector<ValueId> carries = Zeros(kBlock);
    for (size_t i = 0; i < scans_.size(); ++i) scans_[i].carry = carries[i];
    const DimExpr tail = Mod(extent_, kStep), full = extent_ - tail;
    if (!full.IsConst(0)) SKEIN_RETURN_IF_ERROR(EmitSteps(full, tail));
    if (!tail.IsConst(0)) SKEIN_RETURN_IF_ERROR(EmitTail(full, tail));
    CloseAll();
    return absl::OkStatus();
  }

  // Whole steps. In reverse they end where the row does, and what is left is in front of them.
  absl::Status EmitSteps(DimExpr full, DimExpr tail) {
    std::vector<ValueId> carries;
    for (const Scan& s : scans_) carries.push_back(s.carry);
    DimExpr i = Open(LoopKind::kSerial, full, kStep, carries);
    for (size_t s = 0; s < scans_.size(); ++s) scans_[s].carry = b_.Carried(static_cast<int>(s));
    DimExpr lanes = i;
    if (reverse_) {  // the lanes run upwards within a step, so they have a coordinate of their own
      lanes = Open(LoopKind::kUnrolled, kStep, kStep, Carries());
      for (size_t s = 0; s < scans_.size(); ++s) scans_[s].carry = b_.Carried(static_cast<int>(s));
    }
    emitter_.SetLane({lanes.index(), kStep});
    const Dims coords = CoordsAt(reverse_ ? tail + full - kStep - i + lanes : i);
    for (Scan& s : scans_) {
      SKEIN_ASSIGN_OR_RETURN(ValueId x, EmitOperand(s, coords, kStep));
      s.result = b_.Convert(s.element, SumUp(s, x, kStep));
    }
    SKEIN_RETURN_IF_ERROR(EmitStores(coords));
    emitter_.SetLane({});
    std::vector<ValueId> ends = Close(Carries());
    if (reverse_) ends = Close(ends);
    for (size_t s = 0; s < scans_.size(); ++s) {
      scans_[s].carry = ends[s];
      scans_[s].result = ValueId();
    }
    return absl::OkStatus();
  }

  std::vector<ValueId> Carries() const {
    std::vector<ValueId> carries;
    for (const Scan& s : scans_) carries.push_back(s.carry);
    return carries;
  }

  // Less than a step: the operands to scratch, summed up there, the results from scratch.
  absl::Status EmitTail(DimExpr full, DimExpr tail) {
    const int lanes = LanesFor(tail);
    const DimExpr begin = reverse_ ? DimExpr(0) : full;       // in the row
    const DimExpr place = reverse_ ? lanes - tail : DimExpr(0);  // in scratch: blocks count from the end
    for (Scan& s : scans_) {
      s.scratch = b_.AddBuffer(BufferKind::kScratch, s.sum, lanes);
      DimExpr j = OpenVector(tail, lanes);
      scratch_index_ = place + j;
      SKEIN_ASSIGN_OR_RETURN(ValueId x, EmitOperand(s, CoordsAt(begin + j), lanes));
      b_.Store(s.scratch, scratch_index_, x);
      CloseVector();
      ValueId there = b_.LaneMask(reverse_ ? place : tail, lanes);
      if (reverse_) there = b_.Unary(Opcode::kNot, there);
      b_.Store(s.scratch, 0, SumUp(s, b_.Load(s.scratch, 0, lanes, 1, there), lanes));
    }
    DimExpr j = OpenVector(tail, lanes);
    scratch_index_ = place + j;
    SKEIN_RETURN_IF_ERROR(EmitStores(CoordsAt(begin + j)));
    CloseVector();
    return absl::OkStatus();
  }

  // Lanes moved away from where the sum begins by `distance`, zeros behind them.
  ValueId Shift(ElementType t, ValueId x, int distance) {
    std::vector<int> from(kBlock);
    for (int i = 0; i < kBlock; ++i) {
      const int source = reverse_ ? i + distance : i - distance;
      from[i] = source >= 0 && source < kBlock ? source : kBlock;
    }
    return b_.Shuffle(x, b_.Const(t, 0, kBlock), from);
  }

  // Running sums of `lanes` elements behind the scan's carry, which moves on.
  ValueId SumUp(Scan& s, ValueId x, int lanes) {
    std::vector<ValueId> results(lanes / kBlock);
    for (size_t n = 0; n < results.size(); ++n) {
      const size_t at = reverse_ ? results.size() - 1 - n : n;
      std::vector<int> from(kBlock);
      for (int i = 0; i < kBlock; ++i) from[i] = static_cast<int>(at) * kBlock + i;
      ValueId sums = lanes == kBlock ? x : b_.Shuffle(x, from);
      for (int distance = 1; distance < kBlock; distance *= 2) sums = b_.Add(sums, Shift(s.sum, sums, distance));
      ValueId total = b_.Shuffle(sums, std::vector<int>(kBlock, reverse_ ? 0 : kBlock - 1));
      results[at] = b_.Add(s.carry, s.exclusive ? Shift(s.sum, sums, 1) : sums);
      s.carry = b_.Add(s.carry, total);
    }
    while (results.size() > 1) {
      std::vector<ValueId> joined;
      std::vector<int> all(2 * b_.type(results[0]).lanes);
      for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<int>(i);
      for (size_t i = 0; i < results.size(); i += 2) joined.push_back(b_.Shuffle(results[i], results[i + 1], all));
      results = std::move(joined);
    }
    return results[0];
  }

  // --- along other axes ---

  absl::Status EmitColumns() {
    std::vector<DimExpr> indices;
    for (int i = 0; i + 1 < rows_->loop_count(); ++i) {
      indices.push_back(Open(LoopKind::kParallel, rows_->extent(i)));
    }
    int lanes = 1;  // of a single column
    if (rows_->loop_count() > 0) {
      const DimExpr columns = rows_->extent(rows_->loop_count() - 1);
      DimExpr start = Open(LoopKind::kParallel, columns, kStep);
      lanes = kStep;
      indices.push_back(start + OpenVector(Min(kStep, columns - start), lanes));
    }
    row_coords_ = rows_->Coords(indices);
    SKEIN_RETURN_IF_ERROR(EmitAhead(extent_));
    DimExpr i = Open(LoopKind::kSerial, extent_, 1, Zeros(lanes));
    const Dims coords = CoordsAt(reverse_ ? extent_ - 1 - i : i);
    for (size_t n = 0; n < scans_.size(); ++n) {
      Scan& s = scans_[n];
      s.carry = b_.Carried(static_cast<int>(n));
      SKEIN_ASSIGN_OR_RETURN(ValueId x, EmitOperand(s, coords, lanes));
      ValueId sum = b_.Add(s.carry, x);
      s.result = b_.Convert(s.element, s.exclusive ? s.carry : sum);
      s.carry = sum;
    }
    SKEIN_RETURN_IF_ERROR(EmitStores(coords));
    Close(Carries());
    CloseAll();
    return absl::OkStatus();
  }

  Emitter& emitter_;
  const Graph& graph_;
  LoopBuilder& b_;
  const GroupSpec& spec_;
  std::vector<Scan> scans_;  // operands before users
  std::vector<OutputPath> paths_;
  std::vector<BufferId> buffers_;
  Dims dims_;
  size_t axis_ = 0;
  DimExpr extent_;
  bool inner_ = true, reverse_ = false;
  std::optional<Domain> rows_;
  Dims row_coords_;
  DimExpr scratch_index_;
  int loops_ = 0;
};

}  // namespace

absl::Status ScheduleScan(Emitter& emitter, const GroupSpec& spec, const GroupContent& content, const Target&) {
  return ScanScheduler(emitter, spec, content.scans).Run();
}

}  // namespace skein
