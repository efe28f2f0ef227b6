// What loops carry for a reduction, and how they take elements in.
//
// Most reducers carry the state that they declare, and combine it as they say. The maximum and the minimum of f32
// carry numbers as integers: the largest signed, the smallest unsigned and the largest unsigned of all bits. These
// are single operations that do not wait for each other, where a maximum that orders zeros and keeps NaN takes
// three that do. Floats of one sign are ordered by their bits as magnitudes are, +NaN is beyond +infinity and -NaN
// beyond -infinity; so the three say all that is needed: see Finish.
#ifndef SKEIN_FUSION_REDUCTION_STATE_H_
#define SKEIN_FUSION_REDUCTION_STATE_H_

#include <span>
#include <vector>

#include "ir/graph.h"
#include "ir/loop_nest.h"

namespace skein {

class ReductionState {
 public:
  // `side_by_side` such states are carried at once: with one alone, every step waits for the one before.
  // `reducer` outlives the result.
  ReductionState(const Reducer& reducer, int side_by_side);

  // Of what is carried, one after the other.
  const std::vector<ElementType>& types() const { return types_; }
  // Whether elements may come in any order and groups: the result's bits are the same (NaN payloads aside).
  bool order_free() const { return order_free_; }

  // Before any element.
  std::vector<ValueId> Start(LoopBuilder& b, int lanes) const;
  // `state`, and one more element of each operand. Every value has `lanes` lanes.
  std::vector<ValueId> Take(LoopBuilder& b, std::span<const ValueId> state, std::span<const ValueId> elements,
                            int lanes) const;
  // Two states as one.
  std::vector<ValueId> Join(LoopBuilder& b, std::span<const ValueId> left, std::span<const ValueId> right,
                            int lanes) const;
  // The reduction's results.
  std::vector<ValueId> Finish(LoopBuilder& b, std::span<const ValueId> state) const;

 private:
  enum class Form { kDeclared, kMaximumOfBits, kMinimumOfBits };

  const Reducer& reducer_;
  Form form_ = Form::kDeclared;
  bool order_free_ = false;
  std::vector<ElementType> types_;
};

}  // namespace skein

#endif  // SKEIN_FUSION_REDUCTION_STATE_H_
