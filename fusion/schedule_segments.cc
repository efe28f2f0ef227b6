#include "fusion/schedule_segments.h"

#include <algorithm>

namespace skein {
namespace {

constexpr int64_t kLine = 64;  // bytes
constexpr int kLanes = 64;

// Each segment repeats the kernel's body; rows of many pieces choose between them by lane instead.
constexpr size_t kMaxSegments = 8;

// And no kernel becomes longer than about this many instructions for it.
constexpr size_t kMaxInstructions = 300;

// Rows of fewer lines have no line between their ends worth its own loop.
constexpr int64_t kMinLines = 8;

// Where `condition` changes along coordinate `index`, for compares that are affine in it with stride +-1.
void AppendSeams(DimExpr condition, int index, std::vector<DimExpr>* seams) {
  if (!DependsOnCoord(condition, index)) return;
  if (condition.kind() == DimKind::kLess) {
    const DimExpr difference = condition.operands()[0] - condition.operands()[1];
    const std::optional<Affine> affine = AsAffine(difference, index);
    if (!affine || HasCoords(affine->base)) return;
    if (affine->stride.IsConst(1)) seams->push_back(-affine->base);
    if (affine->stride.IsConst(-1)) seams->push_back(affine->base + 1);
    return;
  }
  for (DimExpr operand : condition.operands()) AppendSeams(operand, index, seams);
}

// 0, those seams that lie inside the row and in a provable order, the extent.
std::vector<DimExpr> Bounds(const std::vector<DimExpr>& seams, DimExpr extent) {
  std::vector<DimExpr> bounds = {0, extent};
  for (DimExpr seam : seams) {
    if (std::find(bounds.begin(), bounds.end(), seam) != bounds.end()) continue;
    for (size_t i = 1; i < bounds.size(); ++i) {
      if (!ProveLessEqual(bounds[i - 1], seam) || !ProveLessEqual(seam, bounds[i])) continue;
      bounds.insert(bounds.begin() + i, seam);
      break;
    }
  }
  return bounds;
}

class SegmentScheduler {
 public:
  SegmentScheduler(Emitter& emitter, const GroupSpec& spec, const PointwiseWork& work, const SegmentPlan& plan,
                   const Target& target)
      : emitter_(emitter), b_(emitter.builder()), spec_(spec), work_(work), plan_(plan), target_(target) {}

  absl::Status Run() {
    const int outer = work_.domain.loop_count() - 1;
    for (int i = 0; i < outer; ++i) {
      indices_.push_back(b_.BeginLoop(LoopKind::kParallel, work_.domain.extent(i)));
      emitter_.PushScope();
    }
    for (size_t i = 0; i + 1 < plan_.bounds.size(); ++i) {
      SKEIN_RETURN_IF_ERROR(Segment(plan_.bounds[i], plan_.bounds[i + 1] - plan_.bounds[i]));
    }
    for (int i = 0; i < outer; ++i) {
      emitter_.PopScope();
      b_.EndLoop();
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Segment(DimExpr first, DimExpr extent) {
    if (extent.IsConst(0)) return absl::OkStatus();
    // The place in the segment. What is emitted says it as one coordinate, so that conditions are decided by its
    // range, whatever part of the segment a loop covers.
    const DimExpr place = DimExpr::Coord(kPlaceholder, extent);
    std::vector<DimExpr> indices = indices_;
    indices.push_back(first + place);
    const Dims coords = work_.domain.Coords(indices);
    emitter_.PushScope();
    for (const OutputPath& path : work_.paths) {
      SKEIN_RETURN_IF_ERROR(
          emitter_.EmitInvariant({path.core, coords}, [&](int i) { return i == place.index(); }));
    }
    if (plan_.line == 0) {
      SKEIN_RETURN_IF_ERROR(Part(place, coords, 0, extent, LanesFor(extent)));
    } else {
      indices.back() = first;
      SKEIN_ASSIGN_OR_RETURN(DimExpr address, Address(work_.domain.Coords(indices)));
      const DimExpr head = Min(Mod(-address, plan_.line), extent);
      const DimExpr whole = FloorDiv(extent - head, kLanes) * kLanes;
      const int line = static_cast<int>(plan_.line);
      SKEIN_RETURN_IF_ERROR(Part(place, coords, 0, head, line));
      SKEIN_RETURN_IF_ERROR(Part(place, coords, head, whole, kLanes));
      if (line < kLanes) SKEIN_RETURN_IF_ERROR(Part(place, coords, head + whole, extent - head - whole, line));
    }
    emitter_.PopScope();
    return absl::OkStatus();
  }

  // Linear address in the output that is streamed.
  absl::StatusOr<DimExpr> Address(const Dims& coords) const {
    const OutputPath& path = work_.paths[plan_.aligned];
    SKEIN_ASSIGN_OR_RETURN(Dims stored, StoreCoords(emitter_.graph(), path, coords));
    return Linearize(stored, emitter_.graph().type(path.output).dims);
  }

  // A vector loop over `extent` elements of a segment from its element `first` on.
  absl::Status Part(DimExpr place, const Dims& coords, DimExpr first, DimExpr extent, int lanes) {
    if (extent.IsConst(0)) return absl::OkStatus();
    const DimExpr index = b_.BeginVectorLoop(extent, lanes);
    emitter_.PushScope();
    emitter_.SetLane({place.index(), lanes});
    for (size_t i = 0; i < work_.paths.size(); ++i) {
      SKEIN_RETURN_IF_ERROR(EmitStore(emitter_, work_.paths[i], work_.buffers[i], coords));
    }
    emitter_.SetLane({});
    emitter_.PopScope();
    b_.EndLoop();
    const BlockId body = BodyOf(b_.nest(), index.index());
    Settle(body, place, first + index);
    if (plan_.line == 0 || lanes == kLanes) Fetch(body, extent, lanes);
    return absl::OkStatus();
  }

  // Says where the loop is that covers part of a segment.
  void Settle(BlockId body, DimExpr place, DimExpr index) {
    auto settled = [&](DimExpr e) {
      return Substitute(e, [&](DimExpr leaf) { return leaf == place ? std::optional(index) : std::nullopt; });
    };
    for (InstId id : b_.nest().block(body).insts) {
      Inst& inst = b_.nest().inst(id);
      inst.expr = settled(inst.expr);
      inst.address = settled(inst.address);
      inst.stride = settled(inst.stride);
    }
  }

  // Fetches the same part of a row further on: what follows the part in memory may be no part of any row.
  void Fetch(BlockId body, DimExpr extent, int lanes) {
    if (!spec_.locality.far || target_.prefetch_bytes == 0) return;
    FetchAhead(target_, target_.prefetch_level, body, lanes, &b_.nest(), [&](const Inst& load, int64_t element_bytes) {
      const int64_t row_bytes = extent.AsConst().value_or(target_.prefetch_bytes) * element_bytes;
      const int64_t rows = std::max<int64_t>(1, (target_.prefetch_bytes + row_bytes / 2) / std::max<int64_t>(1, row_bytes));
      return Substitute(load.address, [&](DimExpr leaf) {
        return leaf == indices_.back() ? std::optional(leaf + rows) : std::nullopt;
      });
    });
  }

  Emitter& emitter_;
  LoopBuilder& b_;
  const GroupSpec& spec_;
  const PointwiseWork& work_;
  const SegmentPlan& plan_;
  const Target& target_;
  std::vector<DimExpr> indices_;
};

}  // namespace

absl::StatusOr<std::optional<SegmentPlan>> FindSegments(const Emitter& emitter, const GroupSpec& spec,
                                                        const PointwiseWork& work) {
  const Graph& graph = emitter.graph();
  const int last = work.domain.loop_count() - 1;
  if (last < 1) return std::nullopt;  // a single long row is cut into tiles
  std::vector<DimExpr> loops;
  for (int i = 0; i <= last; ++i) loops.push_back(work.domain.Placeholder(i));
  const Dims coords = work.domain.Coords(loops);
  const DimExpr row = loops[last], extent = work.domain.extent(last);
  SegmentPlan plan;
  std::vector<Demand> roots;
  for (size_t i = 0; i < work.paths.size(); ++i) {
    const OutputPath& path = work.paths[i];
    roots.push_back({path.core, coords});
    if (plan.line != 0 || i >= spec.locality.streamed.size() || !spec.locality.streamed[i]) continue;
    SKEIN_ASSIGN_OR_RETURN(Dims place, StoreCoords(graph, path, coords));
    const TensorType& type = graph.type(path.output);
    const std::optional<Affine> affine = AsAffine(Linearize(place, type.dims), row.index());
    if (!affine || !affine->stride.IsConst(1) || BitWidth(type.element) < 8) continue;
    plan.line = kLine / BytesFor(type.element, 1);
    plan.aligned = i;
    if (Mod(affine->base, plan.line).IsConst(0)) plan.line = 0;
  }
  SKEIN_ASSIGN_OR_RETURN(std::vector<Demand> demands,
                         ReachableDemands(emitter, roots, [](const Demand&) -> absl::StatusOr<Dims> {
                           return Internal("a pointwise kernel has no reduction");
                         }));
  std::vector<DimExpr> seams;
  for (const Demand& d : demands) AppendSeams(d.condition, row.index(), &seams);
  plan.bounds = Bounds(seams, extent);
  auto instructions = [&](size_t parts) { return demands.size() * (plan.bounds.size() - 1) * parts; };
  if (instructions(3) > kMaxInstructions) plan.line = 0;
  if (plan.bounds.size() > kMaxSegments + 1 || instructions(1) > kMaxInstructions) plan.bounds = {0, extent};
  if (ProveLessEqual(extent, kMinLines * plan.line)) plan.line = 0;
  if (plan.bounds.size() == 2 && plan.line == 0) return std::nullopt;
  return plan;
}

absl::Status ScheduleSegments(Emitter& emitter, const GroupSpec& spec, const PointwiseWork& work,
                              const SegmentPlan& plan, const Target& target) {
  return SegmentScheduler(emitter, spec, work, plan, target).Run();
}

}  // namespace skein
