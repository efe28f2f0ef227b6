// Normalizations: composites, spelled mean, centre, square, mean, add, sqrt, divide.
#include <numeric>

#include "frontends/onnx/op_table.h"

namespace skein {
namespace {

using Axes = std::vector<int64_t>;

Axes AxesFrom(int first, int rank) {
  Axes axes(rank > first ? rank - first : 0);
  std::iota(axes.begin(), axes.end(), first);
  return axes;
}

struct Normalized {
  Value value, mean, deviation;  // mean and deviation keep the axes with extent 1
};

// (x - mean) / sqrt(variance + epsilon) over `axes`.
Normalized Normalize(NodeImport& n, Value x, const Axes& axes, double epsilon) {
  Normalized result;
  result.mean = n.ReduceMean(x, axes);
  Value centre = n.Binary(Op::sub, x, result.mean);
  Value variance = n.ReduceMean(n.Emit(Op::mul, {centre, centre}), axes);
  Value sum = n.Emit(Op::add, {variance, n.SplatLike(variance, epsilon)});
  result.deviation = n.Unary(Op::sqrt, sum);
  result.value = n.Binary(Op::div, centre, result.deviation);
  return result;
}

// x / sqrt(mean(x^2) + epsilon), as x times a reciprocal.
Value NormalizeRms(NodeImport& n, Value x, const Axes& axes, double epsilon) {
  Value mean = n.ReduceMean(n.Emit(Op::mul, {x, x}), axes);
  Value sum = n.Emit(Op::add, {mean, n.SplatLike(mean, epsilon)});
  return n.Binary(Op::mul, x, n.Unary(Op::reciprocal, n.Unary(Op::sqrt, sum)));
}

// y * scale + bias; either may be missing.
Value ScaleAndShift(NodeImport& n, Value y, Value scale, Value bias) {
  if (scale.valid()) y = n.Emit(Op::mul, {y, n.BroadcastTo(scale, n.dims(y))});
  if (bias.valid()) y = n.Emit(Op::add, {y, n.BroadcastTo(bias, n.dims(y))});
  return y;
}

void LayerNormOf(NodeImport& n, Value x, int axis, double epsilon, Value scale, Value bias) {
  ElementType t = n.element(x);
  Normalized result = Normalize(n, n.Widen(x), AxesFrom(axis, n.rank(x)), epsilon);
  n.Out(0, ScaleAndShift(n, n.Cast(result.value, t), scale, bias));
  if (n.output_count() > 1) n.Out(1, result.mean);
  if (n.output_count() > 2) n.Out(2, n.Unary(Op::reciprocal, result.deviation));
}

void RmsNormOf(NodeImport& n, Value x, int axis, double epsilon, Value scale) {
  ElementType t = n.element(x);
  Value y = n.Cast(NormalizeRms(n, n.Widen(x), AxesFrom(axis, n.rank(x)), epsilon), t);
  // Exporters write weight * y.
  n.Out(0, n.Emit(Op::mul, {n.BroadcastTo(scale, n.dims(y)), y}));
}

void LayerNormalization(NodeImport& n) {
  int axis = n.Axis(n.Int("axis", -1), n.rank(n.In(0)));
  LayerNormOf(n, n.In(0), axis, n.Float("epsilon", 1e-5f), n.In(1), n.In(2));
}

void RmsNormalization(NodeImport& n) {
  if (n.output_count() > 1 && !n.node().output(1).empty()) {
    n.Unsupported("its second output");
    return;
  }
  int axis = n.Axis(n.Int("axis", -1), n.rank(n.In(0)));
  RmsNormOf(n, n.In(0), axis, n.Float("epsilon", 1e-5f), n.In(1));
}

// Input + skip (+ bias) before the norm; output 3 is that sum.
template <bool kRms>
void SkipNorm(NodeImport& n) {
  Value sum = n.Binary(Op::add, n.In(0), n.In(1));
  Value bias = n.In(kRms ? 3 : 4);
  if (bias.valid()) sum = n.Binary(Op::add, sum, bias);
  if (!n.ok()) return;
  if (n.output_count() > 1 && (kRms || n.output_count() > 4)) {
    for (int i = 1; i < 3 && i < n.output_count(); ++i) {
      if (!n.node().output(i).empty()) {
        n.Unsupported("output ", i);
        return;
      }
    }
  }
  int axis = n.Axis(-1, n.rank(sum));
  if (!n.ok()) return;
  double epsilon = n.Float("epsilon", kRms ? 1e-5f : 1e-12f);
  if (kRms) {
    RmsNormOf(n, sum, axis, epsilon, n.In(2));
  } else {
    LayerNormOf(n, sum, axis, epsilon, n.In(2), n.In(3));
  }
  n.Out(3, sum);
}

// A vector over channels as [C, 1, 1, ...], which broadcasts to [N, C, ...].
Value PerChannel(NodeImport& n, Value v, int rank) {
  if (!n.ok()) return Value();
  if (n.rank(v) != 1) return n.Fail("expected one value per channel, got ", n.type(v).ToString());
  Dims dims(rank - 1, DimExpr(1));
  dims[0] = n.dims(v)[0];
  return n.Reshape(v, dims);
}

bool HasChannels(NodeImport& n) {
  if (n.rank(n.In(0)) >= 2) return true;
  n.Fail("its input ", n.type(n.In(0)).ToString(), " has no batch and channel");
  return false;
}

// With the statistics of training: (x - mean) * (scale / sqrt(variance + epsilon)) + bias.
void BatchNormalization(NodeImport& n) {
  Value x = n.In(0);
  if (n.Int("training_mode", 0) != 0 || n.output_count() > 1) {
    n.Unsupported("training mode");
    return;
  }
  if (!HasChannels(n)) return;
  Value channel[4];
  for (int i = 0; i < 4; ++i) channel[i] = PerChannel(n, n.In(i + 1), n.rank(x));
  auto [scale, bias, mean, variance] = channel;
  Value sum = n.Emit(Op::add, {variance, n.SplatLike(variance, n.Float("epsilon", 1e-5f))});
  Value factor = n.Binary(Op::div, scale, n.Unary(Op::sqrt, sum));
  Value centre = n.Emit(Op::sub, {x, n.BroadcastTo(mean, n.dims(x))});
  n.Out(0, ScaleAndShift(n, centre, factor, bias));
}

void InstanceNormalization(NodeImport& n) {
  Value x = n.In(0);
  if (!HasChannels(n)) return;
  Normalized result = Normalize(n, x, AxesFrom(2, n.rank(x)), n.Float("epsilon", 1e-5f));
  n.Out(0, ScaleAndShift(n, result.value, PerChannel(n, n.In(1), n.rank(x)),
                         PerChannel(n, n.In(2), n.rank(x))));
}

// Channels in num_groups groups, each with its own mean and variance. The scale is per group before
// opset 21, per channel since.
void GroupNormalization(NodeImport& n) {
  Value x = n.In(0);
  if (!HasChannels(n)) return;
  int64_t groups = n.Int("num_groups", 0);
  Dims dims = n.dims(x), split = dims;
  std::optional<int64_t> channels = dims[1].AsConst();
  if (!channels || groups <= 0 || *channels % groups != 0) {
    n.Fail("cannot split the channels of ", n.type(x).ToString(), " into ", groups, " groups");
    return;
  }
  split[1] = groups;
  split.insert(split.begin() + 2, DimExpr(*channels / groups));
  int rank = static_cast<int>(split.size());
  Value grouped = n.Widen(n.Reshape(x, split));
  Value y = n.Cast(Normalize(n, grouped, AxesFrom(2, rank), n.Float("epsilon", 1e-5f)).value,
                   n.element(x));
  bool per_group = n.opset() < 21;
  if (!per_group) y = n.Reshape(y, dims);
  int scale_rank = per_group ? rank : rank - 1;
  y = ScaleAndShift(n, y, PerChannel(n, n.In(1), scale_rank), PerChannel(n, n.In(2), scale_rank));
  n.Out(0, n.Reshape(y, dims));
}

void MeanVarianceNormalization(NodeImport& n) {
  Axes axes = n.Axes(n.Ints("axes").value_or(Axes{0, 2, 3}), n.rank(n.In(0)));
  if (!n.ok()) return;
  Value x = n.In(0), centre = n.Binary(Op::sub, x, n.ReduceMean(x, axes));
  Value deviation = n.Unary(Op::sqrt, n.ReduceMean(n.Emit(Op::mul, {centre, centre}), axes));
  Value sum = n.Emit(Op::add, {deviation, n.SplatLike(deviation, 1e-9)});
  n.Out(0, n.Binary(Op::div, centre, sum));
}

constexpr OnnxOp kOps[] = {
    {"BatchNormalization", 5, 5, BatchNormalization},
    {"GroupNormalization", 3, 3, GroupNormalization},
    {"InstanceNormalization", 3, 3, InstanceNormalization},
    {"LayerNormalization", 2, 3, LayerNormalization},
    {"MeanVarianceNormalization", 1, 1, MeanVarianceNormalization},
    {"RMSNormalization", 2, 2, RmsNormalization},
    {"SimplifiedLayerNormalization", 2, 2, RmsNormalization},
    {"com.microsoft.SimplifiedLayerNormalization", 2, 2, RmsNormalization},
    {"com.microsoft.SkipLayerNormalization", 3, 5, SkipNorm<false>},
    {"com.microsoft.SkipSimplifiedLayerNormalization", 3, 4, SkipNorm<true>},
};

}  // namespace

std::span<const OnnxOp> NormOps() { return kOps; }

}  // namespace skein
