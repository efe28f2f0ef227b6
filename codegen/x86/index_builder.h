// Dimension expressions as operations on general registers, each at the outermost loop where its
// leaves are known, so that what does not change in a loop is computed in front of it, once.
#ifndef SKEIN_CODEGEN_X86_INDEX_BUILDER_H_
#define SKEIN_CODEGEN_X86_INDEX_BUILDER_H_

#include <span>
#include <utility>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "codegen/x86/program_builder.h"
#include "ir/kernel_abi.h"
#include "ir/loop_nest.h"

namespace skein::x86 {

class IndexBuilder {
 public:
  // notes: gets what each variable holds, if not null.
  IndexBuilder(const LoopNest& nest, ProgramBuilder* builder, std::vector<VariableNote>* notes);

  // The index of loop `loop` is `v`, known at `depth` open loops; a scalar value likewise.
  void BindLoop(const Inst& loop, Variable v, int depth);
  void BindValue(ValueId value, Variable v) { values_[value.index] = {v, builder_->depth()}; }
  // Forgets what was computed in the loop that has just been closed.
  void LeaveLoop() { at_depth_.resize(builder_->depth() + 1); }

  // Number of open loops that `e` depends on, counted from the outermost.
  int DepthOf(DimExpr e) const;
  Variable Evaluate(DimExpr e);
  // Where the element number `element` + `offset` of a buffer lies.
  Address Locate(BufferId buffer, DimExpr element, int64_t offset = 0);

 private:
  struct Bound {
    Variable variable;
    int depth = 0;
  };
  // Sums are lists of their terms, in canonical order: parts of a sum are not interned.
  using Terms = absl::InlinedVector<DimExpr, 6>;
  struct Known {
    int buffer;  // -1: the value of the sum; else the address of that element
    Terms terms;
    Variable variable;
  };
  struct Located {
    int buffer;
    Terms terms;      // without a constant
    Address address;  // likewise
  };
  struct AtDepth {
    std::vector<Known> known;      // that can be computed here and no further out
    std::vector<Located> located;  // as the innermost loop
  };

  int DepthOf(std::span<const DimExpr> terms) const;
  // Terms that depend on fewer than `depth` loops, and the others.
  std::pair<Terms, Terms> SplitAtDepth(std::span<const DimExpr> terms, int depth) const;
  Variable Find(std::span<const DimExpr> terms, int buffer, int depth) const;
  void Remember(std::span<const DimExpr> terms, int buffer, int depth, Variable v);
  Variable EvaluateSum(std::span<const DimExpr> terms);
  Address LocateNew(BufferId buffer, std::span<const DimExpr> terms);
  Variable EvaluateNew(DimExpr e, int depth);
  Variable Sum(std::span<const DimExpr> terms, int depth);
  Variable Product(DimExpr e, int depth);
  Variable Load(Variable base, int64_t offset);
  Variable Divide(DimExpr e, int depth);
  Variable Operate(Operation operation, DimExpr e, int depth);
  Variable General(Opcode op, Variable a, Variable b, int depth);
  Variable Lea(const Address& address, int depth);
  // Address of the element of a buffer whose number is the sum of `terms`.
  Variable Base(BufferId buffer, std::span<const DimExpr> terms);
  Variable Pointer(BufferId buffer);

  const LoopNest& nest_;
  ProgramBuilder* builder_;
  std::vector<VariableNote>* notes_;
  ScratchLayout scratch_;
  Recycled<Bound> loops_, values_;
  std::vector<AtDepth> at_depth_;
  Variable arguments_, buffers_;
};

}  // namespace skein::x86

#endif  // SKEIN_CODEGEN_X86_INDEX_BUILDER_H_
