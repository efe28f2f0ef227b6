// Merging: which parts become one.
#include <algorithm>
#include <queue>
#include <array>
#include <set>

#include "absl/container/flat_hash_set.h"
#include "fusion/planner_cost.h"
#include "fusion/planner_groups.h"

namespace skein {
namespace {

class GreedyMerger {
 public:
  GreedyMerger(const PlanGraph& graph, const Traffic& traffic, const Reachability& reach, Groups* groups)
      : graph_(graph), traffic_(traffic), reach_(reach), groups_(*groups) {}

  void Run() {
    for (int i = 0; i < groups_.size(); ++i) cost_.push_back(traffic_.Cost({&groups_.nodes(i)}));
    for (int i = 0; i < groups_.size(); ++i) PushEdges(i);
    absl::flat_hash_set<std::array<size_t, 4>> tried;  // parts as they are: they only grow
    while (!queue_.empty()) {
      const Candidate c = queue_.top();
      queue_.pop();
      if (!groups_.alive(c.producer) || !groups_.alive(c.consumer)) continue;
      if (Gain(c.producer, c.consumer) != c.gain) continue;  // a newer entry is in the queue
      const auto index = [](int part) { return static_cast<size_t>(part); };
      if (!tried.insert({index(c.producer), groups_.nodes(c.producer).size(), index(c.consumer),
                         groups_.nodes(c.consumer).size()}).second) {
        continue;
      }
      if (!groups_.TryMerge(c.producer, c.consumer, c.siblings)) continue;
      cost_[c.producer] = traffic_.Cost({&groups_.nodes(c.producer)});
      PushEdges(c.producer);
    }
  }

 private:
  struct Candidate {
    double gain;
    int producer, consumer;
    std::optional<Groups::Siblings> siblings;
    bool operator<(const Candidate& o) const {
      // Equal gains: in the order of the graph.
      return std::tie(gain, o.producer, o.consumer) < std::tie(o.gain, producer, consumer);
    }
  };

  void PushEdges(int part) {
    std::set<std::pair<int, int>> edges;
    for (NodeId id : groups_.nodes(part)) {
      for (NodeId reader : graph_.ReadersOf(id)) edges.insert({part, groups_.PartOf(reader)});
      for (NodeId from : graph_.ReadsOf(id)) edges.insert({groups_.PartOf(from), part});
    }
    for (auto [p, c] : edges) {
      if (p != c) queue_.push({Gain(p, c), p, c, std::nullopt});
    }
    PushSiblings(part, edges);
  }

  // Parts that read the same large value, and not, over whatever way, each other's results.
  void PushSiblings(int part, std::set<std::pair<int, int>> known) {
    if (!reach_.tracked()) return;
    for (NodeId id : groups_.nodes(part)) {
      for (int value : traffic_.ReadBy(id)) {
        if (!IsLarge(traffic_, value)) continue;
        for (NodeId reader : traffic_.ReadersOf(value)) {
          const int other = groups_.PartOf(reader);
          const int first = std::min(part, other), second = std::max(part, other);
          if (other == part || known.contains({part, other}) || known.contains({other, part})) continue;
          known.insert({part, other});
          if (reach_.Ordered(groups_.nodes(part), groups_.nodes(other))) continue;
          queue_.push({Gain(first, second), first, second, {{std::min(id, reader), std::max(id, reader)}}});
        }
      }
    }
  }

  // What merging saves.
  double Gain(int producer, int consumer) const {
    const NodeSet& nodes = groups_.nodes(producer);
    double gain = cost_[producer] + cost_[consumer] - traffic_.Cost({&nodes, &groups_.nodes(consumer)});
    // An epilogue is hidden behind the arithmetic of its contraction, so between equals it goes there.
    if (std::any_of(nodes.begin(), nodes.end(), [&](NodeId id) { return graph_.graph().node(id).op == Op::dot; })) {
      gain *= 1.125;
    }
    return gain;
  }

  const PlanGraph& graph_;
  const Traffic& traffic_;
  const Reachability& reach_;
  Groups& groups_;
  std::vector<double> cost_;   // by part
  std::priority_queue<Candidate> queue_;
};

}  // namespace

void MergeGreedily(const PlanGraph& graph, const Traffic& traffic, const Reachability& reach, Groups* groups) {
  GreedyMerger(graph, traffic, reach, groups).Run();
}

void MergeBySource(const PlanGraph& graph, Groups* groups) {
  for (bool changed = true; changed;) {
    changed = false;
    for (NodeId id : graph.computed()) {
      for (NodeId reader : graph.ReadersOf(id)) {
        const int p = groups->PartOf(id), c = groups->PartOf(reader);
        if (p == c || !graph.SameSource(id, reader)) continue;
        if (graph.PhaseOf(groups->nodes(p)) != graph.PhaseOf(groups->nodes(c))) continue;
        changed = groups->TryMerge(p, c) || changed;
      }
    }
  }
}

}  // namespace skein
