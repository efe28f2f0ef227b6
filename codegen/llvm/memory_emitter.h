// LLVM IR for loads, stores, gathers, scatters and prefetches of a legalized nest.
#ifndef SKEIN_CODEGEN_LLVM_MEMORY_EMITTER_H_
#define SKEIN_CODEGEN_LLVM_MEMORY_EMITTER_H_

#include <span>
#include <vector>

#include "codegen/llvm/index_emitter.h"
#include "codegen/llvm/locations.h"
#include "codegen/llvm/types.h"
#include "ir/loop_nest.h"
#include "ir/target.h"

namespace skein {

class MemoryEmitter {
 public:
  // bases: the pointer of each buffer of the nest.   locations: may be null.
  MemoryEmitter(IrBuilder& b, IndexEmitter& indices, const LoopNest& nest,
                std::vector<llvm::Value*> bases, const Target& target, const Locations* locations);

  // The value that a kLoad or kGather reads. `operands` as in `inst`, the mask included.
  llvm::Value* EmitRead(const Inst& inst, std::span<llvm::Value* const> operands);
  // kStore and kScatter; `element` is the type of the value stored.
  void EmitWrite(const Inst& inst, VectorType type, std::span<llvm::Value* const> operands);
  // Streaming stores that follow each other: whether their addresses are aligned is asked once. `type` is that of
  // the values; each store's `lanes`, all or half of them, are what StreamedLanes says.
  struct StreamingStore {
    const Inst* inst;
    llvm::Value* value;
    int lanes;
  };
  void EmitStreamingRun(std::span<const StreamingStore> run, VectorType type);
  // How many lanes of a value of `type` the next store writes, if it can stream in a run with the first one; else 0.
  // `mask`: its mask, or null.
  static int StreamedLanes(const Inst& first, const Inst& next, VectorType type, llvm::Value* mask);
  void EmitPrefetch(const Inst& inst);

  // Whether a streaming store was emitted, so that the kernel must end with a fence.
  bool has_streaming_stores() const { return has_streaming_stores_; }

 private:
  // One access to elements as they are stored: bool is a byte, i4 the byte that it is in.
  struct Access {
    BufferId buffer;
    llvm::Type* element;
    int lanes;
    llvm::Value* pointers;        // of lane 0, the others behind it; or a vector of all lanes'
    llvm::Value* mask = nullptr;  // null: all lanes are active
    bool IsScattered() const { return pointers->getType()->isVectorTy(); }
  };
  llvm::Value* Read(const Access& access);
  void Write(const Access& access, llvm::Value* value);
  // Whether the processor has this access with a mask, so that LLVM does not take it apart.
  bool HasMasked(const Access& access, bool write) const;

  // What to add to the address for each lane: null if the lanes are contiguous.
  llvm::Value* LaneIndex(const Inst& inst, int lanes, llvm::Value* index);
  Access Describe(const Inst& inst, VectorType type, llvm::Value* index, llvm::Value* mask);

  // Of i4 and u4: the number of the element of each lane, and the bytes they are in.
  llvm::Value* FourBitElements(const Inst& inst, int lanes, llvm::Value* index);
  Access DescribeFourBits(const Inst& inst, llvm::Value* elements, llvm::Value* mask);
  bool IsPairs(const Inst& inst, int lanes) const;
  Access DescribePairs(const Inst& inst, int lanes);
  llvm::Value* ReadFourBit(const Inst& inst, llvm::Value* index, llvm::Value* mask);
  void WriteFourBit(const Inst& inst, llvm::Value* value, llvm::Value* index, llvm::Value* mask);

  // Annotates a memory instruction with the buffer that it accesses, and returns it.
  llvm::Instruction* Annotate(llvm::Instruction* access, BufferId buffer);
  // Runs `emit` only if `condition`, an i1, is true; null: always.
  template <typename EmitCode>
  void If(llvm::Value* condition, EmitCode emit);
  // A loop over the lanes of `access` that are active, in order; `emit` gets the number of the lane
  // and the pointer to its element.
  template <typename EmitCode>
  void ForActiveLanes(const Access& access, EmitCode emit);
  // Memory of the function's frame for one value of `type`.
  llvm::Value* FrameSlot(llvm::Type* type);

  IrBuilder& b_;
  IndexEmitter& indices_;
  const LoopNest& nest_;
  std::vector<llvm::Value*> bases_;
  std::vector<llvm::MDNode*> own_scope_, other_scopes_;  // of each buffer
  const bool has_avx512_;
  const Locations* locations_;
  bool has_streaming_stores_ = false;
};

}  // namespace skein

#endif  // SKEIN_CODEGEN_LLVM_MEMORY_EMITTER_H_
