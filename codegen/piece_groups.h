// How legalization cuts the values of a nest without vector loops into pieces that fit registers, and in which order it
// makes them.
#ifndef SKEIN_CODEGEN_PIECE_GROUPS_H_
#define SKEIN_CODEGEN_PIECE_GROUPS_H_

#include <algorithm>
#include <bit>
#include <span>
#include <utility>
#include <vector>

#include "codegen/recycled.h"
#include "ir/loop_nest.h"
#include "ir/target.h"

namespace skein {

class PieceGroups {
 public:
  PieceGroups(const LoopNest& source, const Target& target)
      : source_(source),
        register_lanes_(target.lanes()),
        lanes_shift_(std::countr_zero(static_cast<unsigned>(register_lanes_))),
        group_pieces_(target.isa == Isa::kAvx512 ? 4 : 2) {
    definition_.resize(source.value_count(), -1);
  }

  // Pieces of a value that are made one after another.
  int group_pieces() const { return group_pieces_; }
  int PieceCount(int lanes) const { return (lanes + register_lanes_ - 1) >> lanes_shift_; }
  int PieceCount(ValueId v) const { return PieceCount(source_.type(v).lanes); }
  int PieceLanes(int lanes, int piece) const {
    return std::min(register_lanes_, lanes - piece * register_lanes_);
  }
  VectorType PieceType(VectorType type, int piece) const {
    return {type.element, PieceLanes(type.lanes, piece)};
  }
  // Instructions whose pieces are all made at once.
  static bool IsSingleNode(const Inst& inst);
  // Lanes of the value that `inst` computes or writes.
  int Lanes(const Inst& inst) const {
    if (!inst.results.empty()) return inst.type.lanes;
    return inst.operands.empty() ? 1 : source_.type(inst.operands[0]).lanes;
  }
  // The operand and its lane that index `at` of a shuffle means.
  std::pair<ValueId, int> ShuffleSource(const Inst& inst, int at) const {
    const int lanes = source_.type(inst.operands[0]).lanes;
    return at < lanes ? std::pair(inst.operands[0], at) : std::pair(inst.operands[1], at - lanes);
  }

  // One group of pieces of one instruction.
  struct Step {
    InstId inst;
    int group;
  };
  // Those of straight-line code in the order (group, place in the source), as far as operands and memory allow; good
  // until the next call.
  std::span<const Step> InOrder(std::span<const InstId> insts);

 private:
  struct Node {
    int inst = 0;  // place in the straight line
    int group = 0;
    int waits_for = 0;
    std::vector<int> users;
  };

  int GroupCount(const Inst& inst) const {
    if (IsSingleNode(inst)) return 1;
    return (PieceCount(Lanes(inst)) + group_pieces_ - 1) / group_pieces_;
  }
  template <typename NeedPiece>
  void AddOperandDependences(const Inst& inst, int group, NeedPiece need) const;
  template <typename Depend>
  void AddMemoryDependences(std::span<const InstId> insts, std::span<const int> first_node, Depend depend) const;
  bool MayShareMemory(BufferId a, BufferId b) const;
  bool MayOverlap(const Inst& a, int group_a, const Inst& b, int group_b) const;
  void Sort(std::span<const InstId> insts, std::vector<Node>& nodes);

  const LoopNest& source_;
  const int register_lanes_, lanes_shift_;  // a power of two, and of which
  const int group_pieces_;
  Recycled<int> definition_;  // of values: place in the straight line at hand, or -1
  Recycled<Step> steps_;
};

}  // namespace skein

#endif  // SKEIN_CODEGEN_PIECE_GROUPS_H_
