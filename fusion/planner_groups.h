// Groups in the making: a partition of the computed nodes, and each part as the scheduler sees it.
#ifndef SKEIN_FUSION_PLANNER_GROUPS_H_
#define SKEIN_FUSION_PLANNER_GROUPS_H_

#include <array>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/node_hash_map.h"
#include "fusion/planner_cost.h"
#include "fusion/planner_graph.h"
#include "fusion/planner_reach.h"
#include "fusion/planner_rules.h"
#include "fusion/schedule_memo.h"

namespace skein {

class Groups {
 public:
  // Every computed node is a part of its own.
  Groups(const PlanGraph& graph, const Target& target);

  // Parts are numbered; one that was merged into another has no nodes.
  int size() const { return static_cast<int>(parts_.size()); }
  const NodeSet& nodes(int part) const { return parts_[part]; }
  bool alive(int part) const { return !parts_[part].empty(); }
  int PartOf(NodeId id) const { return part_of_[id.index]; }

  // Puts the consumer's nodes into the producer's part if they may share a kernel, else notes why not: between two
  // neighbours of theirs, or between `siblings`, which read the same and not each other.
  using Siblings = std::pair<NodeId, NodeId>;
  bool TryMerge(int producer, int consumer, std::optional<Siblings> siblings = std::nullopt);

  // Why no kernel can be just these nodes. Does not look for cycles.
  std::optional<Reason> WhyNot(const NodeSet& nodes) const;
  // Whether some kernel may hold both nodes, as far as can be told without asking about a certain one.
  bool MayShare(const Reachability& reach, NodeId a, NodeId b) const;

  // Puts the nodes of `sets`, which are all of the parts that they belong to, into parts of their own. False, and
  // nothing changes, if parts would depend on each other in a cycle.
  bool Regroup(const std::vector<NodeSet>& sets);
  // Notes why every edge between parts is there where a merge has not been refused yet.
  void ExplainEdges();

  // What the group stores and reads: the results that are needed outside it, at the end of the movement that was
  // absorbed behind them.
  GroupSpec SpecOf(const NodeSet& nodes) const;
  // Whether one kernel takes the group, and that kernel, as the scheduler says; groups alike are asked about once.
  absl::Status Fits(const NodeSet& nodes) const { return memo_.Fits(SpecOf(nodes)); }
  absl::StatusOr<Group> KernelOf(const NodeSet& nodes) const { return memo_.Kernel(SpecOf(nodes)); }
  // Numbers that nodes share if kernels compute, or read, them in the same way (schedule_memo.h).
  int ClassOf(NodeId id) const { return memo_.ClassOf(id); }
  int ClassOfRead(NodeId id) const { return memo_.ClassOfRead(id); }
  // How often the scheduler was asked.
  int scheduled() const { return memo_.scheduled(); }

  // Stores a result as `moved`, the end of a chain of movement that is all that reads it.
  void Absorb(NodeId id, Value moved);
  void UndoAbsorb(NodeId id);
  // What a part would compute, `by` writes already.
  void Remove(int part, int by);

  // The refusals between nodes that ended up apart.
  std::vector<Refusal> TakeRefusals();

 private:
  std::vector<Value> Outputs(const NodeSet& nodes) const;
  // Whether a third part lies between them: reads, over whatever way, a result of `from`, and leads to `to`.
  bool IsBetween(int from, int to) const;
  // Moves what `from` leads to behind both, so that they may become one in the place of `to`.
  void MakeAdjacent(int from, int to);
  void PlaceInOrder(const std::vector<int>& order);
  std::optional<Siblings> EdgeBetween(int producer, int consumer) const;

  const PlanGraph& graph_;
  mutable ScheduleMemo memo_;
  std::vector<NodeSet> parts_;
  std::vector<int> part_of_;            // by node; -1: none
  // Parts in a topological order, and where each is in it, so that a search for a way from one to another looks only at
  // what is between. Source: Pearce and Kelly, A dynamic topological sort algorithm for directed acyclic graphs, 2006.
  std::vector<int> order_, place_;
  mutable std::vector<int> between_;        // what IsBetween met
  std::vector<int> before_, after_;         // of MakeAdjacent, while it works
  mutable std::vector<int64_t> met_;        // by part: the search that met it
  mutable int64_t search_ = 0;
  std::map<NodeId, Value> absorbed_;    // node -> the movement result that is stored instead
  std::set<Value> absorbed_values_;
  std::map<Siblings, Reason> refusals_;
  mutable absl::node_hash_map<NodeSet, std::optional<Reason>> asked_;
  mutable std::map<std::array<int, 3>, std::optional<Reason>> asked_kinds_;
};

// Parts in topological order, among ready ones the earliest in the graph first; nothing if they depend on each other
// in a cycle.
std::optional<std::vector<int>> OrderOf(const PlanGraph& graph, const Groups& groups);

// The passes over groups, in this order.
// Greedy: of all edges between parts, the one that saves most is tried first (planner_merge.cc).
void MergeGreedily(const PlanGraph& graph, const Traffic& traffic, const Reachability& reach, Groups* groups);
// Op by op: what one node of the user's graph became is one group, where one kernel can take it.
void MergeBySource(const PlanGraph& graph, Groups* groups);
// If all that happens to a result before it is computed with again is a chain of movement, and stores stay
// contiguous, it is stored where that chain would put it (planner_movement.cc).
void AbsorbMovement(const PlanGraph& graph, bool fuse, Groups* groups);

}  // namespace skein

#endif  // SKEIN_FUSION_PLANNER_GROUPS_H_
