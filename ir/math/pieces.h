// Functions as sixteen polynomials, one for each piece of the operand's range: a lookup per
// coefficient costs one instruction, so the pieces can be short and the degree low, and nothing
// branches or is computed twice. Internal to ir/math.
//
// Numerics: degree 6, minimax fits with f32 coefficients, relative error at most 0.11 * 2^-24. A
// centre is moved by up to 1/32 of its piece to where the function is nearly an f32, so that the
// leading coefficient is as good as exact. u is exact (for small operands: to 2^-25 of the piece).
// Source: shared notes MATH-RECIPES, "Eight-piece polynomial by permute", with twice as many.
#ifndef SKEIN_IR_MATH_PIECES_H_
#define SKEIN_IR_MATH_PIECES_H_

#include "ir/math/parts.h"

namespace skein::math {

struct Pieces {
  float centre[16];
  float coefficients[7][16];
};

// The polynomial of the piece in which each lane of `a` (>= 0) lies.
class Piece {
 public:
  // Pieces are quarters of the octaves of a + shift, numbered by the low four bits of its exponent
  // and leading fraction bits: cyclic, so they start anywhere and cover four octaves.
  Piece(const Pieces& table, Real a, double shift)
      : table_(table),
        place_(a + shift),
        number_(ShiftRight(BitsOf(place_), 21)),
        u_(a - Entry(table.centre)) {}

  Real Value() const { return Fma(Slope(), u_, Entry(table_.coefficients[0])); }
  // Where the function vanishes at 0, with `start` instead of a constant in the first piece, which
  // is centred at 0 and ends where a + shift is `first_end`.
  Real Value(double first_end, Real start) const {
    const Mask in_first = place_ < first_end;
    const Real slope = Slope();
    return Fma(slope, u_, Select(in_first, start, Entry(table_.coefficients[0])));
  }

 private:
  // c1 + u*(c2 + ... + u*c6)
  Real Slope() const {
    Real sum = Entry(table_.coefficients[6]);
    for (int k = 5; k > 0; --k) sum = Fma(sum, u_, Entry(table_.coefficients[k]));
    return sum;
  }
  Real Entry(const float (&entries)[16]) const {
    LoopBuilder& builder = *number_.builder();
    return Real(builder, builder.Lookup(number_.id(), entries));
  }

  const Pieces& table_;
  Real place_;
  Word number_;
  Real u_;
};

// An odd function that is x near 0, from its values on [0, limit].
inline Real OddByPieces(const Pieces& table, Real x, double limit, double shift, double first_end) {
  const Real a = MinX86(limit, Abs(x));
  return WithSignOf(Piece(table, a, shift).Value(first_end, a), x);
}

}  // namespace skein::math

#endif  // SKEIN_IR_MATH_PIECES_H_
