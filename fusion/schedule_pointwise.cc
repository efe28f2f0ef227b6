// Pointwise kernels: one element of each output from elements of the inputs, wherever those lie.
#include <algorithm>

#include "fusion/domain.h"
#include "fusion/schedule.h"
#include "fusion/schedule_segments.h"
#include "fusion/schedule_transpose.h"

namespace skein {

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

  int loops = 0;
  auto open = [&](LoopKind kind, DimExpr extent, int64_t step = 1) {
    DimExpr i = b.BeginLoop(kind, extent, step);
    emitter.PushScope();
    ++loops;
    return i;
  };
  std::vector<DimExpr> indices;
  const int count = domain.loop_count();
  for (int i = 0; i + 1 < count; ++i) indices.push_back(open(LoopKind::kParallel, domain.extent(i)));
  if (count > 0) {
    DimExpr extent = domain.extent(count - 1);
    DimExpr start = 0;
    // Long rows are cut into tiles that threads can share; 4,096 elements outweigh a tile's overhead.
    constexpr int64_t kTile = 4096;
    if (!ProveLessEqual(extent, kTile)) {
      start = open(LoopKind::kParallel, extent, kTile);
      extent = Min(kTile, extent - start);
    }
    int lanes = LanesFor(domain.extent(count - 1));
    // Rows that indices select are fetched ahead in bursts, and less is lost of short ones (Zen 5: 2 to 8 %, Xbyak 0 to 3).
    constexpr int kBurst = 32;
    const bool gathers = std::any_of(demands.begin(), demands.end(), [&](const Demand& d) {
      return Def(graph.node(d.value.node).op).op_class == OpClass::kGather;
    });
    if (gathers && spec.locality.far && target.lanes() == 16) lanes = std::min(lanes, kBurst);
    auto coords_at = [&](DimExpr j) {
      std::vector<DimExpr> all = indices;
      all.push_back(start + j);
      return domain.Coords(all);
    };
    // What does not depend on the vector index is computed before its loop.
    const int vector_loop = b.nest().loop_count;
    const DimExpr j_ahead = DimExpr::Coord(vector_loop, extent);
    for (const OutputPath& path : paths) {
      SKEIN_RETURN_IF_ERROR(emitter.EmitInvariant({path.core, coords_at(j_ahead)},
                                                  [&](int i) { return i == vector_loop; }));
    }
    DimExpr j = b.BeginVectorLoop(extent, lanes);
    emitter.PushScope();
    ++loops;
    emitter.SetLane({j.index(), lanes});
    for (size_t i = 0; i < paths.size(); ++i) {
      SKEIN_RETURN_IF_ERROR(EmitStore(emitter, paths[i], buffers[i], coords_at(j)));
    }
  } else {
    for (size_t i = 0; i < paths.size(); ++i) {
      SKEIN_RETURN_IF_ERROR(EmitStore(emitter, paths[i], buffers[i], domain.Coords({})));
    }
  }
  emitter.SetLane({});
  for (int i = 0; i < loops; ++i) {
    emitter.PopScope();
    b.EndLoop();
  }
  return absl::OkStatus();
}

}  // namespace skein
