// Dimension expressions as operations on general registers, each at the outermost loop where its
// leaves are known, so that what does not change in a loop is computed in front of it, once.
#ifndef SKEIN_CODEGEN_X86_INDEX_BUILDER_H_
#define SKEIN_CODEGEN_X86_INDEX_BUILDER_H_

#include <utility>
#include <vector>

#include "codegen/x86/program_builder.h"
#include "ir/kernel_abi.h"
#include "ir/loop_nest.h"

namespace skein::x86 {

class IndexBuilder {
 public:
  IndexBuilder(const LoopNest& nest, ProgramBuilder* builder);

  // The index of loop `loop` is `v`, known at `depth` open loops; a scalar value likewise.
  void BindLoop(int loop, Variable v, int depth) { loops_[loop] = {v, depth}; }
  void BindValue(ValueId value, Variable v) { values_[value.index] = {v, builder_->depth()}; }
  // Forgets what was computed in the loop that has just been closed.
  void LeaveLoop() { known_.resize(builder_->depth() + 1); }

  // Number of open loops that `e` depends on, counted from the outermost.
  int DepthOf(DimExpr e) const;
  Variable Evaluate(DimExpr e);
  // Where element `element` of a buffer lies.
  Address Locate(BufferId buffer, DimExpr element);

 private:
  struct Bound {
    Variable variable;
    int depth = 0;
  };
  struct Known {
    const void* key;  // of an expression
    int buffer;       // -1: its value; else the address of that element
    Variable variable;
  };

  Variable Find(DimExpr e, int buffer, int depth) const;
  Variable EvaluateNew(DimExpr e, int depth);
  Variable Sum(DimExpr e, int depth);
  Variable Product(DimExpr e, int depth);
  Variable Argument(int number);
  Variable Load(Variable base, int64_t offset);
  Variable Binary(Action action, DimExpr e, int depth);
  Variable General(Opcode op, Variable a, Variable b, int depth);
  // Address of element `element` (no constant term) of a buffer.
  Variable Base(BufferId buffer, DimExpr element);
  Variable Pointer(BufferId buffer);

  const LoopNest& nest_;
  ProgramBuilder* builder_;
  ScratchLayout scratch_;
  std::vector<Bound> loops_, values_;
  std::vector<std::vector<Known>> known_;  // by depth
  Variable arguments_, buffers_;
};

}  // namespace skein::x86

#endif  // SKEIN_CODEGEN_X86_INDEX_BUILDER_H_
