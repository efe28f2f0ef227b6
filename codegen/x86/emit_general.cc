// Emission on general registers. rax and rdx are always free.
#include <bit>

#include "codegen/x86/emitter.h"

namespace skein::x86 {

namespace {

bool IsU64(const Operation& op) { return op.element == ElementType::kU64; }

}  // namespace

void Emitter::EmitLoadGeneral(const Operation& op) {
  const Xbyak::RegExp at = UseAddress(op.address);
  registers_->ReleaseDying();
  mov(Reg64(registers_->Define(op.result)), ptr[at]);
}

void Emitter::EmitLea(const Operation& op) {
  const Xbyak::RegExp at = UseAddress(op.address);
  registers_->ReleaseDying();
  lea(Reg64(registers_->Define(op.result)), ptr[at]);
}

void Emitter::EmitGeneralCompare(const Operation& op) {
  const Reg64 left = UseGeneral(op.operands[0]);
  const Variable right = op.operands[1];
  IsImmediate(right) ? cmp(left, ImmediateOf(right)) : cmp(left, UseGeneral(right));
  switch (op.opcode) {
    case Opcode::kLess:
      IsU64(op) ? setb(al) : setl(al);
      break;
    case Opcode::kLessEqual:
      IsU64(op) ? setbe(al) : setle(al);
      break;
    case Opcode::kEqual:
      sete(al);
      break;
    default:
      setne(al);
      break;
  }
  registers_->ReleaseDying();
  movzx(Xbyak::Reg32(registers_->Define(op.result)), al);
}

void Emitter::EmitGeneralSelect(const Operation& op) {
  const Reg64 condition = UseGeneral(op.operands[0]), a = UseGeneral(op.operands[1]);
  const Reg64 d(registers_->Overwrite(op.result, op.operands[2]));
  test(condition, condition);
  cmovnz(d, a);
}

void Emitter::EmitGeneral(const Operation& op) {
  const Variable a = op.operands[0], b = op.operands[1];
  switch (op.opcode) {
    case Opcode::kMul:
      return Multiply(op);
    case Opcode::kIntDiv:
    case Opcode::kIntRem:
      return Divide(op);
    case Opcode::kMin:
    case Opcode::kMax:
      return GeneralMinMax(op);
    case Opcode::kShl:
    case Opcode::kShr:
    case Opcode::kSar:
      return GeneralShift(op);
    default:
      break;
  }
  const bool immediate = IsImmediate(b);
  if (op.opcode == Opcode::kAdd && !registers_->Dies(a) && !program_->IsConstant(a)) {
    const Reg64 left = UseGeneral(a);
    if (immediate) {
      return lea(Reg64(registers_->Define(op.result)), ptr[left + ImmediateOf(b)]);
    }
    const Reg64 right = UseGeneral(b);
    registers_->ReleaseDying();
    return lea(Reg64(registers_->Define(op.result)), ptr[left + right]);
  }
  const Reg64 right = immediate ? rax : UseGeneral(b);
  const Reg64 d(registers_->Overwrite(op.result, a));
  const int32_t value = immediate ? ImmediateOf(b) : 0;
  switch (op.opcode) {
    case Opcode::kAdd:
      immediate ? add(d, value) : add(d, right);
      break;
    case Opcode::kSub:
      immediate ? sub(d, value) : sub(d, right);
      break;
    case Opcode::kAnd:
      immediate ? and_(d, value) : and_(d, right);
      break;
    case Opcode::kOr:
      immediate ? or_(d, value) : or_(d, right);
      break;
    default:
      immediate ? xor_(d, value) : xor_(d, right);
      break;
  }
}

void Emitter::Multiply(const Operation& op) {
  const Variable a = op.operands[0], b = op.operands[1];
  if (IsImmediate(b)) {
    const int32_t factor = ImmediateOf(b);
    if (factor > 0 && std::has_single_bit(static_cast<uint32_t>(factor))) {
      const Reg64 d(registers_->Overwrite(op.result, a));
      return shl(d, std::countr_zero(static_cast<uint32_t>(factor)));
    }
    const Reg64 left = UseGeneral(a);
    registers_->ReleaseDying();
    return imul(Reg64(registers_->Define(op.result)), left, factor);
  }
  const Reg64 right = UseGeneral(b);
  imul(Reg64(registers_->Overwrite(op.result, a)), right);
}

void Emitter::GeneralMinMax(const Operation& op) {
  const Reg64 right = UseGeneral(op.operands[1]);
  const Reg64 d(registers_->Overwrite(op.result, op.operands[0]));
  cmp(d, right);
  const bool least = op.opcode == Opcode::kMin;
  if (IsU64(op)) {
    least ? cmova(d, right) : cmovb(d, right);
  } else {
    least ? cmovg(d, right) : cmovl(d, right);
  }
}

// The processor takes amounts modulo 64; larger ones give 0, or the sign.
void Emitter::GeneralShift(const Operation& op) {
  const Variable by = op.operands[1];
  if (op.opcode == Opcode::kSar && IsImmediate(by) && ImmediateOf(by) >= 0 && ImmediateOf(by) < 64) {
    return sar(Reg64(registers_->Overwrite(op.result, op.operands[0])), ImmediateOf(by));
  }
  const Reg64 value = UseGeneral(op.operands[0]), amount = UseGeneral(by);
  const Reg64 d(registers_->Define(op.result));
  if (op.opcode == Opcode::kSar) {
    mov(rax, amount);
    mov(edx, 63);
    cmp(rax, rdx);
    cmova(rax, rdx);
    return sarx(d, value, rax);
  }
  op.opcode == Opcode::kShl ? shlx(d, value, amount) : shrx(d, value, amount);
  xor_(eax, eax);
  cmp(amount, 64);
  cmovae(d, rax);
}

// Truncating; x/0 = 0, x rem 0 = 0, min/-1 = min.
void Emitter::Divide(const Operation& op) {
  const Variable divisor = op.operands[1];
  const Reg64 a = UseGeneral(op.operands[0]), b = UseGeneral(divisor);
  const bool is_safe = IsImmediate(divisor) && ImmediateOf(divisor) != 0 && ImmediateOf(divisor) != -1;
  Xbyak::Label special, done;
  mov(rax, a);
  if (!is_safe) {
    if (IsU64(op)) {
      test(b, b);
    } else {
      lea(rdx, ptr[b + 1]);
      cmp(rdx, 1);
    }
    jbe(special);  // 0, or -1 if it is signed
  }
  if (IsU64(op)) {
    xor_(edx, edx);
    div(b);
  } else {
    cqo();
    idiv(b);
  }
  if (!is_safe) {
    jmp(done);
    L(special);
    neg(rax);
    and_(rax, b);
    xor_(edx, edx);
  }
  L(done);
  registers_->ReleaseDying();
  mov(Reg64(registers_->Define(op.result)), op.opcode == Opcode::kIntRem ? rdx : rax);
}

void Emitter::EmitReport(const Operation& op) {
  const Reg64 value = UseGeneral(op.operands[0]), args = UseGeneral(op.operands[1]);
  Xbyak::Label done;
  test(value, value);
  jz(done);
  mov(rax, ptr[args + 16]);
  mov(rdx, uint64_t{1} << op.immediate);
  lock();
  or_(qword[rax], rdx);
  L(done);
}

}  // namespace skein::x86
