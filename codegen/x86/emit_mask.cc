// Emission of mask registers, and of moves between the register classes.
#include "codegen/x86/emitter.h"

namespace skein::x86 {

bool Emitter::EmitMaskOperation(const Operation& op) {
  switch (op.action) {
    case Action::kGeneralFromVector: {
      const Xmm v = UseVector(op.operands[0], 128);
      vmovq(Reg64(registers_->Define(op.result)), v);
      return true;
    }
    case Action::kVectorFromGeneral: {
      const Reg64 v = UseGeneral(op.operands[0]);
      vmovq(Xmm(registers_->Define(op.result)), v);
      return true;
    }
    case Action::kSplatGeneral: {
      const Reg64 v = UseGeneral(op.operands[0]);
      vpbroadcastq(Xbyak::Zmm(registers_->Define(op.result)), v);
      return true;
    }
    case Action::kGeneralFromMask: {
      const Opmask k = UseMask(op.operands[0]);
      const Xbyak::Reg32 d(registers_->Define(op.result));
      kmovw(d, k);
      and_(d, 1);
      return true;
    }
    case Action::kLaneMask:
      LaneMask(op);
      return true;
    case Action::kMaskLogic: {
      const Opmask a = UseMask(op.operands[0]);
      const Opmask b = op.operand_count > 1 ? UseMask(op.operands[1]) : a;
      registers_->ReleaseDying();
      const Opmask d(registers_->Define(op.result));
      switch (op.opcode) {
        case Opcode::kAnd:
          kandw(d, a, b);
          break;
        case Opcode::kOr:
          korw(d, a, b);
          break;
        case Opcode::kXor:
          kxorw(d, a, b);
          break;
        default:
          knotw(d, a);
          break;
      }
      return true;
    }
    case Action::kMaskBlend: {
      const Opmask c = UseMask(op.operands[0]), a = UseMask(op.operands[1]),
                   b = UseMask(op.operands[2]);
      const Opmask other(registers_->Scratch(RegisterClass::kMask));
      const Opmask d(registers_->Define(op.result));
      kandnw(other, c, b);
      kandw(d, c, a);
      korw(d, d, other);
      return true;
    }
    case Action::kMaskShift: {
      const Opmask a = UseMask(op.operands[0]);
      registers_->ReleaseDying();
      kshiftrw(Opmask(registers_->Define(op.result)), a, static_cast<uint8_t>(op.immediate));
      return true;
    }
    case Action::kMaskJoin: {
      const Opmask low = UseMask(op.operands[0]), high = UseMask(op.operands[1]);
      registers_->ReleaseDying();
      kunpckbw(Opmask(registers_->Define(op.result)), high, low);
      return true;
    }
    case Action::kMaskSplat: {
      const Opmask a = UseMask(op.operands[0]);
      kmovw(eax, a);
      and_(eax, 1);
      neg(eax);
      registers_->ReleaseDying();
      kmovw(Opmask(registers_->Define(op.result)), eax);
      return true;
    }
    case Action::kMaskReduce:
      MaskReduce(op);
      return true;
    case Action::kMaskFromVector: {
      const Xmm v = UseVector(op.operands[0], VectorBits(op));
      vptestmd(Opmask(registers_->Define(op.result)), v, v);
      return true;
    }
    default:
      return false;
  }
}

// The lowest min(max(n, 0), lanes) bits. More set bits than lanes do no harm.
void Emitter::LaneMask(const Operation& op) {
  const Reg64 n = UseGeneral(op.operands[0]);
  mov(rdx, -1);
  if (op.immediate > 0) {
    bzhi(rdx, rdx, n);  // looks at the low 8 bits of n
    if (op.immediate > 1) shr(rdx, static_cast<int>(op.immediate - 1));
  } else {
    mov(eax, 255);
    cmp(n, rax);
    cmovle(rax, n);
    bzhi(rdx, rdx, rax);
    xor_(eax, eax);
    test(n, n);
    cmovs(rdx, rax);
  }
  kmovw(Opmask(registers_->Define(op.result)), edx);
}

void Emitter::MaskReduce(const Operation& op) {
  const uint32_t lanes = (1u << op.lanes) - 1;
  const Opmask a = UseMask(op.operands[0]);
  kmovw(eax, a);
  and_(eax, lanes);
  if (op.opcode == Opcode::kAnd) {
    cmp(eax, lanes);
    sete(al);
  } else {
    test(eax, eax);
    setne(al);
  }
  movzx(eax, al);
  registers_->ReleaseDying();
  kmovw(Opmask(registers_->Define(op.result)), eax);
}

}  // namespace skein::x86
