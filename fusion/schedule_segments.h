// Pointwise rows cut where another piece of a concat or pad begins, and where lines of the output do.
//
//   parallel: outer dims
//     for each segment of the row (in it, every condition has one value)
//       [up to the first whole line; whole lines, which streaming stores need; the rest, a line at a time]
// Source: SCHEDULE-RECIPES-MEMORY section 4.5.
#ifndef SKEIN_FUSION_SCHEDULE_SEGMENTS_H_
#define SKEIN_FUSION_SCHEDULE_SEGMENTS_H_

#include <optional>
#include <vector>

#include "fusion/schedule.h"
#include "fusion/schedule_transpose.h"

namespace skein {

struct SegmentPlan {
  std::vector<DimExpr> bounds;  // of segments of the innermost loop, ascending: 0, ..., its extent
  int64_t line = 0;             // elements of a line of the output that is streamed; 0 where that needs no care
  size_t aligned = 0;           // the path to that output
};

// Nothing where one loop over the row is as good.
absl::StatusOr<std::optional<SegmentPlan>> FindSegments(const Emitter& emitter, const GroupSpec& spec,
                                                        const PointwiseWork& work);

absl::Status ScheduleSegments(Emitter& emitter, const GroupSpec& spec, const PointwiseWork& work,
                              const SegmentPlan& plan, const Target& target);

}  // namespace skein

#endif  // SKEIN_FUSION_SCHEDULE_SEGMENTS_H_
