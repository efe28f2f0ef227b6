// Arithmetic, comparisons, logic and casts: element i of the result from element i of the operands.
#include <cmath>
#include <limits>

#include "frontends/onnx/op_table.h"
#include "frontends/onnx/tensor_literal.h"

namespace skein {
namespace {

template <Op kOp>
void Unary(NodeImport& n) {
  n.Out(0, n.Unary(kOp, n.In(0)));
}

// Before opset 7, `broadcast` had to be asked for and `axis` said where B's dims start in A's.
Value SecondOperand(NodeImport& n) {
  Value b = n.In(1);
  if (n.opset() >= 7 || n.Int("broadcast", 0) == 0 || !n.HasAttribute("axis")) return b;
  Dims dims = n.dims(b);
  int64_t axis = n.Int("axis", 0), room = n.rank(n.In(0)) - n.rank(b);
  if (axis < 0 || axis > room) {
    return n.Fail("axis ", axis, " does not fit ", n.type(n.In(0)).ToString(), " and ",
                  n.type(b).ToString());
  }
  int64_t after = room - axis;
  dims.insert(dims.end(), after, DimExpr(1));
  return n.Reshape(b, dims);
}

template <Op kOp>
void Binary(NodeImport& n) {
  n.Out(0, n.Binary(kOp, n.In(0), SecondOperand(n)));
}

// a > b is b < a.
template <Op kOp>
void BinarySwapped(NodeImport& n) {
  n.Out(0, n.Binary(kOp, SecondOperand(n), n.In(0)));
}

template <Op kOp>
Value Fold(NodeImport& n) {
  std::vector<Value> values;
  for (int i = 0; i < n.input_count(); ++i) values.push_back(n.In(i));
  n.BroadcastTogether(values);
  Value result = values[0];
  for (size_t i = 1; i < values.size(); ++i) result = n.Emit(kOp, {result, values[i]});
  return result;
}

template <Op kOp>
void Variadic(NodeImport& n) {
  n.Out(0, Fold<kOp>(n));
}

void Mean(NodeImport& n) {
  Value sum = Fold<Op::add>(n);
  n.Out(0, n.Emit(Op::div, {sum, n.SplatLike(sum, n.input_count())}));
}

// Small constant exponents are spelled out, so that x^2 and x*x are one expression.
Value PowerOf(NodeImport& n, Value x, double exponent) {
  if (exponent == 1) return x;
  if (exponent == 2) return n.Emit(Op::mul, {x, x});
  if (exponent == 3) return n.Emit(Op::mul, {n.Emit(Op::mul, {x, x}), x});
  if (!IsFloat(n.element(x))) return Value();
  if (exponent == 0.5) return n.Unary(Op::sqrt, x);
  if (exponent == -1) return n.Unary(Op::reciprocal, x);
  if (exponent == -0.5) return n.Unary(Op::reciprocal, n.Unary(Op::sqrt, x));
  return Value();
}

void Pow(NodeImport& n) {
  Value x = n.In(0), y = SecondOperand(n);
  if (!n.ok()) return;
  Dims common = n.CommonDims(n.dims(x), n.dims(y));
  x = n.BroadcastTo(x, common);
  if (!n.ok()) return;
  if (std::optional<double> exponent = n.graph().SplatValue(y)) {
    Value power = PowerOf(n, x, *exponent);
    if (power.valid()) return n.Out(0, power);
  }
  y = n.BroadcastTo(y, common);
  ElementType t = n.element(x);
  // Powers of integers are computed in floating point, exact to 2^53.
  ElementType work = IsFloat(t) ? t : ElementType::kF64;
  n.Out(0, n.Cast(n.Emit(Op::pow, {n.Cast(x, work), n.Cast(y, work)}), t));
}

void Mod(NodeImport& n) {
  bool fmod = n.Int("fmod", 0) != 0;
  if (!fmod && IsFloat(n.element(n.In(0)))) {
    n.Fail("floating-point operands need fmod = 1");
    return;
  }
  n.Out(0, n.Binary(fmod ? Op::rem : Op::mod, n.In(0), n.In(1)));
}

void Where(NodeImport& n) {
  Value values[] = {n.In(0), n.In(1), n.In(2)};
  n.BroadcastTogether(values);
  n.Out(0, n.Emit(Op::select, values));
}

void Clip(NodeImport& n) {
  Value x = n.In(0);
  Value bounds[2] = {n.In(1), n.In(2)};  // inputs from opset 11 on
  if (n.opset() < 11) {
    if (n.HasAttribute("min")) bounds[0] = n.Scalar(n.element(x), n.Float("min", 0));
    if (n.HasAttribute("max")) bounds[1] = n.Scalar(n.element(x), n.Float("max", 0));
  }
  for (int i = 0; i < 2; ++i) {
    if (!bounds[i].valid()) continue;
    x = n.Emit(i == 0 ? Op::maximum : Op::minimum, {x, n.BroadcastTo(bounds[i], n.dims(x))});
  }
  n.Out(0, x);
}

void IsInf(NodeImport& n) {
  Value x = n.In(0);
  bool negative = n.Int("detect_negative", 1) != 0, positive = n.Int("detect_positive", 1) != 0;
  double infinity = std::numeric_limits<double>::infinity();
  if (negative && positive) return n.Out(0, n.Unary(Op::is_inf, x));
  if (!negative && !positive) return n.Out(0, n.Splat(ElementType::kBool, 0, n.dims(x)));
  n.Out(0, n.Emit(Op::equal, {x, n.SplatLike(x, positive ? infinity : -infinity)}));
}

void Cast(NodeImport& n) {
  ElementType to = ElementType::kF32;
  if (n.opset() < 6) {  // the type's name instead of its number
    onnx::TensorProto::DataType number;
    std::string name = n.String("to", "");
    if (!onnx::TensorProto::DataType_Parse(name, &number)) {
      n.Fail("attribute 'to' is '", name, "', which is no type");
      return;
    }
    absl::StatusOr<ElementType> parsed = ElementTypeOf(number);
    if (!parsed.ok()) {
      n.SetStatus(parsed.status());
      return;
    }
    to = *parsed;
  } else if (!n.HasAttribute("to")) {
    n.Fail("attribute 'to' is missing");
    return;
  } else {
    to = n.Type("to", to);
  }
  n.Out(0, n.Cast(n.In(0), to));
}

void CastLike(NodeImport& n) { n.Out(0, n.Cast(n.In(0), n.element(n.In(1)))); }

void Identity(NodeImport& n) { n.Out(0, n.In(0)); }

void Dropout(NodeImport& n) {
  if (n.Has(2)) {
    std::optional<double> training = n.graph().SplatValue(n.In(2));
    std::optional<DimExpr> known = n.graph().Known(n.In(2));
    if (known && known->IsConst()) training = static_cast<double>(known->constant());
    if (training != 0) {
      n.Unsupported("training mode");
      return;
    }
  }
  n.Out(0, n.In(0));
  if (n.output_count() > 1) n.Out(1, n.Splat(ElementType::kBool, 1, n.dims(n.In(0))));
}

constexpr OnnxOp kOps[] = {
    {"Abs", 1, 1, Unary<Op::abs>},
    {"Acos", 1, 1, Unary<Op::acos>},
    {"Acosh", 1, 1, Unary<Op::acosh>},
    {"Add", 2, 2, Binary<Op::add>},
    {"And", 2, 2, Binary<Op::bit_and>},
    {"Asin", 1, 1, Unary<Op::asin>},
    {"Asinh", 1, 1, Unary<Op::asinh>},
    {"Atan", 1, 1, Unary<Op::atan>},
    {"Atanh", 1, 1, Unary<Op::atanh>},
    {"BitwiseAnd", 2, 2, Binary<Op::bit_and>},
    {"BitwiseNot", 1, 1, Unary<Op::bit_not>},
    {"BitwiseOr", 2, 2, Binary<Op::bit_or>},
    {"BitwiseXor", 2, 2, Binary<Op::bit_xor>},
    {"Cast", 1, 1, Cast},
    {"CastLike", 2, 2, CastLike},
    {"Ceil", 1, 1, Unary<Op::ceil>},
    {"Clip", 1, 3, Clip},
    {"Cos", 1, 1, Unary<Op::cos>},
    {"Cosh", 1, 1, Unary<Op::cosh>},
    {"Div", 2, 2, Binary<Op::div>},
    {"Dropout", 1, 3, Dropout},
    {"Equal", 2, 2, Binary<Op::equal>},
    {"Erf", 1, 1, Unary<Op::erf>},
    {"Exp", 1, 1, Unary<Op::exp>},
    {"Floor", 1, 1, Unary<Op::floor>},
    {"Greater", 2, 2, BinarySwapped<Op::less>},
    {"GreaterOrEqual", 2, 2, BinarySwapped<Op::less_equal>},
    {"Identity", 1, 1, Identity},
    {"IsInf", 1, 1, IsInf},
    {"IsNaN", 1, 1, Unary<Op::is_nan>},
    {"Less", 2, 2, Binary<Op::less>},
    {"LessOrEqual", 2, 2, Binary<Op::less_equal>},
    {"Log", 1, 1, Unary<Op::log>},
    {"Max", 1, kAnyCount, Variadic<Op::maximum>},
    {"Mean", 1, kAnyCount, Mean},
    {"Min", 1, kAnyCount, Variadic<Op::minimum>},
    {"Mod", 2, 2, Mod},
    {"Mul", 2, 2, Binary<Op::mul>},
    {"Neg", 1, 1, Unary<Op::neg>},
    {"Not", 1, 1, Unary<Op::logical_not>},
    {"Or", 2, 2, Binary<Op::bit_or>},
    {"Pow", 2, 2, Pow},
    {"Reciprocal", 1, 1, Unary<Op::reciprocal>},
    {"Round", 1, 1, Unary<Op::round_even>},
    {"Sign", 1, 1, Unary<Op::sign>},
    {"Sin", 1, 1, Unary<Op::sin>},
    {"Sinh", 1, 1, Unary<Op::sinh>},
    {"Sqrt", 1, 1, Unary<Op::sqrt>},
    {"Sub", 2, 2, Binary<Op::sub>},
    {"Sum", 1, kAnyCount, Variadic<Op::add>},
    {"Tan", 1, 1, Unary<Op::tan>},
    {"Tanh", 1, 1, Unary<Op::tanh>},
    {"Where", 3, 3, Where},
    {"Xor", 2, 2, Binary<Op::bit_xor>},
};

}  // namespace

std::span<const OnnxOp> PointwiseOps() { return kOps; }

}  // namespace skein
