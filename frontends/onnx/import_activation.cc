// Activations: composites of pointwise primitives, spelled as exporters spell them by hand.
#include "frontends/onnx/op_table.h"

namespace skein {
namespace {

Value Relu(NodeImport& n, Value x) { return n.Emit(Op::maximum, {x, n.SplatLike(x, 0)}); }

Value Times(NodeImport& n, Value x, double factor) {
  return n.Emit(Op::mul, {x, n.SplatLike(x, factor)});
}

Value Plus(NodeImport& n, Value x, double term) {
  return n.Emit(Op::add, {x, n.SplatLike(x, term)});
}

Value Negative(NodeImport& n, Value x) { return n.Emit(Op::less, {x, n.SplatLike(x, 0)}); }

// x (1 + erf(x / sqrt 2)) / 2
Value GeluErf(NodeImport& n, Value x) {
  Value scaled = n.Emit(Op::div, {x, n.SplatLike(x, 1.4142135623730951)});
  return Times(n, n.Emit(Op::mul, {x, Plus(n, n.Unary(Op::erf, scaled), 1)}), 0.5);
}

// x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
Value GeluTanh(NodeImport& n, Value x) {
  Value cube = n.Emit(Op::mul, {n.Emit(Op::mul, {x, x}), x});
  Value inner = n.Emit(Op::add, {x, Times(n, cube, 0.044715)});
  Value tanh = n.Unary(Op::tanh, Times(n, inner, 0.7978845608028654));
  return n.Emit(Op::mul, {Times(n, x, 0.5), Plus(n, tanh, 1)});
}

Value Silu(NodeImport& n, Value x, double alpha) {
  Value gate = alpha == 1 ? x : Times(n, x, alpha);
  return n.Emit(Op::mul, {x, n.Unary(Op::sigmoid, gate)});
}

Value HardSigmoid(NodeImport& n, Value x, double alpha, double beta) {
  Value line = Plus(n, Times(n, x, alpha), beta);
  return Relu(n, n.Emit(Op::minimum, {line, n.SplatLike(line, 1)}));
}

// x < 0 ? alpha (exp(x) - 1) : x
Value Elu(NodeImport& n, Value x, double alpha) {
  return n.Select(Negative(n, x), Times(n, n.Unary(Op::expm1, x), alpha), x);
}

void ImportRelu(NodeImport& n) { n.Out(0, Relu(n, n.In(0))); }

void ImportLeakyRelu(NodeImport& n) {
  Value x = n.In(0);
  n.Out(0, n.Select(Negative(n, x), Times(n, x, n.Float("alpha", 0.01f)), x));
}

void ImportPRelu(NodeImport& n) {
  Value x = n.In(0), slope = n.In(1);
  if (n.opset() < 7 && n.rank(slope) == 1 && n.rank(x) > 1 && !n.dims(slope)[0].IsConst(1)) {
    Dims dims(n.rank(x) - 1, DimExpr(1));  // one slope per channel
    dims[0] = n.dims(slope)[0];
    slope = n.Reshape(slope, dims);
  }
  slope = n.BroadcastTo(slope, n.dims(x));
  n.Out(0, n.Select(Negative(n, x), n.Emit(Op::mul, {x, slope}), x));
}

void ImportElu(NodeImport& n) { n.Out(0, Elu(n, n.In(0), n.Float("alpha", 1))); }

void ImportSelu(NodeImport& n) {
  double alpha = n.Float("alpha", 1.67326319217681884765625);
  double gamma = n.Float("gamma", 1.05070102214813232421875);
  n.Out(0, Times(n, Elu(n, n.In(0), alpha), gamma));
}

// max(0, x) + min(0, alpha (exp(x / alpha) - 1))
void ImportCelu(NodeImport& n) {
  Value x = n.In(0);
  double alpha = n.Float("alpha", 1);
  Value curve = n.Unary(Op::expm1, n.Emit(Op::div, {x, n.SplatLike(x, alpha)}));
  Value low = n.Emit(Op::minimum, {Times(n, curve, alpha), n.SplatLike(x, 0)});
  n.Out(0, n.Emit(Op::add, {Relu(n, x), low}));
}

void ImportThresholdedRelu(NodeImport& n) {
  Value x = n.In(0);
  Value above = n.Emit(Op::less, {n.SplatLike(x, n.Float("alpha", 1)), x});
  n.Out(0, n.Select(above, x, n.SplatLike(x, 0)));
}

void ImportSigmoid(NodeImport& n) { n.Out(0, n.Unary(Op::sigmoid, n.In(0))); }

void ImportHardSigmoid(NodeImport& n) {
  n.Out(0, HardSigmoid(n, n.In(0), n.Float("alpha", 0.2f), n.Float("beta", 0.5f)));
}

void ImportHardSwish(NodeImport& n) {
  n.Out(0, n.Emit(Op::mul, {n.In(0), HardSigmoid(n, n.In(0), 1.0 / 6, 0.5)}));
}

void ImportSoftplus(NodeImport& n) { n.Out(0, n.Unary(Op::softplus, n.In(0))); }

void ImportSoftsign(NodeImport& n) {
  n.Out(0, n.Emit(Op::div, {n.In(0), Plus(n, n.Unary(Op::abs, n.In(0)), 1)}));
}

void ImportMish(NodeImport& n) {
  n.Out(0, n.Emit(Op::mul, {n.In(0), n.Unary(Op::tanh, n.Unary(Op::softplus, n.In(0)))}));
}

void ImportShrink(NodeImport& n) {
  Value x = n.In(0);
  double bias = n.Float("bias", 0), lambda = n.Float("lambd", 0.5f);
  Value low = n.Emit(Op::less, {x, n.SplatLike(x, -lambda)});
  Value high = n.Emit(Op::less, {n.SplatLike(x, lambda), x});
  Value middle = n.Select(high, n.Emit(Op::sub, {x, n.SplatLike(x, bias)}), n.SplatLike(x, 0));
  n.Out(0, n.Select(low, Plus(n, x, bias), middle));
}

void ImportGelu(NodeImport& n) {
  std::string approximate = n.String("approximate", "none");
  if (approximate == "none") return n.Out(0, GeluErf(n, n.In(0)));
  if (approximate == "tanh") return n.Out(0, GeluTanh(n, n.In(0)));
  n.Fail("attribute 'approximate' is '", approximate, "', expected 'none' or 'tanh'");
}

void ImportSwish(NodeImport& n) { n.Out(0, Silu(n, n.In(0), n.Float("alpha", 1))); }

void ImportQuickGelu(NodeImport& n) { n.Out(0, Silu(n, n.In(0), n.Float("alpha", 1.702f))); }

void ImportBiasGelu(NodeImport& n) { n.Out(0, GeluErf(n, n.Binary(Op::add, n.In(0), n.In(1)))); }

void ImportFastGelu(NodeImport& n) {
  Value x = n.Has(1) ? n.Binary(Op::add, n.In(0), n.In(1)) : n.In(0);
  n.Out(0, GeluTanh(n, x));
}

constexpr OnnxOp kOps[] = {
    {"Celu", 1, 1, ImportCelu},
    {"Elu", 1, 1, ImportElu},
    {"Gelu", 1, 1, ImportGelu},
    {"HardSigmoid", 1, 1, ImportHardSigmoid},
    {"HardSwish", 1, 1, ImportHardSwish},
    {"LeakyRelu", 1, 1, ImportLeakyRelu},
    {"Mish", 1, 1, ImportMish},
    {"PRelu", 2, 2, ImportPRelu},
    {"Relu", 1, 1, ImportRelu},
    {"Selu", 1, 1, ImportSelu},
    {"Shrink", 1, 1, ImportShrink},
    {"Sigmoid", 1, 1, ImportSigmoid},
    {"Softplus", 1, 1, ImportSoftplus},
    {"Softsign", 1, 1, ImportSoftsign},
    {"Swish", 1, 1, ImportSwish},
    {"ThresholdedRelu", 1, 1, ImportThresholdedRelu},
    {"com.microsoft.BiasGelu", 2, 2, ImportBiasGelu},
    {"com.microsoft.FastGelu", 1, 2, ImportFastGelu},
    {"com.microsoft.Gelu", 1, 1, ImportGelu},
    {"com.microsoft.QuickGelu", 1, 1, ImportQuickGelu},
};

}  // namespace

std::span<const OnnxOp> ActivationOps() { return kOps; }

}  // namespace skein
