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

// Where the loops that were opened stand in the domain.
class TransposePlace {
 public:
  TransposePlace(const Domain& domain, const TransposePlan& plan)
      : domain_(domain), plan_(plan), indices_(domain.loop_count()) {}

  // The index of a loop other than `lanes` and `rows`.
  void Set(int loop, DimExpr index) { indices_[loop] = index; }

  // What a coordinate, or a demand over placeholders, is at a row and a lane of the domain.
  Dims Coords(DimExpr row, DimExpr lane) const {
    std::vector<DimExpr> indices = indices_;
    indices[plan_.rows] = row;
    indices[plan_.lanes] = lane;
    return domain_.Coords(indices);
  }
  DimExpr At(DimExpr e, DimExpr row, DimExpr lane) const {
    return Substitute(e, [&](DimExpr leaf) -> std::optional<DimExpr> {
      for (int i = 0; i < domain_.loop_count(); ++i) {
        if (leaf != domain_.Placeholder(i)) continue;
        return i == plan_.rows ? row : i == plan_.lanes ? lane : indices_[i];
      }
      return std::nullopt;
    });
  }
  Demand At(const Demand& demand, DimExpr row, DimExpr lane) const {
    Demand result{demand.value, {}, At(demand.condition, row, lane)};
    for (DimExpr c : demand.coords) result.coords.push_back(At(c, row, lane));
    return result;
  }

 private:
  const Domain& domain_;
  const TransposePlan& plan_;
  std::vector<DimExpr> indices_;
};

// The cheapest assignment of loops, or nothing where every access is fine in the innermost loop, or none of
// the odd ones can be transposed in blocks.
absl::StatusOr<std::optional<TransposePlan>> FindTranspose(const Emitter& emitter, const PointwiseWork& work);

absl::Status ScheduleTranspose(Emitter& emitter, const GroupSpec& spec, const PointwiseWork& work,
                               const TransposePlan& plan, const Target& target);
// The same for kernels that wait for memory: reading, transposing and writing overlap. False, with nothing emitted,
// where the kernel does not suit it (results in order along `rows`, odd values of 64 bits or that are computed, odd
// sizes, more scratch than L1 has room for).
absl::StatusOr<bool> SchedulePipelinedTranspose(Emitter& emitter, const PointwiseWork& work,
                                                const TransposePlan& plan, const Target& target);

}  // namespace skein

#endif  // SKEIN_FUSION_SCHEDULE_TRANSPOSE_H_
