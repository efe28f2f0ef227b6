// Interned, canonical integer expressions. One language serves three users:
//   * dims and strides of tensors: constants and symbols ("batch", "past + 1");
//   * known values and index maps: the same, over coordinates of a tensor;
//   * addresses and extents in a LoopNest: the same, over loop indices, arguments and SSA scalars.
//
// Semantics: 64-bit integers; add and mul saturate; floordiv and mod round towards -inf and give 0
// for a divisor of 0 (only an empty tensor gets there); compares give 0 or 1; select picks by != 0.
// A symbol is >= 0. A coordinate lies in [0, extent). Values (SSA scalars) are unbounded.
//
// Canonical form: a sum of constant * sorted product of atoms, where an atom is anything that is not
// a sum or a product. Equal pointers = equal expressions; different pointers may still be equal.
// Nodes are interned for the life of the process and shared by all threads.
#ifndef SKEIN_IR_DIM_EXPR_H_
#define SKEIN_IR_DIM_EXPR_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "base/status.h"

namespace skein {

enum class DimKind : uint8_t {
  kConst, kSymbol, kCoord, kValue,             // leaves
  kAdd, kMul,                                  // n-ary, canonical
  kFloorDiv, kMod, kMin, kMax, kLess, kEqual,  // binary; min/max/equal sort their operands
  kSelect,                                     // select(c, a, b)
};

inline constexpr int64_t kUnbounded = INT64_MAX;  // and -kUnbounded, in ranges

struct DimRange {
  int64_t lo, hi;  // inclusive; +-kUnbounded where nothing is known
};

struct DimNode;

class DimExpr {
 public:
  DimExpr();                            // 0
  DimExpr(int64_t value);               // NOLINT: constants convert freely
  DimExpr(int value) : DimExpr(static_cast<int64_t>(value)) {}  // NOLINT
  static DimExpr Symbol(std::string_view name);
  // Coordinate or loop index number `index`; its extent is part of its identity.
  static DimExpr Coord(int index, DimExpr extent);
  // The SSA scalar number `id` of a LoopNest body.
  static DimExpr Value(int id);

  DimKind kind() const;
  bool IsConst() const { return kind() == DimKind::kConst; }
  bool IsConst(int64_t v) const { return IsConst() && constant() == v; }
  std::optional<int64_t> AsConst() const;
  int64_t constant() const;                     // kConst
  std::string_view symbol() const;              // kSymbol
  int index() const;                            // kCoord: number; kValue: id
  DimExpr extent() const;                       // kCoord
  // kAdd: terms; kMul: factors, the constant (if not 1) first; others: operands in order.
  std::span<const DimExpr> operands() const;
  DimRange range() const;                       // by interval arithmetic, cached

  bool operator==(const DimExpr& o) const { return node_ == o.node_; }
  bool operator!=(const DimExpr& o) const { return node_ != o.node_; }
  // A total order that depends on structure only, never on addresses.
  static int Compare(DimExpr a, DimExpr b);

  // The text form, parsed back by ParseDimExpr: `batch*seq + 1`, `floordiv(x, 4)`, `mod(a, b)`,
  // `min(a, b)`, `less(a, b)`, `equal(a, b)`, `select(c, a, b)`, coordinates `$0`, values `%7`.
  std::string ToString() const;
  void AppendTo(std::string* text) const;

  const DimNode* node() const { return node_; }
  template <typename H>
  friend H AbslHashValue(H h, DimExpr e) {
    return H::combine(std::move(h), e.node_);
  }

 private:
  friend struct DimInterner;
  explicit DimExpr(const DimNode* node) : node_(node) {}
  const DimNode* node_;
};

// What a DimExpr points to; its operands, or the characters of a symbol, follow it in memory: with two operands it is one
// line of the cache. Immutable and immortal once interned, so that readers need no lock.
struct DimNode {
  DimKind kind;
  bool has_coords : 1 = false;   // coordinates or values, not counting those in extents
  bool has_values : 1 = false;   // likewise
  bool has_symbols : 1 = false;  // likewise
  bool any_symbols : 1 = false;  // counting those in extents
  int32_t index = 0;
  int32_t depth = 0;  // of nesting; a coordinate is one deeper than its extent
  uint32_t size = 0;  // of what follows
  int64_t constant = 0;
  DimRange range{0, 0};
  const DimNode* extent = nullptr;  // kCoord

  std::span<const DimExpr> operands() const {
    if (kind < DimKind::kAdd) return {};
    return {reinterpret_cast<const DimExpr*>(this + 1), size};
  }
  std::string_view symbol() const {
    if (kind != DimKind::kSymbol) return {};
    return {reinterpret_cast<const char*>(this + 1), size};
  }
};

extern const DimNode kZeroDim;

inline DimExpr::DimExpr() : node_(&kZeroDim) {}
inline DimKind DimExpr::kind() const { return node_->kind; }
inline int64_t DimExpr::constant() const { return node_->constant; }
inline int DimExpr::index() const { return node_->index; }
inline std::span<const DimExpr> DimExpr::operands() const { return node_->operands(); }
inline DimRange DimExpr::range() const { return node_->range; }

DimExpr operator+(DimExpr a, DimExpr b);
DimExpr operator-(DimExpr a, DimExpr b);
DimExpr operator*(DimExpr a, DimExpr b);
inline DimExpr operator-(DimExpr a) { return DimExpr(-1) * a; }
// Simplify: floordiv(c*q + r, c) = q + floordiv(r, c); mod drops multiples; both vanish where
// 0 <= r < c can be proved; c*floordiv(x, c) + mod(x, c) = x.
DimExpr FloorDiv(DimExpr a, DimExpr b);
DimExpr Mod(DimExpr a, DimExpr b);
DimExpr Min(DimExpr a, DimExpr b);
DimExpr Max(DimExpr a, DimExpr b);
DimExpr Less(DimExpr a, DimExpr b);
DimExpr Equal(DimExpr a, DimExpr b);
DimExpr Select(DimExpr condition, DimExpr a, DimExpr b);
inline DimExpr CeilDiv(DimExpr a, DimExpr b) { return FloorDiv(a + b - DimExpr(1), b); }
inline DimExpr Not(DimExpr a) { return Equal(a, DimExpr(0)); }
inline DimExpr And(DimExpr a, DimExpr b) { return a * b; }            // of 0/1 values
inline DimExpr Or(DimExpr a, DimExpr b) { return Max(a, b); }         // of 0/1 values

// True only if a >= 0 for every value of its symbols, coordinates and values. Substitutes the worst
// coordinate (0 or extent-1) by the sign of its coefficient, then checks ranges.
bool ProveNonNegative(DimExpr a);
inline bool ProveLessEqual(DimExpr a, DimExpr b) { return ProveNonNegative(b - a); }
inline bool ProveLess(DimExpr a, DimExpr b) { return ProveNonNegative(b - a - DimExpr(1)); }
bool ProveNotEqual(DimExpr a, DimExpr b);

// Replaces leaves: `leaf` returns the replacement of a symbol, coordinate or value, or nullopt to
// keep it. Extents inside coordinates are substituted too. Re-canonicalizes.
DimExpr Substitute(DimExpr e, const std::function<std::optional<DimExpr>(DimExpr)>& leaf);
// Coordinate i becomes with[i]; coordinates past the end of `with` stay.
DimExpr SubstituteCoords(DimExpr e, std::span<const DimExpr> with);
using SymbolMap = absl::flat_hash_map<std::string, DimExpr>;
DimExpr SubstituteSymbols(DimExpr e, const SymbolMap& with);

// Visits each distinct leaf (symbol, coordinate, value) once, in order of first appearance.
void VisitLeaves(DimExpr e, const std::function<void(DimExpr)>& visit);
bool DependsOnCoord(DimExpr e, int index);
inline bool HasCoords(DimExpr e) { return e.node()->has_coords; }  // coordinates or values
inline bool HasSymbols(DimExpr e) { return e.node()->has_symbols; }

// If e = base + stride * coordinate `index` with base and stride free of it: {base, stride}.
struct Affine {
  DimExpr base, stride;
};
std::optional<Affine> AsAffine(DimExpr e, int index);

using SymbolValues = absl::flat_hash_map<std::string, int64_t>;
// Errors: InvalidArgument naming a symbol without a value. Coordinates and values are given by
// position; missing ones are an error too.
absl::StatusOr<int64_t> Evaluate(DimExpr e, const SymbolValues& symbols,
                                 std::span<const int64_t> coords = {},
                                 std::span<const int64_t> values = {});

// Parses the text form; also the forms that exporters write into dim_param: `past + 1`, `a//b`,
// `a % b`, parentheses, unary minus, `Max(a, b)`, `floor(a/b)`. A text that does not parse is taken
// by callers as a plain name. `coord_extent(i)` supplies the extent of `$i`.
absl::StatusOr<DimExpr> ParseDimExpr(std::string_view text,
                                     const std::function<DimExpr(int)>& coord_extent = {});

std::string ToString(std::span<const DimExpr> dims);  // "[batch, seq, 768]"
DimExpr Product(std::span<const DimExpr> dims);

}  // namespace skein

#endif  // SKEIN_IR_DIM_EXPR_H_
