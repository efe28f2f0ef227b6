// Emission of loads, stores, gathers and scatters.
#include "codegen/x86/emitter.h"

namespace skein::x86 {
namespace {

// Numbers of fewer than 32 bits that are extended by their sign.
bool HasSign(ElementType e) { return IsSigned(e) && IsInteger(e); }

}  // namespace

void Emitter::EmitPrefetch(const Operation& op) {
  const Xbyak::RegExp at = UseAddress(op.address);
  op.immediate == 0 ? prefetcht0(ptr[at]) : prefetcht1(ptr[at]);
}

// --- vectors ---

void Emitter::EmitLoad(const Operation& op) {
  const Xbyak::RegExp at = UseAddress(op.address);
  const int mask = op.masked ? registers_->Use(op.operands[0]) : 0, bits = VectorBits(op);
  const Xmm to = DefineOver(op, bits);
  const int width = BitWidth(op.element);
  if (op.broadcast) {
    const Xbyak::Ymm all = Whole(to.getIdx());
    return width == 64 ? vbroadcastsd(all, ptr[at]) : vbroadcastss(all, ptr[at]);
  }
  if (op.lanes == 1 && !op.masked) return LoadScalar(op, to, at);
  if (op.masked && !avx512_) {
    const Xmm lanes = Vector(mask, bits);
    return width == 64 ? vmaskmovpd(to, lanes, ptr[at]) : vmaskmovps(to, lanes, ptr[at]);
  }
  const Xmm d = op.masked ? to | Opmask(mask) | T_z : to;
  switch (width) {
    case 64:
      return vmovupd(d, ptr[at]);
    case 32:
      return vmovups(d, ptr[at]);
    case 16:
      return HasSign(op.element) ? vpmovsxwd(d, ptr[at]) : vpmovzxwd(d, ptr[at]);
    default:
      return HasSign(op.element) ? vpmovsxbd(d, ptr[at]) : vpmovzxbd(d, ptr[at]);
  }
}

void Emitter::LoadScalar(const Operation& op, const Xmm& to, const Xbyak::RegExp& at) {
  switch (BitWidth(op.element)) {
    case 64:
      return vmovsd(to, ptr[at]);
    case 32:
      return vmovss(to, ptr[at]);
    default:
      LoadToEax(op, at);
      return vmovd(to, eax);
  }
}

void Emitter::EmitStore(const Operation& op) {
  const Xbyak::RegExp at = UseAddress(op.address);
  if (op.lanes == 1 && !op.masked) return StoreScalar(op, at);
  const int width = BitWidth(op.element), bits = VectorBits(op);
  if (width < 32) return StoreNarrow(op, at);
  const Xmm value = UseVector(op.operands[0], bits);
  if (op.masked && !avx512_) {
    const Xmm mask = UseVector(op.operands[1], bits);
    return width == 64 ? vmaskmovpd(ptr[at], mask, value) : vmaskmovps(ptr[at], mask, value);
  }
  if (op.streaming && !op.masked && bits >= 256) return StreamingStore(value, at);
  const Xbyak::Address to = op.masked ? ptr[at] | UseMask(op.operands[1]) : ptr[at];
  width == 64 ? vmovupd(to, value) : vmovups(to, value);
}

void Emitter::StoreScalar(const Operation& op, const Xbyak::RegExp& at) {
  const Variable v = op.operands[0];
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

// Elements of 8 and 16 bits, not masked on AVX2, which packs them in a register first; so does AVX-512 to go around the
// caches.
void Emitter::StoreNarrow(const Operation& op, const Xbyak::RegExp& at) {
  const Xmm value = UseVector(op.operands[0], VectorBits(op));
  const int bits = op.lanes * BitWidth(op.element);
  // LLVM's tier streams from 16 bytes on, too.
  const bool streams = op.streaming && !op.masked && bits >= 128;
  const bool packs = !op.folded && !avx512_;
  const Xmm packed = streams || packs ? Vector(registers_->Scratch(RegisterClass::kVector), bits) : value;
  const Xbyak::Address memory = op.masked ? ptr[at] | UseMask(op.operands[1]) : ptr[at];
  const Xbyak::Operand& to = streams ? static_cast<const Xbyak::Operand&>(packed) : memory;
  if (op.folded) {
    vcvtps2ph(to, value, 0);  // to nearest even
  } else if (avx512_) {
    BitWidth(op.element) == 16 ? vpmovdw(to, value) : vpmovdb(to, value);
  } else {
    Pack(op, packed, value);
    if (BitWidth(op.element) == 8) {
      HasSign(op.element) ? vpacksswb(packed, packed, packed) : vpackuswb(packed, packed, packed);
    }
  }
  if (streams) return StreamingStore(packed, at);
  if (packs) bits == 128 ? vmovups(memory, packed) : bits == 64 ? vmovsd(memory, packed) : vmovss(memory, packed);
}

void Emitter::Pack(const Operation& op, const Xmm& to, const Xmm& value) {
  const Xmm low(value.getIdx());
  if (op.lanes > 4) vextractf128(to, Xbyak::Ymm(value.getIdx()), 1);
  const Xmm high = op.lanes > 4 ? to : low;
  HasSign(op.element) ? vpackssdw(to, low, high) : vpackusdw(to, low, high);
}

// Around the caches where the address allows it, which is known at run time only. The other ways are out of the way: between
// the stores of a loop they cost norms from memory a tenth.
void Emitter::StreamingStore(const Xmm& value, const Xbyak::RegExp& at) {
  const int high = value.isZMM() ? registers_->Scratch(RegisterClass::kVector) : 0;
  lea(rax, ptr[at]);
  test(al, value.getBit() / 8 - 1);
  const size_t jump = JumpIf(kNotZero, 0);
  vmovntps(ptr[rax], value);
  unaligned_stores_.push_back({jump, getSize(), position_, high, value});
}

void Emitter::UnalignedStores() {
  for (const UnalignedStore& store : unaligned_stores_) {
    position_ = store.position;
    Note();
    Land(store.jump);
    if (store.value.isZMM()) {  // by half lines if they allow it
      const Xbyak::Ymm high(store.high);
      test(al, 31);
      const size_t unaligned = JumpIf(kNotZero, 0);
      vmovntps(ptr[rax], Xbyak::Ymm(store.value.getIdx()));
      vextractf32x8(high, Xbyak::Zmm(store.value.getIdx()), 1);
      vmovntps(ptr[rax + 32], high);
      Jump(store.back);
      Land(unaligned);
    }
    vmovups(ptr[rax], store.value);
    Jump(store.back);
  }
}

// Byte b in 64 bits as b | b << 28: its nibbles are the low bits of the two 32-bit halves.
void Emitter::EmitLoadNibbles(const Operation& op) {
  const Xbyak::RegExp at = UseAddress(op.address);
  const Xmm moved = Whole(registers_->Scratch(RegisterClass::kVector));
  const Xmm d = Whole(registers_->Define(op.result));
  vpmovzxbq(d, ptr[at]);
  vpsllq(moved, d, 28);
  vorps(d, d, moved);
  vpslld(d, d, 28);
  op.element == ElementType::kI4 ? vpsrad(d, d, 28) : vpsrld(d, d, 28);
}

// --- lanes ---

// A vector is put together by 128 bits.
void Emitter::EmitLoadLane(const Operation& op) {
  const Xbyak::RegExp at = UseAddress(op.address);
  if (op.masked) registers_->Use(op.operands[1]);  // before the jump: both ways must leave the same state
  const Xmm d(registers_->Overwrite(op.result, op.operands[0]));
  const int lane = static_cast<int>(op.immediate);
  Xbyak::Label done;
  SkipUnless(op, lane, done);
  switch (BitWidth(op.element)) {
    case 64:
      vpinsrq(d, d, ptr[at], lane & 1);
      break;
    case 32:
      vpinsrd(d, d, ptr[at], lane & 3);
      break;
    default:
      LoadToEax(op, at);
      vpinsrd(d, d, eax, lane & 3);
      break;
  }
  L(done);
}

// An element of 4 to 16 bits, extended. That of 4 bits clobbers edx.
void Emitter::LoadToEax(const Operation& op, const Xbyak::RegExp& at) {
  const bool sign = HasSign(op.element);
  if (BitWidth(op.element) == 16) return sign ? movsx(eax, word[at]) : movzx(eax, word[at]);
  if (BitWidth(op.element) == 8) return sign ? movsx(eax, byte[at]) : movzx(eax, byte[at]);
  const Reg64 base(registers_->RegisterOf(op.address.base));
  lea(rax, ptr[Reg64(registers_->RegisterOf(op.address.index)) + op.address.displacement]);
  lea(edx, ptr[rax * 4]);
  and_(edx, 4);
  sar(rax, 1);
  movzx(eax, byte[base + rax]);
  shrx(eax, eax, edx);
  shl(eax, 28);
  sign ? sar(eax, 28) : shr(eax, 28);
}

void Emitter::EmitStoreLane(const Operation& op) {
  const Xbyak::RegExp at = UseAddress(op.address);
  const int width = BitWidth(op.element), in_block = width == 64 ? 2 : 4;
  const int lane = static_cast<int>(op.immediate) % (Whole(0).getBit() / 128 * in_block), block = lane / in_block;
  const int value = registers_->Use(op.operands[0]);
  const Xmm lanes(block == 0 ? value : registers_->Scratch(RegisterClass::kVector));
  const Reg64 shift = width == 4 ? ScratchGeneral() : rax, other = width == 4 ? ScratchGeneral() : rax;
  if (block > 0) {
    avx512_ ? vextractf32x4(lanes, Xbyak::Zmm(value), static_cast<uint8_t>(block))
            : vextractf128(lanes, Xbyak::Ymm(value), 1);
  }
  Xbyak::Label done;
  SkipUnless(op, static_cast<int>(op.immediate), done);
  const uint8_t place = static_cast<uint8_t>(lane % in_block);
  switch (width) {
    case 64:
      vpextrq(ptr[at], lanes, place);
      break;
    case 32:
      vpextrd(ptr[at], lanes, place);
      break;
    case 16:
      vpextrw(ptr[at], lanes, static_cast<uint8_t>(2 * place));
      break;
    case 8:
      vpextrb(ptr[at], lanes, static_cast<uint8_t>(4 * place));
      break;
    default:
      vpextrd(eax, lanes, place);
      StoreNibble(op, shift, other);
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

// --- indices in registers ---

// The instructions clear their mask.
void Emitter::EmitGather(const Operation& op) {
  const Xbyak::RegExp base = UseGeneral(op.address.base) + op.address.displacement;
  const Xbyak::Zmm indices(registers_->Use(op.operands[0]));
  const Opmask mask = UseMask(op.operands[1]), left(registers_->Scratch(RegisterClass::kMask));
  const int d = registers_->Define(op.result);
  vpxord(Xbyak::Zmm(d), Xbyak::Zmm(d), Xbyak::Zmm(d));
  kmovw(left, mask);
  const Xbyak::Address at = ptr[base + indices * op.address.scale];
  BitWidth(op.element) == 64 ? vgatherqpd(Xbyak::Zmm(d) | left, at) : vgatherqps(Xbyak::Ymm(d) | left, at);
}

void Emitter::EmitScatter(const Operation& op) {
  const Xbyak::RegExp base = UseGeneral(op.address.base) + op.address.displacement;
  const int value = registers_->Use(op.operands[0]);
  const Xbyak::Zmm indices(registers_->Use(op.operands[1]));
  const Opmask mask = UseMask(op.operands[2]), left(registers_->Scratch(RegisterClass::kMask));
  kmovw(left, mask);
  const Xbyak::Address at = ptr[base + indices * op.address.scale] | left;
  BitWidth(op.element) == 64 ? vscatterqpd(at, Xbyak::Zmm(value)) : vscatterqps(at, Xbyak::Ymm(value));
}

}  // namespace skein::x86
