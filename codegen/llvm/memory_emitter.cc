#include "codegen/llvm/memory_emitter.h"

#include "llvm/IR/Intrinsics.h"
#include "llvm/IR/MDBuilder.h"

namespace skein {

using llvm::Align;
using llvm::BasicBlock;
using llvm::Value;

namespace {

// Streaming stores pay from a whole xmm register on; of parts of a register, from half a cache line on.
constexpr int kMinStreamingBytes = 16, kHalfLine = 32;

Align ElementAlign(llvm::Type* stored) { return Align(stored->getScalarSizeInBits() / 8); }

llvm::Constant* Zero(llvm::Type* type) { return llvm::Constant::getNullValue(type); }

// Lanes begin .. begin + count, of which those past the last one of `v` are zeros.
Value* Lanes(IrBuilder& b, Value* v, int begin, int count) {
  const int all = LanesOf(v);
  std::vector<int> lanes;
  for (int i = begin; i < begin + count; ++i) lanes.push_back(std::min(i, all));
  return b.CreateShuffleVector(v, Zero(v->getType()), lanes);
}

// n, where a constant mask has the first n lanes, which a register of 16 bytes or more holds exactly; else 0.
int LeadingLanes(Value* mask, int element_bits) {
  auto* constant = llvm::dyn_cast_if_present<llvm::Constant>(mask);
  if (constant == nullptr) return 0;
  int n = 0;
  for (int i = 0; i < LanesOf(mask); ++i) {
    llvm::Constant* lane = constant->getAggregateElement(i);
    if (lane == nullptr || (!lane->isNullValue() && (!lane->isOneValue() || n < i))) return 0;
    n += lane->isOneValue();
  }
  return n * element_bits >= 128 && (n & (n - 1)) == 0 ? n : 0;
}

}  // namespace

MemoryEmitter::MemoryEmitter(IrBuilder& b, IndexEmitter& indices, const LoopNest& nest,
                             std::vector<Value*> bases, const Target& target, const Locations* locations)
    : b_(b),
      indices_(indices),
      nest_(nest),
      bases_(std::move(bases)),
      has_avx512_(target.isa == Isa::kAvx512),
      locations_(locations) {
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

// --- helpers ---

llvm::Instruction* MemoryEmitter::Annotate(llvm::Instruction* access, BufferId buffer) {
  access->setMetadata(llvm::LLVMContext::MD_alias_scope, own_scope_[buffer.index]);
  access->setMetadata(llvm::LLVMContext::MD_noalias, other_scopes_[buffer.index]);
  return access;
}

template <typename EmitCode>
void MemoryEmitter::If(Value* condition, EmitCode emit) {
  if (condition == nullptr) return emit();
  llvm::Function* function = b_.GetInsertBlock()->getParent();
  auto* then = BasicBlock::Create(b_.getContext(), "active", function);
  auto* after = BasicBlock::Create(b_.getContext(), "after", function);
  b_.CreateCondBr(condition, then, after);
  b_.SetInsertPoint(then);
  emit();
  b_.CreateBr(after);
  b_.SetInsertPoint(after);
}

Value* MemoryEmitter::FrameSlot(llvm::Type* type) {
  llvm::IRBuilderBase::InsertPointGuard guard(b_);
  BasicBlock& entry = b_.GetInsertBlock()->getParent()->getEntryBlock();
  b_.SetInsertPoint(&entry, entry.getFirstInsertionPt());
  return b_.CreateAlloca(type);
}

template <typename EmitCode>
void MemoryEmitter::ForActiveLanes(const Access& access, EmitCode emit) {
  Value* all_pointers = nullptr;
  if (access.IsScattered()) {
    all_pointers = FrameSlot(access.pointers->getType());
    b_.CreateStore(access.pointers, all_pointers);
  }
  Value* bits = b_.getInt64((uint64_t{1} << access.lanes) - 1);
  if (access.mask != nullptr) {
    bits = b_.CreateBitCast(access.mask, b_.getIntNTy(static_cast<unsigned>(access.lanes)));
    bits = b_.CreateZExt(bits, b_.getInt64Ty());
  }
  llvm::Function* function = b_.GetInsertBlock()->getParent();
  BasicBlock* before = b_.GetInsertBlock();
  auto* loop = BasicBlock::Create(b_.getContext(), "lane", function);
  auto* after = BasicBlock::Create(b_.getContext(), "after", function);
  b_.CreateCondBr(b_.CreateICmpNE(bits, b_.getInt64(0)), loop, after);
  b_.SetInsertPoint(loop);
  llvm::PHINode* left = b_.CreatePHI(b_.getInt64Ty(), 2);
  left->addIncoming(bits, before);
  Value* lane = b_.CreateBinaryIntrinsic(llvm::Intrinsic::cttz, left, b_.getTrue());
  Value* pointer;
  if (all_pointers != nullptr) {
    pointer = b_.CreateLoad(b_.getPtrTy(), b_.CreateGEP(b_.getPtrTy(), all_pointers, lane));
  } else {
    pointer = b_.CreateGEP(access.element, access.pointers, lane);
  }
  emit(lane, pointer);
  Value* rest = b_.CreateAnd(left, b_.CreateSub(left, b_.getInt64(1)));
  left->addIncoming(rest, b_.GetInsertBlock());
  b_.CreateCondBr(b_.CreateICmpNE(rest, b_.getInt64(0)), loop, after);
  b_.SetInsertPoint(after);
}

bool MemoryEmitter::HasMasked(const Access& access, bool write) const {
  const bool narrow = access.element->getScalarSizeInBits() < 32;
  if (!access.IsScattered()) return has_avx512_ || !narrow;
  return !narrow && (has_avx512_ || !write);
}

// --- elements as they are stored ---

Value* MemoryEmitter::Read(const Access& access) {
  llvm::Type* type = WithLanes(access.element, access.lanes);
  const Align align = ElementAlign(access.element);
  if (access.mask == nullptr && !access.IsScattered()) {
    return Annotate(b_.CreateAlignedLoad(type, access.pointers, align), access.buffer);
  }
  if (const int n = access.IsScattered() ? 0 : LeadingLanes(access.mask, static_cast<int>(access.element->getScalarSizeInBits())); n > 0) {
    type = WithLanes(access.element, n);
    Value* loaded = Annotate(b_.CreateAlignedLoad(type, access.pointers, align), access.buffer);
    return Lanes(b_, loaded, 0, access.lanes);
  }
  if (access.lanes == 1) {
    BasicBlock* before = b_.GetInsertBlock();
    BasicBlock* active = nullptr;
    Value* loaded = nullptr;
    If(access.mask, [&] {
      active = b_.GetInsertBlock();
      loaded = Annotate(b_.CreateAlignedLoad(type, access.pointers, align), access.buffer);
    });
    llvm::PHINode* value = b_.CreatePHI(type, 2);
    value->addIncoming(loaded, active);
    value->addIncoming(Zero(type), before);
    return value;
  }
  if (access.mask != nullptr && !HasMasked(access, /*write=*/false)) {
    Value* lanes = FrameSlot(type);
    b_.CreateStore(Zero(type), lanes);
    ForActiveLanes(access, [&](Value* lane, Value* pointer) {
      Value* loaded = Annotate(b_.CreateAlignedLoad(access.element, pointer, align), access.buffer);
      b_.CreateStore(loaded, b_.CreateGEP(access.element, lanes, lane));
    });
    return b_.CreateLoad(type, lanes);
  }
  if (!access.IsScattered()) {
    return Annotate(b_.CreateMaskedLoad(type, access.pointers, align, access.mask, Zero(type)),
                    access.buffer);
  }
  Value* mask = access.mask;
  if (mask == nullptr) {
    mask = llvm::Constant::getAllOnesValue(WithLanes(b_.getInt1Ty(), access.lanes));
  }
  return Annotate(b_.CreateMaskedGather(type, access.pointers, align, mask, Zero(type)),
                  access.buffer);
}

void MemoryEmitter::Write(const Access& access, Value* value) {
  const Align align = ElementAlign(access.element);
  if (access.lanes == 1 || (access.mask == nullptr && !access.IsScattered())) {
    If(access.mask,
       [&] { Annotate(b_.CreateAlignedStore(value, access.pointers, align), access.buffer); });
  } else if (const int n = access.IsScattered() ? 0 : LeadingLanes(access.mask, static_cast<int>(access.element->getScalarSizeInBits())); n > 0) {
    Annotate(b_.CreateAlignedStore(Lanes(b_, value, 0, n), access.pointers, align), access.buffer);
  } else if (access.mask != nullptr && !HasMasked(access, /*write=*/true)) {
    Value* lanes = FrameSlot(value->getType());
    b_.CreateStore(value, lanes);
    ForActiveLanes(access, [&](Value* lane, Value* pointer) {
      Value* stored = b_.CreateLoad(access.element, b_.CreateGEP(access.element, lanes, lane));
      Annotate(b_.CreateAlignedStore(stored, pointer, align), access.buffer);
    });
  } else if (access.IsScattered()) {
    // Lanes are written in order, so that the last one wins.
    Annotate(b_.CreateMaskedScatter(value, access.pointers, align, access.mask), access.buffer);
  } else {
    Annotate(b_.CreateMaskedStore(value, access.pointers, align, access.mask), access.buffer);
  }
}

// --- instructions ---

Value* MemoryEmitter::LaneIndex(const Inst& inst, int lanes, Value* index) {
  if (index != nullptr || lanes == 1 || inst.stride.IsConst(1)) return index;
  Value* stride = b_.CreateVectorSplat(static_cast<unsigned>(lanes), indices_.Emit(inst.stride));
  return b_.CreateMul(b_.CreateStepVector(stride->getType()), stride);
}

MemoryEmitter::Access MemoryEmitter::Describe(const Inst& inst, VectorType type, Value* index,
                                              Value* mask) {
  llvm::Type* stored = StoredType(b_.getContext(), type.element);
  Value* pointers = indices_.Pointer(bases_[inst.buffer.index], stored, ElementOf(inst));
  index = LaneIndex(inst, type.lanes, index);
  if (index != nullptr) pointers = b_.CreateGEP(stored, pointers, index);
  return {inst.buffer, stored, type.lanes, pointers, mask};
}

Value* MemoryEmitter::EmitRead(const Inst& inst, std::span<Value* const> operands) {
  Value* mask = inst.masked ? operands.back() : nullptr;
  Value* index = inst.op == Opcode::kGather ? operands[0] : nullptr;
  if (IsFourBit(inst.type.element)) return ReadFourBit(inst, index, mask);
  Value* value = Read(Describe(inst, inst.type, index, mask));
  if (!IsBool(inst.type.element)) return value;
  return b_.CreateICmpNE(value, Zero(value->getType()));
}

void MemoryEmitter::EmitWrite(const Inst& inst, VectorType type, std::span<Value* const> operands) {
  Value* mask = inst.masked ? operands.back() : nullptr;
  Value* index = inst.op == Opcode::kScatter ? operands[1] : nullptr;
  Value* value = operands[0];
  if (IsFourBit(type.element)) return WriteFourBit(inst, value, index, mask);
  const Access access = Describe(inst, type, index, mask);
  if (IsBool(type.element)) value = b_.CreateZExt(value, WithLanes(access.element, type.lanes));
  Write(access, value);
}

int MemoryEmitter::StreamedLanes(const Inst& first, const Inst& next, VectorType type, Value* mask) {
  const int64_t bytes = BytesFor(type.element, type.lanes);
  if (next.op != Opcode::kStore || !next.streaming || !next.stride.IsConst(1) || bytes < kMinStreamingBytes ||
      (bytes & (bytes - 1)) != 0 || IsFourBit(type.element)) {
    return 0;
  }
  const std::optional<int64_t> distance = (ElementOf(next) - ElementOf(first)).AsConst();
  if (next.buffer != first.buffer || !distance || *distance % type.lanes != 0) return 0;
  const int lanes = next.masked ? LeadingLanes(mask, BitWidth(type.element)) : type.lanes;
  return lanes == type.lanes || (lanes == type.lanes / 2 && bytes / 2 >= kHalfLine) ? lanes : 0;
}

// Whether the address is aligned is known at run time only, but what decides it seldom changes inside the
// innermost loop: the base, and the terms of the address that are no multiple of the vector. All values are
// used on both sides of the branch, so that none is computed behind it. Rows of odd half lines go by halves.
void MemoryEmitter::EmitStreamingRun(std::span<const StreamingStore> run, VectorType type) {
  has_streaming_stores_ = true;
  const DimExpr address = ElementOf(*run[0].inst);
  int unit = type.lanes;
  for (const StreamingStore& store : run) unit = std::min(unit, store.lanes);
  if (BytesFor(type.element, type.lanes / 2) >= kHalfLine && !indices_.NotMultipleOf(address, unit).IsConst(0) &&
      indices_.NotMultipleOf(address, type.lanes / 2).IsConst(0)) {
    unit = type.lanes / 2;
  }
  struct Part {
    const Inst* inst;
    Value *pointer, *value;
  };
  std::vector<Part> parts;
  for (const StreamingStore& store : run) {
    const Access access = Describe(*store.inst, type, nullptr, nullptr);
    Value* value = store.value;
    if (IsBool(type.element)) value = b_.CreateZExt(value, WithLanes(access.element, type.lanes));
    for (int at = 0; at < store.lanes; at += unit) {
      parts.push_back({store.inst, at == 0 ? access.pointers : b_.CreateConstGEP1_64(access.element, access.pointers, at),
                       unit == type.lanes ? value : Lanes(b_, value, at, unit)});
    }
  }
  llvm::Type* element = StoredType(b_.getContext(), type.element);
  const uint64_t bytes = unit * ElementAlign(element).value();
  Value* deciding = indices_.Pointer(bases_[run[0].inst->buffer.index], element, indices_.NotMultipleOf(address, unit));
  Value* low = b_.CreateAnd(b_.CreatePtrToInt(deciding, b_.getInt64Ty()), b_.getInt64(bytes - 1));
  Value* aligned = b_.CreateICmpEQ(low, b_.getInt64(0));
  llvm::Function* function = b_.GetInsertBlock()->getParent();
  auto* streaming = BasicBlock::Create(b_.getContext(), "streaming", function);
  auto* ordinary = BasicBlock::Create(b_.getContext(), "ordinary", function);
  auto* after = BasicBlock::Create(b_.getContext(), "after", function);
  b_.CreateCondBr(aligned, streaming, ordinary);
  auto* one = llvm::ConstantAsMetadata::get(b_.getInt32(1));
  for (BasicBlock* block : {streaming, ordinary}) {
    b_.SetInsertPoint(block);
    for (const Part& part : parts) {
      if (locations_ != nullptr) locations_->Set(b_, *part.inst);
      const Align align = block == streaming ? Align(bytes) : ElementAlign(element);
      auto* store = Annotate(b_.CreateAlignedStore(part.value, part.pointer, align), part.inst->buffer);
      if (block == streaming) {
        store->setMetadata(llvm::LLVMContext::MD_nontemporal, llvm::MDNode::get(b_.getContext(), {one}));
      }
    }
    b_.CreateBr(after);
  }
  b_.SetInsertPoint(after);
}

void MemoryEmitter::EmitPrefetch(const Inst& inst) {
  const ElementType element = nest_.buffers[inst.buffer.index].element;
  const DimExpr address = IsFourBit(element) ? FloorDiv(ElementOf(inst), 2) : ElementOf(inst);
  Value* pointer =
      indices_.Pointer(bases_[inst.buffer.index], StoredType(b_.getContext(), element), address);
  const uint32_t locality = inst.imm == 0 ? 3 : 2;  // prefetcht0, prefetcht1
  b_.CreateIntrinsic(llvm::Intrinsic::prefetch, {pointer->getType()},
                     {pointer, b_.getInt32(0), b_.getInt32(locality), b_.getInt32(1)});
}

// --- i4 and u4: two to a byte, the low nibble first ---

// Whether the lanes are all of both nibbles of consecutive bytes.
bool MemoryEmitter::IsPairs(const Inst& inst, int lanes) const {
  return !inst.masked && inst.op != Opcode::kGather && inst.op != Opcode::kScatter &&
         lanes % 2 == 0 && inst.stride.IsConst(1) &&
         indices_.NotMultipleOf(ElementOf(inst), 2).IsConst(0);
}

MemoryEmitter::Access MemoryEmitter::DescribePairs(const Inst& inst, int lanes) {
  Value* pointer =
      indices_.Pointer(bases_[inst.buffer.index], b_.getInt8Ty(), FloorDiv(ElementOf(inst), 2));
  return {inst.buffer, b_.getInt8Ty(), lanes / 2, pointer};
}

Value* MemoryEmitter::FourBitElements(const Inst& inst, int lanes, Value* index) {
  Value* elements = indices_.Emit(ElementOf(inst));
  if (lanes > 1) elements = b_.CreateVectorSplat(static_cast<unsigned>(lanes), elements);
  index = LaneIndex(inst, lanes, index);
  if (index == nullptr && lanes > 1) index = b_.CreateStepVector(elements->getType());
  return index == nullptr ? elements : b_.CreateAdd(elements, index);
}

MemoryEmitter::Access MemoryEmitter::DescribeFourBits(const Inst& inst, Value* elements,
                                                      Value* mask) {
  Value* pointers =
      b_.CreateGEP(b_.getInt8Ty(), bases_[inst.buffer.index], b_.CreateLShr(elements, uint64_t{1}));
  return {inst.buffer, b_.getInt8Ty(), LanesOf(elements), pointers, mask};
}

Value* MemoryEmitter::ReadFourBit(const Inst& inst, Value* index, Value* mask) {
  const int lanes = inst.type.lanes;
  llvm::Type* four_bits = WithLanes(b_.getIntNTy(4), lanes);
  if (IsPairs(inst, lanes)) {
    Value* low = Read(DescribePairs(inst, lanes));
    Value* high = b_.CreateLShr(low, uint64_t{4});
    if (lanes == 2) {  // scalars so far
      auto* pair = llvm::FixedVectorType::get(b_.getInt8Ty(), 2);
      Value* both = b_.CreateInsertElement(llvm::PoisonValue::get(pair), low, uint64_t{0});
      return b_.CreateTrunc(b_.CreateInsertElement(both, high, uint64_t{1}), four_bits);
    }
    std::vector<int> interleave;
    for (int i = 0; i < lanes / 2; ++i)
      interleave.push_back(i), interleave.push_back(lanes / 2 + i);
    return b_.CreateTrunc(b_.CreateShuffleVector(low, high, interleave), four_bits);
  }
  Value* elements = FourBitElements(inst, lanes, index);
  Value* bytes = Read(DescribeFourBits(inst, elements, mask));
  Value* odd = b_.CreateTrunc(
      b_.CreateAnd(elements, llvm::ConstantInt::get(elements->getType(), 1)), bytes->getType());
  return b_.CreateTrunc(b_.CreateLShr(bytes, b_.CreateShl(odd, uint64_t{2})), four_bits);
}

void MemoryEmitter::WriteFourBit(const Inst& inst, Value* value, Value* index, Value* mask) {
  const int lanes = LanesOf(value);
  Value* bytes = b_.CreateZExt(value, WithLanes(b_.getInt8Ty(), lanes));
  if (IsPairs(inst, lanes) && lanes > 2) {
    std::vector<int> even, odd;
    for (int i = 0; i < lanes; i += 2) even.push_back(i), odd.push_back(i + 1);
    Value* low = b_.CreateShuffleVector(bytes, even);
    Value* high = b_.CreateShuffleVector(bytes, odd);
    return Write(DescribePairs(inst, lanes), b_.CreateOr(low, b_.CreateShl(high, uint64_t{4})));
  }
  // Lane by lane, since neighbours share a byte, which also inactive lanes must not touch.
  Value* elements = FourBitElements(inst, lanes, index);
  const Access access = DescribeFourBits(inst, elements, mask);
  auto write_one = [&](Value* element, Value* nibble, Value* pointer) {
    Value* odd = b_.CreateTrunc(b_.CreateAnd(element, uint64_t{1}), b_.getInt8Ty());
    Value* shift = b_.CreateShl(odd, uint64_t{2});
    Value* old = Annotate(b_.CreateAlignedLoad(b_.getInt8Ty(), pointer, Align(1)), inst.buffer);
    Value* keep = b_.CreateAnd(old, b_.CreateNot(b_.CreateShl(b_.getInt8(15), shift)));
    Value* both = b_.CreateOr(keep, b_.CreateShl(nibble, shift));
    Annotate(b_.CreateAlignedStore(both, pointer, Align(1)), inst.buffer);
  };
  if (lanes == 1) return If(mask, [&] { write_one(elements, bytes, access.pointers); });
  Value* all_elements = FrameSlot(elements->getType());
  Value* all_nibbles = FrameSlot(bytes->getType());
  b_.CreateStore(elements, all_elements);
  b_.CreateStore(bytes, all_nibbles);
  ForActiveLanes(access, [&](Value* lane, Value* pointer) {
    Value* element =
        b_.CreateLoad(b_.getInt64Ty(), b_.CreateGEP(b_.getInt64Ty(), all_elements, lane));
    Value* nibble = b_.CreateLoad(b_.getInt8Ty(), b_.CreateGEP(b_.getInt8Ty(), all_nibbles, lane));
    write_one(element, nibble, pointer);
  });
}

}  // namespace skein
