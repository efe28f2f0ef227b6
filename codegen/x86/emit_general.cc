// Emission on general registers. rax and rdx are always free.
#include <bit>

#include "codegen/x86/emitter.h"

namespace skein::x86 {

bool Emitter::EmitGeneralOperation(const Operation& op) {
  switch (op.action) {
    case Action::kLoadGeneral:
    case Action::kLea: {
      const Xbyak::RegExp at = UseAddress(op.address);
      registers_->ReleaseDying();
      const Reg64 d(registers_->Define(op.result));
      op.action == Action::kLea ? lea(d, ptr[at]) : mov(d, ptr[at]);
      return true;
    }
    case Action::kGeneral:
      General(op);
      return true;
    case Action::kFloorDiv:
      FloorDivide(op, false);
      return true;
    case Action::kMod:
      FloorDivide(op, true);
      return true;
    case Action::kGeneralLess:
    case Action::kGeneralEqual: {
      CompareGeneral(op.operands[0], op.operands[1]);
      op.action == Action::kGeneralLess ? setl(al) : sete(al);
      registers_->ReleaseDying();
      movzx(Xbyak::Reg32(registers_->Define(op.result)), al);
      return true;
    }
    case Action::kGeneralSelect: {
      const Reg64 condition = UseGeneral(op.operands[0]), a = UseGeneral(op.operands[1]);
      const Reg64 d(registers_->Overwrite(op.result, op.operands[2]));
      test(condition, condition);
      cmovnz(d, a);
      return true;
    }
    case Action::kGeneralBlend: {
      const Opmask mask = UseMask(op.operands[0]);
      const Reg64 a = UseGeneral(op.operands[1]);
      const Reg64 d(registers_->Overwrite(op.result, op.operands[2]));
      kmovw(eax, mask);
      test(al, 1);
      cmovnz(d, a);
      return true;
    }
    case Action::kGeneralCompare: {
      CompareGeneral(op.operands[0], op.operands[1]);
      SetByte(op.opcode, op.element == ElementType::kU64);
      movzx(eax, al);
      kmovw(Opmask(registers_->Define(op.result)), eax);
      return true;
    }
    case Action::kWrap: {
      const Reg64 extent = UseGeneral(op.operands[1]);
      const Reg64 d(registers_->Overwrite(op.result, op.operands[0]));
      xor_(eax, eax);
      cmp(d, extent);
      cmovge(d, rax);
      return true;
    }
    case Action::kCarry: {
      const Reg64 index = UseGeneral(op.operands[1]), extent = UseGeneral(op.operands[2]);
      const Reg64 d(registers_->Overwrite(op.result, op.operands[0]));
      mov(rax, op.immediate);
      add(rax, d);
      cmp(index, extent);
      cmovge(d, rax);
      return true;
    }
    case Action::kClampGeneral:
      ClampGeneral(op);
      return true;
    default:
      return false;
  }
}

// Sets the flags.
void Emitter::CompareGeneral(Variable a, Variable b) {
  const Reg64 left = UseGeneral(a);
  if (IsImmediate(b)) {
    cmp(left, ImmediateOf(b));
  } else {
    cmp(left, UseGeneral(b));
  }
}

// al, by the flags of a comparison.
void Emitter::SetByte(Opcode op, bool is_unsigned) {
  switch (op) {
    case Opcode::kLess:
      return is_unsigned ? setb(al) : setl(al);
    case Opcode::kLessEqual:
      return is_unsigned ? setbe(al) : setle(al);
    case Opcode::kEqual:
      return sete(al);
    default:
      return setne(al);
  }
}

void Emitter::General(const Operation& op) {
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
    case Opcode::kNeg:
      return neg(Reg64(registers_->Overwrite(op.result, a)));
    case Opcode::kNot:
      return not_(Reg64(registers_->Overwrite(op.result, a)));
    case Opcode::kAbs: {
      const Reg64 d(registers_->Overwrite(op.result, a));
      mov(rax, d);
      neg(rax);
      return cmovns(d, rax);
    }
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
  if (op.element == ElementType::kU64) {
    least ? cmova(d, right) : cmovb(d, right);
  } else {
    least ? cmovg(d, right) : cmovl(d, right);
  }
}

// The processor takes amounts modulo 64; larger ones give 0, or the sign.
void Emitter::GeneralShift(const Operation& op) {
  const Reg64 value = UseGeneral(op.operands[0]), amount = UseGeneral(op.operands[1]);
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
  const bool remainder = op.opcode == Opcode::kIntRem;
  const Reg64 a = UseGeneral(op.operands[0]), b = UseGeneral(op.operands[1]);
  Xbyak::Label special, done;
  mov(rax, a);
  if (op.element == ElementType::kU64) {
    xor_(edx, edx);
    test(b, b);
    jz(special);
    div(b);
    jmp(done);
    L(special);
    xor_(eax, eax);
  } else {
    lea(rdx, ptr[b + 1]);
    cmp(rdx, 1);
    jbe(special);  // 0 or -1
    cqo();
    idiv(b);
    jmp(done);
    L(special);
    neg(rax);
    and_(rax, b);
    xor_(edx, edx);
  }
  L(done);
  registers_->ReleaseDying();
  mov(Reg64(registers_->Define(op.result)), remainder ? rdx : rax);
}

void Emitter::FloorDivide(const Operation& op, bool modulo) {
  const Variable divisor = op.operands[1];
  const int32_t constant = IsImmediate(divisor) ? ImmediateOf(divisor) : 0;
  if (constant > 0 && std::has_single_bit(static_cast<uint32_t>(constant))) {
    const Reg64 d(registers_->Overwrite(op.result, op.operands[0]));
    if (modulo) {
      and_(d, constant - 1);
    } else {
      sar(d, std::countr_zero(static_cast<uint32_t>(constant)));
    }
    return;
  }
  const Reg64 a = UseGeneral(op.operands[0]), b = UseGeneral(divisor);
  Xbyak::Label special, done;
  mov(rax, a);
  if (constant <= 0) {
    lea(rdx, ptr[b + 1]);
    cmp(rdx, 1);
    jbe(special);
  }
  cqo();
  idiv(b);
  // Truncated too far up if there is a remainder whose sign is not the divisor's.
  test(rdx, rdx);
  jz(done);
  if (modulo) {
    mov(rax, rdx);
    xor_(rax, b);
    sar(rax, 63);
    and_(rax, b);
    add(rdx, rax);
  } else {
    xor_(rdx, b);
    sar(rdx, 63);
    add(rax, rdx);
  }
  if (constant <= 0) {
    jmp(done);
    L(special);
    neg(rax);
    and_(rax, b);
    xor_(edx, edx);
  }
  L(done);
  registers_->ReleaseDying();
  mov(Reg64(registers_->Define(op.result)), modulo ? rdx : rax);
}

void Emitter::SetStatus(const Reg64& args, int64_t bit) {
  mov(rax, ptr[args + 16]);
  mov(rdx, uint64_t{1} << bit);
  lock();
  or_(qword[rax], rdx);
}

void Emitter::ClampGeneral(const Operation& op) {
  const Reg64 extent = UseGeneral(op.operands[1]), args = UseGeneral(op.operands[2]);
  const Reg64 d(registers_->Overwrite(op.result, op.operands[0]));
  Xbyak::Label inside;
  cmp(d, extent);
  jb(inside);  // as unsigned numbers: neither negative nor too large
  SetStatus(args, op.immediate);
  lea(rdx, ptr[extent - 1]);
  xor_(eax, eax);
  test(d, d);
  cmovs(d, rax);
  cmovns(d, rdx);
  L(inside);
}

}  // namespace skein::x86
