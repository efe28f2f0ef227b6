// Known values: what of a program's integers and booleans follows from sizes and coordinates alone.
#include "ir/graph.h"
#include "ir/op_helpers.h"

namespace skein {
namespace {

// Larger expressions cost more, in passes and as index arithmetic in kernels, than the tensors they
// save.
constexpr int kMaxExpressionSize = 256;

// At result coordinates: the known value of the piece's operand at the piece's map.
std::optional<DimExpr> KnownByPieces(const Graph& graph, const Node& node) {
  for (size_t i = 0; i < node.operands.size(); ++i) {
    bool is_data = node.op != Op::gather || i == 0;
    if (is_data && !graph.Known(node.operands[i])) return std::nullopt;
  }
  std::vector<Piece> pieces;
  if (node.op == Op::gather) {
    // A known table takes any index: a range error, if there is one, is kept by the run-time check
    // of the gather only if the gather runs, so the index has to be provably or by guard in range.
    auto known_pieces = PiecesOf(graph, node);
    if (!known_pieces) return std::nullopt;
    pieces = std::move(*known_pieces);
  } else {
    pieces = Def(node.op).pieces(graph, node);
  }
  std::optional<DimExpr> result;
  for (size_t i = pieces.size(); i-- > 0;) {
    DimExpr value = SubstituteCoords(*graph.Known(node.operands[pieces[i].operand]), pieces[i].map);
    result = result ? Select(pieces[i].condition, value, *result) : value;
  }
  return result;
}

// Reductions by one add, mul, maximum or minimum: over elements that are all equal, or over few.
std::optional<DimExpr> KnownReduction(const Graph& graph, const Node& node) {
  const ReducerRef* reducer = node.attributes.Get<ReducerRef>("reducer");
  auto op = SimpleCombine(**reducer);
  if (!op || node.operands.size() != 1) return std::nullopt;
  auto value = graph.Known(node.operands[0]);
  if (!value) return std::nullopt;
  const Dims& dims = graph.type(node.operands[0]).dims;
  for (int64_t axis : node.attributes.Ints("axes")) {
    DimExpr extent = dims[axis];
    int index = static_cast<int>(axis);
    if (!DependsOnCoord(*value, index)) {
      if (*op == Op::add) {
        value = *value * extent;
      } else if (*op == Op::mul || !ProveLess(0, extent)) {
        if (!extent.IsConst(1)) return std::nullopt;
      }
      continue;
    }
    constexpr int64_t kMaxTerms = 16;
    if (!extent.IsConst() || extent.constant() < 1 || extent.constant() > kMaxTerms)
      return std::nullopt;
    Dims coords = CoordsOf(dims);
    std::optional<DimExpr> total;
    for (int64_t i = 0; i < extent.constant(); ++i) {
      coords[axis] = i;
      DimExpr term = SubstituteCoords(*value, coords);
      total = !total               ? term
              : *op == Op::add     ? *total + term
              : *op == Op::mul     ? *total * term
              : *op == Op::maximum ? Max(*total, term)
                                   : Min(*total, term);
    }
    value = total;
  }
  return value;
}

// Whether wrapping to the element type cannot change e. Sizes are taken to fit 31 bits, so that i32
// shape arithmetic folds as i64 does.
bool Fits(ElementType t, DimExpr e) {
  DimRange range = e.range();
  if (IsBool(t)) return range.lo >= 0 && range.hi <= 1;
  if (t == ElementType::kI64) return true;
  if (t == ElementType::kI32 && !e.IsConst()) return true;
  if (IsUnsigned(t) && BitWidth(t) >= 32 && !e.IsConst()) return ProveNonNegative(e);
  if (t == ElementType::kU64) return range.lo >= 0;
  int bits = BitWidth(t);
  int64_t lo = IsSigned(t) ? -(int64_t{1} << (bits - 1)) : 0;
  int64_t hi = (int64_t{1} << (IsSigned(t) ? bits - 1 : bits)) - 1;
  return range.lo >= lo && range.hi <= hi;
}

}  // namespace

std::optional<DimExpr> FindKnown(const Graph& graph, const Node& node) {
  const TensorType& type = node.results[0];
  if (node.results.size() != 1 || IsFloat(type.element)) return std::nullopt;
  const OpDef& def = Def(node.op);
  std::optional<DimExpr> known;
  if (def.op_class == OpClass::kMovement || def.op_class == OpClass::kGather) {
    known = KnownByPieces(graph, node);
  } else if (def.op_class == OpClass::kReduce) {
    known = KnownReduction(graph, node);
  } else if (def.fold != nullptr) {
    known = def.fold(graph, node);
  }
  if (!known) return std::nullopt;
  // In terms of this node's own coordinates: an operand's may have extents of another name.
  known = SubstituteCoords(graph.Assumed(*known), CoordsOf(type.dims));
  bool listed = node.op == Op::constant || node.op == Op::index;
  if (!listed && ExpressionSize(*known, kMaxExpressionSize) >= kMaxExpressionSize)
    return std::nullopt;
  if (!Fits(type.element, *known)) return std::nullopt;
  return known;
}

std::optional<DimExpr> Graph::Known(Value v) const {
  if (v.result != 0) return std::nullopt;
  return known_[v.node.index];
}

std::optional<Dims> Graph::KnownList(Value v) const {
  constexpr int64_t kMaxLength = 4096;
  const TensorType& t = type(v);
  if (t.rank() > 1 || IsFloat(t.element)) return std::nullopt;
  if (t.rank() == 1 && (!t.dims[0].IsConst() || t.dims[0].constant() > kMaxLength))
    return std::nullopt;
  int64_t count = t.rank() == 0 ? 1 : t.dims[0].constant();
  Dims list;
  if (LiteralRef literal = Constant(v)) {
    for (int64_t i = 0; i < count; ++i) list.push_back(literal->AsInt64(i));
    return list;
  }
  auto known = Known(v);
  if (!known) return std::nullopt;
  for (int64_t i = 0; i < count; ++i) {
    DimExpr at = i;
    list.push_back(t.rank() == 0 ? *known : SubstituteCoords(*known, std::span(&at, 1)));
  }
  return list;
}

LiteralRef Graph::Constant(Value v) const {
  const Node& n = node(v.node);
  return n.op == Op::constant ? *n.attributes.Get<LiteralRef>("literal") : nullptr;
}

std::optional<double> Graph::SplatValue(Value v) const {
  while (op(v) == Op::broadcast || op(v) == Op::reshape || op(v) == Op::transpose)
    v = node(v.node).operands[0];
  if (op(v) == Op::constant) {
    const Literal& literal = **node(v.node).attributes.Get<LiteralRef>("literal");
    // Matrices of weights lie in a mapped file of which nothing may be in memory: looking at each of those of BERT base
    // took 0.3 ms, and 40 where the system had to read them.
    constexpr int64_t kMostBytes = 1 << 20;
    if (literal.bytes() > kMostBytes || !literal.IsSplat()) return std::nullopt;
    return literal.AsDouble(0);
  }
  auto known = Known(v);
  if (!known || !known->IsConst()) return std::nullopt;
  return static_cast<double>(known->constant());
}

}  // namespace skein
