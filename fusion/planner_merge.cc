// Merging: which parts become one.
#include <algorithm>
#include <array>
#include <bit>
#include <queue>
#include <utility>

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
    for (int i = 0; i < groups_.size(); ++i) {
      cost_.push_back(traffic_.Cost({&groups_.nodes(i)}));
      has_product_.push_back(graph_.graph().node(*groups_.nodes(i).begin()).op == Op::dot);
    }
    for (int i = 0; i < groups_.size(); ++i) PushEdges(i, i);
    absl::flat_hash_set<std::pair<std::pair<int, int>, Sizes>> tried;
    while (!queue_.empty()) {
      const Candidate c = queue_.top();
      queue_.pop();
      if (!groups_.alive(c.producer) || !groups_.alive(c.consumer)) continue;
      const Sizes sizes = SizesOf(c.producer, c.consumer);
      if (sizes != c.sizes && OrderOf(Gain(c.producer, c.consumer)) != c.gain) continue;  // a newer entry is in the queue
      const std::pair<int, int> parts(c.producer, c.consumer);
      if (!tried.insert({parts, sizes}).second) continue;
      const auto siblings = c.siblings < 0 ? std::nullopt : std::optional(siblings_[c.siblings]);
      if (!groups_.TryMerge(c.producer, c.consumer, siblings)) continue;
      cost_[c.producer] = traffic_.Cost({&groups_.nodes(c.producer)});
      has_product_[c.producer] = has_product_[c.producer] || has_product_[c.consumer];
      PushEdges(c.producer, 0);
    }
  }

 private:
  using Sizes = std::array<int16_t, 2>;
  struct Candidate {  // small: a heap moves them about
    uint64_t gain;  // OrderOf it
    uint32_t consumer, producer;
    int siblings;  // their place in siblings_; -1: one reads the other
    Sizes sizes;   // of both, which only grow: whether they are what they were
    // Equal gains: in the order of the graph. As one number, since nobody could predict branches here.
    bool operator<(const Candidate& o) const { return Order() < o.Order(); }
    unsigned __int128 Order() const {
      return (static_cast<unsigned __int128>(gain) << 64) | ~(uint64_t{producer} << 32 | consumer);
    }
  };
  // A number that is greater for a greater gain.
  static uint64_t OrderOf(double gain) {
    constexpr uint64_t kSign = uint64_t{1} << 63;
    const auto bits = std::bit_cast<uint64_t>(gain + 0.0);  // no negative zero
    return bits & kSign ? ~bits : bits | kSign;
  }

  // Pairs of `part` with parts from `least` on.
  void PushEdges(int part, int least) {
    std::vector<std::pair<int, int>>& edges = edges_;
    edges.clear();
    for (NodeId id : groups_.nodes(part)) {
      for (NodeId reader : graph_.ReadersOf(id)) edges.push_back({part, groups_.PartOf(reader)});
      for (NodeId from : graph_.ReadsOf(id)) edges.push_back({groups_.PartOf(from), part});
    }
    std::sort(edges.begin(), edges.end());
    edges.erase(std::unique(edges.begin(), edges.end()), edges.end());
    known_.resize(groups_.size());
    ++round_;
    for (auto [p, c] : edges) {
      known_[p] = known_[c] = round_;
      if (p != c && std::min(p, c) >= least) Push(p, c, std::nullopt);
    }
    known_[part] = round_;
    PushSiblings(part, least);
  }
  void Push(int producer, int consumer, std::optional<Groups::Siblings> siblings) {
    if (siblings) siblings_.push_back(*siblings);
    queue_.push({OrderOf(Gain(producer, consumer)), static_cast<uint32_t>(consumer), static_cast<uint32_t>(producer),
                 siblings ? static_cast<int>(siblings_.size()) - 1 : -1, SizesOf(producer, consumer)});
  }
  Sizes SizesOf(int producer, int consumer) const {
    return {static_cast<int16_t>(groups_.nodes(producer).size()), static_cast<int16_t>(groups_.nodes(consumer).size())};
  }

  // Parts that read the same large value, and not, over whatever way, each other's results.
  void PushSiblings(int part, int least) {
    if (!reach_.tracked()) return;
    for (NodeId id : groups_.nodes(part)) {
      for (int value : traffic_.ReadBy(id)) {
        if (!IsLarge(traffic_, value)) continue;
        for (NodeId reader : traffic_.ReadersOf(value)) {
          const int other = groups_.PartOf(reader);
          if (other < least || std::exchange(known_[other], round_) == round_) continue;
          const int first = std::min(part, other), second = std::max(part, other);
          if (reach_.Ordered(groups_.nodes(part), groups_.nodes(other))) continue;
          Push(first, second, {{std::min(id, reader), std::max(id, reader)}});
        }
      }
    }
  }

  // What merging saves.
  double Gain(int producer, int consumer) const {
    const NodeSet& nodes = groups_.nodes(producer);
    double gain = cost_[producer] + cost_[consumer] - traffic_.Cost({&nodes, &groups_.nodes(consumer)});
    // An epilogue is hidden behind the arithmetic of its contraction, so between equals it goes there.
    return has_product_[producer] ? gain * 1.125 : gain;
  }

  const PlanGraph& graph_;
  const Traffic& traffic_;
  const Reachability& reach_;
  Groups& groups_;
  std::vector<double> cost_;       // by part
  std::vector<bool> has_product_;  // by part
  std::vector<std::pair<int, int>> edges_;  // of one part, while they are pushed
  std::vector<int> known_;                  // by part: the round in which it was paired with that part
  int round_ = 0;
  std::vector<Groups::Siblings> siblings_;
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
