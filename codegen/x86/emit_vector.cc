// Emission of vector arithmetic, conversions and permutations.
#include <algorithm>
#include <array>
#include <utility>

#include "codegen/x86/emitter.h"
#include "codegen/x86/program_builder.h"

namespace skein::x86 {
namespace {

using Xbyak::Xmm;

bool Wide(ElementType e) { return BitWidth(e) == 64; }

// One instruction: d = a op b, or of one operand, which is then both.
using Encode = void (*)(Xbyak::CodeGenerator& code, const Xmm& d, const Xmm& a, const Xbyak::Operand& b);
#define ENCODE(call) [](Xbyak::CodeGenerator& code, const Xmm& d, const Xmm& a, const Xbyak::Operand& b) { \
  (void)a, (void)b;                                                                                       \
  code.call;                                                                                              \
}
#define OF_TWO(name) ENCODE(name(d, a, b))
#define OF_ONE(name) ENCODE(name(d, b))
#define ROUND(mode)                                                                      \
  avx512 ? ByType{ENCODE(vrndscaleps(d, b, mode)), ENCODE(vrndscalepd(d, b, mode))} \
         : ByType{ENCODE(vroundps(d, b, mode)), ENCODE(vroundpd(d, b, mode))}

// By type: f32, f64, i32, i64; and u32, u64 where these are others.
using ByType = std::array<Encode, 6>;
using Instructions = std::array<ByType, kOpcodeCount>;

constexpr Instructions MakeInstructions(bool avx512) {
  Instructions table{};
  auto set = [&](Opcode op, ByType encode) { table[static_cast<size_t>(op)] = encode; };
  auto bits = [&](Opcode op, Encode avx2, Encode narrow, Encode wide) {
    avx512 ? set(op, {narrow, wide, narrow, wide}) : set(op, {avx2, avx2, avx2, avx2});
  };
  set(Opcode::kAdd, {OF_TWO(vaddps), OF_TWO(vaddpd), OF_TWO(vpaddd), OF_TWO(vpaddq)});
  set(Opcode::kSub, {OF_TWO(vsubps), OF_TWO(vsubpd), OF_TWO(vpsubd), OF_TWO(vpsubq)});
  const Encode multiply_wide = avx512 ? static_cast<Encode>(OF_TWO(vpmullq)) : OF_TWO(vpmuludq);
  set(Opcode::kMul, {OF_TWO(vmulps), OF_TWO(vmulpd), OF_TWO(vpmulld), multiply_wide});
  set(Opcode::kDiv, {OF_TWO(vdivps), OF_TWO(vdivpd)});
  set(Opcode::kMinX86, {OF_TWO(vminps), OF_TWO(vminpd)});
  set(Opcode::kMaxX86, {OF_TWO(vmaxps), OF_TWO(vmaxpd)});
  // vrange orders zeros as minimum and maximum of floats do.
  constexpr int kLeast = 4, kMost = 5;
  set(Opcode::kMin, {ENCODE(vrangeps(d, a, b, kLeast)), ENCODE(vrangepd(d, a, b, kLeast)), OF_TWO(vpminsd),
                     OF_TWO(vpminsq), OF_TWO(vpminud), OF_TWO(vpminuq)});
  set(Opcode::kMax, {ENCODE(vrangeps(d, a, b, kMost)), ENCODE(vrangepd(d, a, b, kMost)), OF_TWO(vpmaxsd),
                     OF_TWO(vpmaxsq), OF_TWO(vpmaxud), OF_TWO(vpmaxuq)});
  set(Opcode::kShl, {nullptr, nullptr, OF_TWO(vpsllvd), OF_TWO(vpsllvq)});
  set(Opcode::kShr, {nullptr, nullptr, OF_TWO(vpsrlvd), OF_TWO(vpsrlvq)});
  set(Opcode::kSar, {nullptr, nullptr, OF_TWO(vpsravd), OF_TWO(vpsravq)});
  bits(Opcode::kAnd, OF_TWO(vandps), OF_TWO(vpandd), OF_TWO(vpandq));
  bits(Opcode::kOr, OF_TWO(vorps), OF_TWO(vpord), OF_TWO(vporq));
  bits(Opcode::kXor, OF_TWO(vxorps), OF_TWO(vpxord), OF_TWO(vpxorq));
  set(Opcode::kSqrt, {OF_ONE(vsqrtps), OF_ONE(vsqrtpd)});
  set(Opcode::kAbs, {nullptr, nullptr, OF_ONE(vpabsd), OF_ONE(vpabsq)});
  set(Opcode::kRoundEven, ROUND(8));  // all without the exception for what is not exact
  set(Opcode::kFloor, ROUND(9));
  set(Opcode::kCeil, ROUND(10));
  set(Opcode::kTrunc, ROUND(11));
  return table;
}
constexpr Instructions kInstructions[] = {MakeInstructions(false), MakeInstructions(true)};

Encode Find(bool avx512, Opcode op, ElementType element) {
  const ByType& encode = kInstructions[avx512][static_cast<size_t>(op)];
  const size_t column = (IsFloat(element) ? 0 : 2) + Wide(element);
  return IsUnsigned(element) && encode[column + 2] != nullptr ? encode[column + 2] : encode[column];
}

struct ConversionInstruction {
  ElementType from, to;
  Encode encode;
};
using enum ElementType;
constexpr ConversionInstruction kConversions[] = {
    {kI32, kF32, OF_ONE(vcvtdq2ps)},   {kU32, kF32, OF_ONE(vcvtudq2ps)},  {kF32, kI32, OF_ONE(vcvttps2dq)},
    {kF32, kU32, OF_ONE(vcvttps2udq)}, {kI32, kF64, OF_ONE(vcvtdq2pd)},   {kU32, kF64, OF_ONE(vcvtudq2pd)},
    {kF64, kI32, OF_ONE(vcvttpd2dq)},  {kF64, kU32, OF_ONE(vcvttpd2udq)}, {kI64, kF32, OF_ONE(vcvtqq2ps)},
    {kU64, kF32, OF_ONE(vcvtuqq2ps)},  {kI64, kF64, OF_ONE(vcvtqq2pd)},   {kU64, kF64, OF_ONE(vcvtuqq2pd)},
    {kF32, kI64, OF_ONE(vcvttps2qq)},  {kF32, kU64, OF_ONE(vcvttps2uqq)}, {kF64, kI64, OF_ONE(vcvttpd2qq)},
    {kF64, kU64, OF_ONE(vcvttpd2uqq)}, {kF32, kF64, OF_ONE(vcvtps2pd)},   {kF64, kF32, OF_ONE(vcvtpd2ps)},
    {kI32, kI64, OF_ONE(vpmovsxdq)},   {kU32, kU64, OF_ONE(vpmovzxdq)},   {kI64, kI32, ENCODE(vpmovqd(d, a))},
};

}  // namespace

void Emitter::EmitVector(const Operation& op) {
  if (op.opcode == Opcode::kFma) return Fma(op);
  const int bits = VectorBits(op);
  const Encode encode = Find(avx512_, op.opcode, op.element);
  Variable left = op.operands[0], right = op.operands[1];
  if (op.operand_count == 2 && IsCommutative(op.opcode) && registers_->InRegister(right)) std::swap(left, right);
  const Xmm a = UseVector(left, bits);
  if (op.folded) {
    const Xbyak::RegExp at = UseAddress(op.address);
    return encode(*this, DefineOver(op, bits), a, ptr[at]);
  }
  if (op.operand_count == 1) return encode(*this, DefineOver(op, bits), a, a);
  const Source b = Read(right, op.element);
  const Xmm d = DefineOver(op, bits);
  encode(*this, d, a, At(b, bits));
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

void Emitter::EmitShiftImmediate(const Operation& op) {
  const int bits = VectorBits(op);
  const Xmm a = UseVector(op.operands[0], bits), d = DefineOver(op, bits);
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

void Emitter::EmitConvert(const Operation& op) {
  const ElementType from = static_cast<ElementType>(op.immediate);
  const int bits = op.lanes * 32;
  if (op.folded) {  // from f16
    const Xbyak::RegExp at = UseAddress(op.address);
    return vcvtph2ps(DefineOver(op, bits), ptr[at]);
  }
  const int v = registers_->Use(op.operands[0]);
  if (op.element == kF16) {
    const Xmm d = DefineOver(op, bits), half = Vector(d.getIdx(), bits / 2);
    vcvtps2ph(half, Vector(v, bits), 0);  // to nearest even
    return vpmovzxwd(d, half);
  }
  const bool packs = from == kF16, narrows = from == kI64 && op.element == kI32;
  if (!avx512_ && (packs || narrows)) {  // the result may not lie where the operand does
    const int r = registers_->Define(op.result);
    const Xmm low(v), d(r);
    constexpr uint8_t kEven = 0x88;
    if (packs) {
      Pack(op, d, Vector(v, bits));
      return vcvtph2ps(Vector(r, bits), d);
    }
    if (op.lanes > 2) vextractf128(d, Xbyak::Ymm(v), 1);
    return vshufps(d, low, op.lanes > 2 ? d : low, kEven);
  }
  if (packs) {
    const Xmm d = DefineOver(op, bits), half = Vector(d.getIdx(), bits / 2);
    vpmovdw(half, Vector(v, bits));
    return vcvtph2ps(d, half);
  }
  const auto* const conversion = std::ranges::find_if(
      kConversions, [&](const ConversionInstruction& c) { return c.from == from && c.to == op.element; });
  const Xmm a = Vector(v, op.lanes * BitWidth(from));
  const Opmask mask = op.masked ? UseMask(op.operands[1]) : k0;  // lanes that it leaves out are 0
  const Xmm d = DefineOver(op, VectorBits(op));
  conversion->encode(*this, op.masked ? d | mask | T_z : d, a, a);
}

// --- lanes ---

void Emitter::EmitSplatVector(const Operation& op) {
  const Xmm a = UseVector(op.operands[0], 128);
  registers_->ReleaseDying();
  const Xbyak::Ymm d = Whole(registers_->Define(op.result));
  Wide(op.element) ? vbroadcastsd(d, a) : vbroadcastss(d, a);
}

void Emitter::EmitShuffle(const Operation& op) {
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

void Emitter::EmitPermute(const Operation& op) {
  const Xbyak::Ymm indices = Whole(registers_->Use(op.operands[0]));
  // Tables of lookups are read by piece after piece.
  const Source a = avx512_ ? Source{.in_register = registers_->Use(op.operands[1])} : Read(op.operands[1], op.element);
  const Xbyak::Ymm d = Whole(DefineOver(op, VectorBits(op)).getIdx());
  vpermps(d, indices, At(a, VectorBits(op)));
}

void Emitter::EmitPermuteTwo(const Operation& op) {
  const Xbyak::Zmm a(registers_->Use(op.operands[1])), b(registers_->Use(op.operands[2]));
  vpermi2ps(Xbyak::Zmm(registers_->Overwrite(op.result, op.operands[0])), a, b);
}

void Emitter::EmitLanesDown(const Operation& op) {
  const int v = registers_->Use(op.operands[0]);
  registers_->ReleaseDying();
  const int r = registers_->Define(op.result), distance = static_cast<int>(op.immediate) * (Wide(op.element) ? 2 : 1);
  if (distance == 8) return vextractf64x4(Xbyak::Ymm(r), Xbyak::Zmm(v), 1);
  const Xmm d(r), from = distance >= 4 ? d : Xmm(v);  // vshufps takes a cycle, valignd five
  if (distance >= 4) avx512_ ? vextractf32x4(d, Xbyak::Zmm(v), distance / 4) : vextractf128(d, Xbyak::Ymm(v), 1);
  int lanes = 0;
  for (int i = 0; i < 4; ++i) lanes |= ((i + distance) & 3) << 2 * i;
  if ((distance & 3) != 0) vshufps(d, from, from, static_cast<uint8_t>(lanes));
}

void Emitter::EmitJoinHalves(const Operation& op) {
  const int low = registers_->Use(op.operands[0]), high = registers_->Use(op.operands[1]);
  registers_->ReleaseDying();
  const int d = registers_->Define(op.result);
  if (op.lanes == 16) return vinsertf64x4(Xbyak::Zmm(d), Xbyak::Zmm(low), Xbyak::Ymm(high), 1);
  avx512_ ? vinsertf32x4(Xbyak::Ymm(d), Xbyak::Ymm(low), Xmm(high), 1)
          : vinsertf128(Xbyak::Ymm(d), Xbyak::Ymm(low), Xmm(high), 1);
}

// Without VNNI: even and odd bytes apart, so that sums of two products (at most 2*255*128) fit 32
// bits exactly.
void Emitter::EmitDot4(const Operation& op) {
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

}  // namespace skein::x86
