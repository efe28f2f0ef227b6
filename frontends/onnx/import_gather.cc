// Operators that pick elements at places which other tensors give.
#include <cstring>

#include "frontends/onnx/op_table.h"
#include "ir/op.h"

namespace skein {
namespace {

// Whether all elements are >= 0. An element that is outside an axis of constant extent, counted
// from either end, is a failure.
bool AllFromStart(NodeImport& n, const Literal& indices, DimExpr extent) {
  bool from_start = true;
  int64_t limit = extent.AsConst().value_or(INT64_MAX);
  for (int64_t i = 0; i < indices.count(); ++i) {
    int64_t index = indices.AsInt64(i);
    from_start &= index >= 0;
    if (index >= limit || index < -limit) {
      n.Fail("index ", index, " is outside an axis of ", limit, " elements");
    }
  }
  return from_start;
}

// The extent as a scalar of the indices' type.
Value ExtentLike(NodeImport& n, Value indices, DimExpr extent) {
  if (extent.IsConst()) {
    return n.Scalar(n.element(indices), static_cast<double>(extent.constant()));
  }
  return n.Cast(n.Index(ElementType::kI64, {}, extent), n.element(indices));
}

// ONNX counts negative indices from the end, `gather` takes none: i < 0 ? i + extent : i.
Value FromStart(NodeImport& n, Value indices, DimExpr extent) {
  if (!n.ok()) return Value();
  if (!IsInteger(n.element(indices))) {
    return n.Fail("its indices are ", n.type(indices).ToString());
  }
  if (IsUnsigned(n.element(indices))) return indices;
  LiteralRef literal = n.graph().Constant(indices);
  if (literal != nullptr && AllFromStart(n, *literal, extent)) return indices;
  std::optional<DimExpr> known = n.graph().Known(indices);
  if (known && ProveNonNegative(*known)) return indices;
  Value shift = n.BroadcastTo(ExtentLike(n, indices, extent), n.dims(indices));
  Value negative = n.Emit(Op::less, {indices, n.SplatLike(indices, 0)});
  return n.Select(negative, n.Emit(Op::add, {indices, shift}), indices);
}

void Gather(NodeImport& n) {
  Value x = n.In(0);
  int axis = n.Axis(n.Int("axis", 0), n.rank(x));
  if (!n.ok()) return;
  n.Out(0, n.GatherAxis(x, axis, FromStart(n, n.In(1), n.dims(x)[axis])));
}

void GatherElements(NodeImport& n) {
  Value x = n.In(0), indices = n.In(1);
  int axis = n.Axis(n.Int("axis", 0), n.rank(x));
  if (!n.ok()) return;
  if (n.rank(x) != n.rank(indices)) {
    n.Fail("data ", n.type(x).ToString(), " and indices ", n.type(indices).ToString(),
           " differ in rank");
    return;
  }
  Dims from = n.dims(x), result = n.dims(indices);
  for (int i = 0; i < n.rank(x); ++i) {
    if (i != axis)
      n.AssumeLessEqual(result[i], from[i], "the indices reach no further than the data");
  }
  indices = FromStart(n, indices, from[axis]);
  Dims coords = CoordsOf(result), map = coords;
  map[axis] = DimExpr::Value(0);
  n.Out(0,
        n.Emit(Op::gather, {x, indices}, {{"dims", result}, {"map", map}, {"index_map", coords}}));
}

// Component j of every index tuple, counted from the start. Where that is how it already is, the
// tuples themselves, read at `place`.
Value Component(NodeImport& n, Value tuples, int64_t j, DimExpr extent, Dims* place) {
  if (!n.ok()) return Value();
  int last = n.rank(tuples) - 1;
  if (std::optional<DimExpr> known = n.graph().Known(tuples)) {
    Dims coords = CoordsOf(n.dims(tuples));
    coords[last] = DimExpr(j);
    if (ProveNonNegative(SubstituteCoords(*known, coords))) {
      place->back() = DimExpr(j);
      return tuples;
    }
  }
  place->back() = DimExpr(0);
  return FromStart(n, n.SliceAxis(tuples, last, j, 1), extent);
}

void GatherNd(NodeImport& n) {
  Value x = n.In(0), tuples = n.In(1);
  int64_t batch = n.Int("batch_dims", 0);
  Dims from = n.dims(x), places = n.dims(tuples);
  std::optional<int64_t> width = places.empty() ? std::nullopt : places.back().AsConst();
  if (places.empty() || from.empty() || batch < 0 ||
      batch >= static_cast<int64_t>(std::min(from.size(), places.size())) ||
      (width && *width > static_cast<int64_t>(from.size()) - batch)) {
    n.Fail("indices ", n.type(tuples).ToString(), " do not fit ", n.type(x).ToString(), " with ",
           batch, " batch dims");
    return;
  }
  if (!width || *width == 0) {
    n.Unsupported("index tuples of ", places.back().ToString(), " components");
    return;
  }
  Dims result(places.begin(), places.end() - 1);
  for (int64_t i = 0; i < batch; ++i) result[i] = n.SameDim(from[i], places[i]);
  result.insert(result.end(), from.begin() + batch + *width, from.end());

  Dims coords = CoordsOf(result), map(coords.begin(), coords.begin() + batch), index_map;
  std::vector<Value> operands = {x};
  for (int64_t j = 0; j < *width; ++j) {
    Dims place(coords.begin(), coords.begin() + places.size() - 1);
    place.push_back(0);
    operands.push_back(Component(n, tuples, j, from[batch + j], &place));
    index_map.insert(index_map.end(), place.begin(), place.end());
    map.push_back(DimExpr::Value(static_cast<int>(j)));
  }
  map.insert(map.end(), coords.begin() + places.size() - 1, coords.end());
  n.Out(0,
        n.Emit(Op::gather, operands, {{"dims", result}, {"map", map}, {"index_map", index_map}}));
}

// The number of classes; some exporters write it as a float.
DimExpr DepthOf(NodeImport& n, Value depth) {
  if (!IsFloat(n.element(depth))) return n.KnownScalar(depth, "depth");
  std::optional<double> value = n.graph().SplatValue(depth);
  if (!value) {
    n.Unsupported("data-dependent shape: its depth is not known");
  } else if (!(*value >= 0 && *value < INT32_MAX)) {
    n.Fail("its depth is ", *value);
  } else {
    return DimExpr(static_cast<int64_t>(*value));
  }
  return 0;
}

// on where the coordinate along the new axis is the index, else off.
void OneHot(NodeImport& n) {
  Value indices = n.Cast(n.In(0), ElementType::kI64), values = n.In(2);
  DimExpr depth = DepthOf(n, n.In(1));
  int axis = n.Axis(n.Int("axis", -1), n.rank(indices) + 1);
  if (!n.ok()) return;
  if (n.rank(values) != 1) {
    n.Fail("its values are ", n.type(values).ToString(), ", expected off and on");
    return;
  }
  Dims column = n.dims(indices);
  column.insert(column.begin() + axis, DimExpr(1));
  Dims result = column;
  result[axis] = depth;
  Value wide = n.BroadcastTo(n.Reshape(FromStart(n, indices, depth), column), result);
  Value place = n.Index(ElementType::kI64, result, CoordsOf(result)[axis]);
  Value choices[2];  // off, on
  for (int i = 0; i < 2; ++i) {
    choices[i] = n.BroadcastTo(n.Reshape(n.SliceAxis(values, 0, i, 1), {}), result);
  }
  n.Out(0, n.Select(n.Emit(Op::equal, {place, wide}), choices[1], choices[0]));
}

constexpr OnnxOp kOps[] = {
    {"Gather", 2, 2, Gather},
    {"GatherElements", 2, 2, GatherElements},
    {"GatherND", 2, 2, GatherNd},
    {"OneHot", 3, 3, OneHot},
};

}  // namespace

std::span<const OnnxOp> GatherOps() { return kOps; }

}  // namespace skein
