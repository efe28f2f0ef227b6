// Movement behind a result: stored where the movement would put it.
#include "fusion/planner_groups.h"

namespace skein {
namespace {

// Whether a run of elements of `core` that a kernel stores at once stays together in `output`, movement behind it.
bool StaysContiguous(const Graph& graph, NodeId core, Value output) {
  OutputPath path = FindOutputPath(graph, output, [](Value) { return false; });
  if (path.core.node != core) return false;
  const Dims& dims = graph.type(path.core).dims;
  Dims coords;
  int last = -1;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (dims[i].IsConst(1)) {
      coords.push_back(0);
    } else {
      last = static_cast<int>(i);
      coords.push_back(DimExpr::Coord(kPlaceholder + last, dims[i]));
    }
  }
  absl::StatusOr<Dims> place = StoreCoords(graph, path, coords);
  if (!place.ok()) return false;
  if (last < 0) return true;
  // Contiguous in runs of a panel is enough: split the last dim as the kernels do.
  constexpr int64_t kRun = 64;
  DimExpr run = DimExpr::Coord(kPlaceholder + 1000, kRun);
  DimExpr outer = DimExpr::Coord(kPlaceholder + 1001, CeilDiv(dims[last], kRun));
  DimExpr address = Linearize(*place, graph.type(output).dims);
  DimExpr split = Substitute(address, [&](DimExpr leaf) -> std::optional<DimExpr> {
    if (leaf.kind() == DimKind::kCoord && leaf.index() == kPlaceholder + last) return outer * kRun + run;
    return std::nullopt;
  });
  std::optional<Affine> affine = AsAffine(split, kPlaceholder + 1000);
  return affine && affine->stride.IsConst(1);
}

class Absorber {
 public:
  Absorber(const PlanGraph& graph, bool fuse, Groups* groups) : graph_(graph), fuse_(fuse), groups_(*groups) {}

  void Run() {
    for (int part = 0; part < groups_.size(); ++part) {
      const NodeSet nodes = groups_.nodes(part);
      for (NodeId id : nodes) TryAbsorb(part, id);
    }
  }

 private:
  // Reshapes and transposes that are all that reads a result, up to an output or to where it is computed with.
  std::vector<NodeId> ChainBehind(NodeId id) const {
    std::vector<NodeId> chain;
    for (NodeId at = id; graph_.UsersOf(at).size() == 1 && !graph_.IsOutput(at); at = chain.back()) {
      const NodeId user = graph_.UsersOf(at)[0];
      const Op op = graph_.graph().node(user).op;
      if (op != Op::reshape && op != Op::transpose) break;
      if (graph_.IsComputed(user) && !graph_.IsOutput(user)) break;
      chain.push_back(user);
    }
    return chain;
  }

  // Asked once for chains of the same ops on the same sizes: layers have the same.
  bool StaysContiguous(NodeId id, const std::vector<NodeId>& chain) {
    std::vector<int> classes = {groups_.ClassOf(id)};
    if (graph_.IsMovement(id)) {  // what it moves is looked at too
      for (Value v : graph_.graph().node(id).operands) classes.insert(classes.end(), {groups_.ClassOfRead(v.node), v.result});
    }
    for (NodeId moved : chain) classes.push_back(groups_.ClassOf(moved));
    auto [it, fresh] = contiguous_.try_emplace(std::move(classes));
    if (fresh) it->second = skein::StaysContiguous(graph_.graph(), id, {chain.back(), 0});
    return it->second;
  }

  void TryAbsorb(int part, NodeId id) {
    const Node& node = graph_.graph().node(id);
    if (node.results.size() != 1 || graph_.IsOutput(id) || node.attributes.Has("materialize")) return;
    const std::vector<NodeId> chain = ChainBehind(id);
    if (chain.empty()) return;
    bool transposes = false, exported = false;
    for (NodeId moved : chain) transposes = transposes || graph_.graph().node(moved).op == Op::transpose;
    const bool to_output = graph_.IsOutput(chain.back());
    if (fuse_ ? !transposes && !to_output : transposes || !to_output) return;
    const Value moved{chain.back(), 0};
    if (!StaysContiguous(id, chain)) return;
    for (NodeId reader : graph_.ReadersOf(id)) exported = exported || !groups_.nodes(part).contains(reader);
    if (!exported) return;
    const int copy = to_output ? groups_.PartOf(chain.back()) : -1;  // the part that would copy it there
    if (copy >= 0 && groups_.nodes(copy).size() != 1) return;
    groups_.Absorb(id, moved);
    if (!groups_.Fits(groups_.nodes(part)).ok()) {
      groups_.UndoAbsorb(id);
    } else if (copy >= 0) {
      groups_.Remove(copy, part);
    }
  }

  const PlanGraph& graph_;
  const bool fuse_;
  Groups& groups_;
  std::map<std::vector<int>, bool> contiguous_;  // by the classes of a result and the movement behind it
};

}  // namespace

void AbsorbMovement(const PlanGraph& graph, bool fuse, Groups* groups) { Absorber(graph, fuse, groups).Run(); }

}  // namespace skein
