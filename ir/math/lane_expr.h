// Arithmetic notation for LoopBuilder, so that a formula in ir/math reads like the formula. Each
// operator appends one instruction; a plain number is a constant. Internal to ir/math.
#ifndef SKEIN_IR_MATH_LANE_EXPR_H_
#define SKEIN_IR_MATH_LANE_EXPR_H_

#include <cstdint>
#include <initializer_list>

#include "ir/loop_nest.h"

namespace skein::math {

// An f32 vector, or a constant that takes the lanes of what it meets.
class Real {
 public:
  Real(double constant) : constant_(constant) {}  // NOLINT: formulas mix vectors and numbers
  Real(LoopBuilder& b, ValueId id) : builder_(&b), id_(id) {}

  LoopBuilder* builder() const { return builder_; }
  ValueId In(LoopBuilder& b) const {
    return builder_ != nullptr ? id_ : b.Const(ElementType::kF32, constant_);
  }
  ValueId id() const { return id_; }  // not of a constant

 private:
  LoopBuilder* builder_ = nullptr;
  ValueId id_;
  double constant_ = 0;
};

// An i32 vector, or a constant: the bits of a float.
class Word {
 public:
  Word(int64_t constant) : constant_(constant) {}  // NOLINT: as Real
  Word(LoopBuilder& b, ValueId id) : builder_(&b), id_(id) {}

  LoopBuilder* builder() const { return builder_; }
  ValueId In(LoopBuilder& b) const {
    return builder_ != nullptr ? id_ : b.ConstInt(ElementType::kI32, constant_);
  }

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

template <typename T>
LoopBuilder& BuilderOf(const T& a, const T& b) {
  return a.builder() != nullptr ? *a.builder() : *b.builder();
}

template <typename T>
T Apply(Opcode op, const T& a, const T& b) {
  LoopBuilder& builder = BuilderOf(a, b);
  return T(builder, builder.Binary(op, a.In(builder), b.In(builder)));
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
  LoopBuilder& builder = a.builder() != nullptr ? *a.builder() : BuilderOf(b, c);
  return Real(builder, builder.Fma(a.In(builder), b.In(builder), c.In(builder)));
}

inline Word operator+(Word a, Word b) { return Apply(Opcode::kAdd, a, b); }
inline Word operator-(Word a, Word b) { return Apply(Opcode::kSub, a, b); }
inline Word operator&(Word a, Word b) { return Apply(Opcode::kAnd, a, b); }
inline Word operator|(Word a, Word b) { return Apply(Opcode::kOr, a, b); }
inline Word operator^(Word a, Word b) { return Apply(Opcode::kXor, a, b); }
inline Word operator<<(Word a, int amount) { return Apply(Opcode::kShl, a, Word(amount)); }
inline Word ShiftRight(Word a, int amount) { return Apply(Opcode::kShr, a, Word(amount)); }
inline Word ShiftRightSigned(Word a, int amount) { return Apply(Opcode::kSar, a, Word(amount)); }

inline Word BitsOf(Real a) {
  return Word(*a.builder(), a.builder()->Bitcast(ElementType::kI32, a.id()));
}
inline Real FloatOf(Word a) {
  return Real(*a.builder(), a.builder()->Bitcast(ElementType::kF32, a.In(*a.builder())));
}
// By value, not by bits.
inline Real ToReal(Word a) {
  return Real(*a.builder(), a.builder()->Convert(ElementType::kF32, a.In(*a.builder())));
}
inline Word ToWord(Real a) {
  return Word(*a.builder(), a.builder()->Convert(ElementType::kI32, a.id()));
}

template <typename T>
Mask Compare(Opcode op, const T& a, const T& b) {
  LoopBuilder& builder = BuilderOf(a, b);
  return Mask{&builder, builder.Binary(op, a.In(builder), b.In(builder))};
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
T Choose(Mask condition, const T& a, const T& b) {
  LoopBuilder& builder = *condition.builder;
  return T(builder, builder.Select(condition.id, a.In(builder), b.In(builder)));
}
inline Real Select(Mask condition, Real a, Real b) { return Choose(condition, a, b); }
inline Word Select(Mask condition, Word a, Word b) { return Choose(condition, a, b); }

// c0 + u*(c1 + u*(c2 + ...)), one fma per coefficient after the last.
inline Real Horner(Real u, std::initializer_list<double> coefficients) {
  const double* c = coefficients.end() - 1;
  Real sum = *c;
  while (c != coefficients.begin()) sum = Fma(sum, u, *--c);
  return sum;
}

}  // namespace skein::math

#endif  // SKEIN_IR_MATH_LANE_EXPR_H_
