// Emission where AVX2 needs other instructions than AVX-512: masks are vectors, and stores of narrow
// elements pack them first.
#include "codegen/x86/emitter.h"

namespace skein::x86 {
namespace {

using Xbyak::Xmm;
using Xbyak::Ymm;

bool Wide(ElementType e) { return BitWidth(e) == 64; }

}  // namespace

bool Emitter::EmitAvx2Operation(const Operation& op) {
  switch (op.action) {
    case Action::kGeneralCompare:
      CompareGeneral(op.operands[0], op.operands[1]);
      SetByte(op.opcode, op.element == ElementType::kU64);
      movzx(eax, al);
      neg(eax);
      vmovd(Xmm(registers_->Define(op.result)), eax);
      return true;
    case Action::kGeneralBlend: {
      const Xmm mask = UseVector(op.operands[0], 128);
      const Reg64 a = UseGeneral(op.operands[1]);
      const Reg64 d(registers_->Overwrite(op.result, op.operands[2]));
      vmovd(eax, mask);
      test(eax, eax);
      cmovnz(d, a);
      return true;
    }
    case Action::kGeneralFromMask: {
      const Xmm mask = UseVector(op.operands[0], 128);
      const Xbyak::Reg32 d(registers_->Define(op.result));
      vmovd(d, mask);
      and_(d, 1);
      return true;
    }
    case Action::kSplatGeneral: {
      const Reg64 v = UseGeneral(op.operands[0]);
      const Ymm d(registers_->Define(op.result));
      const Xmm low(d.getIdx());
      vmovq(low, v);
      Wide(op.element) ? vpbroadcastq(d, low) : vpbroadcastd(d, low);
      return true;
    }
    case Action::kMaskReduce: {
      const uint32_t lanes = (1u << op.lanes) - 1;
      vmovmskps(eax, Ymm(registers_->Use(op.operands[0])));
      and_(eax, lanes);
      if (op.opcode == Opcode::kAnd) cmp(eax, lanes);
      op.opcode == Opcode::kAnd ? sete(al) : setne(al);
      movzx(eax, al);
      neg(eax);
      vmovd(Xmm(registers_->Define(op.result)), eax);
      return true;
    }
    case Action::kCompare:
      CompareAvx2(op);
      return true;
    case Action::kBlend:
      BlendAvx2(op);
      return true;
    case Action::kConversion:
      return ConvertAvx2(op);
    case Action::kLanesDown:
    case Action::kJoinHalves:
    case Action::kPermute:
      PermuteAvx2(op);
      return true;
    case Action::kShuffle:
      Shuffle(op);
      return true;
    case Action::kInsertGeneral: {
      const Reg64 value = UseGeneral(op.operands[1]);
      const Ymm splat(registers_->Scratch(RegisterClass::kVector));
      const Ymm d(registers_->Overwrite(op.result, op.operands[0]));
      vmovq(Xmm(splat.getIdx()), value);
      vpbroadcastq(splat, Xmm(splat.getIdx()));
      vpblendd(d, d, splat, static_cast<uint8_t>(3 << 2 * op.immediate));
      return true;
    }
    case Action::kClampVector:
      ClampVectorAvx2(op);
      return true;
    case Action::kLoad: {
      if (!op.masked) return false;
      if (BitWidth(op.element) < 32) {
        const Xmm mask = UseVector(op.operands[0], VectorBits(op));
        MoveNarrowLanes(op, mask, Vector(registers_->Define(op.result), VectorBits(op)));
        return true;
      }
      const Xbyak::RegExp at = UseAddress(op.address);
      const Xmm mask = UseVector(op.operands[0], VectorBits(op));
      registers_->ReleaseDying();
      const Xmm d = Vector(registers_->Define(op.result), VectorBits(op));
      Wide(op.element) ? vmaskmovpd(d, mask, ptr[at]) : vmaskmovps(d, mask, ptr[at]);
      return true;
    }
    case Action::kStore:
      if (!op.masked && (op.lanes == 1 || op.folded || BitWidth(op.element) >= 32)) return false;
      StoreAvx2(op);
      return true;
    case Action::kLoadLane:
      LoadLaneAvx2(op);
      return true;
    case Action::kStoreLane:
      StoreLaneAvx2(op);
      return true;
    default:
      return false;
  }
}

void Emitter::CompareAvx2(const Operation& op) {
  const int bits = VectorBits(op);
  const bool wide = Wide(op.element);
  Variable a = op.operands[0], b = op.operands[1];
  const bool greater = !IsFloat(op.element) && op.opcode == Opcode::kLess;
  const bool symmetric = op.opcode == Opcode::kEqual || op.opcode == Opcode::kNotEqual;
  if (greater || (symmetric && registers_->InRegister(b))) std::swap(a, b);
  const Xmm left = UseVector(a, bits);
  const Source right = Read(b, op.element);
  registers_->ReleaseDying();
  const Xmm d = Vector(registers_->Define(op.result), bits);
  const Xbyak::Operand& last = At(right, bits);
  if (IsFloat(op.element)) {
    const uint8_t predicate = Predicate(op.opcode) ^ static_cast<uint8_t>(op.immediate);
    return wide ? vcmppd(d, left, last, predicate) : vcmpps(d, left, last, predicate);
  }
  if (greater) return wide ? vpcmpgtq(d, left, last) : vpcmpgtd(d, left, last);
  wide ? vpcmpeqq(d, left, last) : vpcmpeqd(d, left, last);
}

// Lanes of a mask are as wide as those of the operands.
void Emitter::BlendAvx2(const Operation& op) {
  const int bits = VectorBits(op);
  const Xmm mask = UseVector(op.operands[0], bits), b = UseVector(op.operands[2], bits);
  const Source a = Read(op.operands[1], op.element);
  registers_->ReleaseDying();
  const Xmm d = Vector(registers_->Define(op.result), bits);
  vblendvps(d, b, At(a, bits), mask);
}

bool Emitter::ConvertAvx2(const Operation& op) {
  const Conversion conversion = static_cast<Conversion>(op.immediate);
  if (op.folded || (conversion != Conversion::kI64ToI32 && conversion != Conversion::kF16ToF32)) return false;
  const int v = registers_->Use(op.operands[0]), r = registers_->Define(op.result);
  const Xmm low(v), d(r);
  if (conversion == Conversion::kF16ToF32) {
    PackAvx2(op, d, Vector(v, op.lanes * 32));
    vcvtph2ps(Vector(r, op.lanes * 32), d);
    return true;
  }
  constexpr uint8_t kEven = 0x88;
  if (op.lanes <= 2) {
    vshufps(d, low, low, kEven);
    return true;
  }
  vextractf128(d, Ymm(v), 1);
  vshufps(d, low, d, kEven);
  return true;
}

void Emitter::PermuteAvx2(const Operation& op) {
  if (op.action == Action::kLanesDown) {
    const int v = registers_->Use(op.operands[0]);
    registers_->ReleaseDying();
    const Xmm d(registers_->Define(op.result));
    const int distance = static_cast<int>(op.immediate) * (Wide(op.element) ? 2 : 1), within = distance & 3;
    if (distance >= 4) vextractf128(d, Ymm(v), 1);
    int lanes = 0;
    for (int i = 0; i < 4; ++i) lanes |= ((i + within) & 3) << 2 * i;
    const Xmm from = distance >= 4 ? d : Xmm(v);
    if (within != 0) vshufps(d, from, from, static_cast<uint8_t>(lanes));
    return;
  }
  const Ymm a(registers_->Use(op.operands[0]));
  if (op.action == Action::kPermute) {  // the indices come first
    const Source table = Read(op.operands[1], op.element);
    registers_->ReleaseDying();
    const Ymm d(registers_->Define(op.result));
    return vpermps(d, a, At(table, 256));
  }
  const Ymm b(registers_->Use(op.operands[1]));
  registers_->ReleaseDying();
  const Ymm d(registers_->Define(op.result));
  vinsertf128(d, a, Xmm(b.getIdx()), 1);  // kJoinHalves
}

void Emitter::ClampVectorAvx2(const Operation& op) {
  const Ymm index(registers_->Use(op.operands[0])), most(registers_->Use(op.operands[1]));
  const Reg64 args = UseGeneral(op.operands[2]);
  const Ymm zeros(registers_->Use(op.operands[3]));
  const Ymm outside(registers_->Scratch(RegisterClass::kVector));
  const Ymm d(registers_->Define(op.result));
  vpcmpgtq(outside, index, most);
  vblendvpd(d, index, most, outside);
  vpcmpgtq(outside, zeros, d);
  vandnpd(d, outside, d);
  vpcmpeqq(outside, d, index);
  vmovmskpd(eax, outside);
  not_(eax);
  Xbyak::Label inside;
  test(eax, (1u << op.lanes) - 1);
  jz(inside);
  SetStatus(args, op.immediate);
  L(inside);
}

// Lanes of 32 bits with numbers of 16, to 128 bits. `to` is not `value`.
void Emitter::PackAvx2(const Operation& op, const Xmm& to, const Xmm& value) {
  const Xmm low(value.getIdx());
  if (op.lanes > 4) vextractf128(to, Ymm(value.getIdx()), 1);
  const Xmm high = op.lanes > 4 ? to : low;
  IsSigned(op.element) && IsInteger(op.element) ? vpackssdw(to, low, high) : vpackusdw(to, low, high);
}

// Some elements of 8 or 16 bits, one after another, by way of the frame: no instruction reads or writes them without
// their neighbours.
void Emitter::MoveNarrowLanes(const Operation& op, const Xmm& mask, const Xmm& value) {
  const Xbyak::RegExp at = UseAddress(op.address);
  const Reg64 start(registers_->Scratch(RegisterClass::kGeneral));
  const Xbyak::Reg32 element(registers_->Scratch(RegisterClass::kGeneral));
  const bool loads = op.action == Action::kLoad, word_wide = BitWidth(op.element) == 16;
  const Ymm lanes(value.getIdx());
  lea(start, ptr[at]);
  vmovmskps(eax, mask);
  if (loads) vxorps(lanes, lanes, lanes);
  vmovups(ptr[OwnBytes()], lanes);
  Xbyak::Label next, done;
  test(eax, eax);
  jz(done);
  L(next);
  tzcnt(edx, eax);
  const Xbyak::RegExp lane = OwnBytes() + rdx * 4;
  const Xbyak::Address in_memory = (word_wide ? word : byte)[start + rdx * (word_wide ? 2 : 1)];
  if (!loads) {
    mov(element, ptr[lane]);
    word_wide ? mov(in_memory, element.cvt16()) : mov(in_memory, element.cvt8());
  } else {
    const bool sign = IsSigned(op.element) && IsInteger(op.element);
    sign ? movsx(element, in_memory) : movzx(element, in_memory);
    mov(ptr[lane], element);
  }
  blsr(eax, eax);
  jnz(next);
  L(done);
  if (loads) vmovups(lanes, ptr[OwnBytes()]);
}

// Masked, or of narrow elements.
void Emitter::StoreAvx2(const Operation& op) {
  const Xbyak::RegExp at = UseAddress(op.address);
  const int bits = VectorBits(op);
  const Xmm value = UseVector(op.operands[0], bits);
  if (op.masked) {
    const Xmm mask = UseVector(op.operands[1], bits);
    if (BitWidth(op.element) < 32) return MoveNarrowLanes(op, mask, value);
    return Wide(op.element) ? vmaskmovpd(ptr[at], mask, value) : vmaskmovps(ptr[at], mask, value);
  }
  const Xmm packed(registers_->Scratch(RegisterClass::kVector));
  PackAvx2(op, packed, value);
  if (BitWidth(op.element) == 8) {
    IsSigned(op.element) ? vpacksswb(packed, packed, packed) : vpackuswb(packed, packed, packed);
  }
  switch (op.lanes * BitWidth(op.element)) {
    case 128:
      if (op.streaming) return StreamingStore(packed, at);
      return vmovups(ptr[at], packed);
    case 64:
      return vmovsd(ptr[at], packed);
    default:
      return vmovss(ptr[at], packed);
  }
}

void Emitter::LoadLaneAvx2(const Operation& op) {
  const Xbyak::RegExp at = UseAddress(op.address);
  if (op.masked) vmovmskps(edx, Ymm(registers_->Use(op.operands[1])));
  const Xmm d(registers_->Overwrite(op.result, op.operands[0]));
  const uint8_t lane = static_cast<uint8_t>(op.immediate & (Wide(op.element) ? 1 : 3));
  Xbyak::Label done;
  if (op.masked) {
    test(edx, 1u << op.immediate);
    jz(done);
  }
  switch (BitWidth(op.element)) {
    case 64:
      vpinsrq(d, d, ptr[at], lane);
      break;
    case 32:
      vpinsrd(d, d, ptr[at], lane);
      break;
    default:
      LoadLaneElement(op, at);
      vpinsrd(d, d, eax, lane);
      break;
  }
  L(done);
}

void Emitter::StoreLaneAvx2(const Operation& op) {
  const Xbyak::RegExp at = UseAddress(op.address);
  const bool wide = Wide(op.element), nibble = BitWidth(op.element) == 4;
  const int lane = static_cast<int>(op.immediate) & (wide ? 3 : 7), in_half = wide ? 2 : 4;
  const int value = registers_->Use(op.operands[0]);
  const Xmm half(lane < in_half ? value : registers_->Scratch(RegisterClass::kVector));
  const Reg64 shift(nibble ? registers_->Scratch(RegisterClass::kGeneral) : 0);
  const Reg64 other(nibble ? registers_->Scratch(RegisterClass::kGeneral) : 0);
  if (lane >= in_half) vextractf128(half, Ymm(value), 1);
  Xbyak::Label done;
  if (op.masked) {
    vmovmskps(eax, Ymm(registers_->Use(op.operands[1])));
    test(eax, 1u << op.immediate);
    jz(done);
  }
  const uint8_t place = static_cast<uint8_t>(lane % in_half);
  switch (BitWidth(op.element)) {
    case 64:
      vpextrq(ptr[at], half, place);
      break;
    case 32:
      vpextrd(ptr[at], half, place);
      break;
    case 16:
      vpextrw(ptr[at], half, static_cast<uint8_t>(2 * place));
      break;
    case 8:
      vpextrb(ptr[at], half, static_cast<uint8_t>(4 * place));
      break;
    default:
      vpextrd(eax, half, place);
      StoreNibble(op, shift, other);
  }
  L(done);
}

}  // namespace skein::x86
