// Where LLVM's instructions come from, as debug locations: LLVM keeps them through all of its passes, and
// generates the same code with and without. For listings only.
#ifndef SKEIN_CODEGEN_LLVM_LOCATIONS_H_
#define SKEIN_CODEGEN_LLVM_LOCATIONS_H_

#include <utility>
#include <vector>

#include "codegen/listing.h"
#include "codegen/llvm/types.h"
#include "ir/loop_nest_lines.h"
#include "llvm/IR/DebugInfoMetadata.h"
#include "llvm/IR/ValueHandle.h"
#include "llvm/Pass.h"

namespace skein {

// What an instruction does for its line, in the location's column. Its line is that of the nest, counted from 1;
// 0: none.
enum class Purpose : unsigned { kCompute = 1, kIndex, kEnterLoop, kNextTrip, kSpill, kReload, kFrame };

class Locations {
 public:
  Locations(llvm::Function* function, const LoopNest& nest, const LoopNestLines& lines);

  // What `b` creates from here on is for `inst`.
  void Set(IrBuilder& b, const Inst& inst, Purpose purpose = Purpose::kCompute) const;
  // For the entry or the exit of the kernel.
  void SetFrame(IrBuilder& b) const;
  // LLVM's passes on IR forget the location of what they move out of a loop.
  void Remember();
  void Restore();

 private:
  llvm::Function* function_;
  std::vector<std::pair<const Inst*, int>> line_of_inst_;  // sorted
  std::vector<std::pair<llvm::WeakVH, llvm::DebugLoc>> remembered_;
};

// Tells `b` that it is at index arithmetic, if it has a location.
void SetIndexPurpose(IrBuilder& b);

// A machine pass, to be run last: says which instructions spill and reload, and which have no location.
llvm::FunctionPass* CreateMarkMovesPass();

// The marks of the function of a module of one, from its object file.
absl::StatusOr<std::vector<CodeMark>> ReadMarks(llvm::StringRef elf, const ObjectCode::Entry& entry);

}  // namespace skein

#endif  // SKEIN_CODEGEN_LLVM_LOCATIONS_H_
