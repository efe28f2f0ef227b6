// Instructions whose results nobody uses: what folding and look-ahead emission left behind.
#include "fusion/schedule.h"

namespace skein {
namespace {

class DeadCode {
 public:
  explicit DeadCode(LoopNest* nest) : nest_(*nest), used_(nest->value_count(), false) {}
  void Run() { Sweep(nest_.root); }

 private:
  void Use(DimExpr e) {
    if (!e.node()->has_values) return;
    VisitLeaves(e, [this](DimExpr leaf) {
      if (leaf.kind() == DimKind::kValue) used_[leaf.index()] = true;
    });
  }

  static bool HasEffect(Opcode op) {
    return op == Opcode::kStore || op == Opcode::kScatter || op == Opcode::kPrefetch ||
           op == Opcode::kClampIndex || op == Opcode::kLoop;
  }

  // Users come after their operands, so one backward pass finds every use first. Loops stay: a carried value
  // that is not used costs nothing that matters.
  void Sweep(BlockId id) {
    for (ValueId v : nest_.block(id).yields) used_[v.index] = true;
    std::vector<InstId> kept;
    const std::vector<InstId> insts = nest_.block(id).insts;
    for (auto it = insts.rbegin(); it != insts.rend(); ++it) {
      const Inst& inst = nest_.inst(*it);
      bool live = HasEffect(inst.op);
      for (ValueId v : inst.results) live = live || used_[v.index];
      if (!live) continue;
      kept.push_back(*it);
      for (ValueId v : inst.operands) used_[v.index] = true;
      Use(inst.expr);
      Use(inst.address);
      Use(inst.stride);
      Use(inst.extent);
      if (inst.op == Opcode::kLoop) Sweep(inst.body);
    }
    nest_.block(id).insts.assign(kept.rbegin(), kept.rend());
  }

  LoopNest& nest_;
  std::vector<bool> used_;
};

}  // namespace

void RemoveDeadInstructions(LoopNest* nest) { DeadCode(nest).Run(); }

}  // namespace skein
