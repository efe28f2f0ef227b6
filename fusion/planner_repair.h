// Exact repair: greedy's partition is replaced by the best one wherever that can be found and is better.
#ifndef SKEIN_FUSION_PLANNER_REPAIR_H_
#define SKEIN_FUSION_PLANNER_REPAIR_H_

#include <vector>

#include "fusion/planner_exact.h"
#include "fusion/planner_groups.h"

namespace skein {

// The nodes of every run, so divided that no kernel can hold nodes of two of the lists: whether two nodes that read each
// other, or the same, ever share a kernel is a matter of what lies between them. Each ascending.
std::vector<std::vector<NodeId>> FindComponents(const PlanGraph& graph, const Traffic& traffic,
                                                const Reachability& reach, const Groups& groups);

struct RepairResult {
  double planned = 0;   // cost of the groups that were there
  double least = 0;     // cost of the best partition, or a lower bound of it
  bool exact = false;   // the best partition's
};

// Repairs every component: as a whole, or where it is too large for that by windows around each of its groups.
RepairResult RepairExactly(const PlanGraph& graph, const Traffic& traffic, const Reachability& reach,
                           const ExactLimits& limits, Groups* groups);

}  // namespace skein

#endif  // SKEIN_FUSION_PLANNER_REPAIR_H_
