// Arithmetic notation for LoopBuilder, so that a formula in ir/math reads like the formula. Each
// operator appends one instruction; a plain number is a constant. Internal to ir/math.
#ifndef SKEIN_IR_MATH_LANE_EXPR_H_
#define SKEIN_IR_MATH_LANE_EXPR_H_

#include <cstdint>
#include <initializer_list>

#include "ir/loop_nest.h"

namespace skein::math {

// A vector of f32 or f64, or a constant that takes lanes and type of what it meets.
class Real {
 public:
  Real(double constant) : constant_(constant) {}  // NOLINT: formulas mix vectors and numbers
  Real(LoopBuilder& b, ValueId id) : builder_(&b), id_(id) {}

  LoopBuilder* builder() const { return builder_; }
  ElementType type() const { return builder_->type(id_).element; }  // not of a constant
  ValueId In(LoopBuilder& b, ElementType t) const {
    return builder_ != nullptr ? id_ : b.Const(t, constant_);
  }
  ValueId id() const { return id_; }  // not of a constant

 private:
  LoopBuilder* builder_ = nullptr;
  ValueId id_;
  double constant_ = 0;
};

// A vector of i32 or i64, or a constant: the bits of an f32 or f64.
class Word {
 public:
  Word(int64_t constant) : constant_(constant) {}  // NOLINT: as Real
  Word(LoopBuilder& b, ValueId id) : builder_(&b), id_(id) {}

  LoopBuilder* builder() const { return builder_; }
  ElementType type() const { return builder_->type(id_).element; }  // not of a constant
  ValueId In(LoopBuilder& b, ElementType t) const {
    return builder_ != nullptr ? id_ : b.ConstInt(t, constant_);
  }
  ValueId id() const { return id_; }  // not of a constant

 private:
  LoopBuilder* builder_ = nullptr;
  ValueId id_;
  int64_t constant_ = 0;
};

// A bool vector.
struct Mask {
  LoopBuilder* builder;
  ValueId id;
};

// The one of `a` and `b` that is no constant.
template <typename T>
const T& VectorOf(const T& a, const T& b) {
  return a.builder() != nullptr ? a : b;
}

template <typename T>
T Apply(Opcode op, const T& a, const T& b) {
  const T& vector = VectorOf(a, b);
  LoopBuilder& builder = *vector.builder();
  const ElementType t = vector.type();
  return T(builder, builder.Binary(op, a.In(builder, t), b.In(builder, t)));
}

inline Real operator+(Real a, Real b) { return Apply(Opcode::kAdd, a, b); }
inline Real operator-(Real a, Real b) { return Apply(Opcode::kSub, a, b); }
inline Real operator*(Real a, Real b) { return Apply(Opcode::kMul, a, b); }
inline Real operator/(Real a, Real b) { return Apply(Opcode::kDiv, a, b); }
// a < b ? a : b and a > b ? a : b. With the constant first, a NaN in the data passes through.
inline Real MinX86(Real a, Real b) { return Apply(Opcode::kMinX86, a, b); }
inline Real MaxX86(Real a, Real b) { return Apply(Opcode::kMaxX86, a, b); }
inline Real Apply(Opcode op, Real a) { return Real(*a.builder(), a.builder()->Unary(op, a.id())); }
inline Real operator-(Real a) { return Apply(Opcode::kNeg, a); }
inline Real Abs(Real a) { return Apply(Opcode::kAbs, a); }
inline Real Sqrt(Real a) { return Apply(Opcode::kSqrt, a); }
inline Real Trunc(Real a) { return Apply(Opcode::kTrunc, a); }

// a*b + c, rounded once.
inline Real Fma(Real a, Real b, Real c) {
  const Real& vector = VectorOf(a, VectorOf(b, c));
  LoopBuilder& builder = *vector.builder();
  const ElementType t = vector.type();
  return Real(builder, builder.Fma(a.In(builder, t), b.In(builder, t), c.In(builder, t)));
}

inline Word operator+(Word a, Word b) { return Apply(Opcode::kAdd, a, b); }
inline Word operator-(Word a, Word b) { return Apply(Opcode::kSub, a, b); }
inline Word operator&(Word a, Word b) { return Apply(Opcode::kAnd, a, b); }
inline Word operator|(Word a, Word b) { return Apply(Opcode::kOr, a, b); }
inline Word operator^(Word a, Word b) { return Apply(Opcode::kXor, a, b); }
inline Word operator<<(Word a, int amount) { return Apply(Opcode::kShl, a, Word(amount)); }
inline Word ShiftRight(Word a, int amount) { return Apply(Opcode::kShr, a, Word(amount)); }
inline Word ShiftRightSigned(Word a, int amount) { return Apply(Opcode::kSar, a, Word(amount)); }

inline ElementType WordType(ElementType real) {
  return real == ElementType::kF64 ? ElementType::kI64 : ElementType::kI32;
}
inline ElementType RealType(ElementType word) {
  return word == ElementType::kI64 ? ElementType::kF64 : ElementType::kF32;
}
inline Word BitsOf(Real a) {
  return Word(*a.builder(), a.builder()->Bitcast(WordType(a.type()), a.id()));
}
inline Real FloatOf(Word a) {
  return Real(*a.builder(), a.builder()->Bitcast(RealType(a.type()), a.id()));
}
// By value, not by bits.
inline Real ToReal(Word a) {
  return Real(*a.builder(), a.builder()->Convert(RealType(a.type()), a.id()));
}
inline Word ToWord(Real a) {
  return Word(*a.builder(), a.builder()->Convert(WordType(a.type()), a.id()));
}
inline Real ToDouble(Real a) {
  return Real(*a.builder(), a.builder()->Convert(ElementType::kF64, a.id()));
}
inline Real ToSingle(Real a) {
  return Real(*a.builder(), a.builder()->Convert(ElementType::kF32, a.id()));
}

template <typename T>
Mask Compare(Opcode op, const T& a, const T& b) {
  const T& vector = VectorOf(a, b);
  LoopBuilder& builder = *vector.builder();
  const ElementType t = vector.type();
  return Mask{&builder, builder.Binary(op, a.In(builder, t), b.In(builder, t))};
}
inline Mask operator<(Real a, Real b) { return Compare(Opcode::kLess, a, b); }
inline Mask operator>(Real a, Real b) { return Compare(Opcode::kLess, b, a); }
inline Mask operator==(Real a, Real b) { return Compare(Opcode::kEqual, a, b); }
inline Mask operator!=(Real a, Real b) { return Compare(Opcode::kNotEqual, a, b); }  // true on NaN
inline Mask operator!=(Word a, Word b) { return Compare(Opcode::kNotEqual, a, b); }
inline Mask Combine(Opcode op, Mask a, Mask b) {
  return Mask{a.builder, a.builder->Binary(op, a.id, b.id)};
}
inline Mask operator&(Mask a, Mask b) { return Combine(Opcode::kAnd, a, b); }
inline Mask operator|(Mask a, Mask b) { return Combine(Opcode::kOr, a, b); }
inline Mask operator^(Mask a, Mask b) { return Combine(Opcode::kXor, a, b); }

template <typename T>
T Choose(Mask condition, const T& a, const T& b, ElementType t) {
  LoopBuilder& builder = *condition.builder;
  return T(builder, builder.Select(condition.id, a.In(builder, t), b.In(builder, t)));
}
// Of two constants, an f32 or i32.
inline Real Select(Mask condition, Real a, Real b) {
  const Real& vector = VectorOf(a, b);
  return Choose(condition, a, b, vector.builder() ? vector.type() : ElementType::kF32);
}
inline Word Select(Mask condition, Word a, Word b) {
  const Word& vector = VectorOf(a, b);
  return Choose(condition, a, b, vector.builder() ? vector.type() : ElementType::kI32);
}
inline Real SelectDouble(Mask condition, double a, double b) {
  return Choose(condition, Real(a), Real(b), ElementType::kF64);
}

// c0 + u*(c1 + u*(c2 + ...)), one fma per coefficient after the last.
inline Real Horner(Real u, std::initializer_list<double> coefficients) {
  const double* c = coefficients.end() - 1;
  Real sum = *c;
  while (c != coefficients.begin()) sum = Fma(sum, u, *--c);
  return sum;
}

}  // namespace skein::math

#endif  // SKEIN_IR_MATH_LANE_EXPR_H_
