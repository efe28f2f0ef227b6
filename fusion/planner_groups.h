// Groups in the making: a partition of the computed nodes, and each part as the scheduler sees it.
#ifndef SKEIN_FUSION_PLANNER_GROUPS_H_
#define SKEIN_FUSION_PLANNER_GROUPS_H_

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "fusion/planner_graph.h"
#include "fusion/planner_rules.h"
#include "fusion/schedule.h"

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

  // Puts the consumer's nodes into the producer's part if they may share a kernel, else notes why not.
  bool TryMerge(int producer, int consumer);

  // What the group stores and reads: the results that are needed outside it, at the end of the movement that was
  // absorbed behind them.
  GroupSpec SpecOf(const NodeSet& nodes) const;
  absl::StatusOr<Group> TrySchedule(const NodeSet& nodes) const;

  // Stores a result as `moved`, the end of a chain of movement that is all that reads it.
  void Absorb(NodeId id, Value moved);
  void UndoAbsorb(NodeId id);
  // What a part would compute, `by` writes already.
  void Remove(int part, int by);

  // The refusals between nodes that ended up apart.
  std::vector<Refusal> Refusals() const;

 private:
  std::vector<Value> Outputs(const NodeSet& nodes) const;
  bool WouldCycle(int producer, int consumer) const;
  void Refuse(int producer, int consumer, Reason reason);

  const PlanGraph& graph_;
  const Target& target_;
  std::vector<NodeSet> parts_;
  std::vector<int> part_of_;            // by node; -1: none
  std::map<NodeId, Value> absorbed_;    // node -> the movement result that is stored instead
  std::set<Value> absorbed_values_;
  std::map<std::pair<NodeId, NodeId>, Refusal> refusals_;
};

// The passes over groups, in this order.
// Greedy: of all edges between parts, the one that saves most is tried first (planner_merge.cc).
void MergeGreedily(const PlanGraph& graph, Groups* groups);
// Op by op: what one node of the user's graph became is one group, where one kernel can take it.
void MergeBySource(const PlanGraph& graph, Groups* groups);
// If all that happens to a result before it is computed with again is a chain of movement, and stores stay
// contiguous, it is stored where that chain would put it (planner_movement.cc).
void AbsorbMovement(const PlanGraph& graph, bool fuse, Groups* groups);

}  // namespace skein

#endif  // SKEIN_FUSION_PLANNER_GROUPS_H_
