#include "ir/loop_nest_lanes.h"

#include <bit>
#include <cmath>
#include <limits>
#include <type_traits>

#include "ir/numeric.h"

namespace skein {
namespace {

using E = ElementType;

template <E e>
struct LaneOf;
template <>
struct LaneOf<E::kBool> {
  using Type = uint8_t;
};
template <>
struct LaneOf<E::kI4> {
  using Type = int8_t;
};
template <>
struct LaneOf<E::kI8> {
  using Type = int8_t;
};
template <>
struct LaneOf<E::kI16> {
  using Type = int16_t;
};
template <>
struct LaneOf<E::kI32> {
  using Type = int32_t;
};
template <>
struct LaneOf<E::kI64> {
  using Type = int64_t;
};
template <>
struct LaneOf<E::kU4> {
  using Type = uint8_t;
};
template <>
struct LaneOf<E::kU8> {
  using Type = uint8_t;
};
template <>
struct LaneOf<E::kU16> {
  using Type = uint16_t;
};
template <>
struct LaneOf<E::kU32> {
  using Type = uint32_t;
};
template <>
struct LaneOf<E::kU64> {
  using Type = uint64_t;
};
template <>
struct LaneOf<E::kF16> {
  using Type = uint16_t;
};
template <>
struct LaneOf<E::kBF16> {
  using Type = uint16_t;
};
template <>
struct LaneOf<E::kF32> {
  using Type = float;
};
template <>
struct LaneOf<E::kF64> {
  using Type = double;
};
template <E e>
using Lane = typename LaneOf<e>::Type;

template <E e>
constexpr unsigned kWidth = e == E::kBool                  ? 1
                            : (e == E::kI4 || e == E::kU4) ? 4
                                                           : 8 * sizeof(Lane<e>);

// The lane whose low bits are those of `bits`.
template <E e>
Lane<e> FromBits(uint64_t bits) {
  if constexpr (e == E::kBool) return bits & 1;
  if constexpr (e == E::kU4) return bits & 15;
  if constexpr (e == E::kI4) return static_cast<int8_t>(static_cast<int8_t>(bits << 4) >> 4);
  return static_cast<Lane<e>>(bits);
}

// The bits of an integer lane, zero-extended.
template <E e>
uint64_t ToBits(Lane<e> v) {
  if constexpr (e == E::kI4) return static_cast<uint64_t>(v) & 15;
  return static_cast<uint64_t>(static_cast<std::make_unsigned_t<Lane<e>>>(v));
}

// --- operations: Do<e>(a, b, c) on lanes ---

#define SKEIN_LANE_OP(name) \
  struct name {             \
    template <E e, typename T = Lane<e>>

// Integer arithmetic in uint64_t wraps as the narrow type does, without overflow in C++.
#define SKEIN_WRAPPING_OP(name, op)                                             \
  SKEIN_LANE_OP(name) static T Do(T a, T b, T) {                                \
    if constexpr (std::is_floating_point_v<T>) {                                \
      return a op b;                                                            \
    } else {                                                                    \
      return FromBits<e>(static_cast<uint64_t>(a) op static_cast<uint64_t>(b)); \
    }                                                                           \
  }                                                                             \
  }
SKEIN_WRAPPING_OP(AddOp, +);
SKEIN_WRAPPING_OP(SubOp, -);
SKEIN_WRAPPING_OP(MulOp, *);
#undef SKEIN_WRAPPING_OP

SKEIN_LANE_OP(DivOp) static T Do(T a, T b, T) { return a / b; }
};

SKEIN_LANE_OP(IntDivOp) static T Do(T a, T b, T) {
  if (b == 0) return 0;
  if constexpr (std::is_signed_v<T>) {
    if (b == -1) return FromBits<e>(uint64_t{0} - static_cast<uint64_t>(a));
  }
  return a / b;
}
};

SKEIN_LANE_OP(IntRemOp) static T Do(T a, T b, T) {
  if (b == 0) return 0;
  if constexpr (std::is_signed_v<T>) {
    if (b == -1) return 0;
  }
  return a % b;
}
}
;

SKEIN_LANE_OP(FmaOp) static T Do(T a, T b, T c) { return std::fma(a, b, c); }
}
;

// IEEE 754-2019 minimum and maximum; equal zeros differ in sign only.
SKEIN_LANE_OP(MinOp) static T Do(T a, T b, T) {
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(a) || std::isnan(b)) return std::numeric_limits<T>::quiet_NaN();
    if (a == b) return std::signbit(a) ? a : b;
  }
  return a < b ? a : b;
}
}
;
SKEIN_LANE_OP(MaxOp) static T Do(T a, T b, T) {
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(a) || std::isnan(b)) return std::numeric_limits<T>::quiet_NaN();
    if (a == b) return std::signbit(a) ? b : a;
  }
  return a > b ? a : b;
}
}
;

SKEIN_LANE_OP(MinX86Op) static T Do(T a, T b, T) { return a < b ? a : b; }
}
;
SKEIN_LANE_OP(MaxX86Op) static T Do(T a, T b, T) { return a > b ? a : b; }
}
;

SKEIN_LANE_OP(NegOp) static T Do(T a, T, T) {
  if constexpr (std::is_floating_point_v<T>) {
    return -a;
  } else {
    return FromBits<e>(uint64_t{0} - static_cast<uint64_t>(a));
  }
}
}
;
SKEIN_LANE_OP(AbsOp) static T Do(T a, T, T) {
  if constexpr (std::is_floating_point_v<T>) {
    return std::fabs(a);
  } else {
    return a < 0 ? FromBits<e>(uint64_t{0} - static_cast<uint64_t>(a)) : a;
  }
}
}
;

SKEIN_LANE_OP(SqrtOp) static T Do(T a, T, T) { return std::sqrt(a); }
}
;
SKEIN_LANE_OP(FloorOp) static T Do(T a, T, T) { return std::floor(a); }
}
;
SKEIN_LANE_OP(CeilOp) static T Do(T a, T, T) { return std::ceil(a); }
}
;
SKEIN_LANE_OP(TruncOp) static T Do(T a, T, T) { return std::trunc(a); }
}
;
// The rounding mode is the default one, so this is ties to even.
SKEIN_LANE_OP(RoundEvenOp) static T Do(T a, T, T) { return std::nearbyint(a); }
}
;

SKEIN_LANE_OP(AndOp) static T Do(T a, T b, T) { return static_cast<T>(a & b); }
}
;
SKEIN_LANE_OP(OrOp) static T Do(T a, T b, T) { return static_cast<T>(a | b); }
}
;
SKEIN_LANE_OP(XorOp) static T Do(T a, T b, T) { return static_cast<T>(a ^ b); }
}
;
SKEIN_LANE_OP(NotOp) static T Do(T a, T, T) { return FromBits<e>(~static_cast<uint64_t>(a)); }
}
;

SKEIN_LANE_OP(ShlOp) static T Do(T a, T b, T) {
  const uint64_t amount = ToBits<e>(b);
  return amount >= kWidth<e> ? 0 : FromBits<e>(ToBits<e>(a) << amount);
}
}
;
SKEIN_LANE_OP(ShrOp) static T Do(T a, T b, T) {
  const uint64_t amount = ToBits<e>(b);
  return amount >= kWidth<e> ? 0 : FromBits<e>(ToBits<e>(a) >> amount);
}
}
;
SKEIN_LANE_OP(SarOp) static T Do(T a, T b, T) {
  constexpr unsigned kUnused = 64 - kWidth<e>;
  const int64_t wide = static_cast<int64_t>(ToBits<e>(a) << kUnused) >> kUnused;
  const uint64_t amount = ToBits<e>(b);
  return FromBits<e>(static_cast<uint64_t>(wide >> (amount >= kWidth<e> ? 63 : amount)));
}
}
;

SKEIN_LANE_OP(LessOp) static bool Do(T a, T b, T) { return a < b; }
}
;
SKEIN_LANE_OP(LessEqualOp) static bool Do(T a, T b, T) { return a <= b; }
}
;
SKEIN_LANE_OP(EqualOp) static bool Do(T a, T b, T) { return a == b; }
}
;
SKEIN_LANE_OP(NotEqualOp) static bool Do(T a, T b, T) { return a != b; }
}
;

SKEIN_LANE_OP(Dot4Op) static T Do(T acc, T a, T b) {
  uint32_t sum = static_cast<uint32_t>(acc);
  for (int shift = 0; shift < 32; shift += 8) {
    const int32_t left = static_cast<uint8_t>(static_cast<uint32_t>(a) >> shift);
    const int32_t right = static_cast<int8_t>(static_cast<uint32_t>(b) >> shift);
    sum += static_cast<uint32_t>(left * right);
  }
  return static_cast<int32_t>(sum);
}
}
;
#undef SKEIN_LANE_OP

// --- operations on arrays ---

template <typename Op, E e>
void Unary(void* result, const void* a, const void*, const void*, int lanes) {
  auto* out = static_cast<Lane<e>*>(result);
  const auto* x = static_cast<const Lane<e>*>(a);
  for (int i = 0; i < lanes; ++i) out[i] = Op::template Do<e>(x[i], {}, {});
}

template <typename Op, E e>
void Binary(void* result, const void* a, const void* b, const void*, int lanes) {
  auto* out = static_cast<Lane<e>*>(result);
  const auto* x = static_cast<const Lane<e>*>(a);
  const auto* y = static_cast<const Lane<e>*>(b);
  for (int i = 0; i < lanes; ++i) out[i] = Op::template Do<e>(x[i], y[i], {});
}

template <typename Op, E e>
void Compare(void* result, const void* a, const void* b, const void*, int lanes) {
  auto* out = static_cast<uint8_t*>(result);
  const auto* x = static_cast<const Lane<e>*>(a);
  const auto* y = static_cast<const Lane<e>*>(b);
  for (int i = 0; i < lanes; ++i) out[i] = Op::template Do<e>(x[i], y[i], {});
}

template <typename Op, E e>
void Ternary(void* result, const void* a, const void* b, const void* c, int lanes) {
  auto* out = static_cast<Lane<e>*>(result);
  const auto* x = static_cast<const Lane<e>*>(a);
  const auto* y = static_cast<const Lane<e>*>(b);
  const auto* z = static_cast<const Lane<e>*>(c);
  for (int i = 0; i < lanes; ++i) out[i] = Op::template Do<e>(x[i], y[i], z[i]);
}

template <E e>
void Select(void* result, const void* condition, const void* a, const void* b, int lanes) {
  auto* out = static_cast<Lane<e>*>(result);
  const auto* c = static_cast<const uint8_t*>(condition);
  const auto* x = static_cast<const Lane<e>*>(a);
  const auto* y = static_cast<const Lane<e>*>(b);
  for (int i = 0; i < lanes; ++i) out[i] = c[i] ? x[i] : y[i];
}

// Calls visit(std::integral_constant<E, t>) and returns what it returns.
template <typename Visit>
LaneFunction VisitElement(E t, Visit visit) {
#define SKEIN_CASE(e) \
  case E::e:          \
    return visit(std::integral_constant<E, E::e>());
  switch (t) {
    SKEIN_CASE(kBool)
    SKEIN_CASE(kI4)
    SKEIN_CASE(kI8)
    SKEIN_CASE(kI16)
    SKEIN_CASE(kI32)
    SKEIN_CASE(kI64)
    SKEIN_CASE(kU4)
    SKEIN_CASE(kU8)
    SKEIN_CASE(kU16)
    SKEIN_CASE(kU32)
    SKEIN_CASE(kU64)
    SKEIN_CASE(kF16)
    SKEIN_CASE(kBF16)
    SKEIN_CASE(kF32)
    SKEIN_CASE(kF64)
  }
#undef SKEIN_CASE
  return nullptr;
}

// Which element types an operation is defined on.
enum Domain { kFloats = 1, kIntegers = 2, kBools = 4 };

constexpr bool InDomain(int domain, E e) {
  if (e == E::kF32 || e == E::kF64) return (domain & kFloats) != 0;
  if (IsBool(e)) return (domain & kBools) != 0;
  return IsInteger(e) && (domain & kIntegers) != 0;
}

template <typename Op, int domain>
LaneFunction FindUnary(E t) {
  return VisitElement(t, [](auto e) -> LaneFunction {
    if constexpr (InDomain(domain, e)) return &Unary<Op, e>;
    return nullptr;
  });
}

template <typename Op, int domain>
LaneFunction FindBinary(E t) {
  return VisitElement(t, [](auto e) -> LaneFunction {
    if constexpr (InDomain(domain, e)) return &Binary<Op, e>;
    return nullptr;
  });
}

template <typename Op>
LaneFunction FindCompare(E t) {
  return VisitElement(t, [](auto e) -> LaneFunction {
    if constexpr (InDomain(kFloats | kIntegers, e)) return &Compare<Op, e>;
    return nullptr;
  });
}

// --- conversions ---

template <E from>
auto Widen(Lane<from> v) {
  if constexpr (from == E::kF16) {
    return static_cast<double>(HalfToFloat(v));
  } else if constexpr (from == E::kBF16) {
    return static_cast<double>(BFloat16ToFloat(v));
  } else if constexpr (IsFloat(from)) {
    return static_cast<double>(v);
  } else if constexpr (IsSigned(from)) {
    return static_cast<int64_t>(v);
  } else {
    return static_cast<uint64_t>(v);
  }
}

// `v`: double (exact), int64_t or uint64_t.
template <E to, typename Wide>
Lane<to> Narrow(Wide v) {
  if constexpr (to == E::kBool) {
    return v != 0;
  } else if constexpr (to == E::kF16 || to == E::kBF16) {
    double value;
    if constexpr (std::is_integral_v<Wide>) {
      value = StickyDouble(v);
    } else {
      value = v;
    }
    return to == E::kF16 ? HalfFromDouble(value) : BFloat16FromDouble(value);
  } else if constexpr (IsFloat(to)) {
    return static_cast<Lane<to>>(v);
  } else if constexpr (std::is_integral_v<Wide>) {
    return FromBits<to>(static_cast<uint64_t>(v));
  } else {
    return FromBits<to>(BitsFromDouble(to, v));
  }
}

template <E from, E to>
void ConvertLanes(void* result, const void* a, const void*, const void*, int lanes) {
  auto* out = static_cast<Lane<to>*>(result);
  const auto* x = static_cast<const Lane<from>*>(a);
  for (int i = 0; i < lanes; ++i) out[i] = Narrow<to>(Widen<from>(x[i]));
}

}  // namespace

LaneFunction FindLaneFunction(Opcode op, ElementType t) {
  switch (op) {
    case Opcode::kAdd:
      return FindBinary<AddOp, kFloats | kIntegers>(t);
    case Opcode::kSub:
      return FindBinary<SubOp, kFloats | kIntegers>(t);
    case Opcode::kMul:
      return FindBinary<MulOp, kFloats | kIntegers>(t);
    case Opcode::kDiv:
      return FindBinary<DivOp, kFloats>(t);
    case Opcode::kIntDiv:
      return FindBinary<IntDivOp, kIntegers>(t);
    case Opcode::kIntRem:
      return FindBinary<IntRemOp, kIntegers>(t);
    case Opcode::kFma:
      if (t == E::kF32) return &Ternary<FmaOp, E::kF32>;
      return t == E::kF64 ? &Ternary<FmaOp, E::kF64> : nullptr;
    case Opcode::kMin:
      return FindBinary<MinOp, kFloats | kIntegers>(t);
    case Opcode::kMax:
      return FindBinary<MaxOp, kFloats | kIntegers>(t);
    case Opcode::kMinX86:
      return FindBinary<MinX86Op, kFloats>(t);
    case Opcode::kMaxX86:
      return FindBinary<MaxX86Op, kFloats>(t);
    case Opcode::kNeg:
      return FindUnary<NegOp, kFloats | kIntegers>(t);
    case Opcode::kAbs:
      return FindUnary<AbsOp, kFloats | kIntegers>(t);
    case Opcode::kSqrt:
      return FindUnary<SqrtOp, kFloats>(t);
    case Opcode::kFloor:
      return FindUnary<FloorOp, kFloats>(t);
    case Opcode::kCeil:
      return FindUnary<CeilOp, kFloats>(t);
    case Opcode::kTrunc:
      return FindUnary<TruncOp, kFloats>(t);
    case Opcode::kRoundEven:
      return FindUnary<RoundEvenOp, kFloats>(t);
    case Opcode::kAnd:
      return FindBinary<AndOp, kIntegers | kBools>(t);
    case Opcode::kOr:
      return FindBinary<OrOp, kIntegers | kBools>(t);
    case Opcode::kXor:
      return FindBinary<XorOp, kIntegers | kBools>(t);
    case Opcode::kNot:
      return FindUnary<NotOp, kIntegers | kBools>(t);
    case Opcode::kShl:
      return FindBinary<ShlOp, kIntegers>(t);
    case Opcode::kShr:
      return FindBinary<ShrOp, kIntegers>(t);
    case Opcode::kSar:
      return FindBinary<SarOp, kIntegers>(t);
    case Opcode::kLess:
      return FindCompare<LessOp>(t);
    case Opcode::kLessEqual:
      return FindCompare<LessEqualOp>(t);
    case Opcode::kEqual:
      return FindCompare<EqualOp>(t);
    case Opcode::kNotEqual:
      return FindCompare<NotEqualOp>(t);
    case Opcode::kSelect:
      return VisitElement(t, [](auto e) -> LaneFunction { return &Select<e>; });
    case Opcode::kDot4:
      return t == E::kI32 ? &Ternary<Dot4Op, E::kI32> : nullptr;
    default:
      return nullptr;
  }
}

LaneFunction FindConversion(ElementType from, ElementType to) {
  return VisitElement(from, [to](auto source) -> LaneFunction {
    return VisitElement(to, [](auto target) -> LaneFunction {
      if constexpr (decltype(source)::value == decltype(target)::value) return nullptr;
      return &ConvertLanes<decltype(source)::value, decltype(target)::value>;
    });
  });
}

}  // namespace skein
