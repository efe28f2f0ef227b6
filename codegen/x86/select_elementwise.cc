// Selection of arithmetic, bit operations, compares and selects.
#include <bit>
#include <utility>

#include "codegen/x86/selector.h"

namespace skein::x86 {
namespace {

using enum RegisterClass;

constexpr OpcodeSet kCompares = SetOf({Opcode::kLess, Opcode::kLessEqual, Opcode::kEqual, Opcode::kNotEqual});
constexpr OpcodeSet kShifts = SetOf({Opcode::kShl, Opcode::kShr, Opcode::kSar});
constexpr OpcodeSet kExtrema = SetOf({Opcode::kMin, Opcode::kMax});
// Results that stay in the range of a narrow integer type.
constexpr OpcodeSet kStayInRange = SetOf({Opcode::kAnd, Opcode::kOr, Opcode::kXor}) | kExtrema;

}  // namespace

Parts Selector::SelectElementwise(const Inst& inst) {
  const VectorType operands = type(inst.operands[0]);
  const Parts& a = Get(inst.operands[0]);
  const Parts b = inst.operands.size() > 1 ? Get(inst.operands[1]) : Parts();
  const Parts c = inst.operands.size() > 2 ? Get(inst.operands[2]) : Parts();
  if (inst.op == Opcode::kSelect) return Select(inst.type, a[0], b, c);
  if (inst.op == Opcode::kDot4) return Emit(Action::kDot4, inst.type, {a[0], b[0], c[0]});
  if (IsBool(operands.element)) return MaskElementwise(inst.op, operands.lanes, a[0], b[0]);
  if (operands.element == ElementType::kF16 || operands.element == ElementType::kBF16) {
    status_.Update(Unimplemented("x86: no code for ", Name(inst.op), " of ", Name(operands.element)));
    return a;
  }
  return IsIn(inst.op, kCompares) ? Parts(Compare(inst.op, operands, a, b)) : Elementwise(inst.op, operands, a, b, c);
}

Parts Selector::Select(VectorType type, Variable mask, const Parts& a, const Parts& b) {
  if (IsAll(mask, type.lanes)) return a;
  if (IsNone(mask, type.lanes)) return b;
  if (!IsBool(type.element)) return Blend(type, mask, a, b);
  const Variable otherwise = MaskLogic(Opcode::kAnd, type.lanes, MaskLogic(Opcode::kNot, type.lanes, mask), b[0]);
  return MaskLogic(Opcode::kOr, type.lanes, MaskLogic(Opcode::kAnd, type.lanes, mask, a[0]), otherwise);
}

Parts Selector::Elementwise(Opcode op, VectorType type, const Parts& a, const Parts& b,
                            const Parts& c) {
  if (InGeneral(type)) return GeneralElementwise(op, type.element, a, b);
  if (op == Opcode::kIntDiv || op == Opcode::kIntRem) {
    if (const int power = PowerOfTwo(type, b[0]); power >= 0) return DivideByPower(op, type, a, power);
    return IsWide(type.element) ? WideIntDivide(op, type, a, b) : IntDivide(op, type, a, b);
  }
  const Parts result = IsIn(op, kShifts) ? Shift(op, type, a, b) : ElementwiseInVectors(op, type, a, b, c);
  return IsIn(op, kStayInRange) ? result : Normalize(type, result);
}

Parts Selector::ElementwiseInVectors(Opcode op, VectorType type, Parts a, Parts b, const Parts& c) {
  const uint64_t sign = uint64_t{1} << (BitWidth(type.element) - 1);
  if (IsFloat(type.element) && op == Opcode::kNeg) {
    op = Opcode::kXor;
    b = Constant(type.element, sign, type.lanes);
  } else if (IsFloat(type.element) && op == Opcode::kAbs) {
    op = Opcode::kAnd;
    b = Constant(type.element, sign - 1, type.lanes);
  } else if (op == Opcode::kNeg) {
    op = Opcode::kSub;
    b = std::exchange(a, Constant(type.element, 0, type.lanes));
  } else if (op == Opcode::kNot) {
    op = Opcode::kXor;
    b = Constant(type.element, ~uint64_t{0}, type.lanes);
  } else if (op == Opcode::kAbs && IsUnsigned(type.element)) {
    return a;
  }
  Parts result;
  for (int p = 0; p < a.count; ++p) {
    result.Add(Vector(op, {type.element, PartLanes(type, p)}, a[p], b[p], c[p]));
  }
  return result;
}

// Of one register. Operands that are not there are invalid.
Variable Selector::Vector(Opcode op, VectorType type, Variable a, Variable b, Variable c) {
  if (!avx512_ && Avx2Lacks(op, type.element)) return VectorOnAvx2(op, type, a, b);
  if (IsFloat(type.element) && IsIn(op, kExtrema)) return Extremum(op, type, a, b);
  if (IsCommutative(op) && builder_.info(a).constant != ConstantKind::kNone) std::swap(a, b);
  return Emit(Action::kVector, type, {a, b, c}, op);
}

// NaN is put back behind the instruction, and once for all of them where operands are such minima or maxima themselves.
Variable Selector::Extremum(Opcode op, VectorType type, Variable a, Variable b) {
  const Variable nan =
      IsWide(type.element) ? builder_.Broadcast64(uint64_t{0x7ff8} << 48) : builder_.Broadcast32(0x7fc00000);
  Variable numbers, operands[] = {a, b};
  auto without_nan = [&](Variable& v) {
    const Operation* const blend = builder_.DefinitionOf(v);
    if (blend == nullptr || blend->action != Action::kBlend || blend->operands[2] != nan) return;
    const Operation* const inner = builder_.DefinitionOf(blend->operands[1]);
    if (inner == nullptr || inner->action != Action::kVector || inner->opcode != op) return;
    v = blend->operands[1];
    numbers = numbers.valid() ? MaskLogic(Opcode::kAnd, type.lanes, numbers, blend->operands[0]) : blend->operands[0];
  };
  without_nan(operands[0]);
  without_nan(operands[1]);
  for (Variable v : {a, b}) {
    if (v == operands[0] || v == operands[1]) numbers = AndIsNumber(type, numbers, v);
  }
  const Variable extremum = Emit(Action::kVector, type, {operands[0], operands[1]}, op);
  return Emit(Action::kBlend, type, {numbers, extremum, nan});
}

// Lanes of `known` (all if there is none) where v is a number. One comparison looks at two values.
Variable Selector::AndIsNumber(VectorType type, Variable known, Variable v) {
  constexpr int64_t kOrdered = 7;
  Operation compare{.action = Action::kCompare, .opcode = Opcode::kEqual, .element = type.element,
                    .lanes = static_cast<int8_t>(type.lanes), .immediate = kOrdered};
  if (known.valid()) {
    const Operation* const last = builder_.DefinitionOf(known);
    if (last != nullptr && last->action == Action::kCompare && last->immediate == kOrdered &&
        last->operands[0] == last->operands[1]) {
      compare = *last;
      compare.operands[1] = v;
      return Emit(compare);
    }
  }
  compare.AddOperand(v);
  compare.AddOperand(v);
  compare.masked = known.valid();
  compare.AddOperand(known);
  return Emit(compare);
}

Parts Selector::GeneralElementwise(Opcode op, ElementType element, const Parts& a, const Parts& b) {
  if (op == Opcode::kNot) return General(Opcode::kXor, a[0], builder_.Immediate(-1));
  if (op == Opcode::kNeg) return General(Opcode::kSub, builder_.Immediate(0), a[0]);
  if (op == Opcode::kAbs && IsUnsigned(element)) return a;
  if (op == Opcode::kAbs) return General(Opcode::kMax, a[0], General(Opcode::kSub, builder_.Immediate(0), a[0]));
  const bool swaps = IsCommutative(op) && builder_.info(a[0]).constant != ConstantKind::kNone;
  return Emit(Action::kGeneral, {element, 1}, {swaps ? b[0] : a[0], swaps ? a[0] : b[0]}, op);
}

Parts Selector::Shift(Opcode op, VectorType type, Parts a, const Parts& amount) {
  // A narrow value must be extended the way in which the shift fills it.
  const bool sign = op == Opcode::kSar;
  if (IsNarrow(type.element) && op != Opcode::kShl && sign != IsSigned(type.element)) {
    a = Extend(BitWidth(type.element), sign, type.lanes, a[0]);
  }
  const VariableInfo& info = builder_.info(amount[0]);
  const bool constant =
      info.constant == ConstantKind::kBroadcast32 || info.constant == ConstantKind::kBroadcast64;
  const uint64_t constant_bits = IsWide(type.element) && info.constant == ConstantKind::kBroadcast32
                                     ? info.bits << 32 | info.bits
                                     : info.bits;
  Parts result;
  for (int p = 0; p < a.count; ++p) {
    const VectorType part{type.element, PartLanes(type, p)};
    result.Add(constant ? ShiftBy(op, part, a[p], static_cast<int64_t>(std::min<uint64_t>(constant_bits, 64)))
                        : Vector(op, part, a[p], amount[p]));
  }
  return result;
}

// Of one register.   amount: 0..64.
Variable Selector::ShiftBy(Opcode op, VectorType type, Variable a, int64_t amount) {
  if (!avx512_ && Avx2Lacks(op, type.element)) {
    return VectorOnAvx2(op, type, a, builder_.Broadcast64(static_cast<uint64_t>(amount)));
  }
  return Emit(Action::kShiftImmediate, type, {a}, op, amount);
}

// k if `v` is 2^k in all lanes, else -1.
int Selector::PowerOfTwo(VectorType type, Variable v) const {
  const VariableInfo& info = builder_.info(v);
  const bool splat = info.constant == (IsWide(type.element) ? ConstantKind::kBroadcast64 : ConstantKind::kBroadcast32);
  const bool negative = IsSigned(type.element) && (info.bits >> (IsWide(type.element) ? 63 : 31)) != 0;
  return splat && !negative && std::has_single_bit(info.bits) ? std::countr_zero(info.bits) : -1;
}

// Negative dividends have the divisor less 1 added, so that the shift rounds towards zero.
Parts Selector::DivideByPower(Opcode op, VectorType type, const Parts& a, int power) {
  const int bits = IsWide(type.element) ? 64 : 32;
  Parts result;
  for (int p = 0; p < a.count; ++p) {
    const VectorType part{bits == 64 ? ElementType::kI64 : ElementType::kI32, PartLanes(type, p)};
    Variable dividend = a[p];
    if (IsSigned(type.element)) {
      const Variable less_one = ShiftBy(Opcode::kShr, part, ShiftBy(Opcode::kSar, part, a[p], bits - 1), bits - power);
      dividend = Vector(Opcode::kAdd, part, a[p], less_one);
    }
    const Variable quotient = ShiftBy(IsSigned(type.element) ? Opcode::kSar : Opcode::kShr, part, dividend, power);
    result.Add(op == Opcode::kIntDiv ? quotient
                                     : Vector(Opcode::kSub, part, a[p], ShiftBy(Opcode::kShl, part, quotient, power)));
  }
  return result;
}

// Through f64: the quotient of two 32-bit integers, rounded to f64, truncates to the right integer,
// for it differs from the next one by at least 2^-32.
Parts Selector::IntDivide(Opcode op, VectorType type, const Parts& a, const Parts& b) {
  const VectorType f64{ElementType::kF64, type.lanes};
  const Parts quotient =
      ElementwiseInVectors(Opcode::kDiv, f64, ToFloat64(type, a), ToFloat64(type, b), {});
  Parts result = ConvertLanes(f64, type.element == ElementType::kU32 ? type.element : ElementType::kI32, quotient);
  if (op == Opcode::kIntRem) {
    const Parts product = ElementwiseInVectors(Opcode::kMul, type, result, b, {});
    result = ElementwiseInVectors(Opcode::kSub, type, a, product, {});
  }
  const Variable divides =
      Compare(Opcode::kNotEqual, type, b, Constant(type.element, 0, type.lanes));
  return Normalize(type, MaskedValue(type, divides, result));
}

// Lane by lane.
Parts Selector::WideIntDivide(Opcode op, VectorType type, const Parts& a, const Parts& b) {
  Parts result;
  const VectorType scalar{type.element, 1};
  const VariableInfo& divisor = builder_.info(b[0]);
  const bool constant = divisor.constant == ConstantKind::kBroadcast64;
  const uint64_t divisor_bits = divisor.bits;
  for (int p = 0; p < a.count; ++p) {
    Variable part = a[p];
    for (int lane = 0; lane < PartLanes(type, p); ++lane) {
      const Parts left = FromVector(LanesDown(a[p], type.element, lane), scalar);
      const Parts right = constant ? Constant(type.element, divisor_bits, 1)
                                   : FromVector(LanesDown(b[p], type.element, lane), scalar);
      const Parts value = GeneralElementwise(op, type.element, left, right);
      const Variable splat = Emit({.action = Action::kSplatGeneral, .element = type.element}, {value[0]});
      const Variable here = builder_.MaskConstant(static_cast<uint16_t>(1 << lane));
      part = Blend({ElementType::kF64, PartLanes(type, p)}, here, splat, part)[0];  // one lane in a vector register too
    }
    result.Add(part);
  }
  return result;
}

// Constant masks come from tails of constant extents and from selects on coordinates.
Variable Selector::MaskLogic(Opcode op, int lanes, Variable a, Variable b) {
  auto is_constant = [&](Variable v) { return builder_.info(v).constant != ConstantKind::kNone; };
  auto bits = [&](Variable v) { return static_cast<uint16_t>(builder_.info(v).bits); };
  if (op == Opcode::kNot) {
    if (is_constant(a)) return builder_.MaskConstant(static_cast<uint16_t>(~bits(a)));
    const Operation* const made = builder_.DefinitionOf(a);
    if (made != nullptr && made->action == Action::kCompare && !made->masked) {
      Operation opposite = *made;
      opposite.immediate ^= 4;
      if (avx512_ || IsFloat(opposite.element)) return Emit(opposite);
    }
    if (!avx512_) return NotOnAvx2(a);
    return Emit({.action = Action::kMaskLogic, .opcode = op}, {a});
  }
  if (is_constant(a)) std::swap(a, b);
  if (is_constant(a)) {
    const uint32_t x = bits(a), y = bits(b);
    const uint32_t both = op == Opcode::kAnd ? x & y : op == Opcode::kOr ? x | y : x ^ y;
    return builder_.MaskConstant(static_cast<uint16_t>(both));
  }
  if (op == Opcode::kAnd && (IsAll(b, lanes) || IsNone(b, lanes))) return IsAll(b, lanes) ? a : b;
  if (op == Opcode::kOr && (IsAll(b, lanes) || IsNone(b, lanes))) return IsAll(b, lanes) ? b : a;
  if (!avx512_) return Vector(op, {ElementType::kU32, lanes}, a, b);
  if (op == Opcode::kAnd) {  // a comparison in the lanes of a mask
    for (const auto& [mask, compared] : {std::pair(a, b), std::pair(b, a)}) {
      const Operation* made = builder_.DefinitionOf(compared);
      if (made == nullptr || made->action != Action::kCompare || made->masked) continue;
      Operation compare = *made;
      compare.masked = true;
      compare.AddOperand(mask);
      return Emit(compare);
    }
  }
  return Emit({.action = Action::kMaskLogic, .opcode = op}, {a, b});
}

Variable Selector::MaskElementwise(Opcode op, int lanes, Variable a, Variable b) {
  switch (op) {
    case Opcode::kEqual:
      return MaskLogic(Opcode::kNot, lanes, MaskLogic(Opcode::kXor, lanes, a, b));
    case Opcode::kNotEqual:
      return MaskLogic(Opcode::kXor, lanes, a, b);
    case Opcode::kLess:
      return MaskLogic(Opcode::kAnd, lanes, MaskLogic(Opcode::kNot, lanes, a), b);
    case Opcode::kLessEqual:
      return MaskLogic(Opcode::kOr, lanes, MaskLogic(Opcode::kNot, lanes, a), b);
    case Opcode::kMin:
      return MaskLogic(Opcode::kAnd, lanes, a, b);
    case Opcode::kMax:
      return MaskLogic(Opcode::kOr, lanes, a, b);
    default:  // and, or, xor, not
      return MaskLogic(op, lanes, a, b);
  }
}

Variable Selector::Compare(Opcode op, VectorType type, const Parts& a, const Parts& b) {
  if (InGeneral(type)) {
    return Emit({.action = Action::kMaskFromGeneral}, {Emit(Action::kGeneralCompare, type, {a[0], b[0]}, op)});
  }
  return CompareInVectors(op, type, a, b);
}

Variable Selector::CompareInVectors(Opcode op, VectorType type, const Parts& a, const Parts& b) {
  Parts masks;
  for (int p = 0; p < a.count; ++p) {
    const VectorType part{type.element, PartLanes(type, p)};
    masks.Add(avx512_ ? Emit(Action::kCompare, part, {a[p], b[p]}, op) : CompareOnAvx2(op, part, a[p], b[p]));
  }
  return JoinMasks(masks, type);
}

Parts Selector::Blend(VectorType type, Variable mask, const Parts& a, const Parts& b) {
  if (InGeneral(type)) {
    const Variable condition = Emit({.action = Action::kGeneralFromMask}, {mask});
    return Emit({.action = Action::kGeneralSelect}, {condition, a[0], b[0]});
  }
  Parts result;
  for (int p = 0; p < a.count; ++p) {
    const VectorType part{type.element, PartLanes(type, p)};
    const VariableInfo& other = builder_.info(b[p]);
    const bool zeros = other.constant == ConstantKind::kBroadcast32 && other.bits == 0;
    const Variable lanes = MaskPart(mask, p, type.element);
    result.Add(zeros && !avx512_ ? Vector(Opcode::kAnd, part, a[p], lanes)
                                 : Emit(Action::kBlend, part, {lanes, a[p], b[p]}));
  }
  return result;
}

// 0 where the mask is not set.   v: in vector registers.
Parts Selector::MaskedValue(VectorType type, Variable mask, const Parts& v) {
  Parts zeros;
  for (int p = 0; p < v.count; ++p) zeros.Add(builder_.Broadcast32(0));
  return Blend(type, mask, v, zeros);
}

Parts Selector::Normalize(VectorType type, const Parts& v) {
  return IsNarrow(type.element) ? Parts(Extend(BitWidth(type.element), IsSigned(type.element), type.lanes, v[0])) : v;
}

// The low bits of 32-bit lanes, by their sign or with zeros.
Variable Selector::Extend(int bits, bool sign, int lanes, Variable v) {
  const VectorType type{ElementType::kI32, lanes};
  if (!sign) return Vector(Opcode::kAnd, type, v, builder_.Broadcast32((uint32_t{1} << bits) - 1));
  return ShiftBy(Opcode::kSar, type, ShiftBy(Opcode::kShl, type, v, 32 - bits), 32 - bits);
}

}  // namespace skein::x86
