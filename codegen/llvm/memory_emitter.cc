#include "codegen/llvm/memory_emitter.h"

#include "llvm/IR/Intrinsics.h"
#include "llvm/IR/MDBuilder.h"

namespace skein {

using llvm::Align;
using llvm::Value;

namespace {

// Streaming stores pay from a whole xmm register on.
constexpr int kMinStreamingBytes = 16;

Align ElementAlign(llvm::Type* stored) { return Align(stored->getScalarSizeInBits() / 8); }

}  // namespace

MemoryEmitter::MemoryEmitter(IrBuilder& b, IndexEmitter& indices, const LoopNest& nest,
                             std::vector<Value*> bases)
    : b_(b), indices_(indices), nest_(nest), bases_(std::move(bases)) {
  llvm::MDBuilder metadata(b.getContext());
  llvm::MDNode* domain = metadata.createAnonymousAliasScopeDomain();
  std::vector<llvm::Metadata*> scopes;
  for (size_t i = 0; i < nest.buffers.size(); ++i) {
    scopes.push_back(metadata.createAnonymousAliasScope(domain));
  }
  // Buffers that may be one memory share a scope.
  for (size_t i = 0; i < nest.buffers.size(); ++i) {
    if (nest.buffers[i].in_place_with >= 0) scopes[i] = scopes[nest.buffers[i].in_place_with];
  }
  for (size_t i = 0; i < scopes.size(); ++i) {
    std::vector<llvm::Metadata*> others;
    for (llvm::Metadata* scope : scopes) {
      if (scope != scopes[i]) others.push_back(scope);
    }
    own_scope_.push_back(llvm::MDNode::get(b.getContext(), {scopes[i]}));
    other_scopes_.push_back(llvm::MDNode::get(b.getContext(), others));
  }
}

llvm::Instruction* MemoryEmitter::Annotate(llvm::Instruction* access, BufferId buffer) {
  access->setMetadata(llvm::LLVMContext::MD_alias_scope, own_scope_[buffer.index]);
  access->setMetadata(llvm::LLVMContext::MD_noalias, other_scopes_[buffer.index]);
  return access;
}

template <typename EmitCode>
void MemoryEmitter::If(Value* condition, EmitCode emit) {
  if (condition == nullptr) return emit();
  llvm::Function* function = b_.GetInsertBlock()->getParent();
  auto* then = llvm::BasicBlock::Create(b_.getContext(), "active", function);
  auto* after = llvm::BasicBlock::Create(b_.getContext(), "after", function);
  b_.CreateCondBr(condition, then, after);
  b_.SetInsertPoint(then);
  emit();
  b_.CreateBr(after);
  b_.SetInsertPoint(after);
}

MemoryEmitter::Access MemoryEmitter::Describe(const Inst& inst, VectorType type,
                                              std::span<Value* const> operands,
                                              size_t value_operands) {
  Access access{inst, type.element, type.lanes};
  if (inst.masked) access.mask = operands.back();
  if (inst.op == Opcode::kGather || inst.op == Opcode::kScatter) {
    access.index = operands[value_operands];
  } else if (type.lanes > 1 && !inst.stride.IsConst(1)) {
    auto* type64 = WithLanes(b_.getInt64Ty(), type.lanes);
    Value* lane = b_.CreateStepVector(type64);
    Value* stride = b_.CreateVectorSplat(static_cast<unsigned>(type.lanes),
                                         indices_.Emit(inst.stride));
    access.index = b_.CreateMul(lane, stride);
  }
  return access;
}

Value* MemoryEmitter::ElementPointer(const Access& access) {
  llvm::Type* stored = StoredType(b_.getContext(), access.element);
  return indices_.Pointer(bases_[access.inst.buffer.index], stored, access.inst.address);
}

Value* MemoryEmitter::LanePointers(const Access& access) {
  llvm::Type* stored = StoredType(b_.getContext(), access.element);
  return b_.CreateGEP(stored, ElementPointer(access), access.index);
}

Value* MemoryEmitter::EmitRead(const Inst& inst, std::span<Value* const> operands) {
  const Access access = Describe(inst, inst.type, operands, 0);
  if (IsFourBit(access.element)) return ReadFourBit(access);
  Value* value = ReadLanes(access);
  if (!IsBool(access.element)) return value;
  return b_.CreateICmpNE(value, llvm::Constant::getNullValue(value->getType()));
}

// As stored: bool is still a byte.
Value* MemoryEmitter::ReadLanes(const Access& access) {
  llvm::Type* stored = StoredType(b_.getContext(), access.element);
  llvm::Type* type = WithLanes(stored, access.lanes);
  const Align align = ElementAlign(stored);
  llvm::Constant* zero = llvm::Constant::getNullValue(type);
  const BufferId buffer = access.inst.buffer;
  if (access.lanes == 1 && access.mask != nullptr) {
    Value* pointer = access.index != nullptr ? LanePointers(access) : ElementPointer(access);
    llvm::BasicBlock* before = b_.GetInsertBlock();
    llvm::BasicBlock* active = nullptr;
    Value* loaded = nullptr;
    If(access.mask, [&] {
      active = b_.GetInsertBlock();
      loaded = Annotate(b_.CreateAlignedLoad(type, pointer, align), buffer);
    });
    llvm::PHINode* value = b_.CreatePHI(type, 2);
    value->addIncoming(loaded, active);
    value->addIncoming(zero, before);
    return value;
  }
  if (access.lanes > 1 && access.index != nullptr) {
    Value* mask = access.mask;
    if (mask == nullptr) {
      mask = llvm::Constant::getAllOnesValue(WithLanes(b_.getInt1Ty(), access.lanes));
    }
    return Annotate(b_.CreateMaskedGather(type, LanePointers(access), align, mask, zero), buffer);
  }
  Value* pointer = access.index != nullptr ? LanePointers(access) : ElementPointer(access);
  if (access.mask != nullptr) {
    return Annotate(b_.CreateMaskedLoad(type, pointer, align, access.mask, zero), buffer);
  }
  return Annotate(b_.CreateAlignedLoad(type, pointer, align), buffer);
}

void MemoryEmitter::EmitWrite(const Inst& inst, VectorType type, std::span<Value* const> operands) {
  const Access access = Describe(inst, type, operands, 1);
  Value* value = operands[0];
  if (IsFourBit(access.element)) return WriteFourBit(access, value);
  if (IsBool(access.element)) value = b_.CreateZExt(value, WithLanes(b_.getInt8Ty(), access.lanes));
  WriteLanes(access, value);
}

void MemoryEmitter::WriteLanes(const Access& access, Value* value) {
  const Align align = ElementAlign(value->getType());
  const BufferId buffer = access.inst.buffer;
  if (access.lanes == 1) {
    Value* pointer = access.index != nullptr ? LanePointers(access) : ElementPointer(access);
    If(access.mask,
       [&] { Annotate(b_.CreateAlignedStore(value, pointer, align), buffer); });
  } else if (access.index != nullptr) {
    // Lanes are written in order, so that the last one wins.
    Annotate(b_.CreateMaskedScatter(value, LanePointers(access), align, access.mask), buffer);
  } else if (access.mask != nullptr) {
    Annotate(b_.CreateMaskedStore(value, ElementPointer(access), align, access.mask), buffer);
  } else {
    WriteContiguous(access, value);
  }
}

void MemoryEmitter::WriteContiguous(const Access& access, Value* value) {
  Value* pointer = ElementPointer(access);
  const Align align = ElementAlign(value->getType());
  const BufferId buffer = access.inst.buffer;
  const int element_bytes = static_cast<int>(align.value());
  const int bytes = element_bytes * access.lanes;
  if (!access.inst.streaming || bytes < kMinStreamingBytes || (bytes & (bytes - 1)) != 0) {
    Annotate(b_.CreateAlignedStore(value, pointer, align), buffer);
    return;
  }
  // Alignment is known at run time only, but what decides it seldom changes inside the innermost
  // loop: the base and the terms of the address that are no multiple of the vector.
  has_streaming_stores_ = true;
  const DimExpr rest = indices_.NotMultipleOf(access.inst.address, access.lanes);
  Value* deciding = indices_.Pointer(bases_[buffer.index], value->getType()->getScalarType(), rest);
  Value* low = b_.CreateAnd(b_.CreatePtrToInt(deciding, b_.getInt64Ty()),
                            b_.getInt64(static_cast<uint64_t>(bytes - 1)));
  Value* aligned = b_.CreateICmpEQ(low, b_.getInt64(0));
  llvm::Function* function = b_.GetInsertBlock()->getParent();
  auto* streaming = llvm::BasicBlock::Create(b_.getContext(), "streaming", function);
  auto* ordinary = llvm::BasicBlock::Create(b_.getContext(), "ordinary", function);
  auto* after = llvm::BasicBlock::Create(b_.getContext(), "after", function);
  b_.CreateCondBr(aligned, streaming, ordinary);
  b_.SetInsertPoint(streaming);
  auto* store = Annotate(b_.CreateAlignedStore(value, pointer, Align(bytes)), buffer);
  auto* one = llvm::ConstantAsMetadata::get(b_.getInt32(1));
  store->setMetadata(llvm::LLVMContext::MD_nontemporal,
                     llvm::MDNode::get(b_.getContext(), {one}));
  b_.CreateBr(after);
  b_.SetInsertPoint(ordinary);
  Annotate(b_.CreateAlignedStore(value, pointer, align), buffer);
  b_.CreateBr(after);
  b_.SetInsertPoint(after);
}

void MemoryEmitter::EmitPrefetch(const Inst& inst) {
  const ElementType element = nest_.buffers[inst.buffer.index].element;
  DimExpr address = inst.address;
  if (IsFourBit(element)) address = FloorDiv(address, 2);
  Value* pointer =
      indices_.Pointer(bases_[inst.buffer.index], StoredType(b_.getContext(), element), address);
  const uint32_t locality = inst.imm == 0 ? 3 : 2;  // prefetcht0, prefetcht1
  b_.CreateIntrinsic(llvm::Intrinsic::prefetch, {pointer->getType()},
                     {pointer, b_.getInt32(0), b_.getInt32(locality), b_.getInt32(1)});
}

// --- i4 and u4: two to a byte, the low nibble first ---

// Whether the lanes are all of both nibbles of consecutive bytes.
bool MemoryEmitter::PairsOfFourBits(const Access& access) const {
  return access.index == nullptr && access.mask == nullptr && access.lanes % 2 == 0 &&
         indices_.NotMultipleOf(access.inst.address, 2).IsConst(0);
}

Value* MemoryEmitter::ReadFourBit(const Access& access) {
  llvm::Type* four = WithLanes(b_.getIntNTy(4), access.lanes);
  llvm::Type* byte = WithLanes(b_.getInt8Ty(), access.lanes);
  Value* base = bases_[access.inst.buffer.index];
  if (PairsOfFourBits(access)) {
    const int bytes = access.lanes / 2;
    Value* pointer = indices_.Pointer(base, b_.getInt8Ty(), FloorDiv(access.inst.address, 2));
    Value* packed = Annotate(b_.CreateAlignedLoad(
        llvm::FixedVectorType::get(b_.getInt8Ty(), static_cast<unsigned>(bytes)), pointer, Align(1)),
        access.inst.buffer);
    Value* high = b_.CreateLShr(packed, uint64_t{4});
    std::vector<int> interleave;
    for (int i = 0; i < bytes; ++i) interleave.push_back(i), interleave.push_back(bytes + i);
    return b_.CreateTrunc(b_.CreateShuffleVector(packed, high, interleave), four);
  }
  // Otherwise a gather of the byte of each lane.
  Value* element = indices_.Emit(access.inst.address);
  if (access.lanes > 1) element = b_.CreateVectorSplat(static_cast<unsigned>(access.lanes), element);
  if (access.index != nullptr) {
    element = b_.CreateAdd(element, access.index);
  } else if (access.lanes > 1) {
    element = b_.CreateAdd(element, b_.CreateStepVector(element->getType()));
  }
  Value* pointers = b_.CreateGEP(b_.getInt8Ty(), base, b_.CreateLShr(element, uint64_t{1}));
  Value* bytes;
  if (access.lanes == 1 && access.mask == nullptr) {
    bytes = Annotate(b_.CreateAlignedLoad(byte, pointers, Align(1)), access.inst.buffer);
  } else if (access.lanes == 1) {
    llvm::BasicBlock* before = b_.GetInsertBlock();
    llvm::BasicBlock* active = nullptr;
    Value* loaded = nullptr;
    If(access.mask, [&] {
      active = b_.GetInsertBlock();
      loaded = Annotate(b_.CreateAlignedLoad(byte, pointers, Align(1)), access.inst.buffer);
    });
    llvm::PHINode* phi = b_.CreatePHI(byte, 2);
    phi->addIncoming(loaded, active);
    phi->addIncoming(llvm::Constant::getNullValue(byte), before);
    bytes = phi;
  } else {
    Value* mask = access.mask;
    if (mask == nullptr) {
      mask = llvm::Constant::getAllOnesValue(WithLanes(b_.getInt1Ty(), access.lanes));
    }
    bytes = Annotate(b_.CreateMaskedGather(byte, pointers, Align(1), mask,
                                           llvm::Constant::getNullValue(byte)),
                     access.inst.buffer);
  }
  Value* odd = b_.CreateTrunc(b_.CreateAnd(element, llvm::ConstantInt::get(element->getType(), 1)),
                              byte);
  Value* shift = b_.CreateShl(odd, uint64_t{2});
  return b_.CreateTrunc(b_.CreateLShr(bytes, shift), four);
}

void MemoryEmitter::WriteFourBit(const Access& access, Value* value) {
  if (PairsOfFourBits(access)) {
    std::vector<int> even, odd;
    for (int i = 0; i < access.lanes; i += 2) even.push_back(i), odd.push_back(i + 1);
    Value* bytes = b_.CreateZExt(value, WithLanes(b_.getInt8Ty(), access.lanes));
    Value* low = b_.CreateShuffleVector(bytes, even);
    Value* high = b_.CreateShuffleVector(bytes, odd);
    Value* packed = b_.CreateOr(low, b_.CreateShl(high, uint64_t{4}));
    Value* pointer = indices_.Pointer(bases_[access.inst.buffer.index], b_.getInt8Ty(),
                                      FloorDiv(access.inst.address, 2));
    Annotate(b_.CreateAlignedStore(packed, pointer, Align(1)), access.inst.buffer);
    return;
  }
  // Lane by lane: neighbours share a byte, and inactive lanes must not touch theirs.
  Value* address = indices_.Emit(access.inst.address);
  for (int i = 0; i < access.lanes; ++i) {
    auto lane_of = [&](Value* v) -> Value* {
      if (v == nullptr || access.lanes == 1) return v;
      return b_.CreateExtractElement(v, static_cast<uint64_t>(i));
    };
    Value* offset = access.index != nullptr ? lane_of(access.index)
                                            : b_.getInt64(static_cast<uint64_t>(i));
    Value* element = b_.CreateAdd(address, offset);
    Value* lane = lane_of(value);
    If(lane_of(access.mask), [&] { WriteFourBitLane(access, element, lane); });
  }
}

void MemoryEmitter::WriteFourBitLane(const Access& access, Value* element, Value* value) {
  Value* pointer = b_.CreateGEP(b_.getInt8Ty(), bases_[access.inst.buffer.index],
                                b_.CreateLShr(element, uint64_t{1}));
  Value* odd = b_.CreateTrunc(b_.CreateAnd(element, uint64_t{1}), b_.getInt8Ty());
  Value* shift = b_.CreateShl(odd, uint64_t{2});
  Value* old = Annotate(b_.CreateAlignedLoad(b_.getInt8Ty(), pointer, Align(1)),
                        access.inst.buffer);
  Value* keep = b_.CreateAnd(old, b_.CreateNot(b_.CreateShl(b_.getInt8(15), shift)));
  Value* bits = b_.CreateShl(b_.CreateZExt(value, b_.getInt8Ty()), shift);
  Annotate(b_.CreateAlignedStore(b_.CreateOr(keep, bits), pointer, Align(1)), access.inst.buffer);
}

}  // namespace skein
