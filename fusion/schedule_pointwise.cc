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
    const DimExpr extent = work_.domain.extent(count - 1);
    if (count == 1 && IsOneStream()) {
      SKEIN_RETURN_IF_ERROR(ElementsInFourPlaces(extent));
    } else if (count == 2 && ProveLessEqual(extent, kTile) && IsOneStream()) {
      SKEIN_RETURN_IF_ERROR(RowsInFourPlaces(work_.domain.extent(0), extent));
    } else {
      std::vector<DimExpr> indices;
      for (int i = 0; i + 1 < count; ++i) indices.push_back(Open(LoopKind::kParallel, work_.domain.extent(i)));
      const bool tiled = !ProveLessEqual(extent, kTile);
      const DimExpr start = tiled ? Open(LoopKind::kParallel, extent, kTile) : 0;
      // Rows that indices select are fetched ahead in bursts, and less is lost of short ones (Zen 5: 2 to 8 %).
      constexpr int kBurst = 32;
      const bool bursts = Gathers() && spec_.locality.far && target_.lanes() == 16;
      SKEIN_RETURN_IF_ERROR(Run(tiled ? Min(kTile, extent - start) : extent,
                                bursts ? std::min(LanesFor(extent), kBurst) : LanesFor(extent), {{indices, start}}));
    }
    while (open_ > 0) Close();
    return absl::OkStatus();
  }

 private:
  // Long rows are cut into tiles that threads can share; 4,096 elements outweigh a tile's overhead.
  static constexpr int64_t kTile = 4096;
  // A core that reads one run of memory and writes another at one place each keeps too little of memory busy: at four
  // places, a quarter of the whole apart, it takes 5 to 15% less time (Zen 5; of two runs 0%, of three 15% more).
  static constexpr int64_t kPlaces = 4;

  bool Gathers() const {
    return std::any_of(demands_.begin(), demands_.end(), [&](const Demand& d) {
      return Def(emitter_.graph().node(d.value.node).op).op_class == OpClass::kGather;
    });
  }

  // One run of memory is read from beyond the caches, one written past them, and little is done in between.
  bool IsOneStream() const {
    constexpr int kMostFlops = 16;  // an element: more take longer than memory does
    const Locality& locality = spec_.locality;
    if (!locality.far || locality.streamed != std::vector<bool>{true} || target_.prefetch_bytes == 0) return false;
    const Graph& graph = emitter_.graph();
    const Dims& place = work_.domain.placeholders();
    const auto innermost = std::find_if(place.rbegin(), place.rend(), [](DimExpr e) { return !e.IsConst(); });
    int flops = 0, streams = 0;
    const auto moves = [&](const Demand& d) {
      return std::any_of(d.coords.begin(), d.coords.end(),
                         [&](DimExpr e) { return DependsOnCoord(e, innermost->index()); });
    };
    for (const Demand& d : demands_) {
      if (!emitter_.IsLeaf(d.value)) {
        const Node& node = graph.node(d.value.node);
        flops += Def(node.op).op_class == OpClass::kPointwise ? Def(node.op).flops : 0;
        if (Def(node.op).op_class != OpClass::kGather) continue;
        const absl::StatusOr<std::vector<Demand>> children = emitter_.Children(d);  // the indices, then what they select
        if (!children.ok() || std::any_of(children->begin(), children->end() - 1, moves)) return false;
      } else if (!graph.Known(d.value) && !graph.SplatValue(d.value) && moves(d)) {
        const TensorType& type = graph.type(d.value);
        streams += ProveLessEqual(Product(type.dims) * BytesFor(type.element, 1), target_.l2_bytes / 2) ? 0 : 1;
      }
    }
    return streams == 1 && flops <= kMostFlops;
  }

  absl::Status ElementsInFourPlaces(DimExpr extent) {
    constexpr int64_t kLongest = 64;  // lanes of a loop
    constexpr int kLanes = 32;        // at each place; with 64 it loses half of what it gains
    const DimExpr apart = FloorDiv(extent, kPlaces * kLongest) * kLongest;
    const DimExpr start = Open(LoopKind::kParallel, Max(apart, Min(extent, 1)), kTile);
    std::vector<Place> places;
    for (int place = 0; place < kPlaces; ++place) places.push_back({{}, start + place * apart});
    SKEIN_RETURN_IF_ERROR(RunAhead(Min(kTile, apart - start), kLanes, places));
    // What is left behind the last of the places, with the last tile.
    const DimExpr left = (extent - kPlaces * apart) * Not(Less(start + kTile, apart));
    return left.IsConst(0) ? absl::OkStatus() : Run(left, kLongest, {{{}, kPlaces * apart}});
  }

  absl::Status RowsInFourPlaces(DimExpr rows, DimExpr columns) {
    const bool gathers = Gathers();
    const int lanes = std::min(LanesFor(columns), gathers ? 16 : 32);  // at each place
    const DimExpr apart = FloorDiv(rows, kPlaces);
    const DimExpr row = Open(LoopKind::kParallel, Max(apart, Min(rows, 1)));
    std::vector<Place> places;
    for (int place = 0; place < kPlaces; ++place) places.push_back({{row + place * apart}, 0});
    const DimExpr length = columns * Not(Less(apart, 1));
    SKEIN_RETURN_IF_ERROR(gathers ? Run(length, lanes, places) : RunAhead(length, lanes, places));
    const DimExpr left = (rows - kPlaces * apart) * Not(Less(row + 1, apart));
    if (left.IsConst(0)) return absl::OkStatus();
    const DimExpr i = Open(LoopKind::kSerial, left);
    SKEIN_RETURN_IF_ERROR(Run(columns, LanesFor(columns), {{{kPlaces * apart + i}, 0}}));
    Close();
    return absl::OkStatus();
  }

  // Indices of the loops around the innermost dim, and where in that it begins.
  struct Place {
    std::vector<DimExpr> outer;
    DimExpr start;
  };

  // One vector loop over `extent` elements at each of `places`.
  absl::Status Run(DimExpr extent, int lanes, const std::vector<Place>& places) {
    auto coords_at = [&](const Place& place, DimExpr j) {
      std::vector<DimExpr> all = place.outer;
      all.push_back(place.start + j);
      return work_.domain.Coords(all);
    };
    // What does not depend on the vector index is computed before its loop.
    const int vector_loop = b_.nest().loop_count;
    const DimExpr j_ahead = DimExpr::Coord(vector_loop, extent);
    for (const Place& place : places) {
      for (const OutputPath& path : work_.paths) {
        SKEIN_RETURN_IF_ERROR(emitter_.EmitInvariant({path.core, coords_at(place, j_ahead)},
                                                     [&](int i) { return i == vector_loop; }));
      }
    }
    const DimExpr j = b_.BeginVectorLoop(extent, lanes);
    emitter_.PushScope();
    ++open_;
    emitter_.SetLane({j.index(), lanes});
    for (const Place& place : places) SKEIN_RETURN_IF_ERROR(Store(coords_at(place, j)));
    emitter_.SetLane({});
    Close();
    return absl::OkStatus();
  }

  // The same, fetching what each place reads next.
  absl::Status RunAhead(DimExpr extent, int lanes, const std::vector<Place>& places) {
    constexpr int64_t kAhead = 4096;  // bytes
    const int loop = b_.nest().loop_count;
    SKEIN_RETURN_IF_ERROR(Run(extent, lanes, places));
    const DimExpr j = DimExpr::Coord(loop, extent);
    FetchAhead(target_, target_.prefetch_level, BodyOf(b_.nest(), loop), lanes, &b_.nest(),
               [&](const Inst& load, int64_t element_bytes) {
                 return Substitute(load.address, [&](DimExpr leaf) -> std::optional<DimExpr> {
                   if (leaf == j) return j + kAhead / element_bytes;
                   return std::nullopt;
                 });
               });
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
    --open_;
  }

  Emitter& emitter_;
  LoopBuilder& b_;
  const GroupSpec& spec_;
  const Target& target_;
  const PointwiseWork& work_;
  const std::vector<Demand>& demands_;
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
