// Emission of vector arithmetic, compares, conversions and permutations.
#include "codegen/x86/emitter.h"
#include "codegen/x86/program_builder.h"

namespace skein::x86 {
namespace {

bool Wide(ElementType e) { return BitWidth(e) == 64; }

uint8_t RoundingMode(Opcode op) {
  constexpr uint8_t kNoInexact = 8;
  switch (op) {
    case Opcode::kFloor:
      return kNoInexact | 1;
    case Opcode::kCeil:
      return kNoInexact | 2;
    case Opcode::kTrunc:
      return kNoInexact | 3;
    default:
      return kNoInexact;
  }
}

}  // namespace

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

bool Emitter::EmitVectorOperation(const Operation& op) {
  switch (op.action) {
    case Action::kVector:
      Elementwise(op);
      return true;
    case Action::kShiftImmediate:
      ShiftImmediate(op);
      return true;
    case Action::kSignExtend: {
      const Xmm a = UseVector(op.operands[0], op.lanes * 32);
      registers_->ReleaseDying();
      const Xmm d = Vector(registers_->Define(op.result), op.lanes * 32);
      const uint8_t unused = static_cast<uint8_t>(32 - op.immediate);
      vpslld(d, a, unused);
      vpsrad(d, d, unused);
      return true;
    }
    case Action::kCompare:
      Compare(op);
      return true;
    case Action::kBlend:
      Blend(op);
      return true;
    case Action::kMaskedValue: {
      const Opmask mask = UseMask(op.operands[0]);
      const Xmm a = UseVector(op.operands[1], VectorBits(op));
      registers_->ReleaseDying();
      const Xmm d = Vector(registers_->Define(op.result), VectorBits(op));
      Wide(op.element) ? vmovdqa64(d | mask | T_z, a) : vmovdqa32(d | mask | T_z, a);
      return true;
    }
    case Action::kConversion:
      Convert(op);
      return true;
    case Action::kSplatVector: {
      const Xmm a = UseVector(op.operands[0], 128);
      registers_->ReleaseDying();
      const Xbyak::Ymm d = Whole(registers_->Define(op.result));
      Wide(op.element) ? vbroadcastsd(d, a) : vbroadcastss(d, a);
      return true;
    }
    case Action::kShuffle:
      Shuffle(op);
      return true;
    case Action::kLanesDown:
    case Action::kJoinHalves:
    case Action::kPermute:
    case Action::kPermute2:
      Permute(op);
      return true;
    case Action::kDot4:
      Dot4(op);
      return true;
    case Action::kInsertGeneral:
      InsertGeneral(op);
      return true;
    case Action::kClampVector:
      ClampVector(op);
      return true;
    default:
      return false;
  }
}

void Emitter::Elementwise(const Operation& op) {
  if (op.opcode == Opcode::kFma) return Fma(op);
  const int bits = VectorBits(op);
  Variable left = op.operands[0], right = op.operands[1];
  if (op.operand_count == 2 && IsCommutative(op.opcode) && registers_->InRegister(right)) std::swap(left, right);
  const Xmm a = UseVector(left, bits);
  if (op.folded) {
    const Xbyak::RegExp at = UseAddress(op.address);
    registers_->ReleaseDying();
    return Arithmetic(op.opcode, op.element, Vector(registers_->Define(op.result), bits), a, ptr[at]);
  }
  if (op.operand_count == 1) {
    registers_->ReleaseDying();
    return ArithmeticUnary(op.opcode, op.element, Vector(registers_->Define(op.result), bits), a);
  }
  const Source b = Read(right, op.element);
  registers_->ReleaseDying();
  const Xmm d = Vector(registers_->Define(op.result), bits);
  Arithmetic(op.opcode, op.element, d, a, At(b, bits));
}

void Emitter::Arithmetic(Opcode opcode, ElementType element, const Xmm& d, const Xmm& a,
                         const Xbyak::Operand& b) {
  const bool wide = Wide(element), f = IsFloat(element), u = IsUnsigned(element);
  // How vrange orders zeros as floats' minimum and maximum do.
  constexpr uint8_t kLeast = 4, kMost = 5;
  switch (opcode) {
    case Opcode::kAdd:
      return f      ? (wide ? vaddpd(d, a, b) : vaddps(d, a, b))
             : wide ? vpaddq(d, a, b)
                    : vpaddd(d, a, b);
    case Opcode::kSub:
      return f      ? (wide ? vsubpd(d, a, b) : vsubps(d, a, b))
             : wide ? vpsubq(d, a, b)
                    : vpsubd(d, a, b);
    case Opcode::kMul:
      return f      ? (wide ? vmulpd(d, a, b) : vmulps(d, a, b))
             : wide ? (avx512_ ? vpmullq(d, a, b) : vpmuludq(d, a, b))
                    : vpmulld(d, a, b);
    case Opcode::kDiv:
      return wide ? vdivpd(d, a, b) : vdivps(d, a, b);
    case Opcode::kMinX86:
      return wide ? vminpd(d, a, b) : vminps(d, a, b);
    case Opcode::kMaxX86:
      return wide ? vmaxpd(d, a, b) : vmaxps(d, a, b);
    case Opcode::kMin:
      if (f) return wide ? vrangepd(d, a, b, kLeast) : vrangeps(d, a, b, kLeast);
      return u      ? (wide ? vpminuq(d, a, b) : vpminud(d, a, b))
             : wide ? vpminsq(d, a, b)
                    : vpminsd(d, a, b);
    case Opcode::kMax:
      if (f) return wide ? vrangepd(d, a, b, kMost) : vrangeps(d, a, b, kMost);
      return u      ? (wide ? vpmaxuq(d, a, b) : vpmaxud(d, a, b))
             : wide ? vpmaxsq(d, a, b)
                    : vpmaxsd(d, a, b);
    case Opcode::kAnd:
      return !avx512_ ? vandps(d, a, b) : wide ? vpandq(d, a, b) : vpandd(d, a, b);
    case Opcode::kOr:
      return !avx512_ ? vorps(d, a, b) : wide ? vporq(d, a, b) : vpord(d, a, b);
    case Opcode::kXor:
      return !avx512_ ? vxorps(d, a, b) : wide ? vpxorq(d, a, b) : vpxord(d, a, b);
    case Opcode::kShl:
      return wide ? vpsllvq(d, a, b) : vpsllvd(d, a, b);
    case Opcode::kShr:
      return wide ? vpsrlvq(d, a, b) : vpsrlvd(d, a, b);
    default:
      return wide ? vpsravq(d, a, b) : vpsravd(d, a, b);
  }
}

void Emitter::ArithmeticUnary(Opcode opcode, ElementType element, const Xmm& d, const Xmm& a) {
  const bool wide = Wide(element);
  if (opcode == Opcode::kSqrt) return wide ? vsqrtpd(d, a) : vsqrtps(d, a);
  if (opcode == Opcode::kAbs) return wide ? vpabsq(d, a) : vpabsd(d, a);
  const uint8_t mode = RoundingMode(opcode);
  if (!avx512_) return wide ? vroundpd(d, a, mode) : vroundps(d, a, mode);
  return wide ? vrndscalepd(d, a, mode) : vrndscaleps(d, a, mode);
}

// The form whose overwritten operand is not needed any more.
void Emitter::Fma(const Operation& op) {
  const int bits = VectorBits(op);
  const bool wide = Wide(op.element);
  Variable a = op.operands[0], b = op.operands[1];
  const Variable c = op.operands[2];
  auto dies = [&](Variable v) { return registers_->Dies(v); };
  if (!dies(c) && (dies(a) || dies(b))) {  // d = d * b + c
    if (!dies(a)) std::swap(a, b);
    const Xmm factor = UseVector(b, bits);
    const Source addend = Read(c, op.element);
    const Xmm d = Vector(registers_->Overwrite(op.result, a), bits);
    const Xbyak::Operand& last = At(addend, bits);
    return wide ? vfmadd213pd(d, factor, last) : vfmadd213ps(d, factor, last);
  }
  if (program_->IsConstant(a)) std::swap(a, b);
  const Xmm factor = UseVector(a, bits);
  const Source other = Read(b, op.element);
  const Xmm d = Vector(registers_->Overwrite(op.result, c), bits);
  const Xbyak::Operand& last = At(other, bits);
  wide ? vfmadd231pd(d, factor, last) : vfmadd231ps(d, factor, last);
}

void Emitter::ShiftImmediate(const Operation& op) {
  const int bits = VectorBits(op);
  const Xmm a = UseVector(op.operands[0], bits);
  registers_->ReleaseDying();
  const Xmm d = Vector(registers_->Define(op.result), bits);
  const uint8_t amount = static_cast<uint8_t>(op.immediate);
  const bool wide = Wide(op.element);
  switch (op.opcode) {
    case Opcode::kShl:
      return wide ? vpsllq(d, a, amount) : vpslld(d, a, amount);
    case Opcode::kShr:
      return wide ? vpsrlq(d, a, amount) : vpsrld(d, a, amount);
    default:
      return wide ? vpsraq(d, a, amount) : vpsrad(d, a, amount);
  }
}

void Emitter::Compare(const Operation& op) {
  const int bits = VectorBits(op);
  const Xmm a = UseVector(op.operands[0], bits);
  const Source b = Read(op.operands[1], op.element);
  const Opmask within(op.masked ? UseMask(op.operands[2]) : Opmask(0));
  Opmask d(registers_->Define(op.result));
  if (op.masked) d = d | within;
  const Xbyak::Operand& right = At(b, bits);
  const uint8_t predicate = Predicate(op.opcode) ^ static_cast<uint8_t>(op.immediate);
  const bool wide = Wide(op.element);
  if (IsFloat(op.element)) {
    wide ? vcmppd(d, a, right, predicate) : vcmpps(d, a, right, predicate);
  } else if (IsUnsigned(op.element)) {
    wide ? vpcmpuq(d, a, right, predicate) : vpcmpud(d, a, right, predicate);
  } else {
    wide ? vpcmpq(d, a, right, predicate) : vpcmpd(d, a, right, predicate);
  }
}

void Emitter::Blend(const Operation& op) {
  const int bits = VectorBits(op);
  const Opmask mask = UseMask(op.operands[0]);
  const Xmm b = UseVector(op.operands[2], bits);
  const Source a = Read(op.operands[1], op.element);
  registers_->ReleaseDying();
  const Xmm d = Vector(registers_->Define(op.result), bits);
  const Xbyak::Operand& chosen = At(a, bits);
  Wide(op.element) ? vblendmpd(d | mask, b, chosen) : vblendmps(d | mask, b, chosen);
}

void Emitter::Convert(const Operation& op) {
  const int lanes = op.lanes;
  if (op.folded) {  // from f16
    const Xbyak::RegExp at = UseAddress(op.address);
    registers_->ReleaseDying();
    return vcvtph2ps(Vector(registers_->Define(op.result), lanes * 32), ptr[at]);
  }
  const Variable v = op.operands[0];
  const Xmm s32 = UseVector(v, lanes * 32), s64 = UseVector(v, lanes * 64);
  registers_->ReleaseDying();
  const int r = registers_->Define(op.result);
  const Xmm d16 = Vector(r, lanes * 16), d32 = Vector(r, lanes * 32), d64 = Vector(r, lanes * 64);
  switch (static_cast<Conversion>(op.immediate)) {
    case Conversion::kI32ToF32:
      return vcvtdq2ps(d32, s32);
    case Conversion::kU32ToF32:
      return vcvtudq2ps(d32, s32);
    case Conversion::kF32ToI32:
      return vcvttps2dq(d32, s32);
    case Conversion::kF32ToU32:
      return vcvttps2udq(d32, s32);
    case Conversion::kI32ToF64:
      return vcvtdq2pd(d64, s32);
    case Conversion::kU32ToF64:
      return vcvtudq2pd(d64, s32);
    case Conversion::kF64ToI32:
      return vcvttpd2dq(d32, s64);
    case Conversion::kF64ToU32:
      return vcvttpd2udq(d32, s64);
    case Conversion::kI64ToF32:
      return vcvtqq2ps(d32, s64);
    case Conversion::kU64ToF32:
      return vcvtuqq2ps(d32, s64);
    case Conversion::kI64ToF64:
      return vcvtqq2pd(d64, s64);
    case Conversion::kU64ToF64:
      return vcvtuqq2pd(d64, s64);
    case Conversion::kF32ToI64:
      return vcvttps2qq(d64, s32);
    case Conversion::kF32ToU64:
      return vcvttps2uqq(d64, s32);
    case Conversion::kF64ToI64:
      return vcvttpd2qq(d64, s64);
    case Conversion::kF64ToU64:
      return vcvttpd2uqq(d64, s64);
    case Conversion::kF32ToF64:
      return vcvtps2pd(d64, s32);
    case Conversion::kF64ToF32:
      return vcvtpd2ps(d32, s64);
    case Conversion::kI32ToI64:
      return vpmovsxdq(d64, s32);
    case Conversion::kU32ToU64:
      return vpmovzxdq(d64, s32);
    case Conversion::kI64ToI32:
      return vpmovqd(d32, s64);
    case Conversion::kF16ToF32:
      vpmovdw(d16, s32);
      return vcvtph2ps(d32, d16);
    case Conversion::kF32ToF16:
      vcvtps2ph(d16, s32, 0);  // to nearest even
      return vpmovzxwd(d32, d16);
  }
}

void Emitter::Shuffle(const Operation& op) {
  const int a_index = registers_->Use(op.operands[0]), b_index = registers_->Use(op.operands[1]);
  registers_->ReleaseDying();
  const int d_index = registers_->Define(op.result);
  const Xmm a = Whole(a_index), b = Whole(b_index), d = Whole(d_index);
  const Xbyak::Ymm half_a(a_index), half_b(b_index), half_d(d_index);
  const uint8_t immediate = static_cast<uint8_t>(op.immediate);
  switch (static_cast<ShuffleBy>(op.immediate >> 8)) {
    case ShuffleBy::kUnpackLow:
      return vunpcklps(d, a, b);
    case ShuffleBy::kUnpackHigh:
      return vunpckhps(d, a, b);
    case ShuffleBy::kInBlocks:
      return vshufps(d, a, b, immediate);
    case ShuffleBy::kBlend:
      return vblendps(half_d, half_a, half_b, immediate);
    case ShuffleBy::kHalves:
      return vperm2f128(half_d, half_a, half_b, immediate);
    case ShuffleBy::kBlocks:
      return vshuff32x4(Xbyak::Zmm(d_index), Xbyak::Zmm(a_index), Xbyak::Zmm(b_index), immediate);
  }
}

void Emitter::Permute(const Operation& op) {
  using Xbyak::Zmm;
  const bool wide = Wide(op.element);
  if (op.action == Action::kPermute2) {
    const Zmm a(registers_->Use(op.operands[1])), b(registers_->Use(op.operands[2]));
    const Zmm d(registers_->Overwrite(op.result, op.operands[0]));  // the indices
    return wide ? vpermi2pd(d, a, b) : vpermi2ps(d, a, b);
  }
  const Zmm a(registers_->Use(op.operands[0]));
  if (op.action == Action::kLanesDown) {
    registers_->ReleaseDying();
    const Zmm d(registers_->Define(op.result));
    const uint8_t distance = static_cast<uint8_t>(op.immediate);
    return wide ? valignq(d, a, a, distance) : valignd(d, a, a, distance);
  }
  const Zmm b(registers_->Use(op.operands[1]));
  registers_->ReleaseDying();
  const Zmm d(registers_->Define(op.result));
  if (op.action == Action::kJoinHalves) return vinsertf64x4(d, a, Xbyak::Ymm(b.getIdx()), 1);
  wide ? vpermq(d, a, b) : vpermd(d, a, b);
}

// Without VNNI: even and odd bytes apart, so that sums of two products (at most 2*255*128) fit 32
// bits exactly.
void Emitter::Dot4(const Operation& op) {
  const int bits = op.lanes * 32;
  const Xmm a = UseVector(op.operands[1], bits), b = UseVector(op.operands[2], bits);
  if (avx512_ && target_.vnni) {
    const Xmm d = Vector(registers_->Overwrite(op.result, op.operands[0]), bits);
    return vpdpbusd(d, a, b, Xbyak::EvexEncoding);
  }
  auto scratch = [&] { return Vector(registers_->Scratch(RegisterClass::kVector), bits); };
  const Xmm x = scratch(), y = scratch(), z = scratch();
  vpsllw(x, a, 8);
  vpsrlw(x, x, 8);
  vpsllw(y, b, 8);
  vpsraw(y, y, 8);
  vpmaddwd(x, x, y);
  vpsrlw(y, a, 8);
  vpsraw(z, b, 8);
  vpmaddwd(y, y, z);
  const Xmm d = Vector(registers_->Overwrite(op.result, op.operands[0]), bits);
  vpaddd(d, d, x);
  vpaddd(d, d, y);
}

void Emitter::InsertGeneral(const Operation& op) {
  const Reg64 value = UseGeneral(op.operands[1]);
  const Opmask lane(registers_->Scratch(RegisterClass::kMask));
  const Xbyak::Zmm d(registers_->Overwrite(op.result, op.operands[0]));
  mov(eax, 1u << op.immediate);
  kmovw(lane, eax);
  vpbroadcastq(d | lane, value);
}

void Emitter::ClampVector(const Operation& op) {
  const int bits = op.lanes * 64;
  const Xmm index = UseVector(op.operands[0], bits), most = UseVector(op.operands[1], bits);
  const Reg64 args = UseGeneral(op.operands[2]);
  const Xmm zeros = UseVector(op.operands[3], bits);
  const Opmask outside(registers_->Scratch(RegisterClass::kMask));
  const Xmm d = Vector(registers_->Define(op.result), bits);
  vpminsq(d, index, most);
  vpmaxsq(d, d, zeros);
  vpcmpq(outside, d, index, Predicate(Opcode::kNotEqual));
  kmovw(eax, outside);
  Xbyak::Label inside;
  test(eax, (1u << op.lanes) - 1);
  jz(inside);
  SetStatus(args, op.immediate);
  L(inside);
}

}  // namespace skein::x86
