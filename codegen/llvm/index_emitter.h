// LLVM IR for DimExprs: addresses, extents, lane counts. Every part of an expression is emitted
// once, in the outermost loop where its leaves are known, so no pass needs to hoist it.
#ifndef SKEIN_CODEGEN_LLVM_INDEX_EMITTER_H_
#define SKEIN_CODEGEN_LLVM_INDEX_EMITTER_H_

#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "codegen/llvm/types.h"
#include "ir/dim_expr.h"
#include "ir/loop_nest.h"

namespace skein {

class IndexEmitter {
 public:
  // arguments: the values of a0, a1 ...
  IndexEmitter(IrBuilder& b, const LoopNest& nest, std::vector<llvm::Value*> arguments);

  // Scopes are the function's entry (0, open from the start), and inside it loops. `preheader` is a
  // block that ends in its terminator and dominates the scope and what follows it; what does not
  // depend on the scope goes there, whether the loop runs or not (no expression traps).
  void OpenScope(llvm::BasicBlock* preheader);
  void CloseScope();

  // Tells the value of a loop index or of an SSA scalar, known from the innermost open scope on.
  void DefineLoop(int loop, llvm::Value* index, int64_t step);
  void DefineValue(int id, llvm::Value* value);

  // The value of `e`, an i64.
  llvm::Value* Emit(DimExpr e);
  // lane < active, for `lanes` > 1 lanes.
  llvm::Value* LaneMask(DimExpr active, int lanes);
  // base + e, where base points to elements of `element` and is known in scope 0.
  llvm::Value* Pointer(llvm::Value* base, llvm::Type* element, DimExpr e);
  // e without the terms that are provable multiples of `unit`, a power of two.
  DimExpr NotMultipleOf(DimExpr e, int64_t unit) const;

 private:
  struct Scope {
    llvm::BasicBlock* preheader = nullptr;
    absl::flat_hash_map<DimExpr, llvm::Value*> values;
    absl::flat_hash_map<std::pair<DimExpr, int>, llvm::Value*> masks;
    absl::flat_hash_map<std::pair<llvm::Value*, DimExpr>, llvm::Value*> pointers;
  };
  struct Leaf {
    llvm::Value* value = nullptr;
    int depth = 0;
    int64_t step = 1;  // loops: the index is a multiple of it
  };

  int Depth(DimExpr e);
  bool IsMultiple(DimExpr e, int64_t unit) const;
  // Runs `emit` with the builder where code of scope `depth` goes.
  template <typename EmitCode>
  llvm::Value* At(int depth, EmitCode emit);
  llvm::Value* EmitNode(DimExpr e);
  llvm::Value* EmitSum(DimExpr e);
  llvm::Value* EmitProduct(DimExpr e);
  llvm::Value* EmitDivision(DimExpr e);
  // The terms of a sum (or e itself) by the scope that they belong to; constants are left out and
  // added up in `constant`.
  std::vector<std::pair<int, DimExpr>> TermsByDepth(DimExpr e, int64_t& constant);

  IrBuilder& b_;
  std::vector<llvm::Value*> arguments_;
  std::vector<Leaf> loops_, values_;
  std::vector<Scope> scopes_;
  absl::flat_hash_map<DimExpr, int> depths_;  // a loop stands at one place, so these stay true
};

}  // namespace skein

#endif  // SKEIN_CODEGEN_LLVM_INDEX_EMITTER_H_
