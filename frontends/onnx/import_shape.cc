// Operators whose values depend on constants and sizes alone.
#include <algorithm>
#include <cmath>

#include "frontends/onnx/op_table.h"
#include "frontends/onnx/tensor_literal.h"
#include "ir/op.h"

namespace skein {
namespace {

void Shape(NodeImport& n) {
  Dims dims = n.dims(n.In(0));
  int64_t rank = static_cast<int64_t>(dims.size());
  auto place = [rank](int64_t at) { return std::clamp<int64_t>(at < 0 ? at + rank : at, 0, rank); };
  int64_t start = place(n.Int("start", 0)), end = place(n.Int("end", rank));
  end = std::max(start, end);
  n.Out(0, n.List(Dims(dims.begin() + start, dims.begin() + end)));
}

void Size(NodeImport& n) { n.Out(0, n.Index(ElementType::kI64, {}, Product(n.dims(n.In(0))))); }

LiteralRef LiteralOfAttribute(NodeImport& n, const onnx::TensorProto& tensor) {
  absl::StatusOr<LiteralRef> literal = LiteralOf(tensor, nullptr, nullptr);
  if (literal.ok()) return *literal;
  n.SetStatus(Annotate(literal.status(), "attribute 'value'"));
  return nullptr;
}

LiteralRef FloatsLiteral(const std::vector<double>& values) {
  std::vector<uint8_t> bytes;
  for (double v : values) {
    float f = static_cast<float>(v);
    const uint8_t* p = reinterpret_cast<const uint8_t*>(&f);
    bytes.insert(bytes.end(), p, p + sizeof(f));
  }
  return MakeLiteral(ElementType::kF32, {static_cast<int64_t>(values.size())}, std::move(bytes));
}

void Constant(NodeImport& n) {
  if (const onnx::TensorProto* tensor = n.Tensor("value")) {
    LiteralRef literal = LiteralOfAttribute(n, *tensor);
    if (literal != nullptr) n.Out(0, n.Constant(literal));
  } else if (n.HasAttribute("value_float")) {
    n.Out(0, n.Scalar(ElementType::kF32, n.Float("value_float", 0)));
  } else if (n.HasAttribute("value_int")) {
    n.Out(0, n.Reshape(n.List({DimExpr(n.Int("value_int", 0))}), {}));
  } else if (std::optional<std::vector<double>> floats = n.Floats("value_floats")) {
    n.Out(0, n.Constant(FloatsLiteral(*floats)));
  } else if (std::optional<std::vector<int64_t>> ints = n.Ints("value_ints")) {
    n.Out(0, n.Constant(IntsLiteral(ElementType::kI64, *ints)));
  } else {
    n.Unsupported("a constant that is no dense tensor of numbers");
  }
}

void ConstantOfShape(NodeImport& n) {
  Dims dims = n.KnownList(n.In(0), "shape");
  for (DimExpr d : dims) {
    if (ProveLess(d, 0)) n.Fail("shape ", ToString(dims), " has a negative dim");
  }
  const onnx::TensorProto* tensor = n.Tensor("value");
  if (!n.ok()) return;
  if (tensor == nullptr) return n.Out(0, n.Splat(ElementType::kF32, 0, dims));
  LiteralRef value = LiteralOfAttribute(n, *tensor);
  if (value == nullptr) return;
  if (value->count() != 1) {
    n.Fail("attribute 'value' has ", value->count(), " elements, expected one");
    return;
  }
  if (!IsFloat(value->element)) {
    return n.Out(0, n.Index(value->element, dims, DimExpr(value->AsInt64(0))));
  }
  n.Out(0, n.BroadcastTo(n.Constant(value), dims));
}

// The value of a float scalar: a constant, or a known integer as a float.
std::optional<double> KnownFloat(NodeImport& n, Value v) {
  if (std::optional<double> constant = n.graph().SplatValue(v)) return constant;
  if (n.graph().op(v) != Op::cast) return std::nullopt;
  Value from = n.graph().node(v.node).operands[0];
  std::optional<DimExpr> known = n.graph().Known(from);
  if (!known || !known->IsConst()) return std::nullopt;
  return static_cast<double>(known->constant());
}

// start + i * delta of three float constants.
void FloatRange(NodeImport& n) {
  double ends[3];
  for (int i = 0; i < 3; ++i) {
    std::optional<double> value = KnownFloat(n, n.In(i));
    if (!value) {
      n.Unsupported("data-dependent shape: a float range of unknown ends");
      return;
    }
    ends[i] = *value;
  }
  double count = std::max(0.0, std::ceil((ends[1] - ends[0]) / ends[2]));
  if (!(count < static_cast<double>(kMaxTensorBytes))) {
    n.Fail("a range of ", count, " elements");
    return;
  }
  Dims dims = {DimExpr(static_cast<int64_t>(count))};
  Value i = n.Cast(n.Index(ElementType::kI64, dims, CoordsOf(dims)[0]), n.element(n.In(0)));
  Value step = n.Emit(Op::mul, {i, n.SplatLike(i, ends[2])});
  n.Out(0, n.Emit(Op::add, {n.SplatLike(i, ends[0]), step}));
}

void Range(NodeImport& n) {
  ElementType t = n.element(n.In(0));
  if (IsFloat(t)) return FloatRange(n);
  DimExpr start = n.KnownScalar(n.In(0), "start"), limit = n.KnownScalar(n.In(1), "limit");
  DimExpr delta = n.KnownScalar(n.In(2), "delta");
  if (!n.ok()) return;
  if (!delta.IsConst() || delta.IsConst(0) || delta.IsConst(INT64_MIN)) {
    n.Unsupported("a range with the step ", delta.ToString());
    return;
  }
  bool up = delta.constant() > 0;
  DimExpr distance = up ? limit - start : start - limit;
  if (distance.IsConst()) {
    distance = Max(distance, 0);
  } else {
    n.AssumeLessEqual(
        0, distance,
        absl::StrCat("the range ", start.ToString(), " to ", limit.ToString(), " is not reversed"));
  }
  Dims dims = {CeilDiv(distance, up ? delta : -delta)};
  n.Out(0, n.Index(t, dims, start + CoordsOf(dims)[0] * delta));
}

void EyeLike(NodeImport& n) {
  Dims dims = n.dims(n.In(0));
  ElementType t = n.Type("dtype", n.element(n.In(0)));
  if (dims.size() != 2) {
    n.Fail("expected a matrix, got ", n.type(n.In(0)).ToString());
    return;
  }
  Dims coords = CoordsOf(dims);
  DimExpr on_diagonal = Equal(coords[1], coords[0] + DimExpr(n.Int("k", 0)));
  n.Out(0, n.Cast(n.Index(ElementType::kI64, dims, on_diagonal), t));
}

constexpr OnnxOp kOps[] = {
    {"Constant", 0, 0, Constant}, {"ConstantOfShape", 1, 1, ConstantOfShape},
    {"EyeLike", 1, 1, EyeLike},   {"Range", 3, 3, Range},
    {"Shape", 1, 1, Shape},       {"Size", 1, 1, Size},
};

}  // namespace

std::span<const OnnxOp> ShapeOps() { return kOps; }

}  // namespace skein
