#include <cmath>

#include "codegen/llvm/vector_ops.h"
#include "llvm/IR/Intrinsics.h"
#include "llvm/IR/IntrinsicsX86.h"

namespace skein {
namespace {

using llvm::Value;

class Converter {
 public:
  Converter(IrBuilder& b, int lanes) : b_(b), lanes_(lanes) {}

  Value* Convert(Value* x, ElementType from, ElementType to) {
    if (from == to) return x;
    if (IsBool(from)) return b_.CreateSelect(x, One(to), llvm::Constant::getNullValue(Type(to)));
    if (from == ElementType::kF16 || from == ElementType::kBF16) {
      return Convert(Widen(x, from), ElementType::kF32, to);
    }
    if (IsBool(to)) {
      Value* zero = llvm::Constant::getNullValue(x->getType());
      return IsFloat(from) ? b_.CreateFCmpUNE(x, zero) : b_.CreateICmpNE(x, zero);
    }
    if (to == ElementType::kF16 || to == ElementType::kBF16) return ToHalf(x, from, to);
    if (IsFloat(from)) return IsFloat(to) ? b_.CreateFPCast(x, Type(to)) : FloatToInt(x, to);
    if (IsInteger(to)) {
      return IsSigned(from) ? b_.CreateSExtOrTrunc(x, Type(to)) : b_.CreateZExtOrTrunc(x, Type(to));
    }
    return IntToFloat(x, from, to);
  }

 private:
  llvm::Type* Lanes(llvm::Type* lane) const { return WithLanes(lane, lanes_); }
  llvm::Type* Type(ElementType t) const { return RegisterType(b_.getContext(), {t, lanes_}); }
  llvm::Type* Int(unsigned bits) const { return Lanes(b_.getIntNTy(bits)); }
  Value* IntConst(unsigned bits, uint64_t value) const {
    return llvm::ConstantInt::get(Int(bits), value);
  }

  Value* One(ElementType t) const {
    if (t == ElementType::kF16) return IntConst(16, 0x3c00);
    if (t == ElementType::kBF16) return IntConst(16, 0x3f80);
    if (IsFloat(t)) return llvm::ConstantFP::get(Type(t), 1.0);
    return llvm::ConstantInt::get(Type(t), 1);
  }

  // f16 or bf16 to f32, exactly.
  Value* Widen(Value* x, ElementType from) {
    if (from == ElementType::kF16) {
      return b_.CreateFPExt(b_.CreateBitCast(x, Lanes(b_.getHalfTy())), Lanes(b_.getFloatTy()));
    }
    Value* bits = b_.CreateShl(b_.CreateZExt(x, Int(32)), IntConst(32, 16));
    return b_.CreateBitCast(bits, Lanes(b_.getFloatTy()));
  }

  Value* ToHalf(Value* x, ElementType from, ElementType to) {
    if (from == ElementType::kF64) {
      x = RoundToOdd(x);
    } else if (IsInteger(from)) {
      // An integer that f32 cannot hold is infinite in f16, but not in bf16.
      if (to == ElementType::kF16 || BitWidth(from) < 32) {
        x = IntToFloat(x, from, ElementType::kF32);
      } else {
        if (BitWidth(from) == 64) x = FitInDouble(x, IsSigned(from));
        x = RoundToOdd(IntToFloat(x, from, ElementType::kF64));
      }
    }
    if (to == ElementType::kF16) {
      return b_.CreateBitCast(b_.CreateFPTrunc(x, Lanes(b_.getHalfTy())), Int(16));
    }
    Value* bits = b_.CreateBitCast(x, Int(32));
    Value* high = b_.CreateLShr(bits, IntConst(32, 16));
    Value* odd = b_.CreateAnd(high, IntConst(32, 1));
    Value* rounded = b_.CreateAdd(bits, b_.CreateAdd(odd, IntConst(32, 0x7fff)));
    rounded = b_.CreateLShr(rounded, IntConst(32, 16));
    Value* quiet = b_.CreateOr(high, IntConst(32, 0x40));
    return b_.CreateTrunc(b_.CreateSelect(b_.CreateFCmpUNO(x, x), quiet, rounded), Int(16));
  }

  // f64 to f32 such that rounding once more to a shorter format is as good as rounding once:
  // towards zero, and the last bit is set if that was inexact.   Source: Boldo and Melquiond 2008.
  Value* RoundToOdd(Value* x) {
    Value* nearest = b_.CreateFPTrunc(x, Lanes(b_.getFloatTy()));
    Value* back = b_.CreateFPExt(nearest, x->getType());
    Value* bits = b_.CreateBitCast(nearest, Int(32));
    Value* away = b_.CreateFCmpOGT(b_.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, back),
                                   b_.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, x));
    Value* truncated = b_.CreateSelect(away, b_.CreateSub(bits, IntConst(32, 1)), bits);
    Value* odd = b_.CreateOr(truncated, IntConst(32, 1));
    bits = b_.CreateSelect(b_.CreateFCmpONE(back, x), odd, bits);
    return b_.CreateBitCast(bits, nearest->getType());
  }

  // Rounds to odd a 64-bit integer of more than 53 bits so that f64 holds it.
  Value* FitInDouble(Value* x, bool is_signed) {
    Value* low = b_.CreateAnd(x, IntConst(64, 2047));
    Value* high = b_.CreateAnd(x, IntConst(64, ~uint64_t{2047}));
    Value* sticky =
        b_.CreateSelect(b_.CreateICmpNE(low, IntConst(64, 0)), IntConst(64, 2048), IntConst(64, 0));
    // |x| < 2^53, as an unsigned comparison of x + 2^53.
    const uint64_t limit = uint64_t{1} << 53;
    Value* fits =
        is_signed ? b_.CreateICmpULT(b_.CreateAdd(x, IntConst(64, limit)), IntConst(64, 2 * limit))
                  : b_.CreateICmpULT(x, IntConst(64, limit));
    return b_.CreateSelect(fits, x, b_.CreateOr(high, sticky));
  }

  Value* IntToFloat(Value* x, ElementType from, ElementType to) {
    if (BitWidth(from) < 32) {
      x = IsSigned(from) ? b_.CreateSExt(x, Int(32)) : b_.CreateZExt(x, Int(32));
      return b_.CreateSIToFP(x, Type(to));
    }
    return IsSigned(from) ? b_.CreateSIToFP(x, Type(to)) : b_.CreateUIToFP(x, Type(to));
  }

  // Truncates, saturates, NaN -> 0. LLVM 19 takes the intrinsics for that apart into scalars, so
  // they serve scalars only.
  Value* FloatToInt(Value* x, ElementType to) {
    if (BitWidth(to) < 32) return FloatToNarrowInt(x, to);
    const bool is_signed = IsSigned(to);
    if (lanes_ == 1) {
      const auto id = is_signed ? llvm::Intrinsic::fptosi_sat : llvm::Intrinsic::fptoui_sat;
      return b_.CreateIntrinsic(id, {Type(to), x->getType()}, {x});
    }
    if (is_signed && BitWidth(to) == 32 && x->getType()->getScalarType()->isFloatTy()) {
      if (Value* result = FloatToInt32(x)) return result;
    }
    const unsigned bits = static_cast<unsigned>(BitWidth(to));
    const double above = std::ldexp(1.0, is_signed ? static_cast<int>(bits) - 1 : bits);
    Value* too_large = b_.CreateFCmpOGE(x, Float(x, above));
    Value* most = llvm::ConstantInt::get(Type(to), is_signed ? llvm::APInt::getSignedMaxValue(bits)
                                                             : llvm::APInt::getMaxValue(bits));
    // Out of range the conversion is poison, which a select that does not choose it stops.
    if (!is_signed) {
      Value* result = b_.CreateSelect(too_large, most, b_.CreateFPToUI(x, Type(to)));
      return b_.CreateSelect(b_.CreateFCmpOGT(x, Float(x, -1.0)), result, Zero(to));
    }
    Value* least = llvm::ConstantInt::get(Type(to), llvm::APInt::getSignedMinValue(bits));
    Value* result = b_.CreateSelect(too_large, most, b_.CreateFPToSI(x, Type(to)));
    result = b_.CreateSelect(b_.CreateFCmpOLT(x, Float(x, -above)), least, result);
    return b_.CreateSelect(b_.CreateFCmpORD(x, x), result, Zero(to));
  }

  // f32 to i32 by the instruction that gives the minimum for whatever it cannot convert; null if
  // there is none for this number of lanes.
  Value* FloatToInt32(Value* x) {
    Value* converted;
    if (lanes_ == 16) {
      converted =
          b_.CreateIntrinsic(llvm::Intrinsic::x86_avx512_mask_cvttps2dq_512, {},
                             {x, Zero(ElementType::kI32), b_.getInt16(0xffff), b_.getInt32(4)});
    } else if (lanes_ == 8) {
      converted = b_.CreateIntrinsic(llvm::Intrinsic::x86_avx_cvtt_ps2dq_256, {}, {x});
    } else {
      return nullptr;
    }
    Value* too_large = b_.CreateFCmpOGE(x, Float(x, 0x1p31));
    Value* result = b_.CreateSelect(too_large, IntConst(32, 0x7fffffff), converted);
    return b_.CreateSelect(b_.CreateFCmpORD(x, x), result, Zero(ElementType::kI32));
  }

  // Clamped as floats, where the limits are exact: that commutes with truncation.
  Value* FloatToNarrowInt(Value* x, ElementType to) {
    const int bits = BitWidth(to);
    const int64_t low = IsSigned(to) ? -(int64_t{1} << (bits - 1)) : 0;
    const int64_t high = low + (int64_t{1} << bits) - 1;
    Value* lowest = Float(x, static_cast<double>(low));
    Value* highest = Float(x, static_cast<double>(high));
    Value* clamped = b_.CreateSelect(b_.CreateFCmpOGT(x, lowest), x, lowest);
    clamped = b_.CreateSelect(b_.CreateFCmpOLT(clamped, highest), clamped, highest);
    Value* wide = b_.CreateFPToSI(clamped, Int(32));
    wide = b_.CreateSelect(b_.CreateFCmpORD(x, x), wide, IntConst(32, 0));
    return b_.CreateTrunc(wide, Type(to));
  }

  Value* Float(Value* like, double value) const {
    return llvm::ConstantFP::get(like->getType(), value);
  }
  Value* Zero(ElementType t) const { return llvm::Constant::getNullValue(Type(t)); }

  IrBuilder& b_;
  const int lanes_;
};

}  // namespace

Value* EmitConvert(IrBuilder& b, Value* x, ElementType from, ElementType to) {
  return Converter(b, LanesOf(x)).Convert(x, from, to);
}

}  // namespace skein
