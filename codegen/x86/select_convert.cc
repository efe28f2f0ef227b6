// Selection of kConvert. Numbers go through f32, f64, or 32- and 64-bit integers; one rounding
// each.
#include "codegen/x86/selector.h"
#include "ir/numeric.h"

namespace skein::x86 {
namespace {

using enum RegisterClass;
using enum ElementType;

bool IsHalf(ElementType t) { return t == kF16 || t == kBF16; }

// What instructions take a lane for: integers of fewer bits are held extended to 32.
ElementType InLanes(ElementType t) { return IsNarrow(t) && IsInteger(t) ? kI32 : t; }

// Largest and least value of an integer type.
double Most(ElementType t) {
  return static_cast<double>((uint64_t{1} << (BitWidth(t) - IsSigned(t))) - 1);
}
double Least(ElementType t) {
  return IsSigned(t) ? -static_cast<double>(uint64_t{1} << (BitWidth(t) - 1)) : 0.0;
}

}  // namespace

Parts Selector::Convert(const Inst& inst) {
  const VectorType from = type(inst.operands[0]), to = inst.type;
  const Parts& v = Get(inst.operands[0]);
  if (from.element == to.element) return v;
  const VariableInfo& info = builder_.info(v[0]);
  if (InGeneral(from) && IsInteger(to.element) && !InGeneral(to) && info.constant != ConstantKind::kNone) {
    return Constant(to.element, info.bits, to.lanes);
  }
  if (IsBool(to.element)) {
    const VectorType compared{IsHalf(from.element) ? kF32 : from.element, from.lanes};
    const Parts value = IsHalf(from.element) ? ToFloat32(from, v) : v;
    return Compare(Opcode::kNotEqual, compared, value, Constant(compared.element, 0, from.lanes));
  }
  if (IsBool(from.element)) {
    if (InGeneral(to)) return Emit({.action = Action::kGeneralFromMask}, {v[0]});
    return MaskedValue(to, v[0], Constant(to.element, BitsFromDouble(to.element, 1), to.lanes));
  }
  // Everything below is in vector registers, one-lane i64 too.
  const Parts source = InGeneral(from) ? Parts(ToVector(v, from)) : v;
  if (to.element == kF32) return ToFloat32(from, source);
  if (to.element == kF64) return ToFloat64(from, source);
  if (IsHalf(to.element)) return ToHalf(from, to.element, source);
  const Parts result = ToInteger(from, to, source);
  return InGeneral(to) ? FromVector(result[0], to) : result;
}

// By one instruction.   v: one register of lanes of `from`, which is what instructions take it for.
Variable Selector::ConvertPart(VectorType from, ElementType to, Variable v) {
  if (!avx512_) {
    if (const Variable converted = ConvertOnAvx2(from, to, v); converted.valid()) return converted;
  }
  return Emit(Action::kConvert, {to, from.lanes}, {v}, Opcode::kConvert, static_cast<int64_t>(from.element));
}

// Likewise of any number of lanes, of which 64-bit ones may take two registers.
Parts Selector::ConvertLanes(VectorType from, ElementType to, const Parts& v) {
  const VectorType wider{IsWide(from.element) ? from.element : to, from.lanes};
  Parts result;
  for (int p = 0; p < PartCount(wider); ++p) {
    const Variable part = IsWide(from.element) ? v[p] : LanesDown(v[0], kI32, p * wide_lanes_);
    result.Add(ConvertPart({from.element, PartLanes(wider, p)}, to, part));
  }
  return IsWide(to) || result.count == 1 ? result : Join(result[0], result[1], 2 * wide_lanes_);
}

Parts Selector::ToFloat32(VectorType from, const Parts& v) {
  if (from.element == kF32) return v;
  if (from.element == kBF16) return ShiftBy(Opcode::kShl, {kU32, from.lanes}, v[0], 16);
  return ConvertLanes({InLanes(from.element), from.lanes}, kF32, v);
}

Parts Selector::ToFloat64(VectorType from, const Parts& v) {
  if (from.element == kF64) return v;
  if (IsHalf(from.element)) return ConvertLanes({kF32, from.lanes}, kF64, ToFloat32(from, v));
  return ConvertLanes({InLanes(from.element), from.lanes}, kF64, v);
}

Parts Selector::ToHalf(VectorType from, ElementType to, const Parts& v) {
  Parts single;
  if (from.element == kF64) {
    single = Float64ToFloat32Odd(v, from.lanes);
  } else if (to == kF16 || IsFloat(from.element) || IsNarrow(from.element)) {
    single = ToFloat32(from, v);  // integers that f32 rounds are past the range of f16 anyway
  } else {
    single = Float64ToFloat32Odd(ToFloat64(from, IsWide(from.element) ? Int64Odd(from, v) : v), from.lanes);
  }
  return to == kBF16 ? Float32ToBFloat16(single[0], from.lanes) : ConvertPart({kF32, from.lanes}, kF16, single[0]);
}

Parts Selector::ToInteger(VectorType from, VectorType to, const Parts& v) {
  if (IsHalf(from.element)) return FloatToInteger(kF32, to, ToFloat32(from, v));
  if (IsFloat(from.element)) return FloatToInteger(from.element, to, v);
  if (IsWide(from.element) && IsWide(to.element)) return v;
  if (IsWide(from.element)) return Normalize(to, ConvertLanes({kI64, from.lanes}, kI32, v));
  if (!IsWide(to.element)) return Normalize(to, v);
  const bool is_signed = IsSigned(from.element);
  return ConvertLanes({is_signed ? kI32 : kU32, from.lanes}, is_signed ? kI64 : kU64, v);
}

// Truncates, saturates, NaN gives 0.
//   from: f32 or f64.
Parts Selector::FloatToInteger(ElementType from, VectorType to, const Parts& v) {
  const VectorType type{from, to.lanes}, in_vectors{IsWide(to.element) ? kF64 : kF32, to.lanes};
  auto constant = [&](double value) { return Constant(from, BitsFromDouble(from, value), to.lanes); };
  auto convert = [&](const Parts& x) { return ConvertLanes(type, InLanes(to.element), x); };
  const bool limits_are_exact = from == kF64 ? !IsWide(to.element) : IsNarrow(to.element);
  const Variable number = IsSigned(to.element) ? Compare(Opcode::kEqual, type, v, v) : Variable();
  Parts result;
  if (!IsSigned(to.element) || limits_are_exact) {
    // max(x, least) gives `least` for NaN; unsigned conversions saturate above by themselves.
    Parts x = ElementwiseInVectors(Opcode::kMaxX86, type, v, constant(Least(to.element)), {});
    if (limits_are_exact) x = ElementwiseInVectors(Opcode::kMinX86, type, x, constant(Most(to.element)), {});
    result = convert(x);
    if (!IsSigned(to.element)) return result;
  } else {
    // The conversion gives the least integer for everything out of range.
    const Variable too_large = Compare(Opcode::kLessEqual, type, constant(-Least(to.element)), v);
    const uint64_t most = (uint64_t{1} << (BitWidth(to.element) - 1)) - 1;
    result = Blend(in_vectors, too_large, Constant(in_vectors.element, most, to.lanes), convert(v));
  }
  Operation* const last = builder_.DefinitionOf(result[0]);
  if (!avx512_ || result.count > 1 || last == nullptr || last->action != Action::kConvert) return MaskedValue(in_vectors, number, result);
  last->masked = true;
  last->AddOperand(number);
  return result;
}

// f32 next to the f64 value that rounds on to f16 and bf16 as the value itself does: truncated, and
// the last bit set if anything was cut off. Rounded up, the bits are one more than truncated.
// Source: Boldo and Melquiond 2008, "round to odd".
Parts Selector::Float64ToFloat32Odd(const Parts& v, int lanes) {
  const VectorType f64{kF64, lanes}, bits{kU32, lanes};
  auto magnitude = [&](const Parts& x) { return ElementwiseInVectors(Opcode::kAbs, f64, x, {}, {}); };
  const Variable rounded = ConvertLanes(f64, kF32, v)[0];
  const Parts back = ConvertLanes({kF32, lanes}, kF64, rounded);
  const Variable up = CompareInVectors(Opcode::kLess, f64, magnitude(v), magnitude(back));
  const Variable inexact = CompareInVectors(Opcode::kNotEqual, f64, back, v);
  const Variable one = builder_.Broadcast32(1);
  const Variable cut = Blend(bits, up, Vector(Opcode::kSub, bits, rounded, one), rounded)[0];
  return Blend(bits, inexact, Vector(Opcode::kOr, bits, cut, one), cut);
}

// The 64-bit integer that f64 holds exactly and that rounds on as the value itself does, for the same reason: where
// there are more than 53 bits, the last 11 are cut off and tell the next one that there were any.
Parts Selector::Int64Odd(VectorType from, const Parts& v) {
  auto constant = [&](uint64_t bits) { return Constant(kU64, bits, 2 * wide_lanes_); };
  auto binary = [&](Opcode op, const Parts& a, uint64_t b) {
    return ElementwiseInVectors(op, from, a, constant(b), {});
  };
  const Parts magnitude = ElementwiseInVectors(Opcode::kAbs, from, v, {}, {});
  const Parts high = binary(Opcode::kShr, magnitude, 53);
  const Variable large = CompareInVectors(Opcode::kNotEqual, from, high, constant(0));
  const Parts sticky = binary(Opcode::kAnd, binary(Opcode::kAdd, binary(Opcode::kAnd, v, 0x7ff), 0x7ff), 0x800);
  const Parts odd = ElementwiseInVectors(Opcode::kOr, from, binary(Opcode::kAnd, v, ~uint64_t{0x7ff}), sticky, {});
  return Blend({kF64, from.lanes}, large, odd, v);  // one-lane values are in vector registers here
}

Variable Selector::Float32ToBFloat16(Variable v, int lanes) {
  const VectorType type{kU32, lanes};
  auto shift_right = [&](Variable x) { return ShiftBy(Opcode::kShr, type, x, 16); };
  auto binary = [&](Opcode op, Variable a, uint32_t b) { return Vector(op, type, a, builder_.Broadcast32(b)); };
  const Variable upper = shift_right(v);
  const Variable is_odd = binary(Opcode::kAnd, upper, 1);
  const Variable biased = Vector(Opcode::kAdd, type, binary(Opcode::kAdd, v, 0x7fff), is_odd);
  const Variable quiet = binary(Opcode::kOr, upper, 0x40);
  const Variable ordered = Compare(Opcode::kEqual, {kF32, lanes}, v, v);
  return Blend(type, ordered, shift_right(biased), quiet)[0];
}

}  // namespace skein::x86
