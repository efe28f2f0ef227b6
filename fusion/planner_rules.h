// Which nodes may share a kernel. Rules that are no question of loops are here; for all others the scheduler is
// asked, so that there is no second set of them.
#ifndef SKEIN_FUSION_PLANNER_RULES_H_
#define SKEIN_FUSION_PLANNER_RULES_H_

#include <array>
#include <optional>
#include <string>

#include "fusion/planner_graph.h"
#include "fusion/schedule.h"

namespace skein {

struct Reason {
  std::string code;      // "SK161"
  std::string sentence;  // ends the sentence "A and B do not share a kernel: "
};

// Operations of a kernel.
inline constexpr size_t kMostNodes = 64;

// Why no kernel may hold these nodes, whatever else it holds: each of these reasons holds for every larger set.
std::optional<Reason> NeverTogether(const PlanGraph& graph, const NodeSet& nodes);

// Whether a reason for keeping nodes apart holds whatever else the kernel holds: all of NeverTogether's do, and those
// of the scheduler's that follow from the kinds of nodes alone.
bool HoldsForLargerSets(const Reason& reason);

// Whether the scheduler need not be asked, since it takes the nodes (planner_obvious.cc): a few pointwise nodes of one
// shape, alone, behind a product of that many rows, or with reductions along the same rows of that shape, without other
// movement between them than repeating what is one number a row.
bool ObviouslyFits(const PlanGraph& graph, const NodeSet& nodes);

// The kinds of nodes in a set, as far as a reason that follows from those alone may tell them apart: contractions
// (0, 1, more), reductions over inner axes, and over outer axes (none or some).
std::array<int, 3> KindsOf(const PlanGraph& graph, std::span<const NodeId> nodes);

// What the scheduler says about a group, taken apart: "SK133: results have different shapes".
Reason ReasonOf(const absl::Status& refused);

}  // namespace skein

#endif  // SKEIN_FUSION_PLANNER_RULES_H_
