#include "codegen/llvm/function_emitter.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "codegen/llvm/index_emitter.h"
#include "codegen/llvm/memory_emitter.h"
#include "codegen/llvm/vector_ops.h"
#include "ir/kernel_abi.h"
#include "llvm/IR/Function.h"
#include "llvm/IR/Intrinsics.h"
#include "llvm/IR/IntrinsicsX86.h"
#include "llvm/IR/MDBuilder.h"

namespace skein {
namespace {

using llvm::BasicBlock;
using llvm::Value;

// Statuses of an index site share the last bit from here on.
constexpr uint64_t kLastStatusBit = 62;

class FunctionEmitter {
 public:
  FunctionEmitter(llvm::Module& module, const std::string& name, const LoopNest& nest,
                  const Target& target, const LoopNestLines* lines)
      : nest_(nest), target_(target), b_(module.getContext()), values_(nest.value_count()) {
    llvm::Type* pointer = b_.getPtrTy();
    auto* type = llvm::FunctionType::get(
        b_.getVoidTy(), {pointer, b_.getInt64Ty(), b_.getInt64Ty(), pointer}, false);
    function_ = llvm::Function::Create(type, llvm::GlobalValue::ExternalLinkage, name, module);
    function_->addFnAttr(llvm::Attribute::NoUnwind);
    function_->addFnAttr("no-builtins");
    const char* width = target.isa == Isa::kAvx512 ? "512" : "256";
    function_->addFnAttr("prefer-vector-width", width);
    function_->addFnAttr("min-legal-vector-width", width);
    for (int i : {0, 3}) function_->addParamAttr(i, llvm::Attribute::NoAlias);
    if (lines != nullptr) locations_ = std::make_unique<Locations>(function_, nest, *lines);
  }

  std::unique_ptr<Locations> Run() {
    b_.SetInsertPoint(NewBlock("entry"));
    if (locations_ != nullptr) locations_->SetFrame(b_);
    LoadArguments();
    EmitTiles();
    if (locations_ != nullptr) locations_->SetFrame(b_);
    if (memory_->has_streaming_stores()) {
      b_.CreateIntrinsic(llvm::Intrinsic::x86_sse_sfence, {}, {});
    }
    b_.CreateRetVoid();
    return std::move(locations_);
  }

 private:
  BasicBlock* NewBlock(const char* name) {
    return BasicBlock::Create(b_.getContext(), name, function_);
  }

  void Locate(const Inst& inst, Purpose purpose = Purpose::kCompute) {
    if (locations_ != nullptr) locations_->Set(b_, inst, purpose);
  }

  // --- entry ---
  Value* LoadInvariant(llvm::Type* type, Value* base, int64_t byte_offset) {
    Value* pointer =
        b_.CreateConstGEP1_64(b_.getInt8Ty(), base, static_cast<uint64_t>(byte_offset));
    llvm::LoadInst* load = b_.CreateAlignedLoad(type, pointer, llvm::Align(8));
    load->setMetadata(llvm::LLVMContext::MD_invariant_load, llvm::MDNode::get(b_.getContext(), {}));
    return load;
  }

  void LoadArguments() {
    llvm::Type* pointer = b_.getPtrTy();
    Value* args = function_->getArg(0);
    Value* pointers = LoadInvariant(pointer, args, offsetof(KernelArgs, buffers));
    Value* scalars = LoadInvariant(pointer, args, offsetof(KernelArgs, arguments));
    status_ = LoadInvariant(pointer, args, offsetof(KernelArgs, status));
    std::vector<Value*> arguments;
    for (int i = 0; i < nest_.argument_count; ++i) {
      arguments.push_back(LoadInvariant(b_.getInt64Ty(), scalars, 8 * i));
    }
    indices_ = std::make_unique<IndexEmitter>(b_, nest_, std::move(arguments));
    const ScratchLayout layout = LayOutScratch(nest_);
    std::vector<Value*> bases;
    size_t scratch = 0;
    for (size_t i = 0; i < nest_.buffers.size(); ++i) {
      if (nest_.buffers[i].kind == BufferKind::kScratch) {
        Value* offset = indices_->Emit(layout.offsets[scratch++]);
        bases.push_back(b_.CreateGEP(b_.getInt8Ty(), function_->getArg(3), offset));
      } else {
        bases.push_back(LoadInvariant(pointer, pointers, 8 * static_cast<int64_t>(i)));
      }
    }
    memory_ = std::make_unique<MemoryEmitter>(b_, *indices_, nest_, std::move(bases), target_, locations_.get());
  }

  // --- tiles ---
  // The parallel loops, outermost first; `body` becomes the block inside them.
  std::vector<const Inst*> ParallelLoops(BlockId& body) const {
    std::vector<const Inst*> loops;
    body = nest_.root;
    while (nest_.block(body).insts.size() == 1) {
      const Inst& inst = nest_.inst(nest_.block(body).insts[0]);
      if (inst.op != Opcode::kLoop || inst.loop_kind != LoopKind::kParallel) break;
      loops.push_back(&inst);
      body = inst.body;
    }
    return loops;
  }

  // for tile in [tile_begin, tile_end): the indices of the parallel loops are computed by division
  // once, then stepped like an odometer.
  void EmitTiles() {
    BlockId body;
    const std::vector<const Inst*> loops = ParallelLoops(body);
    Value* begin = function_->getArg(1);
    Value* end = function_->getArg(2);
    BasicBlock* entry = b_.GetInsertBlock();
    BasicBlock* preheader = NewBlock("tiles");
    BasicBlock* exit = NewBlock("exit");
    // Expressions that need no index are emitted here, behind what the entry computes itself.
    if (!loops.empty()) Locate(*loops.back(), Purpose::kEnterLoop);
    std::vector<Value*> extents, trips;
    for (const Inst* loop : loops) {
      extents.push_back(indices_->Emit(loop->extent));
      trips.push_back(indices_->Emit(CeilDiv(loop->extent, loop->step)));
    }
    b_.CreateCondBr(b_.CreateICmpSLT(begin, end), preheader, exit);

    b_.SetInsertPoint(preheader);
    if (loops.empty()) {  // one tile
      EmitBlock(body);
      b_.CreateBr(exit);
      b_.SetInsertPoint(exit);
      return;
    }
    BasicBlock* header = NewBlock("tile");
    std::vector<Value*> first(loops.size());
    Value* rest = begin;
    for (size_t i = loops.size(); i-- > 0;) {
      Value* trip = i == 0 ? rest : b_.CreateURem(rest, trips[i]);
      if (i > 0) rest = b_.CreateUDiv(rest, trips[i]);
      first[i] = b_.CreateMul(trip, b_.getInt64(static_cast<uint64_t>(loops[i]->step)));
    }
    b_.CreateBr(header);

    b_.SetInsertPoint(header);
    llvm::PHINode* tile = b_.CreatePHI(b_.getInt64Ty(), 2);
    tile->addIncoming(begin, preheader);
    indices_->OpenScope(entry);
    std::vector<llvm::PHINode*> index;
    for (size_t i = 0; i < loops.size(); ++i) {
      index.push_back(b_.CreatePHI(b_.getInt64Ty(), 2));
      index[i]->addIncoming(first[i], preheader);
      indices_->DefineLoop(loops[i]->loop, index[i], loops[i]->step);
    }
    EmitBlock(body);
    Locate(*loops.back(), Purpose::kNextTrip);
    Value* carry = b_.getTrue();
    for (size_t i = loops.size(); i-- > 0;) {
      Value* step = b_.getInt64(static_cast<uint64_t>(loops[i]->step));
      Value* next = b_.CreateSelect(carry, b_.CreateAdd(index[i], step), index[i]);
      if (i > 0) {
        carry = b_.CreateICmpSGE(next, extents[i]);
        next = b_.CreateSelect(carry, b_.getInt64(0), next);
      }
      index[i]->addIncoming(next, b_.GetInsertBlock());
    }
    Value* next_tile = b_.CreateAdd(tile, b_.getInt64(1));
    tile->addIncoming(next_tile, b_.GetInsertBlock());
    b_.CreateCondBr(b_.CreateICmpSLT(next_tile, end), header, exit);
    indices_->CloseScope();
    b_.SetInsertPoint(exit);
  }

  // --- blocks ---
  void EmitBlock(BlockId id) {
    const std::vector<InstId>& insts = nest_.block(id).insts;
    for (size_t i = 0; i < insts.size();) {
      if (const size_t run = EmitStreamingRun(std::span(insts).subspan(i)); run > 0) {
        i += run;
        continue;
      }
      const Inst& inst = nest_.inst(insts[i++]);
      Locate(inst, inst.op == Opcode::kLoop ? Purpose::kEnterLoop : Purpose::kCompute);
      inst.op == Opcode::kLoop ? EmitLoop(inst) : EmitInst(inst);
    }
  }

  // Emits the streaming stores at the front, if there are any, and returns how many they are.
  size_t EmitStreamingRun(std::span<const InstId> insts) {
    const Inst& first = nest_.inst(insts[0]);
    if (first.op != Opcode::kStore || !first.streaming) return 0;
    const VectorType type = nest_.type(first.operands[0]);
    std::vector<MemoryEmitter::StreamingStore> run;
    for (InstId id : insts) {
      const Inst& inst = nest_.inst(id);
      if (inst.op != Opcode::kStore || nest_.type(inst.operands[0]) != type) break;
      Value* mask = inst.masked ? values_[inst.operands.back().index] : nullptr;
      const int lanes = MemoryEmitter::StreamedLanes(first, inst, type, mask);
      if (lanes == 0) break;
      run.push_back({&inst, values_[inst.operands[0].index], lanes});
    }
    Locate(first);
    if (!run.empty()) memory_->EmitStreamingRun(run, type);
    return run.size();
  }

  // if (extent > 0) do body while ((index += step) < extent)
  void EmitLoop(const Inst& loop) {
    const Block& body = nest_.block(loop.body);
    Value* extent = indices_->Emit(loop.extent);
    const bool runs = ProveNonNegative(loop.extent - DimExpr(1));
    const bool runs_once_at_most = loop.extent.range().hi <= loop.step;
    BasicBlock* guard = b_.GetInsertBlock();
    BasicBlock* header = NewBlock("loop");
    BasicBlock* after_loop = NewBlock("after.loop");
    BasicBlock* exit = NewBlock("exit");
    if (runs) {
      b_.CreateBr(header);
    } else {
      b_.CreateCondBr(b_.CreateICmpSGT(extent, b_.getInt64(0)), header, exit);
    }
    b_.SetInsertPoint(header);
    indices_->OpenScope(guard);
    if (runs_once_at_most) {
      indices_->DefineLoop(loop.loop, b_.getInt64(0), loop.step);
      for (size_t i = 0; i < body.arguments.size(); ++i) {
        Define(body.arguments[i], values_[loop.operands[i].index]);
      }
      EmitBlock(loop.body);
      b_.CreateBr(after_loop);
    } else {
      EmitIterations(loop, extent, guard, header, after_loop);
    }
    indices_->CloseScope();
    b_.SetInsertPoint(after_loop);
    b_.CreateBr(exit);
    b_.SetInsertPoint(exit);
    for (size_t i = 0; i < loop.results.size(); ++i) {
      Value* result = values_[body.yields[i].index];
      if (!runs) {
        llvm::PHINode* phi = b_.CreatePHI(result->getType(), 2);
        phi->addIncoming(result, after_loop);
        phi->addIncoming(values_[loop.operands[i].index], guard);
        result = phi;
      }
      Define(loop.results[i], result);
    }
  }

  // The loop itself, from its header on; leaves to `after_loop`.
  void EmitIterations(const Inst& loop, Value* extent, BasicBlock* guard, BasicBlock* header,
                      BasicBlock* after_loop) {
    const Block& body = nest_.block(loop.body);
    llvm::PHINode* index = b_.CreatePHI(b_.getInt64Ty(), 2);
    index->addIncoming(b_.getInt64(0), guard);
    indices_->DefineLoop(loop.loop, index, loop.step);
    std::vector<llvm::PHINode*> carried;
    for (size_t i = 0; i < body.arguments.size(); ++i) {
      Value* init = values_[loop.operands[i].index];
      carried.push_back(b_.CreatePHI(init->getType(), 2));
      carried.back()->addIncoming(init, guard);
      Define(body.arguments[i], carried.back());
    }
    EmitBlock(loop.body);
    Locate(loop, Purpose::kNextTrip);
    BasicBlock* latch = b_.GetInsertBlock();
    Value* next = b_.CreateAdd(index, b_.getInt64(static_cast<uint64_t>(loop.step)), "",
                               /*HasNUW=*/true, /*HasNSW=*/true);
    index->addIncoming(next, latch);
    for (size_t i = 0; i < carried.size(); ++i) {
      carried[i]->addIncoming(values_[body.yields[i].index], latch);
    }
    b_.CreateCondBr(b_.CreateICmpSLT(next, extent), header, after_loop);
  }

  void Define(ValueId id, Value* value) {
    values_[id.index] = value;
    if (nest_.type(id) == VectorType{ElementType::kI64, 1}) indices_->DefineValue(id.index, value);
  }

  void EmitInst(const Inst& inst) {
    std::vector<Value*> operands;
    for (ValueId v : inst.operands) operands.push_back(values_[v.index]);
    switch (inst.op) {
      case Opcode::kIndex:
        return Define(inst.results[0], indices_->Emit(inst.expr));
      case Opcode::kLaneMask:
        return Define(inst.results[0], EmitLaneMask(inst));
      case Opcode::kClampIndex:
        return Define(inst.results[0], EmitClampIndex(inst, operands[0]));
      case Opcode::kLoad:
      case Opcode::kGather:
        return Define(inst.results[0], memory_->EmitRead(inst, operands));
      case Opcode::kStore:
      case Opcode::kScatter:
        return memory_->EmitWrite(inst, nest_.type(inst.operands[0]), operands);
      case Opcode::kPrefetch:
        return memory_->EmitPrefetch(inst);
      default: {
        const VectorType first = inst.operands.empty() ? inst.type : nest_.type(inst.operands[0]);
        return Define(inst.results[0], EmitOperation(b_, inst, first, operands, target_));
      }
    }
  }

  Value* EmitLaneMask(const Inst& inst) {
    if (inst.type.lanes > 1) return indices_->LaneMask(inst.expr, inst.type.lanes);
    return b_.CreateICmpSGT(indices_->Emit(inst.expr), b_.getInt64(0));
  }

  Value* EmitClampIndex(const Inst& inst, Value* index) {
    Value* count = indices_->Emit(inst.expr);
    const int lanes = LanesOf(index);
    if (lanes > 1) count = b_.CreateVectorSplat(static_cast<unsigned>(lanes), count);
    Value* outside = b_.CreateICmpUGE(index, count);  // negative indices are huge
    Value* any = lanes > 1 ? b_.CreateOrReduce(outside) : outside;
    BasicBlock* report = NewBlock("out.of.range");
    BasicBlock* after = NewBlock("in.range");
    llvm::MDNode* unlikely = llvm::MDBuilder(b_.getContext()).createBranchWeights(1, 1 << 20);
    b_.CreateCondBr(any, report, after, unlikely);
    b_.SetInsertPoint(report);
    const uint64_t bit = uint64_t{1} << std::min(inst.imm, kLastStatusBit);
    b_.CreateAtomicRMW(llvm::AtomicRMWInst::Or, status_, b_.getInt64(bit), llvm::MaybeAlign(8),
                       llvm::AtomicOrdering::Monotonic);
    b_.CreateBr(after);
    b_.SetInsertPoint(after);
    Value* last = b_.CreateSub(count, llvm::ConstantInt::get(count->getType(), 1));
    Value* at_most = b_.CreateBinaryIntrinsic(llvm::Intrinsic::smin, index, last);
    return b_.CreateBinaryIntrinsic(llvm::Intrinsic::smax, at_most,
                                    llvm::Constant::getNullValue(index->getType()));
  }

  const LoopNest& nest_;
  const Target& target_;
  IrBuilder b_;
  llvm::Function* function_;
  std::unique_ptr<Locations> locations_;  // null: nobody wants to know
  Value* status_ = nullptr;
  std::vector<Value*> values_;
  std::unique_ptr<IndexEmitter> indices_;
  std::unique_ptr<MemoryEmitter> memory_;
};

}  // namespace

std::unique_ptr<Locations> EmitFunction(llvm::Module& module, const std::string& name, const LoopNest& nest,
                                        const Target& target, const LoopNestLines* lines) {
  return FunctionEmitter(module, name, nest, target, lines).Run();
}

}  // namespace skein
