// LLVM IR for loads, stores, gathers, scatters and prefetches of a legalized nest.
#ifndef SKEIN_CODEGEN_LLVM_MEMORY_EMITTER_H_
#define SKEIN_CODEGEN_LLVM_MEMORY_EMITTER_H_

#include <span>
#include <vector>

#include "codegen/llvm/index_emitter.h"
#include "codegen/llvm/types.h"
#include "ir/loop_nest.h"

namespace skein {

class MemoryEmitter {
 public:
  // bases: the pointer of each buffer of the nest.
  MemoryEmitter(IrBuilder& b, IndexEmitter& indices, const LoopNest& nest,
                std::vector<llvm::Value*> bases);

  // The value that a kLoad or kGather reads. `operands` as in `inst`, the mask included.
  llvm::Value* EmitRead(const Inst& inst, std::span<llvm::Value* const> operands);
  // kStore and kScatter; `element` is the type of the value stored.
  void EmitWrite(const Inst& inst, VectorType type, std::span<llvm::Value* const> operands);
  void EmitPrefetch(const Inst& inst);

  // Whether a streaming store was emitted, so that the kernel must end with a fence.
  bool has_streaming_stores() const { return has_streaming_stores_; }

 private:
  // Where the lanes of one access are.
  struct Access {
    const Inst& inst;
    ElementType element;
    int lanes;
    llvm::Value* index = nullptr;  // i64 lanes to add to the address; null: contiguous
    llvm::Value* mask = nullptr;
  };
  Access Describe(const Inst& inst, VectorType type, std::span<llvm::Value* const> operands,
                  size_t value_operands);

  llvm::Value* ReadLanes(const Access& access);
  llvm::Value* ReadFourBit(const Access& access);
  void WriteLanes(const Access& access, llvm::Value* value);
  void WriteFourBit(const Access& access, llvm::Value* value);
  void WriteFourBitLane(const Access& access, llvm::Value* lane_index, llvm::Value* value);
  void WriteContiguous(const Access& access, llvm::Value* value);

  bool PairsOfFourBits(const Access& access) const;
  llvm::Value* LanePointers(const Access& access);
  llvm::Value* ElementPointer(const Access& access);
  // Annotates a memory instruction with the buffer that it accesses, and returns it.
  llvm::Instruction* Annotate(llvm::Instruction* access, BufferId buffer);
  // Runs `emit` only if `condition`, an i1, is true; null: always.
  template <typename EmitCode>
  void If(llvm::Value* condition, EmitCode emit);

  IrBuilder& b_;
  IndexEmitter& indices_;
  const LoopNest& nest_;
  std::vector<llvm::Value*> bases_;
  std::vector<llvm::MDNode*> own_scope_, other_scopes_;  // of each buffer
  bool has_streaming_stores_ = false;
};

}  // namespace skein

#endif  // SKEIN_CODEGEN_LLVM_MEMORY_EMITTER_H_
