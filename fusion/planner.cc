// Planner: which nodes share a kernel.
//
// Every node that computes starts as a group of its own. Best-gain greedy: of all edges between groups, the one
// that saves most memory traffic is tried first; it is taken if the merged group still fits one kernel, creates
// no cycle and recomputes little. Whether it fits is not a second set of rules: the scheduler is asked.
#include <algorithm>
#include <map>
#include <queue>
#include <set>

#include "fusion/plan.h"
#include "fusion/schedule.h"
#include "fusion/settle.h"

namespace skein {
namespace {

// Sizes that the cost model assumes for symbols. Only relative sizes matter, and only to break ties
// between merges; no plan is wrong for another size.
constexpr int64_t kNominal = 128;

double Nominal(DimExpr e) {
  SymbolValues symbols;
  VisitLeaves(e, [&](DimExpr leaf) {
    if (leaf.kind() == DimKind::kSymbol) symbols[std::string(leaf.symbol())] = kNominal;
  });
  absl::StatusOr<int64_t> v = Evaluate(e, symbols);
  return v.ok() ? static_cast<double>(*v) : 0;
}

double NominalElements(const TensorType& type) { return Nominal(Product(type.dims)); }
double NominalBytes(const TensorType& type) {
  return NominalElements(type) * BitWidth(type.element) / 8;
}

class Planner {
 public:
  Planner(Plan* plan, const PlanOptions& options)
      : plan_(*plan), graph_(plan->graph), options_(options), users_(graph_.Users()) {}

  absl::Status Run() {
    FindSources();
    FindComputed();
    InitialGroups();
    if (options_.fuse) {
      SKEIN_RETURN_IF_ERROR(MergeGreedily());
    } else {
      MergeBySource();
    }
    AbsorbMovement();
    return Finish();
  }

 private:
  struct Part {                // a group in the making
    std::set<NodeId> nodes;    // that compute; what lies between is recomputed
    bool alive = true;
  };

  // --- what is what ---

  void FindSources() {
    needed_.assign(graph_.size(), false);
    for (const Graph::Named& out : graph_.outputs()) needed_[out.value.node.index] = true;
    for (int i = graph_.size() - 1; i >= 0; --i) {
      if (!needed_[i] || graph_.Known({NodeId(i), 0})) continue;
      for (Value v : graph_.node(NodeId(i)).operands) needed_[v.node.index] = true;
    }
    constant_.assign(graph_.size(), false);
    runtime_.assign(graph_.size(), false);
    for (int i = 0; i < graph_.size(); ++i) {
      const Node& node = graph_.node(NodeId(i));
      const bool known = graph_.Known({NodeId(i), 0}).has_value();
      bool constant = node.op != Op::input && !known, runtime = node.op == Op::input && !known;
      if (!known) {
        for (Value v : node.operands) {
          constant = constant && constant_[v.node.index];
          runtime = runtime || runtime_[v.node.index];
        }
      }
      constant_[i] = constant;
      runtime_[i] = runtime;
    }
    for (const Graph::Named& out : graph_.outputs()) is_output_.insert(out.value);
  }

  bool IsMovement(NodeId id) const {
    return Def(graph_.node(id).op).op_class == OpClass::kMovement ||
           MovementPieces(graph_, id).has_value();
  }
  bool IsSplatConstant(Value v) const { return graph_.SplatValue(v).has_value(); }

  // Cheap to recompute wherever it is needed: a few pointwise operations (no transcendental) on inputs that
  // together are no larger than the value.
  bool RecomputedAnywhere(NodeId id) {
    constexpr int kFewFlops = 8;
    int flops = 0;
    double bytes = 0;
    std::set<Value> leaves;
    std::vector<Value> work = {{id, 0}};
    std::set<NodeId> seen;
    while (!work.empty()) {
      Value v = work.back();
      work.pop_back();
      if (graph_.Known(v) || IsSplatConstant(v)) continue;
      if (!seen.insert(v.node).second) continue;
      const Node& node = graph_.node(v.node);
      if (node.op == Op::input || node.op == Op::constant || computed_.contains(v.node)) {
        if (leaves.insert(v).second) bytes += NominalBytes(graph_.type(v));
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
    return bytes <= NominalBytes(graph_.node(id).results[0]);
  }

  // Nodes that some kernel must compute; the rest are movement and what is recomputed anywhere.
  void FindComputed() {
    for (int i = 0; i < graph_.size(); ++i) {
      const NodeId id(i);
      const Node& node = graph_.node(id);
      if (!needed_[i] || node.op == Op::input || node.op == Op::constant) continue;
      const bool output = IsOutput(id);
      bool computed;
      if (graph_.Known({id, 0}) || IsSplatConstant({id, 0})) {
        computed = output;  // read nowhere, since it is inlined
      } else if (node.attributes.Has("materialize")) {
        computed = true;
      } else if (IsMovement(id)) {
        // A movement node computes nothing, unless nothing else would write an output. Op by op, it copies; only a
        // reshape and the broadcast that a pointwise node does on the way (numpy's) do not.
        computed = output || (!options_.fuse && node.op != Op::reshape && !constant_[i] && !BroadcastInPassing(id));
      } else if (Def(node.op).op_class == OpClass::kPointwise && !output && options_.fuse) {
        computed = users_[i].size() <= 1 || !RecomputedAnywhere(id);
      } else {
        computed = true;
      }
      if (computed) computed_.insert(id);
    }
  }
  bool BroadcastInPassing(NodeId id) const {
    if (graph_.node(id).op != Op::broadcast) return false;
    return std::all_of(users_[id.index].begin(), users_[id.index].end(),
                       [&](NodeId user) { return SameSource(id, user); });
  }
  bool IsOutput(NodeId id) const {
    auto it = is_output_.lower_bound(Value{id, 0});
    return it != is_output_.end() && it->node == id;
  }

  void InitialGroups() {
    for (NodeId id : computed_) {
      part_of_[id] = static_cast<int>(parts_.size());
      parts_.push_back({{id}});
    }
    // Computed nodes that each computed node reads, looking through what is recomputed.
    for (NodeId id : computed_) {
      std::set<NodeId> reads, seen;
      std::vector<Value> work(graph_.node(id).operands.begin(), graph_.node(id).operands.end());
      while (!work.empty()) {
        Value v = work.back();
        work.pop_back();
        if (graph_.Known(v) || IsSplatConstant(v) || !seen.insert(v.node).second) continue;
        if (computed_.contains(v.node)) {
          reads.insert(v.node);
          continue;
        }
        for (Value operand : graph_.node(v.node).operands) work.push_back(operand);
      }
      for (NodeId from : reads) {
        reads_[id].push_back(from);
        readers_[from].push_back(id);
      }
    }
  }

  // --- groups as the scheduler sees them ---

  // Values of a part that are needed outside it.
  std::vector<Value> Outputs(const std::set<NodeId>& nodes) const {
    std::vector<Value> outputs;
    for (NodeId id : nodes) {
      bool outside = IsOutput(id);
      for (NodeId reader : ReadersOf(id)) outside = outside || !nodes.contains(reader);
      if (!outside) continue;
      auto it = absorbed_.find(id);
      if (it != absorbed_.end()) {
        outputs.push_back(it->second);
        continue;
      }
      for (size_t r = 0; r < graph_.node(id).results.size(); ++r) {
        Value v{id, static_cast<int32_t>(r)};
        if (r == 0 || ResultIsUsed(v)) outputs.push_back(v);
      }
    }
    return outputs;
  }
  bool ResultIsUsed(Value v) const {
    if (is_output_.contains(v)) return true;
    for (NodeId user : users_[v.node.index]) {
      const Node& node = graph_.node(user);
      if (std::find(node.operands.begin(), node.operands.end(), v) != node.operands.end()) return true;
    }
    return false;
  }
  const std::vector<NodeId>& ReadersOf(NodeId id) const {
    static const auto& none = *new std::vector<NodeId>();
    auto it = readers_.find(id);
    return it == readers_.end() ? none : it->second;
  }

  GroupSpec SpecOf(const std::set<NodeId>& nodes) const {
    GroupSpec spec;
    spec.outputs = Outputs(nodes);
    spec.boundary = [this, &nodes](Value v) {
      const Node& node = graph_.node(v.node);
      if (node.op == Op::input) return true;
      if (node.op == Op::constant) return !IsSplatConstant(v);
      if (absorbed_values_.contains(v)) return true;
      return computed_.contains(v.node) && !nodes.contains(v.node) && !absorbed_.contains(v.node);
    };
    return spec;
  }

  absl::StatusOr<Group> TrySchedule(const std::set<NodeId>& nodes) {
    return Schedule(graph_, SpecOf(nodes), options_.target);
  }

  // --- merging ---

  bool WouldCycle(int producer, int consumer) const {
    // A path from producer to consumer through a third part.
    std::set<int> seen;
    std::vector<int> work;
    auto push_readers = [&](int part, bool first) {
      for (NodeId id : parts_[part].nodes) {
        for (NodeId reader : ReadersOf(id)) {
          const int next = part_of_.at(reader);
          if (next == part || (first && next == consumer)) continue;
          if (seen.insert(next).second) work.push_back(next);
        }
      }
    };
    push_readers(producer, true);
    while (!work.empty()) {
      const int part = work.back();
      work.pop_back();
      if (part == consumer) return true;
      push_readers(part, false);
    }
    return false;
  }

  bool HasDot(const std::set<NodeId>& nodes) const {
    return std::any_of(nodes.begin(), nodes.end(),
                       [&](NodeId id) { return graph_.node(id).op == Op::dot; });
  }

  // Nominal bytes that merging saves: a value no longer written and read, or no longer read.
  double Gain(int producer, int consumer) const {
    double gain = 0;
    bool connected = false;
    for (NodeId id : parts_[producer].nodes) {
      bool here = false, elsewhere = IsOutput(id);
      for (NodeId reader : ReadersOf(id)) {
        const int part = part_of_.at(reader);
        if (part == consumer) here = true;
        if (part != consumer && part != producer) elsewhere = true;
      }
      if (!here) continue;
      connected = true;
      gain += NominalBytes(graph_.node(id).results[0]) * (elsewhere ? 1 : 2);
    }
    if (!connected) return -1;
    // A launch costs about as much as moving 16 KiB through the cache (FIELD-NOTES, "Launch cost"). An epilogue
    // is hidden behind the arithmetic of its contraction, so between equals it goes there.
    constexpr double kLaunchBytes = 16 << 10;
    gain += kLaunchBytes;
    if (HasDot(parts_[producer].nodes)) gain *= 1.125;
    return gain;
  }

  // Flops that a consumer would spend on elements of `id` beyond those that it has: what lies behind a repeat along
  // outer dims, a concatenation or a gather is computed again for every use.
  double RepeatedFlops(NodeId id, const std::set<NodeId>& consumer) const {
    const Node& node = graph_.node(id);
    const double flops = Def(node.op).op_class == OpClass::kPointwise ? Def(node.op).flops : 0;
    double most = 0;
    std::vector<std::pair<NodeId, double>> work = {{id, 1}};
    std::set<NodeId> seen;
    while (!work.empty()) {
      auto [from, ratio] = work.back();
      work.pop_back();
      if (!seen.insert(from).second) continue;
      for (NodeId user : users_[from.index]) {
        if (computed_.contains(user) && !consumer.contains(user)) continue;
        const bool moved = IsMovement(user) || Def(graph_.node(user).op).op_class == OpClass::kGather;
        double next = ratio;
        if (moved) {
          const TensorType& in = graph_.node(from).results[0];
          const TensorType& out = graph_.node(user).results[0];
          double grown = NominalElements(out) / std::max(1.0, NominalElements(in));
          if (graph_.node(user).op == Op::broadcast && RepeatsInnerDims(in.dims, out.dims)) grown = 1;
          if (graph_.node(user).op == Op::gather && graph_.node(user).operands[0].node != from) {
            grown = 1;  // an index is read once for the row that it selects
          }
          next = ratio * std::max(1.0, grown);
        }
        most = std::max(most, flops * (next - 1));
        if (!computed_.contains(user) || moved) work.push_back({user, next});
      }
    }
    return most;
  }
  // True if only trailing dims are repeated: such a value is computed once per row.
  static bool RepeatsInnerDims(const Dims& in, const Dims& out) {
    bool trailing = true;
    for (size_t i = in.size(); i-- > 0;) {
      if (in[i] == out[i] && !in[i].IsConst(1)) trailing = false;
      if (in[i] != out[i] && !trailing) return false;
    }
    return true;
  }

  // Whether a node of `producer` is read, before any product, on the way into a contraction of `consumer`. The left
  // operand is read once per panel of columns, so nothing is computed there; the right one is packed once per
  // block of rows, which a few operations can ride on.
  bool FeedsProduct(const std::set<NodeId>& producer, const std::set<NodeId>& consumer, std::string* why) const {
    constexpr int kPackedFlops = 8;
    for (NodeId dot : consumer) {
      const Node& node = graph_.node(dot);
      if (node.op != Op::dot) continue;
      for (int side = 0; side < 2; ++side) {
        int flops = 0;
        bool feeds = false;
        std::set<NodeId> seen;
        std::vector<Value> work = {node.operands[side]};
        while (!work.empty()) {
          Value v = work.back();
          work.pop_back();
          if (graph_.Known(v) || IsSplatConstant(v) || !seen.insert(v.node).second) continue;
          const bool inside = producer.contains(v.node) || consumer.contains(v.node);
          if (computed_.contains(v.node) && !inside) continue;
          feeds = feeds || producer.contains(v.node);
          const OpDef& def = Def(graph_.node(v.node).op);
          if (def.op_class == OpClass::kPointwise) flops += def.flops;
          for (Value operand : graph_.node(v.node).operands) work.push_back(operand);
        }
        if (!feeds) continue;
        if (side == 0) {
          *why = "it would be computed again for every panel of columns of the product";
          return true;
        }
        if (flops > kPackedFlops) {
          *why = "it would be computed again for every block of rows of the product";
          return true;
        }
      }
    }
    return false;
  }

  void Refuse(int producer, int consumer, std::string code, std::string sentence) {
    for (NodeId id : parts_[producer].nodes) {
      for (NodeId reader : ReadersOf(id)) {
        if (part_of_.at(reader) != consumer) continue;
        refusals_[{id, reader}] = {{id, 0}, reader, code,
                                   absl::StrCat(OriginText(graph_, id), " and ", OriginText(graph_, reader),
                                                " do not share a kernel: ", sentence)};
        return;
      }
    }
  }

  // A merge between pointwise nodes of one shape, without movement between them, always fits.
  bool ObviouslyFits(const std::set<NodeId>& nodes) const {
    const Dims& dims = graph_.node(*nodes.begin()).results[0].dims;
    for (NodeId id : nodes) {
      const Node& node = graph_.node(id);
      if (Def(node.op).op_class != OpClass::kPointwise || node.results[0].dims != dims) return false;
    }
    return nodes.size() < 40;
  }

  bool TryMerge(int producer, int consumer) {
    if (WouldCycle(producer, consumer)) {
      Refuse(producer, consumer, "SK160", "another kernel lies between them");
      return false;
    }
    constexpr double kRepeatedFlops = 6;
    for (NodeId id : parts_[producer].nodes) {
      if (RepeatedFlops(id, parts_[consumer].nodes) > kRepeatedFlops) {
        Refuse(producer, consumer, "SK161", "the work would be repeated for every element that it is copied to");
        return false;
      }
    }
    std::string why;
    if (FeedsProduct(parts_[producer].nodes, parts_[consumer].nodes, &why)) {
      Refuse(producer, consumer, "SK154", why);
      return false;
    }
    std::set<NodeId> nodes = parts_[producer].nodes;
    nodes.insert(parts_[consumer].nodes.begin(), parts_[consumer].nodes.end());
    constexpr size_t kMostNodes = 64;
    if (nodes.size() > kMostNodes) {
      Refuse(producer, consumer, "SK162", "the kernel would have more than 64 operations");
      return false;
    }
    if (!ObviouslyFits(nodes)) {
      absl::StatusOr<Group> group = TrySchedule(nodes);
      if (!group.ok()) {
        std::string message(group.status().message());
        const size_t colon = message.find(": ");
        const bool coded = message.rfind("SK", 0) == 0 && colon != std::string::npos;
        Refuse(producer, consumer, coded ? message.substr(0, colon) : "SK199",
               coded ? message.substr(colon + 2) : message);
        return false;
      }
    }
    for (NodeId id : nodes) part_of_[id] = producer;
    parts_[producer].nodes = std::move(nodes);
    parts_[consumer].alive = false;
    parts_[consumer].nodes.clear();
    return true;
  }

  absl::Status MergeGreedily() {
    struct Candidate {
      double gain;
      int producer, consumer;
      bool operator<(const Candidate& o) const {
        // Equal gains: in the order of the graph.
        return std::tie(gain, o.producer, o.consumer) < std::tie(o.gain, producer, consumer);
      }
    };
    std::priority_queue<Candidate> queue;
    std::set<std::pair<std::set<NodeId>, std::set<NodeId>>> tried;
    auto push_edges = [&](int part) {
      std::set<std::pair<int, int>> edges;
      for (NodeId id : parts_[part].nodes) {
        for (NodeId reader : ReadersOf(id)) edges.insert({part, part_of_[reader]});
        auto it = reads_.find(id);
        if (it == reads_.end()) continue;
        for (NodeId from : it->second) edges.insert({part_of_[from], part});
      }
      for (auto [p, c] : edges) {
        if (p != c) queue.push({Gain(p, c), p, c});
      }
    };
    for (size_t i = 0; i < parts_.size(); ++i) push_edges(static_cast<int>(i));
    while (!queue.empty()) {
      Candidate c = queue.top();
      queue.pop();
      if (!parts_[c.producer].alive || !parts_[c.consumer].alive) continue;
      if (Gain(c.producer, c.consumer) != c.gain) continue;  // a newer entry is in the queue
      if (!tried.insert({parts_[c.producer].nodes, parts_[c.consumer].nodes}).second) continue;
      // Kernels of different phases are launched at different times.
      if (PhaseOf(parts_[c.producer].nodes) != PhaseOf(parts_[c.consumer].nodes)) {
        Refuse(c.producer, c.consumer, "SK163", "one is computed once, the other in every run");
        continue;
      }
      if (TryMerge(c.producer, c.consumer)) push_edges(c.producer);
    }
    return absl::OkStatus();
  }

  // Op by op: what one node of the user's graph became is one group, where one kernel can take it.
  void MergeBySource() {
    for (bool changed = true; changed;) {
      changed = false;
      for (NodeId id : computed_) {
        for (NodeId reader : ReadersOf(id)) {
          const int p = part_of_[id], c = part_of_[reader];
          if (p == c || !SameSource(id, reader) || PhaseOf(parts_[p].nodes) != PhaseOf(parts_[c].nodes)) continue;
          changed = TryMerge(p, c) || changed;
        }
      }
    }
  }
  bool SameSource(NodeId a, NodeId b) const {
    const auto& x = graph_.origins(a);
    const auto& y = graph_.origins(b);
    return !x.empty() && !y.empty() &&
           std::find_first_of(x.begin(), x.end(), y.begin(), y.end()) != x.end();
  }

  Phase PhaseOf(const std::set<NodeId>& nodes) const {
    Phase phase = Phase::kProgram;
    for (NodeId id : nodes) {
      if (runtime_[id.index]) return Phase::kRun;
      if (!constant_[id.index] || !DimsAreConstant(id)) phase = Phase::kBinding;
    }
    return phase;
  }
  bool DimsAreConstant(NodeId id) const {
    for (DimExpr d : graph_.node(id).results[0].dims) {
      if (!d.IsConst()) return false;
    }
    return true;
  }

  // --- movement behind a result ---

  // If all that happens to a result before it is computed with again is a chain of movement, and stores stay
  // contiguous, it is stored where that chain would put it.
  void AbsorbMovement() {
    for (Part& part : parts_) {
      if (!part.alive) continue;
      for (NodeId id : std::vector<NodeId>(part.nodes.begin(), part.nodes.end())) {
        if (graph_.node(id).results.size() != 1 || IsOutput(id) || graph_.node(id).attributes.Has("materialize")) {
          continue;
        }
        std::vector<NodeId> chain;
        NodeId at = id;
        bool transposes = false;
        while (users_[at.index].size() == 1 && !IsOutput(at)) {
          NodeId user = users_[at.index][0];
          const Op op = graph_.node(user).op;
          if ((op != Op::reshape && op != Op::transpose)) break;
          if (computed_.contains(user) && !IsOutput(user)) break;
          chain.push_back(user);
          transposes = transposes || op == Op::transpose;
          at = user;
        }
        const bool to_output = !chain.empty() && IsOutput(chain.back());
        if (chain.empty() || (!transposes && !to_output)) continue;
        if (!options_.fuse && !to_output) continue;
        if (!options_.fuse && transposes) continue;
        Value value{chain.back(), 0};
        if (!StaysContiguous(id, value)) continue;
        bool exported = IsOutput(id);
        for (NodeId reader : ReadersOf(id)) exported = exported || !part.nodes.contains(reader);
        if (!exported) continue;
        // Try: the chain's last value becomes the group's output in place of the result itself.
        const int old_part = to_output ? part_of_[chain.back()] : -1;
        absorbed_[id] = value;
        absorbed_values_.insert(value);
        if (to_output && old_part >= 0) {
          if (parts_[old_part].nodes.size() != 1) {
            Revert(id, value);
            continue;
          }
          computed_.erase(chain.back());
        }
        if (!TrySchedule(part.nodes).ok()) {
          if (to_output) computed_.insert(chain.back());
          Revert(id, value);
          continue;
        }
        if (to_output) {
          parts_[old_part].alive = false;
          parts_[old_part].nodes.clear();
          part_of_.erase(chain.back());
        }
      }
    }
  }
  void Revert(NodeId id, Value value) {
    absorbed_.erase(id);
    absorbed_values_.erase(value);
  }

  bool StaysContiguous(NodeId core, Value output) const {
    OutputPath path = FindOutputPath(graph_, output, [](Value) { return false; });
    if (path.core.node != core) return false;
    const Dims& dims = graph_.type(path.core).dims;
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
    absl::StatusOr<Dims> place = StoreCoords(graph_, path, coords);
    if (!place.ok()) return false;
    if (last < 0) return true;
    // Contiguous in runs of a panel is enough: split the last dim as the kernels do.
    constexpr int64_t kRun = 64;
    DimExpr run = DimExpr::Coord(kPlaceholder + 1000, kRun);
    DimExpr outer = DimExpr::Coord(kPlaceholder + 1001, CeilDiv(dims[last], kRun));
    DimExpr address = Linearize(*place, graph_.type(output).dims);
    DimExpr split = Substitute(address, [&](DimExpr leaf) -> std::optional<DimExpr> {
      if (leaf.kind() == DimKind::kCoord && leaf.index() == kPlaceholder + last) return outer * kRun + run;
      return std::nullopt;
    });
    std::optional<Affine> affine = AsAffine(split, kPlaceholder + 1000);
    return affine && affine->stride.IsConst(1);
  }

  // --- the result ---

  absl::Status Finish() {
    // Topological order of the parts; among ready ones the earliest in the graph.
    std::map<int, std::set<int>> needs;
    std::map<int, std::set<int>> feeds;
    std::vector<int> alive;
    for (size_t i = 0; i < parts_.size(); ++i) {
      if (!parts_[i].alive) continue;
      alive.push_back(static_cast<int>(i));
      for (NodeId id : parts_[i].nodes) {
        auto it = reads_.find(id);
        if (it == reads_.end()) continue;
        for (NodeId from : it->second) {
          auto part = part_of_.find(from);
          if (part == part_of_.end() || part->second == static_cast<int>(i)) continue;
          needs[static_cast<int>(i)].insert(part->second);
          feeds[part->second].insert(static_cast<int>(i));
        }
      }
    }
    auto later = [this](int a, int b) { return *parts_[b].nodes.begin() < *parts_[a].nodes.begin(); };
    std::priority_queue<int, std::vector<int>, decltype(later)> ready(later);
    for (int i : alive) {
      if (needs[i].empty()) ready.push(i);
    }
    size_t done = 0;
    while (!ready.empty()) {
      const int i = ready.top();
      ready.pop();
      ++done;
      absl::StatusOr<Group> group = TrySchedule(parts_[i].nodes);
      if (absl::IsUnimplemented(group.status())) group = Interpreted(parts_[i].nodes);
      if (!group.ok()) {
        return Annotate(group.status(), absl::StrCat("no kernel for ", OriginText(graph_, *parts_[i].nodes.begin())));
      }
      if (group->kind != "interpreted") {
        absl::Status valid = Verify(group->nest);
        if (!valid.ok()) return Internal(std::string(valid.message()), "\n", group->nest.ToString());
      }
      group->phase = PhaseOf(parts_[i].nodes);
      plan_.groups.push_back(*std::move(group));
      for (int next : feeds[i]) {
        needs[next].erase(i);
        if (needs[next].empty()) ready.push(next);
      }
    }
    if (done != alive.size()) return Internal("groups depend on each other in a cycle");
    for (auto& [edge, refusal] : refusals_) {
      auto a = part_of_.find(edge.first), b = part_of_.find(edge.second);
      if (a != part_of_.end() && b != part_of_.end() && a->second != b->second) {
        plan_.refusals.push_back(std::move(refusal));
      }
    }
    plan_.fused_bytes = 0;
    for (const Group& g : plan_.groups) {
      if (g.phase == Phase::kRun) plan_.fused_bytes = plan_.fused_bytes + g.bytes_read + g.bytes_written;
    }
    return absl::OkStatus();
  }

  // A group that no scheduler takes: the runtime interprets it, and says so.
  absl::StatusOr<Group> Interpreted(const std::set<NodeId>& nodes) {
    GroupSpec spec = SpecOf(nodes);
    SKEIN_ASSIGN_OR_RETURN(GroupContent content, FindContent(graph_, spec));
    Group group;
    group.kind = "interpreted";
    group.outputs = spec.outputs;
    group.nodes = content.nodes;
    std::set<Value> inputs;
    for (NodeId id : content.nodes) {
      for (Value v : graph_.node(id).operands) {
        if (!graph_.Known(v) && spec.boundary(v)) inputs.insert(v);
      }
    }
    group.inputs.assign(inputs.begin(), inputs.end());
    auto bytes = [&](Value v) { return Product(graph_.type(v).dims) * BytesFor(graph_.type(v).element, 1); };
    for (Value v : group.inputs) group.bytes_read = group.bytes_read + bytes(v);
    for (Value v : group.outputs) group.bytes_written = group.bytes_written + bytes(v);
    return group;
  }

  Plan& plan_;
  const Graph& graph_;
  const PlanOptions& options_;
  const std::vector<std::vector<NodeId>> users_;
  std::vector<bool> needed_, constant_, runtime_;
  std::set<Value> is_output_;
  std::set<NodeId> computed_;
  std::vector<Part> parts_;
  std::map<NodeId, int> part_of_;
  std::map<NodeId, std::vector<NodeId>> reads_, readers_;
  std::map<NodeId, Value> absorbed_;     // node -> the movement result that is stored instead
  std::set<Value> absorbed_values_;
  std::map<std::pair<NodeId, NodeId>, Refusal> refusals_;
};

}  // namespace

absl::StatusOr<Plan> MakePlan(const Graph& graph, const PlanOptions& options) {
  Plan plan;
  SKEIN_ASSIGN_OR_RETURN(plan.graph, Settle(graph));
  SKEIN_RETURN_IF_ERROR(Planner(&plan, options).Run());
  return plan;
}

}  // namespace skein
