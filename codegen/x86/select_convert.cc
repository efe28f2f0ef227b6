// Selection of kConvert. Numbers go through f32, f64, or 32- and 64-bit integers; one rounding
// each.
#include <cstring>
#include <limits>

#include "codegen/x86/selector.h"

namespace skein::x86 {
namespace {

using enum RegisterClass;

uint32_t Bits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

uint64_t Bits(double value) {
  uint64_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

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
  const int lanes = to.lanes;
  if (from.element == to.element) return v;
  if (InGeneral(from) && IsInteger(to.element) && !InGeneral(to) && builder_.info(v[0]).constant != ConstantKind::kNone) {
    return Constant(to.element, builder_.info(v[0]).bits, lanes);
  }
  if (IsBool(to.element)) return ConvertToBool(from, v);
  if (IsBool(from.element)) return ConvertFromBool(to, v);
  Parts result;
  // Everything below is in vector registers, one-lane i64 too.
  const Parts source = InGeneral(from) ? Parts(ToVector(v, from)) : v;
  switch (to.element) {
    case ElementType::kF32:
      result = ToFloat32(from, source);
      break;
    case ElementType::kF64:
      result = ToFloat64(from, source);
      break;
    case ElementType::kF16:
    case ElementType::kBF16: {
      Parts single;
      if (from.element == ElementType::kF64) {
        single = Float64ToFloat32Odd(source, lanes);
      } else if (to.element == ElementType::kF16 || IsFloat(from.element) ||
                 IsNarrow(from.element)) {
        // Integers that f32 rounds are past the range of f16 anyway.
        single = ToFloat32(from, source);
      } else {
        const bool exact = !IsWide(from.element);
        single = Float64ToFloat32Odd(
            ToFloat64(from, exact ? source : Int64Odd(from, source)), lanes);
      }
      result = to.element == ElementType::kBF16
                   ? Float32ToBFloat16(single[0], lanes)
                   : ConvertPart(Conversion::kF32ToF16, to.element, lanes, single[0]);
      break;
    }
    default:
      result = ToInteger(from, to, source);
      break;
  }
  return InGeneral(to) ? FromVector(result[0], to) : result;
}

Variable Selector::ConvertPart(Conversion conversion, ElementType to, int lanes, Variable v) {
  if (!avx512_) {
    if (const Variable converted = ConvertOnAvx2(conversion, lanes, v); converted.valid()) return converted;
  }
  return Emit(Action::kConvert, {to, lanes}, {v}, Opcode::kConvert, static_cast<int64_t>(conversion));
}

// 32-bit lanes to 64-bit ones.
Parts Selector::Widen(Conversion conversion, ElementType to, int lanes, Variable v) {
  Parts result = ConvertPart(conversion, to, PartLanes({to, lanes}, 0), v);
  if (lanes > wide_lanes_) {
    const Variable upper = LanesDown(v, ElementType::kI32, wide_lanes_);
    result.Add(ConvertPart(conversion, to, lanes - wide_lanes_, upper));
  }
  return result;
}

// 64-bit lanes to 32-bit ones.
Variable Selector::Narrow(Conversion conversion, ElementType to, int lanes, const Parts& v) {
  const Variable lower = ConvertPart(conversion, to, v.count == 2 ? wide_lanes_ : lanes, v[0]);
  if (v.count == 1) return lower;
  const Variable upper = ConvertPart(conversion, to, lanes - wide_lanes_, v[1]);
  return Join(lower, upper, 2 * wide_lanes_);
}

Parts Selector::ConvertToBool(VectorType from, const Parts& v) {
  VectorType type = from;
  Parts value = v;
  if (from.element == ElementType::kF16 || from.element == ElementType::kBF16) {
    value = ToFloat32(from, v);
    type.element = ElementType::kF32;
  }
  return Compare(Opcode::kNotEqual, type, value, Constant(type.element, 0, type.lanes));
}

Parts Selector::ConvertFromBool(VectorType to, const Parts& v) {
  if (InGeneral(to)) return Emit({.action = Action::kGeneralFromMask}, {v[0]});
  uint64_t one = 1;
  if (to.element == ElementType::kF32) one = Bits(1.0f);
  if (to.element == ElementType::kF64) one = Bits(1.0);
  if (to.element == ElementType::kF16) one = 0x3c00;
  if (to.element == ElementType::kBF16) one = 0x3f80;
  return MaskedValue(to, v[0], Constant(to.element, one, to.lanes));
}

Parts Selector::ToFloat32(VectorType from, const Parts& v) {
  constexpr ElementType kTo = ElementType::kF32;
  switch (from.element) {
    case ElementType::kF32:
      return v;
    case ElementType::kF64:
      return Narrow(Conversion::kF64ToF32, kTo, from.lanes, v);
    case ElementType::kF16:
      return ConvertPart(Conversion::kF16ToF32, kTo, from.lanes, v[0]);
    case ElementType::kBF16:
      return ShiftBy(Opcode::kShl, {ElementType::kU32, from.lanes}, v[0], 16);
    case ElementType::kI64:
      return Narrow(Conversion::kI64ToF32, kTo, from.lanes, v);
    case ElementType::kU64:
      return Narrow(Conversion::kU64ToF32, kTo, from.lanes, v);
    case ElementType::kU32:
      return ConvertPart(Conversion::kU32ToF32, kTo, from.lanes, v[0]);
    default:
      return ConvertPart(Conversion::kI32ToF32, kTo, from.lanes, v[0]);
  }
}

Parts Selector::ToFloat64(VectorType from, const Parts& v) {
  constexpr ElementType kTo = ElementType::kF64;
  Conversion conversion = Conversion::kI32ToF64;
  switch (from.element) {
    case ElementType::kF64:
      return v;
    case ElementType::kI64:
    case ElementType::kU64: {
      const bool is_signed = from.element == ElementType::kI64;
      Parts result;
      for (int p = 0; p < v.count; ++p) {
        result.Add(ConvertPart(is_signed ? Conversion::kI64ToF64 : Conversion::kU64ToF64, kTo,
                               PartLanes(from, p), v[p]));
      }
      return result;
    }
    case ElementType::kF32:
    case ElementType::kF16:
    case ElementType::kBF16:
      return Widen(Conversion::kF32ToF64, kTo, from.lanes, ToFloat32(from, v)[0]);
    case ElementType::kU32:
      conversion = Conversion::kU32ToF64;
      break;
    default:
      break;
  }
  return Widen(conversion, kTo, from.lanes, v[0]);
}

Parts Selector::ToInteger(VectorType from, VectorType to, const Parts& v) {
  if (IsFloat(from.element)) {
    if (from.element == ElementType::kF64) return FloatToInteger(from.element, to, v);
    return FloatToInteger(ElementType::kF32, to, ToFloat32(from, v));
  }
  if (IsWide(from.element) && IsWide(to.element)) return v;
  if (IsWide(from.element)) {
    return Normalize(to, Narrow(Conversion::kI64ToI32, ElementType::kI32, to.lanes, v));
  }
  if (IsWide(to.element)) {
    const bool is_signed = IsSigned(from.element);
    return Widen(is_signed ? Conversion::kI32ToI64 : Conversion::kU32ToU64, to.element, to.lanes,
                 v[0]);
  }
  return Normalize(to, v);
}

// Truncates, saturates, NaN gives 0.
//   from: f32 or f64.
Parts Selector::FloatToInteger(ElementType from, VectorType to, const Parts& v) {
  const VectorType type{from, to.lanes};
  const VectorType in_vectors{IsWide(to.element) ? ElementType::kF64 : ElementType::kF32, to.lanes};
  const bool f64 = from == ElementType::kF64;
  auto constant = [&](double value) {
    return Constant(from, f64 ? Bits(value) : Bits(static_cast<float>(value)), to.lanes);
  };
  auto convert = [&](const Parts& x) -> Parts {
    const bool is_signed = IsSigned(to.element) || IsNarrow(to.element);
    if (!IsWide(to.element)) {
      if (f64) {
        return Narrow(is_signed ? Conversion::kF64ToI32 : Conversion::kF64ToU32, to.element,
                      to.lanes, x);
      }
      return ConvertPart(is_signed ? Conversion::kF32ToI32 : Conversion::kF32ToU32, to.element,
                         to.lanes, x[0]);
    }
    if (!f64) {
      return Widen(is_signed ? Conversion::kF32ToI64 : Conversion::kF32ToU64, to.element, to.lanes,
                   x[0]);
    }
    Parts result;
    for (int p = 0; p < x.count; ++p) {
      result.Add(ConvertPart(is_signed ? Conversion::kF64ToI64 : Conversion::kF64ToU64, to.element,
                             PartLanes(type, p), x[p]));
    }
    return result;
  };
  const bool limits_are_exact = f64 ? !IsWide(to.element) : IsNarrow(to.element);
  Parts x = v, result;
  if (!IsSigned(to.element) || limits_are_exact) {
    // max(x, least) gives `least` for NaN; unsigned conversions saturate above by themselves.
    x = ElementwiseInVectors(Opcode::kMaxX86, type, x, constant(Least(to.element)), {});
    if (limits_are_exact) {
      x = ElementwiseInVectors(Opcode::kMinX86, type, x, constant(Most(to.element)), {});
    }
    result = convert(x);
    if (!IsSigned(to.element)) return result;
  } else {
    // The conversion gives the least integer for everything out of range.
    const Variable too_large = Compare(Opcode::kLessEqual, type, constant(-Least(to.element)), v);
    const uint64_t most = (uint64_t{1} << (BitWidth(to.element) - 1)) - 1;
    result = Blend(in_vectors, too_large, Constant(in_vectors.element, most, to.lanes), convert(v));
  }
  return MaskedValue(in_vectors, Compare(Opcode::kEqual, type, v, v), result);
}

// f32 next to the f64 value that rounds on to f16 and bf16 as the value itself does: truncated, and
// the last bit set if anything was cut off. Rounded up, the bits are one more than truncated.
// Source: Boldo and Melquiond 2008, "round to odd".
Parts Selector::Float64ToFloat32Odd(const Parts& v, int lanes) {
  const VectorType f64{ElementType::kF64, lanes}, bits{ElementType::kU32, lanes};
  const Parts magnitude_mask = Constant(ElementType::kF64, ~uint64_t{0} >> 1, lanes);
  auto magnitude = [&](const Parts& x) { return ElementwiseInVectors(Opcode::kAnd, f64, x, magnitude_mask, {}); };
  const Variable rounded = Narrow(Conversion::kF64ToF32, ElementType::kF32, lanes, v);
  const Parts back = Widen(Conversion::kF32ToF64, ElementType::kF64, lanes, rounded);
  const Variable up = CompareInVectors(Opcode::kLess, f64, magnitude(v), magnitude(back));
  const Variable inexact = CompareInVectors(Opcode::kNotEqual, f64, back, v);
  const Variable one = builder_.Broadcast32(1);
  const Variable cut = Blend(bits, up, Vector(Opcode::kSub, bits, rounded, one), rounded)[0];
  return Blend(bits, inexact, Vector(Opcode::kOr, bits, cut, one), cut);
}

// The 64-bit integer that f64 holds exactly and that rounds on as the value itself does, for the same reason: where
// there are more than 53 bits, the last 11 are cut off and tell the next one that there were any.
Parts Selector::Int64Odd(VectorType from, const Parts& v) {
  auto constant = [&](uint64_t bits) { return Constant(ElementType::kU64, bits, 2 * wide_lanes_); };
  auto binary = [&](Opcode op, const Parts& a, uint64_t b) { return ElementwiseInVectors(op, from, a, constant(b), {}); };
  const Parts magnitude = ElementwiseInVectors(Opcode::kAbs, from, v, {}, {});
  const Parts high = binary(Opcode::kShr, magnitude, 53);
  const Variable large = CompareInVectors(Opcode::kNotEqual, from, high, constant(0));
  const Parts sticky = binary(Opcode::kAnd, binary(Opcode::kAdd, binary(Opcode::kAnd, v, 0x7ff), 0x7ff), 0x800);
  const Parts odd = ElementwiseInVectors(Opcode::kOr, from, binary(Opcode::kAnd, v, ~uint64_t{0x7ff}), sticky, {});
  return Blend({ElementType::kF64, from.lanes}, large, odd, v);  // one-lane values are in vector registers here
}

Variable Selector::Float32ToBFloat16(Variable v, int lanes) {
  const VectorType type{ElementType::kU32, lanes};
  auto shift_right = [&](Variable x) { return ShiftBy(Opcode::kShr, type, x, 16); };
  auto binary = [&](Opcode op, Variable a, uint32_t b) { return Vector(op, type, a, builder_.Broadcast32(b)); };
  const Variable upper = shift_right(v);
  const Variable is_odd = binary(Opcode::kAnd, upper, 1);
  const Variable biased = Vector(Opcode::kAdd, type, binary(Opcode::kAdd, v, 0x7fff), is_odd);
  const Variable quiet = binary(Opcode::kOr, upper, 0x40);
  const Variable ordered = Compare(Opcode::kEqual, {ElementType::kF32, lanes}, v, v);
  return Blend(type, ordered, shift_right(biased), quiet)[0];
}

}  // namespace skein::x86
