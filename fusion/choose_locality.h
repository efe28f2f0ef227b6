// Which localities a plan's kernels are scheduled for, given sizes.
#ifndef SKEIN_FUSION_CHOOSE_LOCALITY_H_
#define SKEIN_FUSION_CHOOSE_LOCALITY_H_

#include <functional>

#include "fusion/plan.h"
#include "fusion/schedule.h"

namespace skein {

// Where the memory of group number `group` lies when its kernel runs.
//   size: the value of an expression over the graph's symbols, or nothing where it is not known; what is not
//   known counts as small.
Locality ChooseLocality(const Plan& plan, size_t group, const Target& target,
                        const std::function<std::optional<int64_t>(DimExpr)>& size);

// The group's kernel again, for another locality: same values, same bits.
absl::StatusOr<Group> Reschedule(const Graph& graph, const Group& group, const Target& target,
                                 const Locality& locality);

// Reschedules every group whose sizes are constants for the locality that they give.
absl::Status SettleLocality(const Target& target, Plan* plan);

}  // namespace skein

#endif  // SKEIN_FUSION_CHOOSE_LOCALITY_H_
