#include "ir/op_helpers.h"

#include <algorithm>
#include <bit>

namespace skein {

absl::Status ExpectFloat(const Node&, const TensorType& t) {
  if (IsFloat(t.element)) return absl::OkStatus();
  return InvalidArgument("needs floats, not ", std::string(Name(t.element)));
}

absl::Status SameAsFirst(const Graph& graph, const Node& node, ResultTypes* results) {
  results->assign(1, graph.type(node.operands[0]));
  return absl::OkStatus();
}

absl::Status FloatSameAsFirst(const Graph& graph, const Node& node,
                              ResultTypes* results) {
  SKEIN_RETURN_IF_ERROR(ExpectFloat(node, graph.type(node.operands[0])));
  return SameAsFirst(graph, node, results);
}

absl::Status BoolLikeFirst(const Graph& graph, const Node& node, ResultTypes* results) {
  results->push_back({ElementType::kBool, graph.type(node.operands[0]).dims});
  return absl::OkStatus();
}

absl::Status NumberSameAsFirst(const Graph& graph, const Node& node,
                               ResultTypes* results) {
  if (IsBool(graph.type(node.operands[0]).element))
    return InvalidArgument("needs numbers, not bool");
  return SameAsFirst(graph, node, results);
}

absl::Status IntegerSameAsFirst(const Graph& graph, const Node& node,
                                ResultTypes* results) {
  ElementType t = graph.type(node.operands[0]).element;
  if (!IsInteger(t)) return InvalidArgument("needs integers, not ", std::string(Name(t)));
  return SameAsFirst(graph, node, results);
}

absl::Status BitsSameAsFirst(const Graph& graph, const Node& node,
                             ResultTypes* results) {
  ElementType t = graph.type(node.operands[0]).element;
  if (IsFloat(t)) return InvalidArgument("needs integers or bools, not ", std::string(Name(t)));
  return SameAsFirst(graph, node, results);
}

absl::Status BoolSameAsFirst(const Graph& graph, const Node& node,
                             ResultTypes* results) {
  ElementType t = graph.type(node.operands[0]).element;
  if (!IsBool(t)) return InvalidArgument("needs bools, not ", std::string(Name(t)));
  return SameAsFirst(graph, node, results);
}

absl::Status BoolLikeFloat(const Graph& graph, const Node& node, ResultTypes* results) {
  SKEIN_RETURN_IF_ERROR(ExpectFloat(node, graph.type(node.operands[0])));
  return BoolLikeFirst(graph, node, results);
}

std::optional<DimExpr> FoldUnary(const Graph& graph, const Node& node, DimExpr (*f)(DimExpr)) {
  auto a = graph.Known(node.operands[0]);
  if (!a) return std::nullopt;
  return f(*a);
}

std::optional<DimExpr> FoldBinary(const Graph& graph, const Node& node,
                                  DimExpr (*f)(DimExpr, DimExpr)) {
  auto a = graph.Known(node.operands[0]);
  if (!a) return std::nullopt;
  auto b = graph.Known(node.operands[1]);
  if (!b) return std::nullopt;
  return f(*a, *b);
}

FloatFormat FormatOf(ElementType t) {
  switch (t) {
    case ElementType::kF16:
      return {11, -14, 15};
    case ElementType::kBF16:
      return {8, -126, 127};
    case ElementType::kF32:
      return {24, -126, 127};
    default:
      return {53, -1022, 1023};
  }
}

double HalfUlp(ElementType type, double y) {
  // By the exponent bits: the reference calls this for every element of every operation.
  constexpr uint64_t kExponent = uint64_t{0x7ff} << 52;
  static constexpr double kLeast[] = {0x1p-14, 0x1p-126, 0x1p-126, 0x1p-1022};
  static constexpr double kScale[] = {0x1p-11, 0x1p-8, 0x1p-24, 0x1p-53};
  if (!IsFloat(type)) return 0;
  uint64_t exponent = std::bit_cast<uint64_t>(y) & kExponent;
  if (exponent == kExponent) return 0;
  int format = static_cast<int>(type) - static_cast<int>(ElementType::kF16);
  double half = std::max(std::bit_cast<double>(exponent), kLeast[format]) * kScale[format];
  return std::max(half, 0x1p-1074);  // half a quantum of f64's subnormals is no double
}

double OverflowLimit(ElementType type) {
  static constexpr double kLimit[] = {0x1.ffep15, 0x1.ffp127, 0x1.ffffffp127, HUGE_VAL};
  return kLimit[static_cast<int>(type) - static_cast<int>(ElementType::kF16)];
}

double Ulps(ElementType type, double y, double ulp) {
  // The C library's f64 functions are themselves off by up to an ulp.
  double own = type == ElementType::kF64 ? 2 : 0x1p-20;
  return 2 * (ulp + own) * HalfUlp(type, y);
}

Bounded Rounded(ElementType type, double y, double error) {
  return {y, error + (type == ElementType::kF64 ? 2 * HalfUlp(type, y) : HalfUlp(type, y))};
}

Bounded Monotone(ElementType type, Bounded x, double (*f)(double), double ulp) {
  double y = f(x.value);
  if (x.error == 0) return {y, Ulps(type, y, ulp)};
  double above = f(x.value + x.error), below = f(x.value - x.error);
  double moved = std::fmax(std::fabs(above - y), std::fabs(y - below));
  // inf - inf: saturated on that side only if the other one is as well.
  if (std::isinf(y) && above == y && below == y) return {y, 0};
  if (std::isnan(above) || std::isnan(below) || std::isinf(y)) return {y, HUGE_VAL};
  // A result that moves may also cross into a binade of larger ulps.
  return {y, moved + Ulps(type, std::fabs(y) + moved, ulp)};
}

Bounded Sloped(ElementType type, Bounded x, long double (*f)(long double), double slope, double ulp) {
  const double y = static_cast<double>(f(x.value));
  const double moved = x.error == 0 ? 0 : slope * x.error;
  return {y, moved + Ulps(type, std::fabs(y) + moved, ulp)};
}

Bounded Comparison(bool value, Bounded a, Bounded b) {
  double error = a.error + b.error;
  bool certain = error == 0 || std::isnan(a.value) || std::isnan(b.value) ||
                 std::fabs(a.value - b.value) > error;
  return {value ? 1.0 : 0.0, certain ? 0.0 : 1.0};
}

double FloorMod(double a, double b) {
  double r = std::fmod(a, b);
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

// Monotone in each argument while the base is positive, so the corners of the box of errors bound
// it.
Bounded PowReference(ElementType type, Bounded a, Bounded b) {
  constexpr double kUlp = 0.92;
  double y = std::pow(a.value, b.value);
  if (a.error == 0 && b.error == 0) return {y, Ulps(type, y, kUlp)};
  if (a.value - a.error <= 0) {
    // Around or below zero only whole exponents known exactly make sense, of which 2 is the one
    // that matters.
    if (b.error != 0 || b.value != 2) return {y, HUGE_VAL};
    double moved = a.error * (2 * std::fabs(a.value) + a.error);
    return {y, moved + Ulps(type, y + moved, kUlp)};
  }
  double moved = 0;
  for (double da : {-a.error, a.error}) {
    for (double db : {-b.error, b.error}) {
      moved = std::fmax(moved, std::fabs(std::pow(a.value + da, b.value + db) - y));
    }
  }
  if (!std::isfinite(moved)) return {y, HUGE_VAL};
  return {y, moved + Ulps(type, y + moved, kUlp)};
}

namespace {

// base + sum of stride[i] * coordinate i, if every element agrees. Elements so large that a step from
// them leaves 64 bits are no sizes.
std::optional<DimExpr> AffineLiteral(const Literal& literal) {
  int rank = static_cast<int>(literal.dims.size());
  int64_t base = literal.AsInt64(0), at = 1;
  std::vector<int64_t> stride(rank, 0);
  for (int i = rank - 1; i >= 0; --i) {
    if (literal.dims[i] > 1 && __builtin_sub_overflow(literal.AsInt64(at), base, &stride[i])) {
      return std::nullopt;
    }
    at *= literal.dims[i];
  }
  std::vector<int64_t> coord(rank, 0);
  int64_t expected = base;
  for (int64_t i = 0; i < at; ++i) {
    if (literal.AsInt64(i) != expected) return std::nullopt;
    for (int d = rank - 1; d >= 0; --d) {
      if (__builtin_add_overflow(expected, stride[d], &expected)) return std::nullopt;
      if (++coord[d] < literal.dims[d]) break;
      int64_t back;
      if (__builtin_mul_overflow(stride[d], coord[d], &back) ||
          __builtin_sub_overflow(expected, back, &expected)) {
        return std::nullopt;
      }
      coord[d] = 0;
    }
  }
  DimExpr e = base;
  for (int i = 0; i < rank; ++i) {
    if (stride[i] != 0) e = e + DimExpr(stride[i]) * DimExpr::Coord(i, literal.dims[i]);
  }
  return e;
}

// 1 where the last coordinate is at most the one before, else 0: the causal masks that exporters
// store.
std::optional<DimExpr> TriangleLiteral(const Literal& literal) {
  int rank = static_cast<int>(literal.dims.size());
  if (rank < 2) return std::nullopt;
  int64_t rows = literal.dims[rank - 2], columns = literal.dims[rank - 1];
  if (rows * columns != literal.count() || rows < 2 || columns < 2) return std::nullopt;
  for (int64_t i = 0; i < rows * columns; ++i) {
    if (literal.AsInt64(i) != (i % columns <= i / columns)) return std::nullopt;
  }
  return Not(Less(DimExpr::Coord(rank - 2, rows), DimExpr::Coord(rank - 1, columns)));
}

}  // namespace

std::optional<DimExpr> KnownLiteral(const Literal& literal) {
  constexpr int64_t kMaxListed = 64;
  if (IsFloat(literal.element) || literal.element == ElementType::kU64) return std::nullopt;
  if (literal.count() == 0) return DimExpr(0);
  if (auto affine = AffineLiteral(literal)) return affine;
  if (auto triangle = TriangleLiteral(literal)) return triangle;
  if (literal.count() > kMaxListed) return std::nullopt;
  Dims dims(literal.dims.begin(), literal.dims.end());
  DimExpr linear = Linearize(CoordsOf(dims), dims);
  DimExpr e = literal.AsInt64(literal.count() - 1);
  for (int64_t i = literal.count() - 1; i-- > 0;)
    e = Select(Less(linear, i + 1), literal.AsInt64(i), e);
  return e;
}

}  // namespace skein
