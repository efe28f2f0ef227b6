// Which nodes may share a kernel. Rules that are no question of loops are here; for all others the scheduler is
// asked, so that there is no second set of them.
#ifndef SKEIN_FUSION_PLANNER_RULES_H_
#define SKEIN_FUSION_PLANNER_RULES_H_

#include <optional>
#include <string>

#include "fusion/planner_graph.h"
#include "fusion/schedule.h"

namespace skein {

struct Reason {
  std::string code;      // "SK161"
  std::string sentence;  // ends the sentence "A and B do not share a kernel: "
};

// Why no kernel may hold these nodes, whatever else it holds: each of these reasons holds for every larger set.
std::optional<Reason> NeverTogether(const PlanGraph& graph, const NodeSet& nodes);

// Pointwise nodes of one shape, without movement between them: the scheduler need not be asked.
bool ObviouslyFits(const PlanGraph& graph, const NodeSet& nodes);

// What the scheduler says about a group, taken apart: "SK133: results have different shapes".
Reason ReasonOf(const absl::Status& refused);

}  // namespace skein

#endif  // SKEIN_FUSION_PLANNER_RULES_H_
