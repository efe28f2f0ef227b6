// What loops carry for a reduction, and how they take elements in.
//
// Most reducers carry the state that they declare, and combine it as they say. The first place of the best element,
// where places are the numbers of rows, carries that element and a row number: rows come in order, so a later one has
// to be better, which takes fewer steps that wait for each other. Along a row its elements are the rows, 64 at a time.
#ifndef SKEIN_FUSION_REDUCTION_STATE_H_
#define SKEIN_FUSION_REDUCTION_STATE_H_

#include <optional>
#include <span>
#include <vector>

#include "ir/graph.h"
#include "ir/loop_nest.h"

namespace skein {

// What a reduction is computed with: its reducer, or a > b ? a : b for a maximum that is "loose" (softmax_maxima.h).
const Reducer& ReducerOf(const Node& reduction);

class ReductionState {
 public:
  // `rows`: how many elements there are, if operand 1 is their number. `reducer` outlives the result.
  explicit ReductionState(const Reducer& reducer, std::optional<DimExpr> rows = std::nullopt);

  // Of what is carried, one after the other.
  const std::vector<ElementType>& types() const { return types_; }
  // Whether rounding shows in which chunks elements are combined (DESIGN section 6). Otherwise all of them may be taken
  // in one after the other, and give the same bits (NaN payloads aside).
  bool chunked() const { return chunked_; }
  // Whether Take wants the number of the row for operand 1, of types()[1].
  bool counts_rows() const { return counts_rows_; }

  // Whether Take is one operation of the machine.
  bool is_light() const;

  // Before any element.
  std::vector<ValueId> Start(LoopBuilder& b, int lanes) const;
  // `state`, and one more element of each operand. Every value has `lanes` lanes.
  std::vector<ValueId> Take(LoopBuilder& b, std::span<const ValueId> state, std::span<const ValueId> elements,
                            int lanes) const;
  // Two states as one. Not for one that counts rows.
  std::vector<ValueId> Join(LoopBuilder& b, std::span<const ValueId> left, std::span<const ValueId> right,
                            int lanes) const;
  // One state of the reducer from the lanes of one that counts rows, where lane j has taken elements number + j in place
  // of rows: the best element, and the first of its places from `start` on. Some element has been taken.
  std::vector<ValueId> JoinLanes(LoopBuilder& b, std::span<const ValueId> state, DimExpr start) const;
  // The reduction's results.
  std::vector<ValueId> Finish(LoopBuilder& b, std::span<const ValueId> state) const;

 private:
  const Reducer& reducer_;
  bool chunked_ = true;
  bool counts_rows_ = false;
  bool of_largest_ = true;
  DimExpr rows_;
  std::vector<ElementType> types_;
};

// The states of several reductions, one after the other, for each of some groups of lanes.
struct ReductionStates {
  std::vector<ReductionState> reductions;
  int groups;
  int lanes;                        // of a group
  std::vector<ElementType> types;   // of one group
  bool chunked = false;             // any of them

  ReductionStates(std::vector<ReductionState> all, int groups, int lanes);
  bool light() const;  // all of them
  // Registers of 4 bytes a lane that a group takes, 4 each.
  int units() const;
  std::vector<ValueId> Start(LoopBuilder& b) const;
  std::vector<ValueId> Join(LoopBuilder& b, std::span<const ValueId> left, std::span<const ValueId> right) const;
};

}  // namespace skein

#endif  // SKEIN_FUSION_REDUCTION_STATE_H_
