// Random expression trees, evaluated directly and through the canonical expression. Each run draws
// a fresh seed; a failure prints it, and --gtest_random_seed repeats it.
#include <array>
#include <cstdlib>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "ir/dim_arithmetic.h"
#include "ir/dim_expr.h"
#include "ir/dim_expr_eval.h"

namespace skein {
namespace {

constexpr int kSymbols = 4, kCoords = 6, kValues = 2;
constexpr int64_t kTooBig = int64_t{1} << 40;  // saturation is no ring: stay far from it

DimExpr SymbolNumber(int i) { return DimExpr::Symbol(std::string(1, static_cast<char>('a' + i))); }

// One extent per coordinate number, as in an index map; later ones depend on earlier ones.
DimExpr ExtentOf(int i) {
  DimExpr a = SymbolNumber(0), b = SymbolNumber(1);
  switch (i) {
    case 0:
      return 8;
    case 1:
      return 12;
    case 2:
      return a;
    case 3:
      return a * b;
    case 4:
      return CeilDiv(b, 4);
    default:
      return Min(4, b - 4 * DimExpr::Coord(4, ExtentOf(4)));
  }
}

struct Binding {
  std::array<int64_t, kSymbols> symbols;
  std::array<int64_t, kCoords> coords;
  std::array<int64_t, kValues> values;

  SymbolValues Map() const {
    SymbolValues map;
    for (int i = 0; i < kSymbols; ++i) map[std::string(SymbolNumber(i).symbol())] = symbols[i];
    return map;
  }
};

// What a tree is at a binding. `size` bounds every intermediate of any rearrangement.
struct Direct {
  int64_t value = 0;
  double size = 0;
  bool valid = true;  // no division by 0, nothing near saturation
};

struct Tree {
  DimKind kind = DimKind::kConst;
  int64_t leaf = 0;  // constant or number
  std::vector<Tree> operands;

  DimExpr Build() const {
    std::vector<DimExpr> x;
    for (const Tree& operand : operands) x.push_back(operand.Build());
    switch (kind) {
      case DimKind::kConst:
        return leaf;
      case DimKind::kSymbol:
        return SymbolNumber(static_cast<int>(leaf));
      case DimKind::kCoord:
        return DimExpr::Coord(static_cast<int>(leaf), ExtentOf(static_cast<int>(leaf)));
      case DimKind::kValue:
        return DimExpr::Value(static_cast<int>(leaf));
      case DimKind::kAdd:
        return x[0] + x[1];
      case DimKind::kMul:
        return x[0] * x[1];
      case DimKind::kFloorDiv:
        return FloorDiv(x[0], x[1]);
      case DimKind::kMod:
        return Mod(x[0], x[1]);
      case DimKind::kMin:
        return Min(x[0], x[1]);
      case DimKind::kMax:
        return Max(x[0], x[1]);
      case DimKind::kLess:
        return Less(x[0], x[1]);
      case DimKind::kEqual:
        return Equal(x[0], x[1]);
      case DimKind::kSelect:
        return Select(x[0], x[1], x[2]);
    }
    return 0;
  }

  Direct Evaluate(const Binding& at) const {
    std::vector<Direct> x;
    Direct result;
    for (const Tree& operand : operands) {
      x.push_back(operand.Evaluate(at));
      result.valid &= x.back().valid;
      result.size += x.back().size;
    }
    if (!result.valid) return result;
    result.value = Value(x, at);
    if (operands.empty()) result.size = std::abs(static_cast<double>(result.value)) + 64;
    if (kind == DimKind::kMul) result.size = x[0].size * x[1].size;
    bool divides = kind == DimKind::kFloorDiv || kind == DimKind::kMod;
    if (divides && x[1].value == 0) result.valid = false;
    if (result.size > kTooBig) result.valid = false;
    return result;
  }

  std::string ToString() const {
    static const char* names[] = {"",    "",    "",    "",     "add",   "mul",   "floordiv",
                                  "mod", "min", "max", "less", "equal", "select"};
    if (operands.empty()) return Build().ToString();
    std::string text = std::string(names[static_cast<int>(kind)]) + "(";
    for (const Tree& operand : operands) text += operand.ToString() + ", ";
    return text.substr(0, text.size() - 2) + ")";
  }

 private:
  int64_t Value(const std::vector<Direct>& x, const Binding& at) const {
    switch (kind) {
      case DimKind::kConst:
        return leaf;
      case DimKind::kSymbol:
        return at.symbols[leaf];
      case DimKind::kCoord:
        return at.coords[leaf];
      case DimKind::kValue:
        return at.values[leaf];
      case DimKind::kAdd:
        return x[0].value + x[1].value;
      case DimKind::kMul:
        return x[0].value * x[1].value;
      case DimKind::kFloorDiv:
        return DimFloorDiv(x[0].value, x[1].value);
      case DimKind::kMod:
        return DimMod(x[0].value, x[1].value);
      case DimKind::kMin:
        return std::min(x[0].value, x[1].value);
      case DimKind::kMax:
        return std::max(x[0].value, x[1].value);
      case DimKind::kLess:
        return x[0].value < x[1].value;
      case DimKind::kEqual:
        return x[0].value == x[1].value;
      case DimKind::kSelect:
        return x[0].value != 0 ? x[1].value : x[2].value;
    }
    return 0;
  }
};

class DimExprRandomTest : public ::testing::Test {
 protected:
  DimExprRandomTest() {
    int given = GTEST_FLAG_GET(random_seed);
    seed_ = given != 0 ? given : static_cast<int>(std::random_device()() % 99999 + 1);
    random_.seed(seed_);
  }

  int64_t Pick(int64_t lo, int64_t hi) {
    return std::uniform_int_distribution<int64_t>(lo, hi)(random_);
  }

  std::string Seed() const { return "repeat with --gtest_random_seed=" + std::to_string(seed_); }

  Tree Leaf() {
    static const int64_t constants[] = {-1, 0, 1, 2, 3, 4, 6, 8, 12, 64, -2, -5};
    int64_t which = Pick(0, 19);
    if (which < 6) return {DimKind::kConst, constants[Pick(0, 11)], {}};
    if (which < 11) return {DimKind::kSymbol, Pick(0, kSymbols - 1), {}};
    if (which < 19) return {DimKind::kCoord, Pick(0, kCoords - 1), {}};
    return {DimKind::kValue, Pick(0, kValues - 1), {}};
  }

  Tree Divisor(int depth) {
    static const int64_t constants[] = {2, 3, 4, 6, 8, 12, 32, 64, -4, 1};
    int64_t which = Pick(0, 9);
    if (which < 5) return {DimKind::kConst, constants[Pick(0, 9)], {}};
    Tree symbol{DimKind::kSymbol, Pick(0, 1), {}};
    if (which < 7) return symbol;
    if (which < 8) return {DimKind::kMul, 0, {symbol, {DimKind::kConst, Pick(1, 4), {}}}};
    if (which < 9) return {DimKind::kAdd, 0, {symbol, {DimKind::kConst, Pick(1, 4), {}}}};
    return RandomTree(depth);
  }

  Tree RandomTree(int depth) {
    if (depth <= 0 || Pick(0, 9) == 0) return Leaf();
    int64_t which = Pick(0, 19);
    auto operand = [&] { return RandomTree(depth - 1); };
    if (which < 6) return {DimKind::kAdd, 0, {operand(), operand()}};
    if (which < 9) return {DimKind::kMul, 0, {operand(), operand()}};
    if (which < 12) return {DimKind::kFloorDiv, 0, {operand(), Divisor(depth - 1)}};
    if (which < 15) return {DimKind::kMod, 0, {operand(), Divisor(depth - 1)}};
    if (which < 16) return {DimKind::kMin, 0, {operand(), operand()}};
    if (which < 17) return {DimKind::kMax, 0, {operand(), operand()}};
    if (which < 18) return {DimKind::kLess, 0, {operand(), operand()}};
    if (which < 19) return {DimKind::kEqual, 0, {operand(), operand()}};
    return {DimKind::kSelect, 0, {operand(), operand(), operand()}};
  }

  // x - d*(x/d), d*(x/d) + x%d and the like: what random trees alone hardly ever form.
  Tree RandomIdentity(int depth) {
    Tree x = RandomTree(depth), divisor = Divisor(0), multiple = Leaf();
    Tree quotient{DimKind::kFloorDiv, 0, {x, divisor}};
    Tree whole{DimKind::kMul, 0, {multiple, {DimKind::kMul, 0, {divisor, quotient}}}};
    if (Pick(0, 1) == 0) {
      Tree mod{DimKind::kMod, 0, {x, divisor}};
      return {DimKind::kAdd, 0, {whole, {DimKind::kMul, 0, {multiple, mod}}}};
    }
    Tree minus{DimKind::kMul, 0, {{DimKind::kConst, -1, {}}, whole}};
    return {DimKind::kAdd, 0, {{DimKind::kMul, 0, {multiple, x}}, minus}};
  }

  Tree NextTree() {
    return Pick(0, 3) == 0 ? RandomIdentity(2) : RandomTree(static_cast<int>(Pick(1, 4)));
  }

  // Coordinates within their extents; false if a symbol leaves one empty.
  bool Bind(Binding& at) {
    int64_t largest = Pick(0, 2) == 0 ? 3 : 40;
    for (int64_t& symbol : at.symbols) symbol = Pick(0, largest);
    for (int64_t& value : at.values) value = Pick(-30, 30);
    SymbolValues symbols = at.Map();
    for (int i = 0; i < kCoords; ++i) {
      int64_t extent = *skein::Evaluate(ExtentOf(i), symbols, at.coords);
      if (extent <= 0) return false;
      int64_t where = Pick(0, 3);
      at.coords[i] = where == 0 ? 0 : where == 1 ? extent - 1 : Pick(0, extent - 1);
    }
    return true;
  }

  static int64_t ValueAt(DimExpr e, const Binding& at) {
    return skein::Evaluate(e, at.Map(), at.coords, at.values).value();
  }

  int seed_;
  std::mt19937_64 random_;
};

TEST_F(DimExprRandomTest, CanonicalFormKeepsTheValue) {
  for (int trial = 0; trial < 300; ++trial) {
    Tree tree = NextTree();
    DimExpr e = tree.Build();
    SCOPED_TRACE(tree.ToString() + " = " + e.ToString() + "; " + Seed());
    auto slot = [](std::string_view name) { return name[0] - 'a'; };
    CompiledDimExpr compiled = CompiledDimExpr::Compile(e, slot).value();
    bool never_negative = ProveNonNegative(e);
    for (int i = 0; i < 8; ++i) {
      Binding at;
      if (!Bind(at)) continue;
      Direct direct = tree.Evaluate(at);
      if (!direct.valid) continue;
      int64_t value = ValueAt(e, at);
      ASSERT_EQ(value, direct.value);
      ASSERT_EQ(compiled.Eval(at.symbols, at.coords, at.values), value);
      ASSERT_GE(value, e.range().lo);
      ASSERT_LE(value, e.range().hi);
      ASSERT_TRUE(value >= 0 || !never_negative);
    }
  }
}

TEST_F(DimExprRandomTest, ProofsHold) {
  for (int trial = 0; trial < 200; ++trial) {
    Tree a = NextTree(), b = NextTree();
    // A claim that just holds at one binding is the hardest to get right.
    Binding at;
    if (!Bind(at)) continue;
    Direct x = a.Evaluate(at), y = b.Evaluate(at);
    if (!x.valid || !y.valid) continue;
    DimExpr difference = b.Build() - a.Build();
    DimExpr claim = Pick(0, 2) == 0 ? difference : difference - (y.value - x.value);
    SCOPED_TRACE(a.ToString() + " and " + b.ToString() + ": " + claim.ToString() + "; " + Seed());
    bool proved = ProveNonNegative(claim), not_zero = ProveNotEqual(claim, 0);
    if (!proved && !not_zero) continue;
    for (int i = 0; i < 40; ++i) {
      if (!Bind(at) || !a.Evaluate(at).valid || !b.Evaluate(at).valid) continue;
      int64_t value = ValueAt(claim, at);
      ASSERT_TRUE(value >= 0 || !proved) << value;
      ASSERT_TRUE(value != 0 || !not_zero);
    }
  }
}

TEST_F(DimExprRandomTest, SubstituteKeepsTheValue) {
  const DimExpr c = SymbolNumber(2);
  for (int trial = 0; trial < 200; ++trial) {
    Tree tree = NextTree();
    DimExpr e = tree.Build();
    SCOPED_TRACE(tree.ToString() + " = " + e.ToString() + "; " + Seed());
    // a becomes 2*c + 1, and coordinate 1, in [0, 12), splits into 0 and a value.
    DimExpr inner = Mod(DimExpr::Value(0), 12);
    DimExpr changed = Substitute(e, [&](DimExpr leaf) -> std::optional<DimExpr> {
      if (leaf == SymbolNumber(0)) return 2 * c + 1;
      if (leaf == DimExpr::Coord(1, 12)) return inner;
      return std::nullopt;
    });
    for (int i = 0; i < 8; ++i) {
      Binding at;
      if (!Bind(at)) continue;
      Binding before = at;
      before.symbols[0] = 2 * at.symbols[2] + 1;
      before.coords[1] = DimMod(at.values[0], 12);
      at.symbols[0] = -1;  // must not be read any more
      before.coords[2] = at.coords[2] = Pick(0, before.symbols[0] - 1);
      if (before.symbols[1] == 0) continue;
      before.coords[3] = at.coords[3] = Pick(0, before.symbols[0] * before.symbols[1] - 1);
      Direct direct = tree.Evaluate(before);
      if (!direct.valid) continue;
      ASSERT_EQ(ValueAt(changed, at), direct.value) << changed.ToString();
    }
  }
}

TEST_F(DimExprRandomTest, TextRoundTrips) {
  for (int trial = 0; trial < 200; ++trial) {
    DimExpr e = NextTree().Build();
    SCOPED_TRACE(e.ToString() + "; " + Seed());
    auto parsed = ParseDimExpr(e.ToString(), ExtentOf);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    ASSERT_EQ(parsed->ToString(), e.ToString());
    ASSERT_EQ(*parsed, e);
  }
}

}  // namespace
}  // namespace skein
