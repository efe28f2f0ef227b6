// Emission of loads, stores, gathers and scatters.
#include "codegen/x86/emitter.h"

namespace skein::x86 {

bool Emitter::EmitMemoryOperation(const Operation& op) {
  switch (op.action) {
    case Action::kLoad:
      Load(op);
      return true;
    case Action::kStore:
      Store(op);
      return true;
    case Action::kLoadNibbles:
      LoadNibbles(op);
      return true;
    case Action::kLoadLane:
      LoadLane(op);
      return true;
    case Action::kStoreLane:
      StoreLane(op);
      return true;
    case Action::kGather:
      Gather(op);
      return true;
    case Action::kScatter:
      Scatter(op);
      return true;
    case Action::kPrefetch: {
      const Xbyak::RegExp at = UseAddress(op.address);
      op.immediate == 0 ? prefetcht0(ptr[at]) : prefetcht1(ptr[at]);
      return true;
    }
    default:
      return false;
  }
}

void Emitter::Load(const Operation& op) {
  const Xbyak::RegExp at = UseAddress(op.address);
  const Opmask mask = op.masked ? UseMask(op.operands[0]) : Opmask(0);
  if (IsBool(op.element)) {
    if (op.lanes == 1 && !op.masked) {
      const Opmask d(registers_->Define(op.result));
      xor_(eax, eax);
      cmp(byte[at], 0);
      setne(al);
      return kmovw(d, eax);
    }
    const Xmm bytes(registers_->Scratch(RegisterClass::kVector));
    const Opmask d(registers_->Define(op.result));
    op.masked ? vmovdqu8(bytes | mask | T_z, ptr[at]) : vmovdqu8(bytes, ptr[at]);
    return vptestmb(d, bytes, bytes);
  }
  registers_->ReleaseDying();
  const Xmm to = Vector(registers_->Define(op.result), VectorBits(op));
  if (op.broadcast) {
    const Xbyak::Ymm all = Whole(to.getIdx());
    return BitWidth(op.element) == 64 ? vbroadcastsd(all, ptr[at]) : vbroadcastss(all, ptr[at]);
  }
  if (op.lanes == 1 && !op.masked) return LoadScalar(op, to, at);
  const Xmm d = op.masked ? to | mask | T_z : to;
  switch (BitWidth(op.element)) {
    case 64:
      return vmovupd(d, ptr[at]);
    case 32:
      return vmovups(d, ptr[at]);
    case 16:
      return op.element == ElementType::kI16 ? vpmovsxwd(d, ptr[at]) : vpmovzxwd(d, ptr[at]);
    default:
      return op.element == ElementType::kI8 ? vpmovsxbd(d, ptr[at]) : vpmovzxbd(d, ptr[at]);
  }
}

void Emitter::LoadScalar(const Operation& op, const Xmm& to, const Xbyak::RegExp& at) {
  switch (op.element) {
    case ElementType::kF64:
    case ElementType::kI64:
    case ElementType::kU64:
      return vmovsd(to, ptr[at]);
    case ElementType::kF32:
    case ElementType::kI32:
    case ElementType::kU32:
      return vmovss(to, ptr[at]);
    case ElementType::kI8:
      movsx(eax, byte[at]);
      break;
    case ElementType::kU8:
      movzx(eax, byte[at]);
      break;
    case ElementType::kI16:
      movsx(eax, word[at]);
      break;
    default:
      movzx(eax, word[at]);
      break;
  }
  vmovd(to, eax);
}

void Emitter::Store(const Operation& op) {
  const Xbyak::RegExp at = UseAddress(op.address);
  if (op.lanes == 1 && !op.masked) return StoreScalar(op, at);
  const Opmask mask = op.masked ? UseMask(op.operands[1]) : Opmask(0);
  const Xbyak::Address to = op.masked ? ptr[at] | mask : ptr[at];
  if (IsBool(op.element)) {
    const Opmask value = UseMask(op.operands[0]);
    const Xmm bytes(registers_->Scratch(RegisterClass::kVector));
    vpmovm2b(bytes, value);
    vpabsb(bytes, bytes);  // -1 to 1
    return vmovdqu8(to, bytes);
  }
  const int bits = VectorBits(op);
  const Xmm value = UseVector(op.operands[0], bits);
  const int width = BitWidth(op.element), bits_in_memory = op.lanes * width;
  // LLVM's tier streams from 16 bytes on, too.
  const bool streams = op.streaming && !op.masked && bits >= 256 && bits_in_memory >= 128;
  if (streams && width >= 32) return StreamingStore(value, at);
  const Xmm packed = streams ? Vector(registers_->Scratch(RegisterClass::kVector), bits_in_memory) : value;
  const Xbyak::Operand& narrowed = streams ? static_cast<const Xbyak::Operand&>(packed) : to;
  switch (width) {
    case 16:
      op.folded ? vcvtps2ph(narrowed, value, 0) : vpmovdw(narrowed, value);  // to nearest even
      break;
    case 8:
      vpmovdb(narrowed, value);
      break;
    default:
      return width == 64 ? vmovupd(to, value) : vmovups(to, value);
  }
  if (streams) StreamingStore(packed, at);
}

void Emitter::StoreScalar(const Operation& op, const Xbyak::RegExp& at) {
  const Variable v = op.operands[0];
  if (IsBool(op.element)) {
    kmovw(eax, UseMask(v));
    and_(eax, 1);
    return mov(byte[at], al);
  }
  if (info(v).register_class == RegisterClass::kGeneral) return mov(qword[at], UseGeneral(v));
  const Xmm value = UseVector(v, 128);
  switch (BitWidth(op.element)) {
    case 64:
      return vmovsd(ptr[at], value);
    case 32:
      return vmovss(ptr[at], value);
    case 16:
      return vpextrw(ptr[at], value, 0);
    default:
      return vpextrb(ptr[at], value, 0);
  }
}

// Around the caches where the address allows it, which is known at run time only; by half lines if need be.
void Emitter::StreamingStore(const Xmm& value, const Xbyak::RegExp& at) {
  streams_ = true;
  const bool line = value.isZMM();
  const Xbyak::Ymm high(line ? registers_->Scratch(RegisterClass::kVector) : 0);
  const Xmm low = line ? Xbyak::Ymm(value.getIdx()) : value;
  Xbyak::Label half, unaligned, done;
  lea(rax, ptr[at]);
  if (line) {
    test(eax, 63);
    jnz(half);
    vmovntps(ptr[rax], value);
    jmp(done);
  }
  L(half);
  test(eax, low.getBit() / 8 - 1);
  jnz(unaligned);
  vmovntps(ptr[rax], low);
  if (line) {
    vextractf32x8(high, Xbyak::Zmm(value.getIdx()), 1);
    vmovntps(ptr[rax + 32], high);
  }
  jmp(done);
  L(unaligned);
  vmovups(ptr[rax], value);
  L(done);
}

// Byte b in 64 bits as b | b << 28: its nibbles are the low bits of the two 32-bit halves.
void Emitter::LoadNibbles(const Operation& op) {
  const Xbyak::RegExp at = UseAddress(op.address);
  const Xmm moved = Whole(registers_->Scratch(RegisterClass::kVector));
  const Xmm d = Whole(registers_->Define(op.result));
  vpmovzxbq(d, ptr[at]);
  vpsllq(moved, d, 28);
  vorps(d, d, moved);
  vpslld(d, d, 28);
  op.element == ElementType::kI4 ? vpsrad(d, d, 28) : vpsrld(d, d, 28);
}

// Registers are taken before the jumps: both ways must leave the same state.
void Emitter::LoadLane(const Operation& op) {
  const Xbyak::RegExp at = UseAddress(op.address);
  if (op.masked) kmovw(edx, UseMask(op.operands[1]));
  const Opmask lane(registers_->Scratch(RegisterClass::kMask));
  const Xmm d = Xbyak::Zmm(registers_->Overwrite(op.result, op.operands[0]));
  Xbyak::Label done;
  if (op.masked) {
    test(edx, 1u << op.immediate);
    jz(done);
  }
  LoadLaneElement(op, at);
  mov(edx, 1u << op.immediate);
  kmovw(lane, edx);
  vpbroadcastd(d | lane, eax);
  L(done);
}

// To eax, by way of edx.
void Emitter::LoadLaneElement(const Operation& op, const Xbyak::RegExp& at) {
  switch (op.element) {
    case ElementType::kI8:
      return movsx(eax, byte[at]);
    case ElementType::kI16:
      return movsx(eax, word[at]);
    case ElementType::kBool:
    case ElementType::kU8:
      return movzx(eax, byte[at]);
    case ElementType::kI4:
    case ElementType::kU4:
      break;
    default:
      return movzx(eax, word[at]);
  }
  const Reg64 base(registers_->RegisterOf(op.address.base));
  lea(rax, ptr[Reg64(registers_->RegisterOf(op.address.index)) + op.address.displacement]);
  lea(edx, ptr[rax * 4]);
  and_(edx, 4);
  sar(rax, 1);
  movzx(eax, byte[base + rax]);
  shrx(eax, eax, edx);
  if (op.element == ElementType::kU4) return and_(eax, 15);
  shl(eax, 28);
  sar(eax, 28);
}

void Emitter::StoreLane(const Operation& op) {
  const Xbyak::RegExp at = UseAddress(op.address);
  const int lane = static_cast<int>(op.immediate);
  const Xbyak::Zmm value(registers_->Use(op.operands[0]));
  const Xmm quarter(registers_->Scratch(RegisterClass::kVector));
  const bool nibble = BitWidth(op.element) == 4;
  const Reg64 shift(nibble ? registers_->Scratch(RegisterClass::kGeneral) : 0);
  const Reg64 other(nibble ? registers_->Scratch(RegisterClass::kGeneral) : 0);
  vextracti32x4(quarter, value, static_cast<uint8_t>(lane / 4));
  Xbyak::Label done;
  if (op.masked) {
    kmovw(eax, UseMask(op.operands[1]));
    test(eax, 1u << lane);
    jz(done);
  }
  vpextrd(eax, quarter, static_cast<uint8_t>(lane % 4));
  if (nibble) {
    StoreNibble(op, shift, other);
  } else {
    BitWidth(op.element) == 16 ? mov(word[at], ax) : mov(byte[at], al);
  }
  L(done);
}

// The low bits of eax into one half of a byte.
void Emitter::StoreNibble(const Operation& op, const Reg64& shift, const Reg64& mask) {
  lea(rdx, ptr[Reg64(registers_->RegisterOf(op.address.index)) + op.address.displacement]);
  lea(shift, ptr[rdx * 4]);
  and_(shift, 4);
  sar(rdx, 1);
  add(rdx, Reg64(registers_->RegisterOf(op.address.base)));
  mov(mask, 15);
  and_(rax, mask);
  shlx(rax, rax, shift);
  shlx(mask, mask, shift);
  movzx(shift.cvt32(), byte[rdx]);
  andn(shift, mask, shift);
  or_(rax, shift);
  mov(byte[rdx], al);
}

void Emitter::Gather(const Operation& op) {
  const Xbyak::RegExp base = UseGeneral(op.address.base) + op.address.displacement;
  const int indices = op.operand_count - 1;
  const Xbyak::Zmm low(registers_->Use(op.operands[0]));
  const Opmask mask = UseMask(op.operands[indices]);
  const Opmask left(registers_->Scratch(RegisterClass::kMask));  // the instruction clears it
  const Xbyak::Zmm d(registers_->Define(op.result));
  vpxord(d, d, d);
  kmovw(left, mask);
  if (BitWidth(op.element) == 64) return vgatherqpd(d | left, ptr[base + low * op.address.scale]);
  vgatherqps(Xbyak::Ymm(d.getIdx()) | left, ptr[base + low * op.address.scale]);
  if (indices == 1) return;
  const Xbyak::Zmm high(registers_->Use(op.operands[1]));
  const Xbyak::Zmm upper(registers_->Scratch(RegisterClass::kVector));
  vpxord(upper, upper, upper);
  kshiftrw(left, mask, 8);
  vgatherqps(Xbyak::Ymm(upper.getIdx()) | left, ptr[base + high * op.address.scale]);
  vinsertf64x4(d, d, Xbyak::Ymm(upper.getIdx()), 1);
}

void Emitter::Scatter(const Operation& op) {
  const Xbyak::RegExp base = UseGeneral(op.address.base) + op.address.displacement;
  const int indices = op.operand_count - 2;
  const Xbyak::Zmm value(registers_->Use(op.operands[0])), low(registers_->Use(op.operands[1]));
  const Opmask mask = UseMask(op.operands[1 + indices]);
  const Opmask left(registers_->Scratch(RegisterClass::kMask));  // the instruction clears it
  kmovw(left, mask);
  if (BitWidth(op.element) == 64) {
    return vscatterqpd(ptr[base + low * op.address.scale] | left, value);
  }
  vscatterqps(ptr[base + low * op.address.scale] | left, Xbyak::Ymm(value.getIdx()));
  if (indices == 1) return;
  const Xbyak::Zmm high(registers_->Use(op.operands[2]));
  const Xbyak::Zmm upper(registers_->Scratch(RegisterClass::kVector));
  vextractf64x4(Xbyak::Ymm(upper.getIdx()), value, 1);
  kshiftrw(left, mask, 8);
  vscatterqps(ptr[base + high * op.address.scale] | left, Xbyak::Ymm(upper.getIdx()));
}

}  // namespace skein::x86
