// What AVX2 has no instruction for, in terms of what it has. Values here are of one register.
#include <algorithm>
#include <array>

#include "codegen/x86/fixed_shuffle.h"
#include "codegen/x86/selector.h"

namespace skein::x86 {
namespace {

using enum RegisterClass;
using enum ElementType;

constexpr int kLanes = 8;
constexpr VectorType kDouble{kF64, 4}, kWide{kU64, 4}, kSingle{kF32, kLanes}, kWord{kU32, kLanes};
constexpr uint64_t kSign64 = uint64_t{1} << 63;

// The bits of 2^52 as f64, in which the last bit counts 1, and of others that stand for the upper half of a sum.
constexpr uint64_t k2To52 = uint64_t{0x433} << 52, k2To84 = uint64_t{0x453} << 52;

}  // namespace

// --- elementwise ---

bool Selector::Avx2Lacks(Opcode op, ElementType element) {
  const bool extremum = op == Opcode::kMin || op == Opcode::kMax;
  if (IsFloat(element)) return extremum;
  return IsWide(element) && (extremum || op == Opcode::kMul || op == Opcode::kAbs || op == Opcode::kSar);
}

Variable Selector::VectorOnAvx2(Opcode op, VectorType type, Variable a, Variable b) {
  auto with = [&](Opcode o, Variable x, Variable y) { return Vector(o, type, x, y); };
  if (IsFloat(type.element)) {
    // Both orders agree but for zeros and NaN. NaN stays NaN among the bits of both, and -0 wins there.
    const Opcode x86 = op == Opcode::kMin ? Opcode::kMinX86 : Opcode::kMaxX86;
    const Variable one = with(x86, a, b), other = with(x86, b, a);
    const Variable both = with(Opcode::kOr, one, other);
    if (op == Opcode::kMin) return both;
    return with(Opcode::kSub, both, with(Opcode::kXor, one, other));  // -0 - -0 = +0
  }
  switch (op) {
    case Opcode::kMul:
      return MultiplyWide(type, a, b);
    case Opcode::kAbs: {
      const Variable sign = Sign(type, a);
      return with(Opcode::kSub, with(Opcode::kXor, a, sign), sign);
    }
    case Opcode::kSar: {
      const Variable sign = Sign(type, a);
      return with(Opcode::kXor, with(Opcode::kShr, with(Opcode::kXor, a, sign), b), sign);
    }
    default: {
      const Variable less = CompareOnAvx2(Opcode::kLess, type, a, b);
      if (op == Opcode::kMax) std::swap(a, b);
      return Emit(Action::kBlend, type, {less, a, b});
    }
  }
}

// All ones in 64-bit lanes that are negative.
Variable Selector::Sign(VectorType type, Variable a) {
  return CompareOnAvx2(Opcode::kLess, {kI64, type.lanes}, a, builder_.Broadcast32(0));
}

// From products of halves, of which the highest is cut off.
Variable Selector::MultiplyWide(VectorType type, Variable a, Variable b) {
  auto product = [&](Variable x, Variable y) {
    return Emit(Action::kVector, {kU64, type.lanes}, {x, y}, Opcode::kMul);
  };
  auto upper = [&](Variable x) { return ShiftBy(Opcode::kShr, type, x, 32); };
  auto has_upper = [&](Variable x) {
    const VariableInfo& info = builder_.info(x);
    return info.constant != ConstantKind::kBroadcast64 || info.bits >> 32 != 0;
  };
  if (!has_upper(a)) std::swap(a, b);
  Variable cross = product(upper(a), b);
  if (has_upper(b)) cross = Vector(Opcode::kAdd, type, cross, product(a, upper(b)));
  return Vector(Opcode::kAdd, type, product(a, b), ShiftBy(Opcode::kShl, type, cross, 32));
}

// There are equal and greater, of signed integers. Narrow unsigned ones lie in lanes of 32 bits and are not negative.
//   Returns lanes as wide as the operands'.
Variable Selector::CompareOnAvx2(Opcode op, VectorType type, Variable a, Variable b) {
  const bool is_float = IsFloat(type.element);
  if (!is_float && op == Opcode::kNotEqual) {
    const VariableInfo& zero = builder_.info(b);
    const bool positive = IsUnsigned(type.element) && IsNarrow(type.element);
    if (positive && zero.constant == ConstantKind::kBroadcast32 && zero.bits == 0) {
      return CompareOnAvx2(Opcode::kLess, type, b, a);
    }
    return NotOnAvx2(CompareOnAvx2(Opcode::kEqual, type, a, b));
  }
  if (!is_float && op == Opcode::kLessEqual) {
    if (IsWide(type.element)) return NotOnAvx2(CompareOnAvx2(Opcode::kLess, type, b, a));
    return CompareOnAvx2(Opcode::kEqual, type, Vector(Opcode::kMin, type, a, b), a);
  }
  if (op == Opcode::kLess && (type.element == kU32 || type.element == kU64)) {
    const Variable sign = IsWide(type.element) ? builder_.Broadcast64(kSign64) : builder_.Broadcast32(1u << 31);
    a = Vector(Opcode::kXor, type, a, sign);
    b = Vector(Opcode::kXor, type, b, sign);
  }
  return Emit(Action::kCompare, type, {a, b}, op);
}

// --- masks ---

Variable Selector::NotOnAvx2(Variable mask) {
  return Vector(Opcode::kXor, kWord, mask, builder_.Broadcast32(~uint32_t{0}));
}

// 64-bit lanes of a mask of 32-bit lanes.
Variable Selector::WideMaskOnAvx2(Variable mask, int part) {
  for (const WideMask& known : wide_masks_) {
    if (known.mask == mask) return known.lanes[part];
  }
  const VariableInfo& info = builder_.info(mask);
  if (info.constant == ConstantKind::kBroadcast32) return mask;
  if (info.constant != ConstantKind::kNone) {
    std::array<uint64_t, 4> lanes;
    for (int i = 0; i < 4; ++i) lanes[i] = (info.bits >> (part * 4 + i) & 1) != 0 ? ~uint64_t{0} : 0;
    return builder_.Vector64(lanes);
  }
  return ConvertPart({kI32, wide_lanes_}, kI64, LanesDown(mask, kI32, part * wide_lanes_));
}

// first + lane < n.
Variable Selector::LaneMaskOnAvx2(DimExpr n, int64_t first, int lanes) {
  Variable count = index_.Evaluate(n);
  const DimRange range = n.range();
  constexpr int64_t kMost = 1 << 20;
  if (range.lo < -kMost || range.hi > kMost) {
    for (const auto& [op, limit] : {std::pair(Opcode::kMin, kMost), std::pair(Opcode::kMax, int64_t{0})}) {
      Operation clamp{.action = Action::kGeneral, .opcode = op};
      clamp.AddOperand(count);
      clamp.AddOperand(builder_.Immediate(limit));
      count = builder_.Emit(clamp, builder_.DepthOf(count));
    }
  }
  std::array<uint32_t, kLanes> iota;
  for (int i = 0; i < kLanes; ++i) iota[i] = static_cast<uint32_t>(first + i);
  return CompareOnAvx2(Opcode::kLess, {kI32, lanes}, builder_.Vector32(iota), SplatOnce({kI32, kLanes}, count));
}

// --- conversions ---

// Invalid if AVX2 has the conversion.   Numerics: as the instructions of AVX-512, for values that callers let through.
Variable Selector::ConvertOnAvx2(VectorType from, ElementType to, Variable v) {
  using enum Opcode;
  const int lanes = from.lanes;
  const VectorType f64{kF64, lanes}, u64{kU64, lanes}, f32{kF32, lanes}, u32{kU32, lanes};
  auto splat = [&](uint64_t bits) { return builder_.Broadcast64(bits); };
  auto converts = [&](ElementType a, ElementType b) { return from.element == a && to == b; };
  if (converts(kI64, kI32)) return lanes == 1 ? v : Variable();  // lies there already
  if (converts(kU32, kF64)) {  // in the last bits of 2^52, which is then taken away
    return Vector(kSub, f64, Vector(kOr, u64, ConvertPart(from, kU64, v), splat(k2To52)), splat(k2To52));
  }
  if (converts(kF64, kU32)) {
    const Variable least = Vector(kMinX86, f64, v, splat(0x41efffffffe00000));  // 2^32 - 1
    const Variable bits = Vector(kAdd, f64, Vector(kTrunc, f64, least), splat(k2To52));
    return ConvertPart({kI64, lanes}, kI32, bits);
  }
  if (converts(kU32, kF32)) {  // halves in the last bits of 2^23 and 2^39; only the last addition rounds
    const Variable low = Vector(kAnd, u32, v, builder_.Broadcast32(0xffff));
    const Variable in_low = Vector(kOr, u32, low, builder_.Broadcast32(0x4b000000));
    const Variable in_high = Vector(kOr, u32, ShiftBy(kShr, u32, v, 16), builder_.Broadcast32(0x53000000));
    return Vector(kAdd, f32, Vector(kSub, f32, in_high, builder_.Broadcast32(0x53000080)), in_low);
  }
  if (converts(kF32, kU32)) {  // below 2^31; from there on, which gives its sign; from 2^32 on
    const Variable low = ConvertPart(from, kI32, v);
    const Variable high = ConvertPart(from, kI32, Vector(kSub, f32, v, builder_.Broadcast32(0x4f000000)));
    const Variable upper = Vector(kAnd, u32, high, ShiftBy(kSar, u32, low, 31));
    const Variable over = CompareOnAvx2(kLessEqual, f32, builder_.Broadcast32(0x4f800000), v);
    return Vector(kOr, u32, Vector(kOr, u32, low, upper), over);
  }
  if (IsWide(from.element) && IsInteger(from.element) && to == kF64) {
    // Halves in the last bits of 2^52 and 2^84; only the last addition rounds.
    const uint64_t sign = IsSigned(from.element) ? uint64_t{1} << 31 : 0;
    const Variable low = Vector(kOr, u64, Vector(kAnd, u64, v, splat(0xffffffff)), splat(k2To52));
    const Variable high = Vector(kXor, u64, ShiftBy(kShr, u64, v, 32), splat(k2To84 | sign));
    return Vector(kAdd, f64, Vector(kSub, f64, high, splat(k2To84 | sign | uint64_t{1} << 20)), low);
  }
  if (IsWide(from.element) && IsInteger(from.element) && to == kF32) {
    return ConvertPart(f64, kF32, ConvertPart(from, kF64, Int64Odd(from, v)[0]));
  }
  if (IsFloat(from.element) && IsWide(to) && to != kF64) {
    const Variable wide = from.element == kF32 ? ConvertPart(from, kF64, v) : v;
    return Float64ToInt64OnAvx2(to == kI64, lanes, wide);
  }
  return {};
}

// Both halves in the last bits of 2^52.   v: not NaN; below 2^63 if signed, else not negative.
Variable Selector::Float64ToInt64OnAvx2(bool is_signed, int lanes, Variable v) {
  using enum Opcode;
  const VectorType f64{kF64, lanes}, u64{kU64, lanes};
  auto splat = [&](uint64_t bits) { return builder_.Broadcast64(bits); };
  constexpr uint64_t kMinus2To63 = 0xc3e0000000000000, k2To64 = 0x43f0000000000000;
  const Variable limited = is_signed ? Vector(kMaxX86, f64, v, splat(kMinus2To63)) : v;
  const Variable whole = Vector(kTrunc, f64, limited);
  constexpr uint64_t k2ToMinus32 = uint64_t{0x3df} << 52, kMinus2To32 = uint64_t{0xc1f} << 52;
  const Variable high = Vector(kFloor, f64, Vector(kMul, f64, whole, splat(k2ToMinus32)));
  const Variable low = Vector(kFma, f64, high, splat(kMinus2To32), whole);
  const Variable low_bits = Vector(kXor, u64, Vector(kAdd, f64, low, splat(k2To52)), splat(k2To52));
  // 2^51 more, for the upper half may be negative.
  const Variable high_bits = Vector(kAdd, f64, high, splat(k2To52 | uint64_t{1} << 51));
  const Variable bits = Vector(kOr, u64, ShiftBy(kShl, u64, high_bits, 32), low_bits);
  if (is_signed) return bits;
  return Vector(kOr, u64, bits, CompareOnAvx2(kLessEqual, f64, splat(k2To64), v));
}

// --- lanes ---

// Two or three instructions if lanes move on by some places through both registers, else each register by itself.
Variable Selector::ShuffleOnAvx2(std::span<const int> from, Variable a, Variable b) {
  const std::array<Variable, 2> source{a, b};
  const int count = static_cast<int>(from.size());
  for (int k = 1; k < 2 * kLanes; ++k) {
    if (k == kLanes) continue;
    bool fits = true;
    for (int i = 0; i < count; ++i) {
      const int lane = (i + k) % (2 * kLanes);
      const bool alike = from[i] / kLanes == lane / kLanes && IsSplat(source[lane / kLanes]);
      fits = fits && (from[i] < 0 || from[i] == lane || alike);
    }
    if (!fits) continue;
    const Variable x = source[k / kLanes], y = source[1 - k / kLanes], middle = JoinOnAvx2({x, y}, {1, 0});
    const Variable low = k % kLanes < 4 ? x : middle, high = k % kLanes < 4 ? middle : y;
    // Not vpalignr, which is no instruction of floats: it costs their way there and back.
    auto lanes = [&](Variable v, Variable w, int i, int j, int m, int n) {
      return Shuffle(ShuffleBy::kInBlocks, i | j << 2 | m << 4 | n << 6, v, w);
    };
    if (k % 4 == 2) return lanes(low, high, 2, 3, 0, 1);
    const Variable between = lanes(low, high, 3, 3, 0, 0);
    return k % 4 == 1 ? lanes(low, between, 1, 2, 0, 2) : lanes(between, high, 0, 2, 1, 2);
  }
  std::array<Variable, 2> moved;
  std::array<int, kLanes> blend;
  blend.fill(-1);
  for (int s = 0; s < 2; ++s) {
    std::array<int, kLanes> lanes{};
    bool in_place = true;
    for (int i = 0; i < count; ++i) {
      if (from[i] < 0 || from[i] / kLanes != s) continue;
      lanes[i] = from[i] % kLanes;
      in_place = in_place && (lanes[i] == i || IsSplat(source[s]));
      blend[i] = kLanes * s + i;
    }
    moved[s] = in_place ? source[s] : Permute(lanes, source[s]);
  }
  return ShuffleTwo(blend, moved[0], moved[1]);
}

// Two halves of registers. Transposes exchange halves twice, which is one exchange.
Variable Selector::JoinOnAvx2(std::array<Variable, 2> from, std::array<int, 2> half) {
  for (int i = 0; i < 2; ++i) {
    for (const Halves& known : halves_) {
      if (known.result != from[i]) continue;
      from[i] = known.from[half[i]];
      half[i] = known.half[half[i]];
      break;
    }
  }
  if (from[0] == from[1] && half[0] == 0 && half[1] == 1) return from[0];
  Operation join{.action = Action::kShuffle,
                 .immediate = static_cast<int64_t>(ShuffleBy::kHalves) << 8 | half[0] | (2 + half[1]) << 4};
  if (half[0] == 0) {  // cheaper
    if (half[1] == 0) join = {.action = Action::kJoinHalves, .lanes = kLanes};
    if (half[1] == 1) join.immediate = static_cast<int64_t>(ShuffleBy::kBlend) << 8 | 0xf0;
  }
  halves_.push_back({Emit(join, {from[0], from[1]}), from, half});
  return halves_.back().result;
}

}  // namespace skein::x86
