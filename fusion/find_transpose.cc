// Which accesses of a pointwise group are contiguous along which loop, and what to transpose.
#include <algorithm>
#include <memory>

#include "fusion/schedule_transpose.h"

namespace skein {
namespace {

// Extents up to this are not worth blocks: strided accesses of a few elements hit the same lines.
constexpr int64_t kNarrow = 4;

// Nanoseconds per byte, roughly: a gathered element, and one that is transposed in registers.
constexpr int64_t kGatherCost = 8, kTransposeCost = 1;

class TransposeFinder {
 public:
  TransposeFinder(const Emitter& emitter, const PointwiseWork& work)
      : emitter_(emitter), graph_(emitter.graph()), work_(work) {}

  absl::StatusOr<std::optional<TransposePlan>> Run() {
    const int count = work_.domain.loop_count();
    if (count < 2) return std::nullopt;
    std::vector<DimExpr> loops;
    for (int i = 0; i < count; ++i) loops.push_back(work_.domain.Placeholder(i));
    const Dims coords = work_.domain.Coords(loops);
    std::vector<Demand> roots;
    for (const OutputPath& path : work_.paths) {
      roots.push_back({path.core, coords});
      SKEIN_ASSIGN_OR_RETURN(Dims place, StoreCoords(graph_, path, coords));
      const TensorType& type = graph_.type(path.output);
      accesses_.push_back({type.element, Linearize(place, type.dims)});
    }
    SKEIN_ASSIGN_OR_RETURN(std::vector<Demand> demands,
                           ReachableDemands(emitter_, roots, [](const Demand&) -> absl::StatusOr<Dims> {
                             return Internal("a pointwise kernel has no reduction");
                           }));
    for (const Demand& d : demands) {
      if (IsMemory(d)) accesses_.push_back(AccessOf(d));
    }
    if (!ChooseLoops()) return std::nullopt;
    for (size_t i = 0; i < work_.paths.size(); ++i) plan_.odd_output.push_back(IsOdd(accesses_[i]));
    for (const Demand& d : demands) {
      if (!IsMemory(d) || !IsContiguous(AccessOf(d), plan_.lanes)) continue;
      if (DependsOnCoord(AccessOf(d).address, work_.domain.Placeholder(plan_.rows).index())) plan_.even.push_back(d);
    }
    absl::flat_hash_set<Demand> seen;
    for (const Demand& root : roots) SKEIN_RETURN_IF_ERROR(Collect(root, &seen));
    if (roots.size() == 1 && plan_.odd.size() == 1 && !plan_.odd_output[0]) {
      SKEIN_ASSIGN_OR_RETURN(plan_.only_moves, IsMoved(roots[0], plan_.odd[0]));
    }
    return std::move(plan_);
  }

 private:
  struct Access {
    ElementType element;
    DimExpr address;
  };
  // What emitting a demand reads: the odd accesses, and whether all of it can be done with vectors along `rows`.
  struct Reads {
    absl::flat_hash_set<Demand> odd;
    bool along_rows = true;
  };

  bool IsMemory(const Demand& d) const {
    const bool splat = graph_.Constant(d.value) != nullptr && graph_.SplatValue(d.value).has_value();
    return emitter_.IsLeaf(d.value) && !graph_.Known(d.value) && !splat;
  }
  Access AccessOf(const Demand& d) const {
    const TensorType& type = graph_.type(d.value);
    return {type.element, Linearize(d.coords, type.dims)};
  }

  // One load or store of adjacent elements, or of one, per vector.
  bool IsRegular(const Access& access, int loop) const {
    std::optional<Affine> affine = AsAffine(access.address, work_.domain.Placeholder(loop).index());
    if (!affine) return false;
    return affine->stride.IsConst(1) || (affine->stride.IsConst(0) && !IsComputed(access));
  }
  // Places that are gathered may differ along any loop, whatever the expression mentions.
  static bool IsComputed(const Access& access) {
    bool computed = false;
    VisitLeaves(access.address, [&](DimExpr leaf) { computed = computed || leaf.kind() == DimKind::kValue; });
    return computed;
  }
  bool IsContiguous(const Access& access, int loop) const {
    std::optional<Affine> affine = AsAffine(access.address, work_.domain.Placeholder(loop).index());
    return !IsComputed(access) && affine && affine->stride.IsConst(1);
  }
  static bool HasBlocks(ElementType t) { return !IsBool(t) && BitWidth(t) >= 8; }
  bool IsOdd(const Access& access, int lanes, int rows) const {
    return HasBlocks(access.element) && !IsRegular(access, lanes) && IsContiguous(access, rows);
  }
  bool IsOdd(const Access& access) const { return IsOdd(access, plan_.lanes, plan_.rows); }

  bool ChooseLoops() {
    const int count = work_.domain.loop_count(), last = count - 1;
    int64_t best = Cost(last, -1);
    for (int lanes = last; lanes >= 0; --lanes) {
      if (ProveLessEqual(work_.domain.extent(lanes), kNarrow)) continue;
      for (int rows = last; rows >= 0; --rows) {
        if (rows == lanes || ProveLessEqual(work_.domain.extent(rows), kNarrow)) continue;
        const int64_t cost = Cost(lanes, rows);
        if (cost >= best) continue;
        best = cost;
        plan_.lanes = lanes;
        plan_.rows = rows;
      }
    }
    return plan_.lanes >= 0;
  }

  int64_t Cost(int lanes, int rows) const {
    int64_t cost = 0;
    for (const Access& a : accesses_) {
      if (IsRegular(a, lanes)) continue;
      const bool odd = rows >= 0 && IsOdd(a, lanes, rows);
      cost += std::max(8, BitWidth(a.element)) * (odd ? kTransposeCost : kGatherCost);
    }
    return cost;
  }

  absl::StatusOr<const Reads*> Look(const Demand& demand) {
    if (auto it = reads_.find(demand); it != reads_.end()) return it->second.get();
    auto reads = std::make_unique<Reads>();
    reads->along_rows = demand.condition.IsConst(1);
    if (IsMemory(demand)) {
      const Access access = AccessOf(demand);
      if (IsOdd(access)) reads->odd.insert(demand);
      reads->along_rows = reads->along_rows && IsRegular(access, plan_.rows);
    }
    SKEIN_ASSIGN_OR_RETURN(std::vector<Demand> children, emitter_.Children(demand));
    if (!emitter_.IsLeaf(demand.value)) {
      const OpClass op_class = Def(graph_.node(demand.value.node).op).op_class;
      if (op_class == OpClass::kGather) reads->along_rows = false;
    }
    for (const Demand& child : children) {
      SKEIN_ASSIGN_OR_RETURN(const Reads* below, Look(child));
      reads->odd.insert(below->odd.begin(), below->odd.end());
      reads->along_rows = reads->along_rows && below->along_rows;
    }
    return (reads_[demand] = std::move(reads)).get();
  }

  // Transposes what is read, or once what is computed from several odd values.
  absl::Status Collect(const Demand& demand, absl::flat_hash_set<Demand>* seen) {
    if (!seen->insert(demand).second) return absl::OkStatus();
    SKEIN_ASSIGN_OR_RETURN(const Reads* reads, Look(demand));
    if (reads->odd.empty()) return absl::OkStatus();
    const bool read = IsMemory(demand);
    if (reads->along_rows && HasBlocks(graph_.type(demand.value).element) && (read || reads->odd.size() > 1)) {
      plan_.odd.push_back(demand);
      return absl::OkStatus();
    }
    SKEIN_ASSIGN_OR_RETURN(std::vector<Demand> children, emitter_.Children(demand));
    for (const Demand& child : children) SKEIN_RETURN_IF_ERROR(Collect(child, seen));
    return absl::OkStatus();
  }

  // True if `demand` is `source` at another place.
  absl::StatusOr<bool> IsMoved(Demand demand, const Demand& source) const {
    while (demand != source) {
      if (emitter_.IsLeaf(demand.value) || !MovementPieces(graph_, demand.value.node)) return false;
      SKEIN_ASSIGN_OR_RETURN(std::vector<Demand> children, emitter_.Children(demand));
      if (children.size() != 1) return false;
      demand = std::move(children[0]);
    }
    return true;
  }

  const Emitter& emitter_;
  const Graph& graph_;
  const PointwiseWork& work_;
  std::vector<Access> accesses_;  // of the paths, then loads
  absl::flat_hash_map<Demand, std::unique_ptr<Reads>> reads_;
  TransposePlan plan_;
};

}  // namespace

absl::StatusOr<std::optional<TransposePlan>> FindTranspose(const Emitter& emitter, const PointwiseWork& work) {
  return TransposeFinder(emitter, work).Run();
}

}  // namespace skein
