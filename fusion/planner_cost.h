// The planner's cost model: bytes moved, where a launch counts as some.
#ifndef SKEIN_FUSION_PLANNER_COST_H_
#define SKEIN_FUSION_PLANNER_COST_H_

#include "ir/graph.h"

namespace skein {

// A launch costs about as much as moving 16 KiB through the cache (FIELD-NOTES, "Launch cost").
inline constexpr double kLaunchBytes = 16 << 10;

// Elements and bytes of a tensor whose symbols are 128 each. Only relative sizes matter, and only to choose between
// merges; no plan is wrong for other sizes.
double NominalElements(const TensorType& type);
double NominalBytes(const TensorType& type);

}  // namespace skein

#endif  // SKEIN_FUSION_PLANNER_COST_H_
