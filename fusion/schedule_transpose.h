// Pointwise kernels in which some accesses are contiguous along another dim than the rest: transposes, with
// whatever is computed around them.
//
//   parallel: all other dims, then tiles of two of them: `lanes`, along which the kernel's vectors lie, and
//   `rows`, along which the odd accesses are contiguous
//     for each odd value: its tile, with vectors along `rows`, goes to scratch         [not if it is just read
//                                                                                       and lies in cache]
//       block by block it is transposed in registers, to scratch                       [or to the output]
//     for each row: the rest of the kernel, in vectors along `lanes`
//     for each odd output: its tile is transposed from scratch to the output
// Source: SCHEDULE-RECIPES-MEMORY section 4.4.
#ifndef SKEIN_FUSION_SCHEDULE_TRANSPOSE_H_
#define SKEIN_FUSION_SCHEDULE_TRANSPOSE_H_

#include <vector>

#include "fusion/domain.h"
#include "fusion/schedule.h"

namespace skein {

// What a pointwise kernel computes: the elements of its domain, and where they are stored.
struct PointwiseWork {
  const std::vector<OutputPath>& paths;
  const std::vector<BufferId>& buffers;
  const Domain& domain;
};

// What lies how in a group's domain.
struct TransposePlan {
  int lanes = -1, rows = -1;         // loops of the domain
  std::vector<Demand> odd;           // to transpose, at coordinates of placeholders (IndexOfLoop)
  std::vector<Demand> even;          // read in adjacent elements along `lanes`, other ones in each row
  std::vector<bool> odd_output;      // per path
  bool only_moves = false;           // the one output is the one odd value
};

// The cheapest assignment of loops, or nothing where every access is fine in the innermost loop, or none of
// the odd ones can be transposed in blocks.
absl::StatusOr<std::optional<TransposePlan>> FindTranspose(const Emitter& emitter, const PointwiseWork& work);

absl::Status ScheduleTranspose(Emitter& emitter, const GroupSpec& spec, const PointwiseWork& work,
                               const TransposePlan& plan, const Target& target);

}  // namespace skein

#endif  // SKEIN_FUSION_SCHEDULE_TRANSPOSE_H_
