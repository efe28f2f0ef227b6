// Emission of what makes and reads masks, and of moves between the register classes.
#include <utility>

#include "codegen/x86/emitter.h"

namespace skein::x86 {
namespace {

bool Wide(ElementType e) { return BitWidth(e) == 64; }

}  // namespace

// --- between classes ---

void Emitter::EmitGeneralFromVector(const Operation& op) {
  const Xmm v = UseVector(op.operands[0], 128);
  vmovq(Reg64(registers_->Define(op.result)), v);
}

void Emitter::EmitVectorFromGeneral(const Operation& op) {
  const Reg64 v = UseGeneral(op.operands[0]);
  vmovq(Xmm(registers_->Define(op.result)), v);
}

void Emitter::EmitSplatGeneral(const Operation& op) {
  const Reg64 v = UseGeneral(op.operands[0]);
  const Xbyak::Ymm d = Whole(registers_->Define(op.result));
  const Xmm low(d.getIdx());
  vmovq(low, v);
  Wide(op.element) ? vpbroadcastq(d, low) : vpbroadcastd(d, low);
}

void Emitter::MaskBits(const Xbyak::Reg32& to, Variable mask) {
  const int r = registers_->Use(mask);
  avx512_ ? kmovw(to, Opmask(r)) : vmovmskps(to, Xbyak::Ymm(r));
}

void Emitter::EmitGeneralFromMask(const Operation& op) {
  registers_->Use(op.operands[0]);
  const Xbyak::Reg32 d(registers_->Define(op.result));
  MaskBits(d, op.operands[0]);
  and_(d, (1u << op.lanes) - 1);
}

void Emitter::EmitMaskFromGeneral(const Operation& op) {
  mov(rax, UseGeneral(op.operands[0]));
  neg(eax);
  const int d = registers_->Define(op.result);
  avx512_ ? kmovw(Opmask(d), eax) : vmovd(Xmm(d), eax);
}

// Jumps if lane `lane` of the mask of a masked operation is not set.   Clobbers edx.
void Emitter::SkipUnless(const Operation& op, int lane, Xbyak::Label& skipped) {
  if (!op.masked) return;
  MaskBits(edx, op.operands[op.operand_count - 1]);
  test(edx, 1u << lane);
  jz(skipped);
}

// --- mask registers ---

// The lowest min(max(n, 0), lanes) bits. More set bits than lanes do no harm.
void Emitter::EmitLaneMask(const Operation& op) {
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

void Emitter::EmitMaskLogic(const Operation& op) {
  const Opmask a = UseMask(op.operands[0]), b = UseMask(op.operands[op.operand_count - 1]);
  registers_->ReleaseDying();
  const Opmask d(registers_->Define(op.result));
  switch (op.opcode) {
    case Opcode::kAnd:
      return kandw(d, a, b);
    case Opcode::kOr:
      return korw(d, a, b);
    case Opcode::kXor:
      return kxorw(d, a, b);
    default:
      return knotw(d, a);
  }
}

void Emitter::EmitMaskShift(const Operation& op) {
  const Opmask a = UseMask(op.operands[0]);
  registers_->ReleaseDying();
  kshiftrw(Opmask(registers_->Define(op.result)), a, static_cast<uint8_t>(op.immediate));
}

void Emitter::EmitMaskJoin(const Operation& op) {
  const Opmask low = UseMask(op.operands[0]), high = UseMask(op.operands[1]);
  registers_->ReleaseDying();
  kunpckbw(Opmask(registers_->Define(op.result)), high, low);
}

// --- comparisons and choices ---

uint8_t Emitter::Predicate(Opcode op) {
  switch (op) {
    case Opcode::kLess:
      return 1;
    case Opcode::kLessEqual:
      return 2;
    case Opcode::kEqual:
      return 0;
    default:
      return 4;
  }
}

void Emitter::EmitCompare(const Operation& op) {
  if (!avx512_) return CompareAvx2(op);
  const int bits = VectorBits(op);
  const bool wide = Wide(op.element);
  const Xmm a = UseVector(op.operands[0], bits);
  const bool tests = !wide && !IsFloat(op.element) && op.opcode == Opcode::kNotEqual && IsZero(op.operands[1]);
  const Source b = tests ? Source{.in_register = a.getIdx()} : Read(op.operands[1], op.element);
  const Opmask within(op.masked ? UseMask(op.operands[2]) : Opmask(0));
  Opmask d(registers_->Define(op.result));
  if (op.masked) d = d | within;
  const Xbyak::Operand& right = At(b, bits);
  const uint8_t predicate = Predicate(op.opcode) ^ static_cast<uint8_t>(op.immediate);
  if (tests) {
    op.immediate != 0 ? vptestnmd(d, a, right) : vptestmd(d, a, right);
  } else if (IsFloat(op.element)) {
    wide ? vcmppd(d, a, right, predicate) : vcmpps(d, a, right, predicate);
  } else if (IsUnsigned(op.element)) {
    wide ? vpcmpuq(d, a, right, predicate) : vpcmpud(d, a, right, predicate);
  } else {
    wide ? vpcmpq(d, a, right, predicate) : vpcmpd(d, a, right, predicate);
  }
}

// Of integers there are equal and greater.
void Emitter::CompareAvx2(const Operation& op) {
  const int bits = VectorBits(op);
  const bool wide = Wide(op.element);
  Variable a = op.operands[0], b = op.operands[1];
  const bool greater = !IsFloat(op.element) && op.opcode == Opcode::kLess;
  const bool symmetric = op.opcode == Opcode::kEqual || op.opcode == Opcode::kNotEqual;
  if (greater || (symmetric && registers_->InRegister(b))) std::swap(a, b);
  const Xmm left = UseVector(a, bits);
  const Source right = Read(b, op.element);
  const Xmm d = DefineOver(op, bits);
  const Xbyak::Operand& last = At(right, bits);
  if (IsFloat(op.element)) {
    const uint8_t predicate = Predicate(op.opcode) ^ static_cast<uint8_t>(op.immediate);
    return wide ? vcmppd(d, left, last, predicate) : vcmpps(d, left, last, predicate);
  }
  if (greater) return wide ? vpcmpgtq(d, left, last) : vpcmpgtd(d, left, last);
  wide ? vpcmpeqq(d, left, last) : vpcmpeqd(d, left, last);
}

// AVX2: lanes of a mask are as wide as those of the operands.
void Emitter::EmitBlend(const Operation& op) {
  const int bits = VectorBits(op), mask = registers_->Use(op.operands[0]);
  const bool wide = Wide(op.element);
  if (avx512_ && IsZero(op.operands[2])) {
    const Xmm a = UseVector(op.operands[1], bits), d = DefineOver(op, bits) | Opmask(mask) | T_z;
    return wide ? vmovdqa64(d, a) : vmovdqa32(d, a);
  }
  const Xmm b = UseVector(op.operands[2], bits);
  const Source chosen = Read(op.operands[1], op.element);
  const Xmm d = DefineOver(op, bits);
  const Xbyak::Operand& a = At(chosen, bits);
  if (!avx512_) return vblendvps(d, b, a, Vector(mask, bits));
  wide ? vblendmpd(d | Opmask(mask), b, a) : vblendmps(d | Opmask(mask), b, a);
}

}  // namespace skein::x86
