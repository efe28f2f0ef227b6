// Pointwise kernels: one element of each output from elements of the inputs, wherever those lie.
#include <algorithm>

#include "fusion/domain.h"
#include "fusion/schedule.h"
#include "fusion/schedule_segments.h"
#include "fusion/schedule_transpose.h"

namespace skein {
namespace {

// The loops of a kernel whose elements come in the order of its results.
class ElementLoops {
 public:
  ElementLoops(Emitter& emitter, const GroupSpec& spec, const Target& target, const PointwiseWork& work,
               const std::vector<Demand>& demands)
      : emitter_(emitter), b_(emitter.builder()), spec_(spec), target_(target), work_(work), demands_(demands) {}

  absl::Status Schedule() {
    const int count = work_.domain.loop_count();
    if (count == 0) return Store(work_.domain.Coords({}));
    for (int i = 0; i + 1 < count; ++i) indices_.push_back(Open(LoopKind::kParallel, work_.domain.extent(i)));
    const DimExpr extent = work_.domain.extent(count - 1);
    if (count == 1 && IsOneStream()) {
      SKEIN_RETURN_IF_ERROR(InFourPlaces(extent));
    } else if (ProveLessEqual(extent, kTile)) {
      SKEIN_RETURN_IF_ERROR(Run(extent, Lanes(extent), {0}));
    } else {
      const DimExpr start = Open(LoopKind::kParallel, extent, kTile);
      SKEIN_RETURN_IF_ERROR(Run(Min(kTile, extent - start), Lanes(extent), {start}));
    }
    for (; open_ > 0; --open_) Close();
    return absl::OkStatus();
  }

 private:
  // Long rows are cut into tiles that threads can share; 4,096 elements outweigh a tile's overhead.
  static constexpr int64_t kTile = 4096;

  // One run of memory is read from beyond the caches, one written past them, and little is done in between.
  bool IsOneStream() const {
    constexpr int kMostFlops = 16;  // an element: more take longer than memory does
    const Locality& locality = spec_.locality;
    if (!locality.far || locality.streamed != std::vector<bool>{true} || target_.prefetch_bytes == 0) return false;
    const Graph& graph = emitter_.graph();
    int flops = 0;
    std::vector<DimExpr> streams;
    for (const Demand& d : demands_) {
      if (!emitter_.IsLeaf(d.value)) {
        const OpClass op_class = Def(graph.node(d.value.node).op).op_class;
        if (op_class == OpClass::kGather) return false;
        if (op_class == OpClass::kPointwise) flops += Def(graph.node(d.value.node).op).flops;
      } else if (!graph.Known(d.value) && !graph.SplatValue(d.value)) {
        const TensorType& type = graph.type(d.value);
        if (ProveLessEqual(Product(type.dims) * BytesFor(type.element, 1), target_.l2_bytes / 2)) continue;
        streams.push_back(Linearize(d.coords, type.dims));
      }
    }
    return streams.size() == 1 && flops <= kMostFlops;
  }

  // A core that reads one run and writes another at one place each keeps too little of memory busy: at four places, a
  // quarter of the whole apart, it takes 8 to 15% less time (Zen 5; two streams 0%, three 15% more).
  absl::Status InFourPlaces(DimExpr extent) {
    constexpr int64_t kPlaces = 4, kAhead = 4096;  // bytes
    constexpr int kLongest = 64;                   // lanes of a loop
    constexpr int kLanes = 32;                     // at each place; with 64 it loses half of that
    const DimExpr apart = FloorDiv(extent, kPlaces * kLongest) * kLongest;
    const DimExpr start = Open(LoopKind::kParallel, Max(apart, 1), kTile);
    std::vector<DimExpr> places;
    for (int place = 0; place < kPlaces; ++place) places.push_back(start + place * apart);
    const int loop = b_.nest().loop_count;
    const DimExpr length = Min(kTile, apart - start);
    SKEIN_RETURN_IF_ERROR(Run(length, kLanes, places));
    FetchAhead(target_, target_.prefetch_level, BodyOf(b_.nest(), loop), kLanes, &b_.nest(),
               [&](const Inst& load, int64_t element_bytes) {
                 const DimExpr j = DimExpr::Coord(loop, length);
                 return Substitute(load.address, [&](DimExpr leaf) -> std::optional<DimExpr> {
                   if (leaf == j) return j + kAhead / element_bytes;
                   return std::nullopt;
                 });
               });
    // What is left after the last of the places, with the last tile.
    const DimExpr left = (extent - kPlaces * apart) * Not(Less(start + kTile, apart));
    return left.IsConst(0) ? absl::OkStatus() : Run(left, kLongest, {kPlaces * apart});
  }

  int Lanes(DimExpr extent) const {
    // Rows that indices select are fetched ahead in bursts, and less is lost of short ones (Zen 5: 2 to 8 %, Xbyak 0 to 3).
    constexpr int kBurst = 32;
    const int lanes = LanesFor(extent);
    const bool gathers = std::any_of(demands_.begin(), demands_.end(), [&](const Demand& d) {
      return Def(emitter_.graph().node(d.value.node).op).op_class == OpClass::kGather;
    });
    return gathers && spec_.locality.far && target_.lanes() == 16 ? std::min(lanes, kBurst) : lanes;
  }

  // One vector loop over `extent` elements at each of `starts`.
  absl::Status Run(DimExpr extent, int lanes, const std::vector<DimExpr>& starts) {
    auto coords_at = [&](DimExpr j) {
      std::vector<DimExpr> all = indices_;
      all.push_back(j);
      return work_.domain.Coords(all);
    };
    // What does not depend on the vector index is computed before its loop.
    const int vector_loop = b_.nest().loop_count;
    const DimExpr j_ahead = DimExpr::Coord(vector_loop, extent);
    for (DimExpr start : starts) {
      for (const OutputPath& path : work_.paths) {
        SKEIN_RETURN_IF_ERROR(emitter_.EmitInvariant({path.core, coords_at(start + j_ahead)},
                                                     [&](int i) { return i == vector_loop; }));
      }
    }
    const DimExpr j = b_.BeginVectorLoop(extent, lanes);
    emitter_.PushScope();
    emitter_.SetLane({j.index(), lanes});
    for (DimExpr start : starts) SKEIN_RETURN_IF_ERROR(Store(coords_at(start + j)));
    emitter_.SetLane({});
    Close();
    return absl::OkStatus();
  }

  absl::Status Store(const Dims& coords) {
    for (size_t i = 0; i < work_.paths.size(); ++i) {
      SKEIN_RETURN_IF_ERROR(EmitStore(emitter_, work_.paths[i], work_.buffers[i], coords));
    }
    return absl::OkStatus();
  }

  DimExpr Open(LoopKind kind, DimExpr extent, int64_t step = 1) {
    DimExpr i = b_.BeginLoop(kind, extent, step);
    emitter_.PushScope();
    ++open_;
    return i;
  }
  void Close() {
    emitter_.PopScope();
    b_.EndLoop();
  }

  Emitter& emitter_;
  LoopBuilder& b_;
  const GroupSpec& spec_;
  const Target& target_;
  const PointwiseWork& work_;
  const std::vector<Demand>& demands_;
  std::vector<DimExpr> indices_;  // of the loops around the innermost dim
  int open_ = 0;
};

}  // namespace

absl::Status SchedulePointwise(Emitter& emitter, const GroupSpec& spec, const Target& target) {
  const Graph& graph = emitter.graph();
  LoopBuilder& b = emitter.builder();
  std::vector<OutputPath> paths;
  std::vector<BufferId> buffers;
  for (Value v : spec.outputs) paths.push_back(FindOutputPath(graph, v, spec.boundary));
  const Dims dims = graph.type(paths[0].core).dims;
  Domain domain(dims);
  std::vector<Demand> roots;
  std::vector<DimExpr> uses;
  for (const OutputPath& path : paths) {
    if (graph.type(path.core).dims != dims) {
      return absl::FailedPreconditionError("SK120: the results have different shapes");
    }
    roots.push_back({path.core, domain.placeholders()});
    SKEIN_ASSIGN_OR_RETURN(Dims place, StoreCoords(graph, path, domain.placeholders()));
    uses.push_back(Linearize(place, graph.type(path.output).dims));
  }
  SKEIN_ASSIGN_OR_RETURN(std::vector<Demand> demands,
                         ReachableDemands(emitter, roots, [](const Demand&) -> absl::StatusOr<Dims> {
                           return Internal("a pointwise kernel has no reduction");
                         }));
  for (const Demand& d : demands) AppendLeafUses(emitter, d, &uses);
  domain.Collapse(uses);
  for (const OutputPath& path : paths) {
    const TensorType& type = graph.type(path.output);
    buffers.push_back(b.AddBuffer(BufferKind::kOutput, type.element, Product(type.dims)));
  }
  const PointwiseWork work{paths, buffers, domain};
  SKEIN_ASSIGN_OR_RETURN(std::optional<TransposePlan> transpose, FindTranspose(emitter, work));
  if (transpose) return ScheduleTranspose(emitter, spec, work, *transpose, target);
  SKEIN_ASSIGN_OR_RETURN(std::optional<SegmentPlan> segments, FindSegments(emitter, spec, work));
  if (segments) return ScheduleSegments(emitter, spec, work, *segments, target);
  return ElementLoops(emitter, spec, target, work, demands).Schedule();
}

}  // namespace skein
