// Merging: which parts become one.
#include <algorithm>
#include <queue>
#include <set>

#include "fusion/planner_cost.h"
#include "fusion/planner_groups.h"

namespace skein {
namespace {

struct Candidate {
  double gain;
  int producer, consumer;
  bool operator<(const Candidate& o) const {
    // Equal gains: in the order of the graph.
    return std::tie(gain, o.producer, o.consumer) < std::tie(o.gain, producer, consumer);
  }
};

class GreedyMerger {
 public:
  GreedyMerger(const PlanGraph& graph, Groups* groups) : graph_(graph), groups_(*groups) {}

  void Run() {
    for (int i = 0; i < groups_.size(); ++i) PushEdges(i);
    std::set<std::pair<NodeSet, NodeSet>> tried;
    while (!queue_.empty()) {
      const Candidate c = queue_.top();
      queue_.pop();
      if (!groups_.alive(c.producer) || !groups_.alive(c.consumer)) continue;
      if (Gain(c.producer, c.consumer) != c.gain) continue;  // a newer entry is in the queue
      if (!tried.insert({groups_.nodes(c.producer), groups_.nodes(c.consumer)}).second) continue;
      if (groups_.TryMerge(c.producer, c.consumer)) PushEdges(c.producer);
    }
  }

 private:
  void PushEdges(int part) {
    std::set<std::pair<int, int>> edges;
    for (NodeId id : groups_.nodes(part)) {
      for (NodeId reader : graph_.ReadersOf(id)) edges.insert({part, groups_.PartOf(reader)});
      for (NodeId from : graph_.ReadsOf(id)) edges.insert({groups_.PartOf(from), part});
    }
    for (auto [p, c] : edges) {
      if (p != c) queue_.push({Gain(p, c), p, c});
    }
  }

  // Nominal bytes that merging saves: a value no longer written and read, or no longer read. -1: not connected.
  double Gain(int producer, int consumer) const {
    double gain = 0;
    bool connected = false;
    for (NodeId id : groups_.nodes(producer)) {
      bool here = false, elsewhere = graph_.IsOutput(id);
      for (NodeId reader : graph_.ReadersOf(id)) {
        const int part = groups_.PartOf(reader);
        if (part == consumer) here = true;
        if (part != consumer && part != producer) elsewhere = true;
      }
      if (!here) continue;
      connected = true;
      gain += NominalBytes(graph_.graph().node(id).results[0]) * (elsewhere ? 1 : 2);
    }
    if (!connected) return -1;
    gain += kLaunchBytes;
    // An epilogue is hidden behind the arithmetic of its contraction, so between equals it goes there.
    const NodeSet& nodes = groups_.nodes(producer);
    if (std::any_of(nodes.begin(), nodes.end(), [&](NodeId id) { return graph_.graph().node(id).op == Op::dot; })) {
      gain *= 1.125;
    }
    return gain;
  }

  const PlanGraph& graph_;
  Groups& groups_;
  std::priority_queue<Candidate> queue_;
};

}  // namespace

void MergeGreedily(const PlanGraph& graph, Groups* groups) { GreedyMerger(graph, groups).Run(); }

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
