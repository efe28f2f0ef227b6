#include "fusion/planner_repair.h"

#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "absl/numeric/bits.h"

namespace skein {
namespace {

class Repair {
 public:
  Repair(const PlanGraph& graph, const Traffic& traffic, const Reachability& reach, const ExactLimits& limits,
         Groups* groups)
      : graph_(graph), traffic_(traffic), reach_(reach), limits_(limits), groups_(*groups) {}

  RepairResult Run() {
    RepairResult result;
    result.exact = true;
    for (const std::vector<NodeId>& nodes : FindComponents(graph_, traffic_, reach_, groups_)) {
      const double planned = CostOf(nodes);
      result.planned += planned;
      // Most components, layers of a model, are one kernel already: nothing moves less.
      if (nodes.size() == 1 || planned <= LeastOf(nodes)) {
        result.least += planned;
        continue;
      }
      const ExactResult best = SolveAndApply(nodes, planned);
      if (!best.exact && best.least == 0) RepairWindows(nodes);
      result.exact = result.exact && best.exact;
      result.least += best.exact ? best.least : std::max(best.least, LeastOf(nodes));
    }
    return result;
  }

 private:
  std::vector<int> PartsOf(const std::vector<NodeId>& nodes) const {
    std::vector<int> parts;
    for (NodeId id : nodes) parts.push_back(groups_.PartOf(id));
    std::sort(parts.begin(), parts.end());
    parts.erase(std::unique(parts.begin(), parts.end()), parts.end());
    return parts;
  }
  double CostOf(const std::vector<NodeId>& nodes) const {
    double cost = 0;
    for (int part : PartsOf(nodes)) cost += traffic_.Cost({&groups_.nodes(part)});
    return cost;
  }

  // The best partition of these nodes, made that of the groups if it is better. Equal structures are solved once.
  ExactResult SolveAndApply(const std::vector<NodeId>& nodes, double planned) {
    if (static_cast<int>(nodes.size()) > limits_.nodes || work_ > limits_.all_work || asked_ > limits_.all_asked) return {};
    Component c = MakeComponent(graph_, traffic_, reach_, nodes);
    auto [it, fresh] = solved_.emplace(StructureOf(graph_, groups_, c), ExactResult());
    if (fresh) {
      AddConflicts(reach_, groups_, &c);
      work_ += 4000 * static_cast<int64_t>(nodes.size() * nodes.size());  // about what that takes
      std::vector<uint64_t> there;
      for (int part : PartsOf(nodes)) {
        there.push_back(0);
        for (NodeId id : groups_.nodes(part)) there.back() |= uint64_t{1} << c.PositionOf(id);
      }
      it->second = SolveExactly(traffic_, groups_, c, std::move(there), limits_);
      work_ += it->second.work;
      asked_ += it->second.asked;
    }
    ExactResult best = it->second;
    if (!best.exact || best.least > planned - 1) return best;
    std::vector<NodeSet> sets;
    for (uint64_t set : best.sets) sets.push_back(c.SetOf(set));
    const bool fit = std::all_of(sets.begin(), sets.end(), [&](const NodeSet& s) { return !groups_.WhyNot(s); });
    // Where both are the best of their components, but wait for each other, the plan stays and the cost is a bound.
    if (!fit || !groups_.Regroup(sets)) best.exact = false;
    return best;
  }

  // Each group with the groups around it, nearest first.
  void RepairWindows(const std::vector<NodeId>& nodes) {
    for (NodeId seed : nodes) {
      const int part = groups_.PartOf(seed);
      if (*groups_.nodes(part).begin() != seed) continue;  // once a group
      std::vector<NodeId> window = WindowAround(part, nodes);
      if (PartsOf(window).size() > 1) SolveAndApply(window, CostOf(window));
    }
  }
  std::vector<NodeId> WindowAround(int part, const std::vector<NodeId>& nodes) const {
    constexpr size_t kWindow = 20;
    NodeSet window;
    std::vector<int> work = {part};
    std::set<int> seen = {part};
    for (size_t at = 0; at < work.size(); ++at) {
      const NodeSet& more = groups_.nodes(work[at]);
      if (window.size() + more.size() > kWindow) continue;
      window.insert(more.begin(), more.end());
      for (NodeId id : more) {
        for (const auto& list : {graph_.ReadersOf(id), graph_.ReadsOf(id)}) {
          for (NodeId next : list) {
            if (!std::binary_search(nodes.begin(), nodes.end(), next)) continue;
            if (seen.insert(groups_.PartOf(next)).second) work.push_back(groups_.PartOf(next));
          }
        }
      }
    }
    return {window.begin(), window.end()};
  }

  // What any partition moves: as if these nodes were one kernel.
  double LeastOf(const std::vector<NodeId>& nodes) const { return traffic_.Cost(nodes); }

  const PlanGraph& graph_;
  const Traffic& traffic_;
  const Reachability& reach_;
  const ExactLimits& limits_;
  Groups& groups_;
  absl::flat_hash_map<std::string, ExactResult> solved_;   // by structure
  int64_t work_ = 0;
  int asked_ = 0;
};

}  // namespace

std::vector<std::vector<NodeId>> FindComponents(const PlanGraph& graph, const Traffic& traffic,
                                                const Reachability& reach, const Groups& groups) {
  std::vector<NodeId> nodes;
  for (NodeId id : graph.computed()) {
    if (graph.PhaseOf(id) == Phase::kRun) nodes.push_back(id);
  }
  std::vector<NodeId> parents(graph.graph().size());  // by node; of others none
  auto parent = [&](NodeId id) -> NodeId& { return parents[id.index]; };
  for (NodeId id : nodes) parent(id) = id;
  auto root = [&](NodeId id) {
    while (parent(id) != id) id = parent(id) = parent(parent(id));
    return id;
  };
  auto join = [&](NodeId a, NodeId b) {
    const NodeId x = root(a), y = root(b);
    if (x == y) return;
    if (groups.PartOf(a) == groups.PartOf(b) || groups.MayShare(reach, a, b)) parent(std::max(x, y)) = std::min(x, y);
  };
  for (NodeId id : nodes) {
    join(id, *groups.nodes(groups.PartOf(id)).begin());  // siblings of a plan may share little at other sizes
    for (NodeId reader : graph.ReadersOf(id)) join(id, reader);
    for (int value : traffic.ReadBy(id)) {
      if (!IsLarge(traffic, value)) continue;
      for (NodeId reader : traffic.ReadersOf(value)) {
        if (id < reader && parent(reader).valid() && !reach.Reaches(id, reader)) join(id, reader);
      }
    }
  }
  std::map<NodeId, std::vector<NodeId>> components;
  for (NodeId id : nodes) components[root(id)].push_back(id);
  std::vector<std::vector<NodeId>> result;
  for (auto& [first, list] : components) result.push_back(std::move(list));
  return result;
}

RepairResult RepairExactly(const PlanGraph& graph, const Traffic& traffic, const Reachability& reach,
                           const ExactLimits& limits, Groups* groups) {
  if (!reach.tracked()) return {};
  return Repair(graph, traffic, reach, limits, groups).Run();
}

}  // namespace skein
