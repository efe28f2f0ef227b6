// Which localities a plan's kernels are scheduled for, given sizes.
#ifndef SKEIN_FUSION_CHOOSE_LOCALITY_H_
#define SKEIN_FUSION_CHOOSE_LOCALITY_H_

#include <functional>
#include <span>
#include <vector>

#include "fusion/plan.h"
#include "fusion/schedule.h"

namespace skein {

// Sizes of a group in bytes; 0 where they are not known, which counts as small.
struct GroupBytes {
  int64_t read = 0, written = 0;
};

// Where the memory of each group lies when its kernel runs.
//   bytes: per group.   size: of an output, in bytes; asked for outputs of large groups only.
std::vector<Locality> ChooseLocalities(const Plan& plan, const Target& target, std::span<const GroupBytes> bytes,
                                       const std::function<int64_t(Value)>& size);

// Schedules the groups of `plan` again whose locality is not the default one. Same values, same bits.
//   localities: per group.
absl::Status ScheduleForLocalities(const Target& target, std::span<const Locality> localities, Plan* plan);

// Both, for sizes that are constants.
absl::Status SettleLocality(const Target& target, Plan* plan);

}  // namespace skein

#endif  // SKEIN_FUSION_CHOOSE_LOCALITY_H_
