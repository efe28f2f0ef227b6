#include <algorithm>

#include "ir/dim_expr_eval.h"
#include "ir/op_helpers.h"
#include "ir/reference.h"

namespace skein {
namespace {

// Row-major strides.
std::vector<int64_t> Strides(std::span<const int64_t> dims) {
  std::vector<int64_t> strides(dims.size());
  int64_t stride = 1;
  for (size_t i = dims.size(); i-- > 0;) {
    strides[i] = stride;
    stride *= dims[i];
  }
  return strides;
}

// Steps coordinates to the next element in row-major order.
void Next(std::span<const int64_t> dims, std::vector<int64_t>* coords) {
  for (size_t i = dims.size(); i-- > 0;) {
    if (++(*coords)[i] < dims[i]) return;
    (*coords)[i] = 0;
  }
}

// With all sizes put in: constants and coordinates of constant extent are left.
DimExpr Bind(DimExpr e, const SymbolValues& symbols, std::span<const int64_t> dims) {
  e = Substitute(e, [&](DimExpr leaf) -> std::optional<DimExpr> {
    if (leaf.kind() != DimKind::kSymbol) return std::nullopt;
    auto found = symbols.find(std::string(leaf.symbol()));
    if (found == symbols.end()) return std::nullopt;
    return DimExpr(found->second);
  });
  Dims extents(dims.begin(), dims.end());
  return SubstituteCoords(e, CoordsOf(extents));
}

absl::StatusOr<CompiledDimExpr> Compile(DimExpr e) {
  return CompiledDimExpr::Compile(e, [](std::string_view) { return -1; });
}

// base + sum of stride[i] * coordinate i, if e is that.
struct Strided {
  int64_t base;
  std::vector<int64_t> strides;
};
std::optional<Strided> AsStrided(DimExpr e, size_t rank) {
  Strided s{0, std::vector<int64_t>(rank, 0)};
  for (size_t i = 0; i < rank; ++i) {
    auto affine = AsAffine(e, static_cast<int>(i));
    if (!affine || !affine->stride.IsConst()) return std::nullopt;
    s.strides[i] = affine->stride.constant();
    e = affine->base;
  }
  if (!e.IsConst()) return std::nullopt;
  s.base = e.constant();
  return s;
}

void CopyElement(const RefTensor& from, int64_t i, RefTensor* to, int64_t j) {
  if (IsFloat(from.element)) {
    to->value[j] = from.value[i];
  } else {
    to->exact[j] = from.exact[i];
  }
  if (!to->error.empty()) to->error[j] = from.error.empty() ? 0 : from.error[i];
}

struct BoundPiece {
  CompiledDimExpr condition, offset;
  const RefTensor* from;
};

}  // namespace

absl::StatusOr<RefTensor> ReferenceMovement(const Graph& graph, const Node& node,
                                            const SymbolValues& symbols, std::vector<int64_t> dims,
                                            RefOperands x) {
  bool errors =
      std::any_of(x.begin(), x.end(), [](const RefTensor* t) { return !t->error.empty(); });
  RefTensor y = EmptyTensor(node.results[0].element, std::move(dims), errors);
  if (node.op == Op::reshape) {
    if (x[0]->count() != y.count())
      return InvalidArgument("reshape of ", x[0]->count(), " elements to ", y.count());
    y.value = x[0]->value;
    y.exact = x[0]->exact;
    y.error = x[0]->error;
    return y;
  }
  std::vector<BoundPiece> pieces;
  std::optional<Strided> only;
  for (const Piece& piece : Def(node.op).pieces(graph, node)) {
    const RefTensor* from = x[piece.operand];
    DimExpr condition = Bind(piece.condition, symbols, y.dims);
    std::vector<int64_t> strides = Strides(from->dims);
    DimExpr offset = 0;
    for (size_t i = 0; i < strides.size(); ++i)
      offset = offset + strides[i] * Bind(piece.map[i], symbols, y.dims);
    if (pieces.empty() && condition.IsConst(1)) only = AsStrided(offset, y.dims.size());
    SKEIN_ASSIGN_OR_RETURN(CompiledDimExpr compiled_condition, Compile(condition));
    SKEIN_ASSIGN_OR_RETURN(CompiledDimExpr compiled_offset, Compile(offset));
    pieces.push_back({std::move(compiled_condition), std::move(compiled_offset), from});
  }
  int64_t count = y.count();
  std::vector<int64_t> coords(std::max<size_t>(y.dims.size(), 1), 0);
  int64_t inner = y.dims.empty() ? 1 : y.dims.back();
  for (int64_t i = 0; only && i < count; i += inner) {
    int64_t offset = only->base;
    for (size_t d = 0; d < y.dims.size(); ++d) offset += only->strides[d] * coords[d];
    int64_t stride = y.dims.empty() ? 0 : only->strides.back();
    int64_t last = offset + (inner - 1) * stride, limit = pieces[0].from->count();
    if (std::min(offset, last) < 0 || std::max(offset, last) >= limit) {
      return absl::OutOfRangeError(
          absl::StrCat(std::string(Name(node.op)), " reads element ", last, " of ", limit));
    }
    for (int64_t k = 0; k < inner; ++k)
      CopyElement(*pieces[0].from, offset + k * stride, &y, i + k);
    Next(std::span(y.dims).first(y.dims.empty() ? 0 : y.dims.size() - 1), &coords);
  }
  for (int64_t i = 0; !only && i < count; ++i) {
    for (const BoundPiece& piece : pieces) {
      if (piece.condition.Eval({}, coords) == 0) continue;
      int64_t offset = piece.offset.Eval({}, coords);
      if (offset < 0 || offset >= piece.from->count()) {
        return absl::OutOfRangeError(absl::StrCat(std::string(Name(node.op)), " reads element ",
                                                  offset, " of ", piece.from->count()));
      }
      CopyElement(*piece.from, offset, &y, i);
      break;
    }
    Next(y.dims, &coords);
  }
  return y;
}

absl::StatusOr<RefTensor> ReferenceIndex(const Node& node, const SymbolValues& symbols,
                                         std::vector<int64_t> dims) {
  RefTensor y = EmptyTensor(node.results[0].element, std::move(dims), false);
  SKEIN_ASSIGN_OR_RETURN(CompiledDimExpr expr,
                         Compile(Bind(node.attributes.DimList("expr")[0], symbols, y.dims)));
  std::vector<int64_t> coords(std::max<size_t>(y.dims.size(), 1), 0);
  for (int64_t i = 0; i < y.count(); ++i) {
    y.exact[i] = WrapTo(y.element, expr.Eval({}, coords));
    Next(y.dims, &coords);
  }
  return y;
}

absl::StatusOr<RefTensor> ReferenceGather(const Graph& graph, const Node& node,
                                          const SymbolValues& symbols, std::vector<int64_t> dims,
                                          std::span<const int64_t> data_dims,
                                          const std::function<RefScalar(int64_t)>& data,
                                          RefOperands indices) {
  RefTensor y = EmptyTensor(node.results[0].element, std::move(dims), true);
  // Offsets into each index tensor, then the coordinates into the data.
  std::vector<CompiledDimExpr> index_offsets, map;
  size_t next = 0;
  const Dims& index_map = node.attributes.DimList("index_map");
  for (const RefTensor* index : indices) {
    std::vector<int64_t> strides = Strides(index->dims);
    DimExpr offset = 0;
    for (int64_t stride : strides)
      offset = offset + stride * Bind(index_map[next++], symbols, y.dims);
    SKEIN_ASSIGN_OR_RETURN(CompiledDimExpr compiled, Compile(offset));
    index_offsets.push_back(std::move(compiled));
  }
  for (DimExpr m : node.attributes.DimList("map")) {
    SKEIN_ASSIGN_OR_RETURN(CompiledDimExpr compiled, Compile(Bind(m, symbols, y.dims)));
    if (compiled.value_count() > static_cast<int>(indices.size()))
      return InvalidArgument("map of gather mentions %", compiled.value_count() - 1);
    map.push_back(std::move(compiled));
  }
  std::vector<int64_t> data_strides = Strides(data_dims);
  std::vector<int64_t> coords(std::max<size_t>(y.dims.size(), 1), 0), values(indices.size());
  for (int64_t i = 0; i < y.count(); ++i) {
    bool uncertain = false;
    for (size_t k = 0; k < indices.size(); ++k) {
      int64_t at = index_offsets[k].Eval({}, coords);
      if (at < 0 || at >= indices[k]->count()) {
        return absl::OutOfRangeError(
            absl::StrCat("gather reads index ", at, " of ", indices[k]->count()));
      }
      values[k] = indices[k]->exact[at];
      uncertain = uncertain || (!indices[k]->error.empty() && indices[k]->error[at] > 0);
    }
    int64_t offset = 0;
    for (size_t d = 0; d < map.size(); ++d) {
      int64_t c = map[d].Eval({}, coords, values);
      if (c < 0 || c >= data_dims[d]) {
        return absl::OutOfRangeError(absl::StrCat("index ", c, " is outside dim ", d, " of ",
                                                  graph.type(node.operands[0]).ToString(),
                                                  ", which is ", data_dims[d]));
      }
      offset += c * data_strides[d];
    }
    RefScalar element = data(offset);
    if (uncertain) element.error = HUGE_VAL;
    SetElement(&y, i, element);
    Next(y.dims, &coords);
  }
  return y;
}

}  // namespace skein
