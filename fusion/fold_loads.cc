// x[i] - m becomes x[i] + (-m): the same bits (the sign of a NaN aside), and a load that is the operand of a
// commutative operation is part of that instruction on x86.
#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "fusion/schedule.h"

namespace skein {
namespace {

class LoadFolder {
 public:
  explicit LoadFolder(LoopNest* nest) : nest_(*nest), definition_(nest->value_count()) {}

  void Run() { Visit(nest_.root, InstId()); }

 private:
  // `loop` owns the block.
  void Visit(BlockId block, InstId loop) {
    const std::vector<InstId> insts = nest_.block(block).insts;
    for (InstId id : insts) {
      for (ValueId v : nest_.inst(id).results) definition_[v.index] = {id, loop};
      if (nest_.inst(id).op == Opcode::kLoop) {
        loops_.push_back({id, block});
        Visit(nest_.inst(id).body, id);
        loops_.pop_back();
      } else if (Subtracts(id, loop)) {
        Negate(id);
      }
    }
  }

  // A difference of what the innermost loop loads and of a scalar from outside it.
  bool Subtracts(InstId id, InstId loop) const {
    const Inst& inst = nest_.inst(id);
    if (inst.op != Opcode::kSub || !IsFloat(inst.type.element) || !loop.valid()) return false;
    const Definition &left = definition_[inst.operands[0].index], &right = definition_[inst.operands[1].index];
    if (left.loop != loop || nest_.inst(left.inst).op != Opcode::kLoad) return false;
    if (right.loop != loop || nest_.inst(right.inst).op != Opcode::kSplat) return false;
    const Definition& scalar = definition_[nest_.inst(right.inst).operands[0].index];
    return !scalar.inst.valid() || scalar.loop != loop;
  }

  void Negate(InstId id) {
    const ValueId splat = nest_.inst(id).operands[1];
    ValueId& widened = negated_[splat];
    if (!widened.valid()) {
      const ValueId scalar = nest_.inst(definition_[splat.index].inst).operands[0];
      const auto& [loop, outer] = loops_.back();
      const ValueId negated = Add(Opcode::kNeg, scalar, nest_.type(scalar), outer, loop);
      widened = Add(Opcode::kSplat, negated, nest_.type(splat), nest_.inst(loop).body, id);
    }
    nest_.inst(id).op = Opcode::kAdd;
    nest_.inst(id).operands[1] = widened;
  }

  // An operation on `operand`, in front of `before`.
  ValueId Add(Opcode op, ValueId operand, VectorType type, BlockId block, InstId before) {
    Inst inst{.op = op};
    inst.type = type;
    inst.operands = {operand};
    const ValueId result = nest_.NewValue(type);
    inst.results = {result};
    const InstId id = nest_.NewInst(std::move(inst));
    std::vector<InstId>& insts = nest_.block(block).insts;
    insts.insert(std::find(insts.begin(), insts.end(), before), id);
    return result;
  }

  struct Definition {
    InstId inst, loop;  // none for what a loop carries
  };
  LoopNest& nest_;
  std::vector<Definition> definition_;
  absl::flat_hash_map<ValueId, ValueId> negated_;  // splats
  std::vector<std::pair<InstId, BlockId>> loops_;  // around the block, each with the block that it is in
};

}  // namespace

void FoldLoads(LoopNest* nest) { LoadFolder(nest).Run(); }

}  // namespace skein
