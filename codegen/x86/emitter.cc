#include "codegen/x86/emitter.h"

#include <array>
#include <cstring>

namespace skein::x86 {
namespace {

// rax, rdx and rsp are not allocated; k0 is no write mask.
constexpr std::array<uint32_t, kClassCount> Allocatable(bool avx512) {
  return {0xffff & ~(1u << 0 | 1u << 2 | 1u << 4), avx512 ? 0xffffffff : 0xffff, avx512 ? 0xfeu : 0};
}

// Where instructions assume the data section until they are relocated, relative to the code.
constexpr int64_t kAssumedData = int64_t{1} << 28;

// Spill slots start above the caller's stack pointer.
constexpr int kFrameHeader = 64;

constexpr uint8_t kCalleeSaved[] = {3, 5, 12, 13, 14, 15};  // rbx rbp r12-r15

}  // namespace

const Emitter::EmitAction Emitter::kEmitAction[] = {
#define ACTION(name, result, vectors, masks) &Emitter::Emit##name,
#include "codegen/x86/actions.inc"
#undef ACTION
};

bool Emitter::EmitKernel(const Program& program, std::vector<CodePoint>* points) {
  const Liveness liveness = ComputeLiveness(program);
  Registers registers(program, liveness, Allocatable(avx512_), this);
  program_ = &program;
  registers_ = &registers;
  points_ = points;
  unaligned_stores_.clear();
  align(32);
  Prologue();
  for (position_ = 0; position_ < static_cast<int>(program.operations.size()); ++position_) {
    const Operation& operation = program.operations[position_];
    Note();
    registers.Begin(position_);
    (this->*kEmitAction[static_cast<int>(operation.action)])(operation);
    registers.End();
  }
  Note();
  Epilogue();
  UnalignedStores();
  rewrite(frame_size_at_, static_cast<uint64_t>(registers.frame_bytes() + kFrameHeader), 4);
  return !registers.overflowed();
}

// --- structure ---

void Emitter::Prologue() {
  for (int r : kCalleeSaved) push(Reg64(r));
  mov(rax, rsp);
  sub(rsp, 0x7fffffff);
  frame_size_at_ = getSize() - 4;
  and_(rsp, -64);
  mov(ptr[rsp], rax);
}

void Emitter::Epilogue() {
  // Streaming stores are ordered before whatever tells another thread that the kernel is done.
  if (!unaligned_stores_.empty()) sfence();
  vzeroupper();
  mov(rsp, ptr[rsp]);
  for (int i = 5; i >= 0; --i) pop(Reg64(kCalleeSaved[i]));
  ret();
}

void Emitter::EmitEntry(const Operation&) {
  constexpr int kParameterRegisters[] = {7, 6, 8, 1};  // rdi rsi r8 rcx
  mov(r8, rdx);
  for (int i = 0; i < 4; ++i) registers_->Bind(program_->parameters[i], kParameterRegisters[i]);
  for (Variable v : program_->parameters) registers_->UseInPlace(v);  // frees what nobody reads
}

// A jump of 32 bits to `target`, if the flags say so.   Returns where the next instruction starts.
size_t Emitter::JumpIf(Condition condition, size_t target) {
  dw(static_cast<uint16_t>(0x800f | condition << 8));
  dd(static_cast<uint32_t>(target - (getSize() + 4)));
  return getSize();
}

void Emitter::Jump(size_t target) {
  db(0xe9);
  dd(static_cast<uint32_t>(target - (getSize() + 4)));
}

void Emitter::EmitLoopBegin(const Operation& op) {
  const Loop& loop = program_->loops[op.loop];
  registers_->BeginLoop(op.loop);
  OpenLoop open;
  if (!loop.at_least_once && !loop.at_most_once) {
    CompareWithLimit(Reg64(registers_->RegisterOf(loop.arguments[0])), loop.limit);
    open.exit_jump = JumpIf(kGreaterOrEqual, 0);
  } else if (!loop.at_least_once) {
    if (program_->IsConstant(loop.limit)) {
      mov(eax, static_cast<int64_t>(info(loop.limit).bits) > 0 ? 1 : 0);
      test(eax, eax);
    } else if (registers_->InRegister(loop.limit)) {
      const Reg64 limit(registers_->RegisterOf(loop.limit));
      test(limit, limit);
    } else {
      cmp(qword[Slot(registers_->SpillOffset(loop.limit))], 0);
    }
    open.exit_jump = JumpIf(kLessOrEqual, 0);
  }
  registers_->EnterBody(op.loop);
  if (!loop.at_most_once) align(16);
  open.header = getSize();
  loops_.push_back(open);
}

void Emitter::EmitLoopEnd(const Operation& op) {
  const Loop& loop = program_->loops[op.loop];
  const OpenLoop open = loops_.back();
  loops_.pop_back();
  registers_->EndBody(op.loop);
  if (!loop.at_most_once) {
    CompareWithLimit(Reg64(registers_->RegisterOf(loop.arguments[0])), loop.limit);
    JumpIf(kLess, open.header);
  }
  registers_->LeaveLoop(op.loop);
  if (open.exit_jump != 0) Land(open.exit_jump);
}

void Emitter::CompareWithLimit(const Reg64& index, Variable limit) {
  if (IsImmediate(limit)) {
    cmp(index, ImmediateOf(limit));
  } else if (registers_->InRegister(limit)) {
    cmp(index, Reg64(registers_->RegisterOf(limit)));
  } else if (program_->IsConstant(limit)) {
    mov(rax, info(limit).bits);
    cmp(index, rax);
  } else {
    cmp(index, qword[Slot(registers_->SpillOffset(limit))]);
  }
}

// --- register moves ---

Xbyak::RegExp Emitter::Slot(int offset) { return rsp + (kFrameHeader + offset); }

void Emitter::Perform(const Registers::Movement& move) {
  using enum Registers::Movement::Kind;
  static constexpr const char* kNames[] = {"spill of", "reload of", "constant", "move of", "exchange of"};
  Note(kNames[static_cast<int>(move.kind)], move.variable);
  const RegisterClass c = info(move.variable).register_class;
  const bool general = c == RegisterClass::kGeneral, vector = c == RegisterClass::kVector;
  const int to = move.to, from = move.from;
  switch (move.kind) {
    case kSpill: {
      const Xbyak::Address slot = ptr[Slot(to)];
      general ? mov(slot, Reg64(from)) : vector ? vmovaps(slot, Whole(from)) : kmovw(slot, Opmask(from));
      break;
    }
    case kReload: {
      const Xbyak::Address slot = ptr[Slot(from)];
      general ? mov(Reg64(to), slot) : vector ? vmovaps(Whole(to), slot) : kmovw(Opmask(to), slot);
      break;
    }
    case kConstant:
      Materialize(to, info(move.variable));
      break;
    case kMove:
      general  ? mov(Reg64(to), Reg64(from))
      : vector ? vmovaps(Whole(to), Whole(from))
               : kmovw(Opmask(to), Opmask(from));
      break;
    case kExchange:
      Exchange(c, to, from);
      break;
  }
  Note();
}

void Emitter::Materialize(int to, const VariableInfo& constant) {
  switch (constant.register_class) {
    case RegisterClass::kGeneral:
      // Not xor: the flags may be live.
      if (constant.bits >> 32 == 0)
        return mov(Xbyak::Reg32(to), static_cast<uint32_t>(constant.bits));
      return mov(Reg64(to), constant.bits);
    case RegisterClass::kMask:
      if (constant.bits == 0) return kxorw(Opmask(to), Opmask(to), Opmask(to));
      if (constant.bits == 0xffff) return kxnorw(Opmask(to), Opmask(to), Opmask(to));
      mov(eax, static_cast<uint32_t>(constant.bits));
      return kmovw(Opmask(to), eax);
    default:
      break;
  }
  const Xbyak::Ymm all = Whole(to);
  switch (constant.constant) {
    case ConstantKind::kBroadcast32:
      if (constant.bits == 0) return vxorps(Xmm(to), Xmm(to), Xmm(to));  // the whole register
      if (constant.bits == 0xffffffff) return avx512_ ? vpternlogd(all, all, all, 0xff) : vpcmpeqd(all, all, all);
      return vbroadcastss(all, Data(constant, false));
    case ConstantKind::kBroadcast64:
      return vbroadcastsd(all, Data(constant, false));
    default:
      return vmovups(all, Data(constant, false));
  }
}

void Emitter::Exchange(RegisterClass c, int a, int b) {
  if (c == RegisterClass::kGeneral) return xchg(Reg64(a), Reg64(b));
  for (const auto& [to, other] : {std::pair(a, b), std::pair(b, a), std::pair(a, b)}) {
    c == RegisterClass::kVector ? vxorps(Whole(to), Whole(to), Whole(other))
                                : kxorw(Opmask(to), Opmask(to), Opmask(other));
  }
}

// --- operands ---

// From a table: a register object is made of bit fields, and copying one that was just made waits
// for its bytes.
Xbyak::Xmm Emitter::Vector(int r, int bits) {
  static const auto* const table = [] {
    auto* registers = new std::array<std::array<Xmm, 32>, 3>();  // xmm, ymm, zmm
    for (int i = 0; i < 32; ++i) {
      (*registers)[0][i] = Xbyak::Xmm(i);
      (*registers)[1][i] = Xbyak::Ymm(i);
      (*registers)[2][i] = Xbyak::Zmm(i);
    }
    return registers;
  }();
  return (*table)[bits <= 128 ? 0 : bits <= 256 ? 1 : 2][r];
}

bool Emitter::IsImmediate(Variable v) const {
  const VariableInfo& constant = info(v);
  const int64_t value = static_cast<int64_t>(constant.bits);
  return constant.constant == ConstantKind::kImmediate && value == static_cast<int32_t>(value);
}

Emitter::Source Emitter::Read(Variable v, ElementType element) {
  const VariableInfo& constant = info(v);
  const bool wide = BitWidth(element) == 64;
  const bool in_memory =
      !registers_->InRegister(v) &&
      (constant.constant == (wide ? ConstantKind::kBroadcast64 : ConstantKind::kBroadcast32) ||
       constant.constant == ConstantKind::kVector || (!avx512_ && constant.constant != ConstantKind::kNone) ||
       (constant.constant == ConstantKind::kNone && registers_->IsFull(RegisterClass::kVector)));
  if (!in_memory) return {.in_register = registers_->Use(v)};
  registers_->UseInPlace(v);
  return {.in_memory = v};
}

const Xbyak::Operand& Emitter::At(const Source& source, int bits) {
  if (source.in_register >= 0) {
    register_operand_ = Vector(source.in_register, bits);
    return register_operand_;
  }
  const VariableInfo& constant = info(source.in_memory);
  if (constant.constant == ConstantKind::kNone) {
    memory_operand_ = ptr[Slot(registers_->SpillOffset(source.in_memory))];
    return memory_operand_;
  }
  memory_operand_ = Data(constant, avx512_ && constant.constant != ConstantKind::kVector);
  return memory_operand_;
}

Xbyak::RegExp Emitter::UseAddress(const Address& address) {
  const Reg64 base = UseGeneral(address.base);
  if (!address.index.valid()) return base + address.displacement;
  return base + UseGeneral(address.index) * address.scale + address.displacement;
}

// A constant's address, for an instruction that starts here.
Xbyak::Address Emitter::Data(const VariableInfo& constant, bool broadcast) {
  data_.push_back({getSize(), constant.data_offset});
  const void* assumed = getCode() + kAssumedData + constant.data_offset;
  return broadcast ? ptr_b[rip + assumed] : ptr[rip + assumed];
}

void Emitter::AddRelocations(uint32_t offset, std::vector<ObjectCode::Relocation>* relocations) const {
  for (const DataReference& reference : data_) {
    const uint8_t* code = getCode() + reference.instruction;
    // The address follows prefix, opcode and ModRM: EVEX has 4 prefix bytes, VEX 3 or 2.
    const size_t field = reference.instruction + (code[0] == 0x62 ? 6 : code[0] == 0xc4 ? 5 : 4);
    SKEIN_CHECK(code[0] == 0x62 || code[0] == 0xc4 || code[0] == 0xc5);
    int32_t distance;  // from the end of the instruction
    std::memcpy(&distance, getCode() + field, sizeof(distance));
    const int64_t end = kAssumedData + reference.data_offset - distance;
    relocations->push_back({offset + static_cast<uint32_t>(field), reference.data_offset,
                            static_cast<int32_t>(static_cast<int64_t>(field) - end)});
  }
}

}  // namespace skein::x86
