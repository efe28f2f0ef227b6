// Reductions, softmax and cumulative sums.
#include <numeric>

#include "frontends/onnx/op_table.h"

namespace skein {
namespace {

std::vector<int64_t> AllAxes(int rank) {
  std::vector<int64_t> axes(rank);
  std::iota(axes.begin(), axes.end(), 0);
  return axes;
}

// The axes of a ReduceX: an attribute at first, an input since opset 18 (ReduceSum: 13). None at
// all means every axis, unless noop_with_empty_axes.
std::vector<int64_t> ReduceAxes(NodeImport& n) {
  int rank = n.rank(n.In(0));
  std::vector<int64_t> axes;
  if (n.Has(1)) {
    axes = n.KnownInts(n.In(1), "list of axes");
  } else if (std::optional<std::vector<int64_t>> attribute = n.Ints("axes")) {
    axes = *attribute;
  }
  if (axes.empty()) {
    return n.Int("noop_with_empty_axes", 0) != 0 ? std::vector<int64_t>() : AllAxes(rank);
  }
  return n.Axes(axes, rank);
}

// x with the reduced axes, of extent 1, taken out unless keepdims.
Value DropAxes(NodeImport& n, Value x, const std::vector<int64_t>& axes) {
  if (!n.ok() || n.Int("keepdims", 1) != 0) return x;
  Dims dims = n.dims(x);
  for (size_t i = axes.size(); i-- > 0;) dims.erase(dims.begin() + axes[i]);
  return n.Reshape(x, dims);
}

using Axes = std::vector<int64_t>;

Value Sum(NodeImport& n, Value x, const Axes& axes) { return n.ReduceSum(x, axes); }
Value Mean(NodeImport& n, Value x, const Axes& axes) { return n.ReduceMean(x, axes); }
Value Product(NodeImport& n, Value x, const Axes& axes) {
  return n.Reduce(x, axes, ProductReducer);
}
// Reducers take numbers: a bool is reduced as a byte.
Value Max(NodeImport& n, Value x, const Axes& axes) {
  ElementType t = n.element(x);
  if (IsBool(t)) x = n.Cast(x, ElementType::kU8);
  return n.Cast(n.ReduceMax(x, axes), t);
}
Value Min(NodeImport& n, Value x, const Axes& axes) {
  ElementType t = n.element(x);
  if (IsBool(t)) x = n.Cast(x, ElementType::kU8);
  return n.Cast(n.Reduce(x, axes, MinReducer), t);
}
Value SumOfMagnitudes(NodeImport& n, Value x, const Axes& axes) {
  return n.ReduceSum(n.Unary(Op::abs, x), axes);
}
Value SumOfSquares(NodeImport& n, Value x, const Axes& axes) {
  return n.ReduceSum(n.Emit(Op::mul, {x, x}), axes);
}
Value Norm(NodeImport& n, Value x, const Axes& axes) {
  return n.Unary(Op::sqrt, SumOfSquares(n, x, axes));
}
Value LogOfSum(NodeImport& n, Value x, const Axes& axes) {
  return n.Unary(Op::log, n.ReduceSum(x, axes));
}
// log sum exp(x - max) + max, which does not overflow.
Value LogSumExp(NodeImport& n, Value x, const Axes& axes) {
  Value max = n.ReduceMax(x, axes);
  Value shifted = n.Emit(Op::sub, {x, n.BroadcastTo(max, n.dims(x))});
  Value log = n.Unary(Op::log, n.ReduceSum(n.Unary(Op::exp, shifted), axes));
  return n.Emit(Op::add, {log, max});
}

template <Value (*kReduce)(NodeImport&, Value, const Axes&)>
void Import(NodeImport& n) {
  std::vector<int64_t> axes = ReduceAxes(n);
  if (!n.ok()) return;
  n.Out(0, DropAxes(n, kReduce(n, n.In(0), axes), axes));
}

// One axis since opset 13; before, all axes from `axis` on.
std::vector<int64_t> SoftmaxAxes(NodeImport& n) {
  int rank = n.rank(n.In(0));
  int64_t axis = n.Int("axis", n.opset() < 13 ? 1 : -1);
  if (n.opset() >= 13) return {n.Axis(axis, rank)};
  if (axis == rank) return {};
  std::vector<int64_t> axes = AllAxes(rank);
  axes.erase(axes.begin(), axes.begin() + n.Axis(axis, rank));
  return axes;
}

// x - max, whose exponentials cannot overflow.
Value MinusMax(NodeImport& n, Value x, const Axes& axes) {
  return n.Emit(Op::sub, {x, n.BroadcastTo(n.ReduceMax(x, axes), n.dims(x))});
}

void Softmax(NodeImport& n) {
  Value x = n.In(0);
  if (n.rank(x) == 0) return n.Out(0, n.SplatLike(x, 1));
  std::vector<int64_t> axes = SoftmaxAxes(n);
  Value exp = n.Unary(Op::exp, MinusMax(n, x, axes));
  Value sum = n.ReduceSum(exp, axes);
  n.Out(0, n.Emit(Op::div, {exp, n.BroadcastTo(sum, n.dims(exp))}));
}

void LogSoftmax(NodeImport& n) {
  Value x = n.In(0);
  if (n.rank(x) == 0) return n.Out(0, n.SplatLike(x, 0));
  std::vector<int64_t> axes = SoftmaxAxes(n);
  Value shifted = MinusMax(n, x, axes);
  Value log = n.Unary(Op::log, n.ReduceSum(n.Unary(Op::exp, shifted), axes));
  n.Out(0, n.Emit(Op::sub, {shifted, n.BroadcastTo(log, n.dims(shifted))}));
}

void CumSum(NodeImport& n) {
  DimExpr axis = n.KnownScalar(n.In(1), "axis");
  if (n.ok() && !axis.IsConst()) n.Unsupported("its axis depends on sizes: ", axis.ToString());
  if (!n.ok()) return;
  int64_t place = n.Axis(axis.constant(), n.rank(n.In(0)));
  n.Out(0, n.Emit(Op::cumsum, {n.In(0)},
                  {{"axis", place},
                   {"exclusive", int64_t{n.Int("exclusive", 0) != 0}},
                   {"reverse", int64_t{n.Int("reverse", 0) != 0}}}));
}

void LpNormalization(NodeImport& n) {
  Value x = n.In(0);
  int64_t p = n.Int("p", 2);
  if (p != 1 && p != 2) {
    n.Fail("attribute 'p' is ", p, ", expected 1 or 2");
    return;
  }
  Axes axes = {n.Axis(n.Int("axis", -1), n.rank(x))};
  if (!n.ok()) return;
  Value norm = p == 1 ? SumOfMagnitudes(n, x, axes) : Norm(n, x, axes);
  Value wide = n.BroadcastTo(norm, n.dims(x));
  // A row of zeros stays zeros.
  Value zero = n.SplatLike(x, 0);
  n.Out(0, n.Select(n.Emit(Op::equal, {wide, zero}), zero, n.Emit(Op::div, {x, wide})));
}

void GlobalAveragePool(NodeImport& n) {
  Axes axes = AllAxes(n.rank(n.In(0)));
  if (axes.size() < 2) {
    n.Fail("its input ", n.type(n.In(0)).ToString(), " has no batch and channel");
    return;
  }
  axes.erase(axes.begin(), axes.begin() + 2);
  n.Out(0, n.ReduceMean(n.In(0), axes));
}

void GlobalMaxPool(NodeImport& n) {
  Axes axes = AllAxes(n.rank(n.In(0)));
  if (axes.size() < 2) {
    n.Fail("its input ", n.type(n.In(0)).ToString(), " has no batch and channel");
    return;
  }
  axes.erase(axes.begin(), axes.begin() + 2);
  n.Out(0, n.ReduceMax(n.In(0), axes));
}

constexpr OnnxOp kOps[] = {
    {"CumSum", 2, 2, CumSum},
    {"GlobalAveragePool", 1, 1, GlobalAveragePool},
    {"GlobalMaxPool", 1, 1, GlobalMaxPool},
    {"LogSoftmax", 1, 1, LogSoftmax},
    {"LpNormalization", 1, 1, LpNormalization},
    {"ReduceL1", 1, 2, Import<SumOfMagnitudes>},
    {"ReduceL2", 1, 2, Import<Norm>},
    {"ReduceLogSum", 1, 2, Import<LogOfSum>},
    {"ReduceLogSumExp", 1, 2, Import<LogSumExp>},
    {"ReduceMax", 1, 2, Import<Max>},
    {"ReduceMean", 1, 2, Import<Mean>},
    {"ReduceMin", 1, 2, Import<Min>},
    {"ReduceProd", 1, 2, Import<Product>},
    {"ReduceSum", 1, 2, Import<Sum>},
    {"ReduceSumSquare", 1, 2, Import<SumOfSquares>},
    {"Softmax", 1, 1, Softmax},
};

}  // namespace

std::span<const OnnxOp> ReduceOps() { return kOps; }

}  // namespace skein
