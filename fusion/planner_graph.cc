#include "fusion/planner_graph.h"

#include <algorithm>
#include <utility>

#include "fusion/planner_cost.h"
#include "ir/op.h"

namespace skein {
namespace {

// True if only trailing dims are repeated: such a value is computed once per row.
bool RepeatsInnerDims(const Dims& in, const Dims& out) {
  bool trailing = true;
  for (size_t i = in.size(); i-- > 0;) {
    if (in[i] == out[i] && !in[i].IsConst(1)) trailing = false;
    if (in[i] != out[i] && !trailing) return false;
  }
  return true;
}

// How many elements `user` makes of each element of `from`.
double Growth(const PlanGraph& graph, NodeId from, NodeId user) {
  const Graph& g = graph.graph();
  const TensorType& in = g.node(from).results[0];
  const TensorType& out = g.node(user).results[0];
  if (g.node(user).op == Op::broadcast && RepeatsInnerDims(in.dims, out.dims)) return 1;
  // An index is read once for the row that it selects.
  if (g.node(user).op == Op::gather && g.node(user).operands[0].node != from) return 1;
  return std::max(1.0, graph.ElementsOf(user) / std::max(1.0, graph.ElementsOf(from)));
}

}  // namespace

PlanGraph::PlanGraph(const Graph& graph, bool fuse) : graph_(graph) {
  is_output_.assign(graph.size(), false);
  for (const Graph::Named& out : graph.outputs()) {
    is_output_[out.value.node.index] = true;
    outputs_.insert(out.value);
  }
  FindUsers();
  FindKinds();
  FindNeeded();
  FindPhases();
  FindComputed(fuse);
  FindReads();
  FindRepeated();
}

void PlanGraph::FindUsers() {
  // Counted first; a node that reads another one twice is its last user already.
  const int size = graph_.size();
  first_user_.assign(size + 1, 0);
  std::vector<NodeId> last(size);
  auto visit = [&](auto use) {
    std::fill(last.begin(), last.end(), NodeId());
    for (int i = 0; i < size; ++i) {
      for (Value v : graph_.node(NodeId(i)).operands) {
        if (std::exchange(last[v.node.index], NodeId(i)) != NodeId(i)) use(v.node, NodeId(i));
      }
    }
  };
  visit([&](NodeId id, NodeId) { ++first_user_[id.index + 1]; });
  for (int i = 0; i < size; ++i) first_user_[i + 1] += first_user_[i];
  users_.resize(first_user_[size]);
  std::vector<int> next(first_user_.begin(), first_user_.end() - 1);
  visit([&](NodeId id, NodeId user) { users_[next[id.index]++] = user; });
}

void PlanGraph::FindKinds() {
  is_movement_.assign(graph_.size(), false);
  is_splat_.assign(graph_.size(), false);
  is_inlined_.assign(graph_.size(), false);
  is_memory_.assign(graph_.size(), false);
  kinds_.assign(graph_.size(), Kind::kOther);
  elements_.reserve(graph_.size());
  for (int i = 0; i < graph_.size(); ++i) {
    const Node& node = graph_.node(NodeId(i));
    const OpClass op_class = Def(node.op).op_class;
    is_movement_[i] = op_class == OpClass::kMovement ||
                      (op_class == OpClass::kGather && MovementPieces(graph_, NodeId(i)).has_value());
    if (op_class == OpClass::kContraction) kinds_[i] = Kind::kContraction;
    if (op_class == OpClass::kReduce) {
      const std::string* order = node.attributes.Get<std::string>("order");
      kinds_[i] = order != nullptr && *order == "outer" ? Kind::kOuterReduction : Kind::kInnerReduction;
    }
    const bool as_operand = !node.operands.empty() && node.operands[0].result == 0 &&
                            graph_.type(node.operands[0]).dims == node.results[0].dims;
    elements_.push_back(as_operand ? ElementsOf(node.operands[0].node) : NominalElements(node.results[0]));
    const bool looked_through = node.op == Op::broadcast || node.op == Op::reshape || node.op == Op::transpose;
    is_splat_[i] = looked_through ? is_splat_[node.operands[0].node.index] : graph_.SplatValue({NodeId(i), 0}).has_value();
    is_memory_[i] = node.op == Op::input || (node.op == Op::constant && !is_splat_[i]);
    is_inlined_[i] = is_splat_[i] || graph_.Known({NodeId(i), 0}).has_value();
  }
}

double PlanGraph::BytesOf(Value v) const {
  const TensorType& type = graph_.type(v);
  return (v.result == 0 ? ElementsOf(v.node) : NominalElements(type)) * BitWidth(type.element) / 8;
}

bool PlanGraph::Moves(NodeId id) const {
  return IsMovement(id) || Def(graph_.node(id).op).op_class == OpClass::kGather;
}

void PlanGraph::FindRepeated() {
  Flags moved(graph_.size(), false);  // something that is no kernel's result moves it
  may_be_repeated_.assign(graph_.size(), false);
  for (int i = graph_.size() - 1; i >= 0; --i) {
    const NodeId id(i);
    moved[i] = std::any_of(UsersOf(id).begin(), UsersOf(id).end(), [&](NodeId user) {
      return Moves(user) || (!IsComputed(user) && moved[user.index]);
    });
    may_be_repeated_[i] = moved[i] && IsComputed(id) && IsRepeated(id, nullptr);
  }
}

bool PlanGraph::IsRepeated(NodeId id, const NodeSet* nodes) const {
  constexpr double kMostFlops = 6;  // an element
  const OpDef& def = Def(graph_.node(id).op);
  if (def.op_class != OpClass::kPointwise) return false;
  absl::InlinedVector<std::pair<NodeId, double>, 16> work = {{id, 1}};
  absl::InlinedVector<NodeId, 32> seen;
  while (!work.empty()) {
    auto [from, ratio] = work.back();
    work.pop_back();
    if (std::find(seen.begin(), seen.end(), from) != seen.end()) continue;
    seen.push_back(from);
    for (NodeId user : UsersOf(from)) {
      if (IsComputed(user) && nodes != nullptr && !nodes->contains(user)) continue;
      const bool moved = Moves(user);
      if (IsComputed(user) && moved && nodes == nullptr) return true;  // what lies behind it depends on the nodes
      const double next = moved ? ratio * Growth(*this, from, user) : ratio;
      if (IsComputed(user) && def.flops * (next - 1) > kMostFlops) return true;
      if (!IsComputed(user) || moved) work.push_back({user, next});
    }
  }
  return false;
}

void PlanGraph::FindNeeded() {
  needed_ = is_output_;
  for (int i = graph_.size() - 1; i >= 0; --i) {
    if (!needed_[i] || graph_.Known({NodeId(i), 0})) continue;
    for (Value v : graph_.node(NodeId(i)).operands) needed_[v.node.index] = true;
  }
}

void PlanGraph::FindPhases() {
  constant_.assign(graph_.size(), false);
  phase_.assign(graph_.size(), Phase::kBinding);
  Flags runtime(graph_.size(), false);
  for (int i = 0; i < graph_.size(); ++i) {
    const Node& node = graph_.node(NodeId(i));
    const bool known = graph_.Known({NodeId(i), 0}).has_value();
    bool constant = node.op != Op::input && !known;
    runtime[i] = node.op == Op::input && !known;
    if (!known) {
      for (Value v : node.operands) {
        constant = constant && constant_[v.node.index];
        runtime[i] = runtime[i] || runtime[v.node.index];
      }
    }
    constant_[i] = constant;
    const Dims& dims = node.results[0].dims;
    const bool fixed = std::all_of(dims.begin(), dims.end(), [](DimExpr d) { return d.IsConst(); });
    phase_[i] = runtime[i] ? Phase::kRun : constant && fixed ? Phase::kProgram : Phase::kBinding;
  }
}

void PlanGraph::FindComputed(bool fuse) {
  is_computed_.assign(graph_.size(), false);
  for (int i = 0; i < graph_.size(); ++i) {
    const NodeId id(i);
    const Node& node = graph_.node(id);
    if (!needed_[i] || node.op == Op::input || node.op == Op::constant) continue;
    const bool output = IsOutput(id);
    bool computed;
    if (IsInlined({id, 0})) {
      computed = output;  // read nowhere, since it is inlined
    } else if (node.attributes.Has("materialize")) {
      computed = true;
    } else if (IsMovement(id)) {
      // A movement node computes nothing, unless nothing else would write an output. Op by op, it copies; only a
      // reshape and the broadcast that a pointwise node does on the way (numpy's) do not.
      computed = output || (!fuse && node.op != Op::reshape && !constant_[i] && !BroadcastInPassing(id));
    } else if (Def(node.op).op_class == OpClass::kPointwise && !output && fuse) {
      computed = UsersOf(id).size() <= 1 || !RecomputedAnywhere(id);
    } else {
      computed = true;
    }
    if (!computed) continue;
    computed_.insert(id);
    is_computed_[i] = true;
  }
}

void PlanGraph::FindReads() {
  reads_.resize(graph_.size());
  readers_.resize(graph_.size());
  recomputed_.resize(graph_.size());
  std::vector<NodeId> seen_by(graph_.size());
  std::vector<Value> work;
  for (NodeId id : computed_) {
    Nodes& reads = reads_[id.index];
    Nodes& recomputed = recomputed_[id.index];
    work.assign(graph_.node(id).operands.begin(), graph_.node(id).operands.end());
    while (!work.empty()) {
      Value v = work.back();
      work.pop_back();
      const Op op = graph_.node(v.node).op;
      if (IsInlined(v) || seen_by[v.node.index] == id) continue;
      seen_by[v.node.index] = id;
      if (IsComputed(v.node)) {
        reads.push_back(v.node);
      } else if (op != Op::input && op != Op::constant) {
        recomputed.push_back(v.node);
        for (Value operand : graph_.node(v.node).operands) work.push_back(operand);
      }
    }
    std::sort(reads.begin(), reads.end());
    std::sort(recomputed.begin(), recomputed.end());
    for (NodeId from : reads) readers_[from.index].push_back(id);
  }
}

// Cheap to recompute wherever it is needed: a few pointwise operations (no transcendental) on inputs that
// together are no larger than the value.
bool PlanGraph::RecomputedAnywhere(NodeId id) const {
  constexpr int kFewFlops = 8;
  int flops = 0;
  double bytes = 0;
  std::set<Value> leaves;
  std::vector<Value> work = {{id, 0}};
  NodeSet seen;
  while (!work.empty()) {
    Value v = work.back();
    work.pop_back();
    if (IsInlined(v) || !seen.insert(v.node).second) continue;
    const Node& node = graph_.node(v.node);
    if (node.op == Op::input || node.op == Op::constant || IsComputed(v.node)) {
      if (leaves.insert(v).second) bytes += BytesOf(v);
      continue;
    }
    const OpDef& def = Def(node.op);
    if (def.op_class == OpClass::kPointwise) {
      flops += def.flops;
    } else if (!IsMovement(v.node)) {
      return false;
    }
    if (flops > kFewFlops) return false;
    for (Value operand : node.operands) work.push_back(operand);
  }
  return bytes <= BytesOf({id, 0});
}

bool PlanGraph::BroadcastInPassing(NodeId id) const {
  if (graph_.node(id).op != Op::broadcast) return false;
  return std::all_of(UsersOf(id).begin(), UsersOf(id).end(),
                     [&](NodeId user) { return SameSource(id, user); });
}

bool PlanGraph::IsUsed(Value v) const {
  if (outputs_.contains(v)) return true;
  for (NodeId user : UsersOf(v.node)) {
    const Node& node = graph_.node(user);
    if (std::find(node.operands.begin(), node.operands.end(), v) != node.operands.end()) return true;
  }
  return false;
}

Phase PlanGraph::PhaseOf(const NodeSet& nodes) const {
  Phase phase = Phase::kProgram;
  for (NodeId id : nodes) phase = std::max(phase, PhaseOf(id));
  return phase;
}

bool PlanGraph::SameSource(NodeId a, NodeId b) const {
  const auto& x = graph_.origins(a);
  const auto& y = graph_.origins(b);
  return !x.empty() && !y.empty() && std::find_first_of(x.begin(), x.end(), y.begin(), y.end()) != x.end();
}

}  // namespace skein
