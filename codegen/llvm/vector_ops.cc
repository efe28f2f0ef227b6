#include "codegen/llvm/vector_ops.h"

#include <algorithm>
#include <bit>
#include <vector>

#include "llvm/IR/Constants.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/Intrinsics.h"
#include "llvm/IR/IntrinsicsX86.h"

namespace skein {
namespace {

using llvm::Value;
using llvm::Intrinsic::ID;
namespace intrinsic = llvm::Intrinsic;

Value* EmitConst(IrBuilder& b, VectorType type, uint64_t bits) {
  llvm::Type* lane = LaneType(b.getContext(), type.element);
  llvm::Constant* value;
  if (type.element == ElementType::kF32) {
    value = llvm::ConstantFP::get(b.getContext(), llvm::APFloat(llvm::APFloat::IEEEsingle(),
                                                                llvm::APInt(64, bits).trunc(32)));
  } else if (type.element == ElementType::kF64) {
    value = llvm::ConstantFP::get(
        b.getContext(), llvm::APFloat(llvm::APFloat::IEEEdouble(), llvm::APInt(64, bits)));
  } else if (IsBool(type.element)) {
    value = llvm::ConstantInt::getBool(b.getContext(), bits != 0);
  } else {
    value = llvm::ConstantInt::get(lane, llvm::APInt(64, bits).trunc(lane->getIntegerBitWidth()));
  }
  if (type.lanes == 1) return value;
  return llvm::ConstantVector::getSplat(
      llvm::ElementCount::getFixed(static_cast<unsigned>(type.lanes)), value);
}

Value* EmitIota(IrBuilder& b, VectorType type) {
  llvm::Type* lane = LaneType(b.getContext(), type.element);
  if (type.lanes == 1) return llvm::ConstantInt::get(lane, 0);
  std::vector<llvm::Constant*> lanes;
  for (int i = 0; i < type.lanes; ++i) {
    const llvm::APInt value(64, static_cast<uint64_t>(i));
    lanes.push_back(llvm::ConstantInt::get(lane, value.trunc(lane->getIntegerBitWidth())));
  }
  return llvm::ConstantVector::get(lanes);
}

std::vector<int> Range(int begin, int end) {
  std::vector<int> indices;
  for (int i = begin; i < end; ++i) indices.push_back(i);
  return indices;
}

bool IsZero(Value* v) {
  const auto* constant = llvm::dyn_cast<llvm::Constant>(v);
  return constant != nullptr && constant->isNullValue();
}

// A shuffle of 16 floats or 8 doubles with zeros as one permutation of two registers. LLVM would choose vexpand,
// which takes some processors six times as long.
Value* PermuteWithZeros(IrBuilder& b, Value* first, Value* second, const std::vector<int>& mask) {
  const bool wide = first->getType()->getScalarSizeInBits() == 64;
  std::vector<llvm::Constant*> lanes;
  for (int i : mask) lanes.push_back(llvm::ConstantInt::get(b.getIntNTy(wide ? 64 : 32), static_cast<uint64_t>(i)));
  return b.CreateIntrinsic(wide ? intrinsic::x86_avx512_vpermi2var_pd_512 : intrinsic::x86_avx512_vpermi2var_ps_512,
                           {}, {first, llvm::ConstantVector::get(lanes), second});
}

Value* EmitShuffle(IrBuilder& b, const Inst& inst, std::span<Value* const> operands, const Target& target) {
  Value* first = operands[0];
  Value* second = operands.size() > 1 ? operands[1] : nullptr;
  // Scalars become vectors of one lane, and the shorter operand gets lanes that nobody reads.
  const int lanes[] = {LanesOf(first), second != nullptr ? LanesOf(second) : 1};
  const int common = std::max(lanes[0], lanes[1]);
  auto widen = [&](Value* v, int have) -> Value* {
    if (!v->getType()->isVectorTy()) {
      auto* type = llvm::FixedVectorType::get(v->getType(), static_cast<unsigned>(common));
      return b.CreateInsertElement(llvm::PoisonValue::get(type), v, uint64_t{0});
    }
    if (have == common) return v;
    std::vector<int> mask = Range(0, have);
    mask.resize(common, -1);
    return b.CreateShuffleVector(v, mask);
  };
  first = widen(first, lanes[0]);
  if (second != nullptr) second = widen(second, lanes[1]);
  std::vector<int> mask;
  for (int i : inst.shuffle) mask.push_back(i < lanes[0] ? i : i - lanes[0] + common);
  if (mask.size() == 1) {
    return mask[0] < common ? b.CreateExtractElement(first, uint64_t(mask[0]))
                            : b.CreateExtractElement(second, uint64_t(mask[0] - common));
  }
  if (second == nullptr) return b.CreateShuffleVector(first, mask);
  const unsigned bits = first->getType()->getScalarSizeInBits();
  if (inst.type.element == ElementType::kF32 || inst.type.element == ElementType::kF64) {
    const bool whole = bits * static_cast<unsigned>(common) == 512 && static_cast<int>(mask.size()) == common;
    if (whole && target.isa == Isa::kAvx512 && (IsZero(first) || IsZero(second))) {
      return PermuteWithZeros(b, first, second, mask);
    }
  }
  return b.CreateShuffleVector(first, second, mask);
}

Value* EmitBitcast(IrBuilder& b, VectorType to, VectorType from, Value* x) {
  llvm::Type* type = RegisterType(b.getContext(), to);
  if (IsBool(from.element)) return b.CreateZExt(x, type);
  if (IsBool(to.element)) return b.CreateICmpNE(x, llvm::Constant::getNullValue(x->getType()));
  return b.CreateBitCast(x, type);
}

// Integer division never traps here: a divisor of 0 or an overflow divides by 1 instead, which
// already is the contract's answer except for x / 0.
Value* EmitIntDivision(IrBuilder& b, bool remainder, ElementType element, Value* x, Value* y) {
  const bool is_signed = IsSigned(element);
  llvm::Type* type = x->getType();
  const unsigned bits = type->getScalarSizeInBits();
  Value* zero = llvm::Constant::getNullValue(type);
  auto divide = [&](Value* divisor) {
    if (remainder) return is_signed ? b.CreateSRem(x, divisor) : b.CreateURem(x, divisor);
    return is_signed ? b.CreateSDiv(x, divisor) : b.CreateUDiv(x, divisor);
  };
  if (auto* constant = llvm::dyn_cast<llvm::Constant>(y)) {
    llvm::Constant* splat = type->isVectorTy() ? constant->getSplatValue() : constant;
    auto* value = llvm::dyn_cast_or_null<llvm::ConstantInt>(splat);
    // LLVM turns division by a constant into multiplication.
    if (value != nullptr && !value->isZero() && !value->isMinusOne()) return divide(y);
  }
  Value* is_zero = b.CreateICmpEQ(y, zero);
  Value* unsafe = is_zero;
  if (is_signed) {
    Value* minimum = llvm::ConstantInt::get(type, llvm::APInt::getSignedMinValue(bits));
    Value* overflow = b.CreateAnd(b.CreateICmpEQ(x, minimum),
                                  b.CreateICmpEQ(y, llvm::Constant::getAllOnesValue(type)));
    unsafe = b.CreateOr(unsafe, overflow);
  }
  Value* divisor = b.CreateSelect(unsafe, llvm::ConstantInt::get(type, 1), y);
  Value* result;
  if (type->isVectorTy() && bits >= 8 && bits <= 32) {
    // Exact: the quotient of 32-bit integers is further from the next integer than f64 rounds.
    auto* wide = WithLanes(b.getDoubleTy(), LanesOf(x));
    auto to_double = [&](Value* v) {
      return is_signed ? b.CreateSIToFP(v, wide) : b.CreateUIToFP(v, wide);
    };
    Value* quotient = b.CreateFDiv(to_double(x), to_double(divisor));
    result = is_signed ? b.CreateFPToSI(quotient, type) : b.CreateFPToUI(quotient, type);
    if (remainder) result = b.CreateSub(x, b.CreateMul(result, divisor));
  } else {
    result = divide(divisor);
  }
  return remainder ? result : b.CreateSelect(is_zero, zero, result);
}

Value* EmitShift(IrBuilder& b, Opcode op, Value* x, Value* amount) {
  llvm::Type* type = x->getType();
  const unsigned bits = type->getScalarSizeInBits();
  if (op == Opcode::kSar) {
    Value* most = llvm::ConstantInt::get(type, bits - 1);
    return b.CreateAShr(x, b.CreateBinaryIntrinsic(intrinsic::umin, amount, most));
  }
  // A shift by the width or more would be poison, which select does not pass on.
  Value* shifted = op == Opcode::kShl ? b.CreateShl(x, amount) : b.CreateLShr(x, amount);
  Value* in_range = b.CreateICmpULT(amount, llvm::ConstantInt::get(type, bits));
  return b.CreateSelect(in_range, shifted, llvm::Constant::getNullValue(type));
}

Value* EmitCompare(IrBuilder& b, Opcode op, ElementType element, Value* x, Value* y) {
  using Predicate = llvm::CmpInst::Predicate;
  Predicate of_float, of_signed, of_unsigned;
  switch (op) {
    case Opcode::kLess:
      of_float = Predicate::FCMP_OLT, of_signed = Predicate::ICMP_SLT;
      of_unsigned = Predicate::ICMP_ULT;
      break;
    case Opcode::kLessEqual:
      of_float = Predicate::FCMP_OLE, of_signed = Predicate::ICMP_SLE;
      of_unsigned = Predicate::ICMP_ULE;
      break;
    case Opcode::kEqual:
      of_float = Predicate::FCMP_OEQ, of_signed = of_unsigned = Predicate::ICMP_EQ;
      break;
    default:
      of_float = Predicate::FCMP_UNE, of_signed = of_unsigned = Predicate::ICMP_NE;
      break;
  }
  return b.CreateCmp(IsFloat(element)    ? of_float
                     : IsSigned(element) ? of_signed
                                         : of_unsigned,
                     x, y);
}

// These patterns are minps and maxps to the instruction selector.
Value* EmitX86MinMax(IrBuilder& b, bool min, Value* x, Value* y) {
  return b.CreateSelect(min ? b.CreateFCmpOLT(x, y) : b.CreateFCmpOGT(x, y), x, y);
}

// vrangeps and vrangepd, if the target has one for this type.
ID RangeIntrinsic(ElementType element, int lanes, const Target& target) {
  if (target.isa != Isa::kAvx512) return intrinsic::not_intrinsic;
  const int bits = lanes * BitWidth(element);
  const bool wide = element == ElementType::kF64;
  switch (bits) {
    case 128: return wide ? intrinsic::x86_avx512_mask_range_pd_128 : intrinsic::x86_avx512_mask_range_ps_128;
    case 256: return wide ? intrinsic::x86_avx512_mask_range_pd_256 : intrinsic::x86_avx512_mask_range_ps_256;
    case 512: return wide ? intrinsic::x86_avx512_mask_range_pd_512 : intrinsic::x86_avx512_mask_range_ps_512;
    default: return intrinsic::not_intrinsic;
  }
}

// Lanes of `known` (null: all) where v is a number. One comparison looks at two values.
Value* AndIsNumber(IrBuilder& b, Value* known, Value* v) {
  auto* both = llvm::dyn_cast_or_null<llvm::BinaryOperator>(known);
  auto* last = llvm::dyn_cast_or_null<llvm::FCmpInst>(both != nullptr ? both->getOperand(1) : known);
  if (last != nullptr && last->getOperand(0) == last->getOperand(1)) {
    v = b.CreateFCmpORD(last->getOperand(0), v);
    return both != nullptr ? b.CreateAnd(both->getOperand(0), v) : v;
  }
  v = b.CreateFCmpORD(v, v);
  return known != nullptr ? b.CreateAnd(known, v) : v;
}

// vrange orders the zeros, but takes the number where there is one NaN: NaN is put back behind it, and once for all of
// them where operands are such minima or maxima themselves.
Value* EmitRange(IrBuilder& b, ID range, bool min, Value* x, Value* y) {
  constexpr unsigned kSignOfResult = 4, kCurrentRounding = 4;
  Value* const mode = b.getInt32(kSignOfResult | (min ? 0 : 1));
  Value* numbers = nullptr;
  auto without_nan = [&](Value* v) {
    auto* select = llvm::dyn_cast<llvm::SelectInst>(v);
    auto* call = select != nullptr ? llvm::dyn_cast<llvm::IntrinsicInst>(select->getTrueValue()) : nullptr;
    if (call == nullptr || call->getIntrinsicID() != range || call->getArgOperand(2) != mode) return v;
    numbers = numbers != nullptr ? b.CreateAnd(select->getCondition(), numbers) : select->getCondition();
    return static_cast<Value*>(call);
  };
  Value* const operands[] = {without_nan(x), without_nan(y)};
  if (operands[0] == x) numbers = AndIsNumber(b, numbers, x);
  if (operands[1] == y) numbers = AndIsNumber(b, numbers, y);
  std::vector<Value*> arguments = {operands[0], operands[1], mode, operands[0]};
  arguments.push_back(llvm::Constant::getAllOnesValue(b.getIntNTy(static_cast<unsigned>(std::max(8, LanesOf(x))))));
  if (x->getType()->getPrimitiveSizeInBits() == 512) arguments.push_back(b.getInt32(kCurrentRounding));
  return b.CreateSelect(numbers, b.CreateIntrinsic(range, {}, arguments), llvm::ConstantFP::getNaN(x->getType()));
}

// kMin and kMax of floats: NaN if either is NaN, -0 < +0.
Value* EmitFloatMinMax(IrBuilder& b, bool min, ElementType element, Value* x, Value* y, const Target& target) {
  const int lanes = LanesOf(x);
  const ID range = RangeIntrinsic(element, lanes, target);
  if (range != intrinsic::not_intrinsic) return EmitRange(b, range, min, x, y);
  // Both orders agree but for zeros, where bits tell which sign wins.
  llvm::Type* bits = WithLanes(b.getIntNTy(BitWidth(element)), lanes);
  Value* first = b.CreateBitCast(EmitX86MinMax(b, min, x, y), bits);
  Value* second = b.CreateBitCast(EmitX86MinMax(b, min, y, x), bits);
  Value* result = b.CreateBitCast(min ? b.CreateOr(first, second) : b.CreateAnd(first, second), x->getType());
  return b.CreateSelect(b.CreateFCmpUNO(x, y), b.CreateFAdd(x, y), result);
}

// Binary operations whose operands and result have one type; kReduce needs these too.
Value* EmitBinary(IrBuilder& b, Opcode op, ElementType element, Value* x, Value* y, const Target& target) {
  const bool is_float = IsFloat(element);
  switch (op) {
    case Opcode::kAdd:
      return is_float ? b.CreateFAdd(x, y) : b.CreateAdd(x, y);
    case Opcode::kSub:
      return is_float ? b.CreateFSub(x, y) : b.CreateSub(x, y);
    case Opcode::kMul:
      return is_float ? b.CreateFMul(x, y) : b.CreateMul(x, y);
    case Opcode::kDiv:
      return b.CreateFDiv(x, y);
    case Opcode::kIntDiv:
      return EmitIntDivision(b, false, element, x, y);
    case Opcode::kIntRem:
      return EmitIntDivision(b, true, element, x, y);
    case Opcode::kMin:
    case Opcode::kMax: {
      const bool min = op == Opcode::kMin;
      if (is_float) return EmitFloatMinMax(b, min, element, x, y, target);
      const ID id = IsSigned(element) ? (min ? intrinsic::smin : intrinsic::smax)
                                      : (min ? intrinsic::umin : intrinsic::umax);
      return b.CreateBinaryIntrinsic(id, x, y);
    }
    case Opcode::kMinX86:
    case Opcode::kMaxX86:
      return EmitX86MinMax(b, op == Opcode::kMinX86, x, y);
    case Opcode::kAnd:
      return b.CreateAnd(x, y);
    case Opcode::kOr:
      return b.CreateOr(x, y);
    case Opcode::kXor:
      return b.CreateXor(x, y);
    case Opcode::kShl:
    case Opcode::kShr:
    case Opcode::kSar:
      return EmitShift(b, op, x, y);
    default:
      return EmitCompare(b, op, element, x, y);
  }
}

Value* EmitUnary(IrBuilder& b, Opcode op, ElementType element, Value* x) {
  switch (op) {
    case Opcode::kNeg:
      return IsFloat(element) ? b.CreateFNeg(x) : b.CreateNeg(x);
    case Opcode::kNot:
      return b.CreateNot(x);
    case Opcode::kAbs:
      if (IsFloat(element)) return b.CreateUnaryIntrinsic(intrinsic::fabs, x);
      if (IsUnsigned(element)) return x;
      return b.CreateBinaryIntrinsic(intrinsic::abs, x, b.getFalse());
    case Opcode::kSqrt:
      return b.CreateUnaryIntrinsic(intrinsic::sqrt, x);
    case Opcode::kFloor:
      return b.CreateUnaryIntrinsic(intrinsic::floor, x);
    case Opcode::kCeil:
      return b.CreateUnaryIntrinsic(intrinsic::ceil, x);
    case Opcode::kTrunc:
      return b.CreateUnaryIntrinsic(intrinsic::trunc, x);
    default:
      return b.CreateUnaryIntrinsic(intrinsic::roundeven, x);
  }
}

// Lane j with j + half, half = lanes/2 ... 1.
Value* EmitReduce(IrBuilder& b, Opcode op, VectorType type, Value* x,
                  const Target& target) {
  for (int half = type.lanes / 2; half > 0; half /= 2) {
    Value *low, *high;
    if (half == 1) {
      low = b.CreateExtractElement(x, uint64_t{0});
      high = b.CreateExtractElement(x, uint64_t{1});
    } else {
      low = b.CreateShuffleVector(x, Range(0, half));
      high = b.CreateShuffleVector(x, Range(half, 2 * half));
    }
    x = EmitBinary(b, op, type.element, low, high, target);
  }
  return x;
}

// acc + the four products u8 * i8 of each lane. Products of two 16-bit halves are summed exactly by
// pmaddwd, where pmaddubsw would saturate.
Value* EmitDot4(IrBuilder& b, const Target& target, Value* acc, Value* x, Value* y) {
  const int lanes = LanesOf(acc);
  const bool zmm = lanes == 16 && target.isa == Isa::kAvx512;
  if (zmm && target.vnni) {
    return b.CreateIntrinsic(intrinsic::x86_avx512_vpdpbusd_512, {}, {acc, x, y});
  }
  auto* halves = llvm::FixedVectorType::get(b.getInt16Ty(), static_cast<unsigned>(2 * lanes));
  auto half_const = [&](uint64_t v) { return llvm::ConstantInt::get(halves, v); };
  Value* x16 = b.CreateBitCast(x, halves);
  Value* y16 = b.CreateBitCast(y, halves);
  Value* x_even = b.CreateAnd(x16, half_const(255));
  Value* x_odd = b.CreateLShr(x16, half_const(8));
  Value* y_even = b.CreateAShr(b.CreateShl(y16, half_const(8)), half_const(8));
  Value* y_odd = b.CreateAShr(y16, half_const(8));
  auto multiply_add = [&](Value* p, Value* q) -> Value* {
    if (zmm) return b.CreateIntrinsic(intrinsic::x86_avx512_pmaddw_d_512, {}, {p, q});
    if (lanes == 8) return b.CreateIntrinsic(intrinsic::x86_avx2_pmadd_wd, {}, {p, q});
    auto* wide = llvm::FixedVectorType::get(b.getInt32Ty(), static_cast<unsigned>(2 * lanes));
    Value* product = b.CreateMul(b.CreateSExt(p, wide), b.CreateSExt(q, wide));
    std::vector<int> even, odd;
    for (int i = 0; i < lanes; ++i) even.push_back(2 * i), odd.push_back(2 * i + 1);
    Value* sum =
        b.CreateAdd(b.CreateShuffleVector(product, even), b.CreateShuffleVector(product, odd));
    return lanes == 1 ? b.CreateExtractElement(sum, uint64_t{0}) : sum;
  };
  Value* sum = b.CreateAdd(multiply_add(x_even, y_even), multiply_add(x_odd, y_odd));
  return b.CreateAdd(acc, sum);
}

// Registers of 16 or twice 8 entries, in which an index counts by its low 4 or 3 bits.
Value* EmitLookup(IrBuilder& b, const Inst& inst, Value* index, const Target& target) {
  const bool zmm = target.isa == Isa::kAvx512;
  const int lanes = inst.type.lanes, whole = zmm ? 16 : 8;
  std::vector<int> widened = Range(0, lanes);
  widened.resize(whole, 0);
  if (lanes == 1) {
    index = b.CreateVectorSplat(static_cast<unsigned>(whole), index);
  } else if (lanes < whole) {
    index = b.CreateShuffleVector(index, widened);
  }
  const auto table = [&](int first) {
    std::vector<llvm::Constant*> entries;
    for (int i = first; i < first + whole; ++i) {
      const float entry = std::bit_cast<float>(inst.shuffle[i]);
      entries.push_back(llvm::ConstantFP::get(b.getContext(), llvm::APFloat(entry)));
    }
    return llvm::ConstantVector::get(entries);
  };
  Value* result;
  if (zmm) {
    result = b.CreateIntrinsic(intrinsic::x86_avx512_permvar_sf_512, {}, {table(0), index});
  } else {
    Value* low = b.CreateIntrinsic(intrinsic::x86_avx2_permps, {}, {table(0), index});
    Value* high = b.CreateIntrinsic(intrinsic::x86_avx2_permps, {}, {table(8), index});
    Value* sign = b.CreateShl(index, 28);
    result = b.CreateSelect(b.CreateIsNeg(sign), high, low);
  }
  if (lanes == 1) return b.CreateExtractElement(result, uint64_t{0});
  return lanes < whole ? b.CreateShuffleVector(result, Range(0, lanes)) : result;
}

}  // namespace

Value* EmitOperation(IrBuilder& b, const Inst& inst, VectorType operand,
                     std::span<Value* const> operands, const Target& target) {
  switch (inst.op) {
    case Opcode::kConst:
      return EmitConst(b, inst.type, inst.imm);
    case Opcode::kIota:
      return EmitIota(b, inst.type);
    case Opcode::kSplat:
      if (inst.type.lanes == 1) return operands[0];
      return b.CreateVectorSplat(static_cast<unsigned>(inst.type.lanes), operands[0]);
    case Opcode::kExtract:
      if (operand.lanes == 1) return operands[0];
      return b.CreateExtractElement(operands[0], static_cast<uint64_t>(inst.lane));
    case Opcode::kShuffle:
      return EmitShuffle(b, inst, operands, target);
    case Opcode::kLookup:
      return EmitLookup(b, inst, operands[0], target);
    case Opcode::kBitcast:
      return EmitBitcast(b, inst.type, operand, operands[0]);
    case Opcode::kFma:
      return b.CreateIntrinsic(intrinsic::fma, {operands[0]->getType()},
                               {operands[0], operands[1], operands[2]});
    case Opcode::kSelect:
      return b.CreateSelect(operands[0], operands[1], operands[2]);
    case Opcode::kConvert:
      return EmitConvert(b, operands[0], operand.element, inst.type.element);
    case Opcode::kReduce:
      return EmitReduce(b, inst.reduce_op, operand, operands[0], target);
    case Opcode::kDot4:
      return EmitDot4(b, target, operands[0], operands[1], operands[2]);
    default:
      if (operands.size() == 1) return EmitUnary(b, inst.op, operand.element, operands[0]);
      return EmitBinary(b, inst.op, operand.element, operands[0], operands[1], target);
  }
}

}  // namespace skein
