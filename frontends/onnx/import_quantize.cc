// Linear quantization, spelled out.
#include "frontends/onnx/op_table.h"

namespace skein {
namespace {

// A scale or zero point, one for all or one per element of `axis`, as wide as x.
Value AlongAxis(NodeImport& n, Value v, Value x, int64_t axis) {
  if (!n.ok() || !v.valid() || n.rank(v) == 0) return v.valid() ? n.BroadcastTo(v, n.dims(x)) : v;
  if (n.rank(v) != 1 || n.Int("block_size", 0) != 0) return n.Unsupported("blocks of scales");
  if (n.dims(v)[0].IsConst(1)) return n.BroadcastTo(n.Reshape(v, {}), n.dims(x));
  Dims dims(n.rank(x), DimExpr(1));
  int place = n.Axis(axis, n.rank(x));
  if (!n.ok()) return Value();
  dims[place] = n.dims(v)[0];
  return n.BroadcastTo(n.Reshape(v, dims), n.dims(x));
}

// (x - zero_point) * scale
void DequantizeLinear(NodeImport& n) {
  Value x = n.In(0);
  int64_t axis = n.Int("axis", 1);
  Value scale = AlongAxis(n, n.In(1), x, axis), zero_point = AlongAxis(n, n.In(2), x, axis);
  Value y = n.Cast(x, ElementType::kI32);
  if (zero_point.valid()) y = n.Emit(Op::sub, {y, n.Cast(zero_point, ElementType::kI32)});
  n.Out(0, n.Emit(Op::mul, {n.Cast(y, n.element(scale)), scale}));
}

struct Limits {
  double low, high;
};

Limits LimitsOf(ElementType t) {
  double span = static_cast<double>(int64_t{1} << BitWidth(t));
  return IsSigned(t) ? Limits{-span / 2, span / 2 - 1} : Limits{0, span - 1};
}

// round(x / scale) + zero_point, held within the type; ties round to even.
void QuantizeLinear(NodeImport& n) {
  Value x = n.In(0);
  int64_t axis = n.Int("axis", 1);
  ElementType to = n.Has(2) ? n.element(n.In(2)) : n.Type("output_dtype", ElementType::kU8);
  if (!IsInteger(to) || BitWidth(to) > 16) {
    n.Unsupported("quantization to ", std::string(Name(to)));
    return;
  }
  x = n.Widen(x);
  Value scale = n.Cast(AlongAxis(n, n.In(1), x, axis), n.element(x));
  Value zero_point = AlongAxis(n, n.In(2), x, axis);
  Value y = n.Unary(Op::round_even, n.Emit(Op::div, {x, scale}));
  if (zero_point.valid()) y = n.Emit(Op::add, {y, n.Cast(zero_point, n.element(x))});
  Limits limits = LimitsOf(to);
  y = n.Emit(Op::maximum, {y, n.SplatLike(y, limits.low)});
  y = n.Emit(Op::minimum, {y, n.SplatLike(y, limits.high)});
  n.Out(0, n.Cast(y, to));
}

constexpr OnnxOp kOps[] = {
    {"DequantizeLinear", 2, 3, DequantizeLinear},
    {"QuantizeLinear", 2, 3, QuantizeLinear},
};

}  // namespace

std::span<const OnnxOp> QuantizeOps() { return kOps; }

}  // namespace skein
