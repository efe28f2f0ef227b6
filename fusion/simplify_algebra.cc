// Rules of simplify on one operation and what it reads: powers, quotients, signs, exponentials, comparisons.
#include "fusion/simplifier.h"

#include <algorithm>

namespace skein {

// pow(x, 2) = x*x, pow(x, 3) = x*x*x, pow(x, 1/2) = sqrt(x), pow(x, -1) = 1/x, pow(x, -1/2) = 1/sqrt(x);
// rsqrt(x) = 1/sqrt(x).
Simplifier::Found Simplifier::Power(Op op, std::span<const Value> x, const Attributes&) {
  absl::StatusOr<Value> result = absl::NotFoundError("");
  if (op == Op::rsqrt) {
    SKEIN_ASSIGN_OR_RETURN(Value root, Make(Op::sqrt, {x[0]}));
    result = Make(Op::reciprocal, {root});
  } else if (op == Op::pow && IsFloatValue(x[0])) {
    std::optional<double> e = Splat(x[1]);
    if (!e) return kNone;
    if (*e == 1) return std::optional(x[0]);
    if (*e == 2) result = Make(Op::mul, {x[0], x[0]});
    if (*e == 3) {
      SKEIN_ASSIGN_OR_RETURN(Value square, Make(Op::mul, {x[0], x[0]}));
      result = Make(Op::mul, {square, x[0]});
    }
    if (*e == 0.5) result = Make(Op::sqrt, {x[0]});
    if (*e == -1) result = Make(Op::reciprocal, {x[0]});
    if (*e == -0.5) result = Make(Op::rsqrt, {x[0]});
  }
  if (absl::IsNotFound(result.status())) return kNone;
  if (!result.ok()) return result.status();
  return std::optional(*result);
}

// x / c = x * (1/c) for a constant c whose inverse is no subnormal; x / broadcast(y) = x * broadcast(1/y): one division
// per row instead of one per element; c / x = c * (1/x) and 1/broadcast(y) = broadcast(1/y).
Simplifier::Found Simplifier::Division(Op op, std::span<const Value> x, const Attributes&) {
  if (op == Op::reciprocal && g_.op(x[0]) == Op::broadcast) {
    SKEIN_ASSIGN_OR_RETURN(Value inverse, Make(Op::reciprocal, {NodeOf(x[0]).operands[0]}));
    SKEIN_ASSIGN_OR_RETURN(Value v, Make(Op::broadcast, {inverse}, {{"dims", g_.type(x[0]).dims}}));
    return std::optional(v);
  }
  if (op != Op::div || !IsFloatValue(x[0])) return kNone;
  std::optional<double> c = Splat(x[1]);
  if (c && *c != 0 && Holds(g_.type(x[0]).element, 1 / *c)) {
    SKEIN_ASSIGN_OR_RETURN(Value inverse, Constant(1 / *c, x[1]));
    SKEIN_ASSIGN_OR_RETURN(Value v, Make(Op::mul, {x[0], inverse}));
    return std::optional(v);
  }
  if (c || (g_.op(x[1]) != Op::broadcast && !IsSplat(x[0], 1))) return kNone;
  SKEIN_ASSIGN_OR_RETURN(Value inverse, Make(Op::reciprocal, {x[1]}));
  SKEIN_ASSIGN_OR_RETURN(Value v, Make(Op::mul, {x[0], inverse}));
  return std::optional(v);
}

// a / (1 + exp(z)) = a * sigmoid(-z): one function, and no rounding of a sum that is inverted.
Simplifier::Found Simplifier::Logistic(Op op, std::span<const Value> x, const Attributes&) {
  if ((op != Op::div && op != Op::reciprocal) || g_.op(x.back()) != Op::add) return kNone;
  const auto terms = NodeOf(x.back()).operands;
  for (int i = 0; i < 2; ++i) {
    if (!IsSplat(terms[i], 1) || g_.op(terms[1 - i]) != Op::exp) continue;
    SKEIN_ASSIGN_OR_RETURN(Value v, Make(Op::neg, {NodeOf(terms[1 - i]).operands[0]}));
    SKEIN_ASSIGN_OR_RETURN(v, Make(Op::sigmoid, {v}));
    if (op == Op::div) {
      SKEIN_ASSIGN_OR_RETURN(v, Make(Op::mul, {x[0], v}));
    }
    return std::optional(v);
  }
  return kNone;
}

// -(c*x) = (-c)*x; a + (-b) = a - b; a - (-b) = a + b, where -b may be a product with a negative constant, and may be
// broadcast; a - c = a + (-c) for a constant c.
Simplifier::Found Simplifier::Negation(Op op, std::span<const Value> x, const Attributes&) {
  if (x.empty() || !IsFloatValue(x[0])) return kNone;
  if (op == Op::neg && g_.op(x[0]) == Op::mul) {
    const auto operands = NodeOf(x[0]).operands;
    for (int i = 0; i < 2; ++i) {
      std::optional<double> c = Splat(operands[i]);
      if (!c) continue;
      SKEIN_ASSIGN_OR_RETURN(Value negative, Constant(-*c, operands[i]));
      SKEIN_ASSIGN_OR_RETURN(Value v, Make(Op::mul, {operands[1 - i], negative}));
      return std::optional(v);
    }
  }
  if (op != Op::add && op != Op::sub) return kNone;
  for (int i = op == Op::add ? 0 : 1; i < 2; ++i) {
    SKEIN_ASSIGN_OR_RETURN(std::optional<Value> positive, WithoutSign(x[i]));
    if (!positive) continue;
    SKEIN_ASSIGN_OR_RETURN(Value v, Make(op == Op::add ? Op::sub : Op::add, {x[1 - i], *positive}));
    return std::optional(v);
  }
  if (std::optional<double> c = Splat(x[1]); op == Op::sub && c) {
    SKEIN_ASSIGN_OR_RETURN(Value negative, Constant(-*c, x[1]));
    SKEIN_ASSIGN_OR_RETURN(Value v, Make(Op::add, {x[0], negative}));
    return std::optional(v);
  }
  return kNone;
}

// b, where v is -b.
Simplifier::Found Simplifier::WithoutSign(Value v) {
  const Op op = g_.op(v);
  if ((op != Op::neg && op != Op::broadcast && op != Op::mul) || Splat(v)) return kNone;
  const Node node = NodeOf(v);
  if (node.op == Op::neg) return std::optional(node.operands[0]);
  if (node.op == Op::broadcast) {
    SKEIN_ASSIGN_OR_RETURN(std::optional<Value> b, WithoutSign(node.operands[0]));
    if (!b) return kNone;
    SKEIN_ASSIGN_OR_RETURN(Value wide, Make(Op::broadcast, {*b}, node.attributes));
    return std::optional(wide);
  }
  if (node.op != Op::mul) return kNone;
  for (int i = 0; i < 2; ++i) {
    std::optional<double> c = Splat(node.operands[i]);
    if (!c || !(*c < 0)) continue;
    SKEIN_ASSIGN_OR_RETURN(Value positive, Constant(-*c, node.operands[i]));
    SKEIN_ASSIGN_OR_RETURN(Value b, Make(Op::mul, {node.operands[1 - i], positive}));
    return std::optional(b);
  }
  return kNone;
}

// exp(a - log(b)) = exp(a) / b, exp(a - (c + log(b))) = exp(a - c) / b, also through a broadcast: the exponential
// of log-softmax or log-sum-exp is softmax, without the cancellation.
Simplifier::Found Simplifier::ExponentialOfLogarithm(Op op, std::span<const Value> x, const Attributes&) {
  if (op != Op::exp || g_.op(x[0]) != Op::sub) return kNone;
  Value a = NodeOf(x[0]).operands[0], subtrahend = NodeOf(x[0]).operands[1];
  if (g_.op(a) == Op::sub) {  // (a - b) - c
    const auto inner = NodeOf(a).operands;
    SKEIN_ASSIGN_OR_RETURN(std::optional<Value> split, SplitLogarithm(inner[0], inner[1], subtrahend));
    if (split) return split;
  }
  const Dims wide = g_.type(subtrahend).dims;
  const bool broadcast = g_.op(subtrahend) == Op::broadcast;
  Value sum = broadcast ? NodeOf(subtrahend).operands[0] : subtrahend;
  if (g_.op(sum) != Op::add) return SplitLogarithm(a, Value(), subtrahend);
  const auto terms = NodeOf(sum).operands;
  for (int i = 0; i < 2; ++i) {
    Value c = terms[i], logarithm = terms[1 - i];
    if (g_.op(logarithm) != Op::log) continue;
    if (broadcast) {
      SKEIN_ASSIGN_OR_RETURN(c, Make(Op::broadcast, {c}, {{"dims", wide}}));
      SKEIN_ASSIGN_OR_RETURN(logarithm, Make(Op::broadcast, {logarithm}, {{"dims", wide}}));
    }
    return SplitLogarithm(a, c, logarithm);
  }
  return kNone;
}

// exp(a - c) / b where `logarithm` is log(b) or a broadcast of it; c may be absent.
Simplifier::Found Simplifier::SplitLogarithm(Value a, Value c, Value logarithm) {
  const bool broadcast = g_.op(logarithm) == Op::broadcast;
  const Value narrow = broadcast ? NodeOf(logarithm).operands[0] : logarithm;
  if (g_.op(narrow) != Op::log) return kNone;
  Value b = NodeOf(narrow).operands[0];
  if (broadcast) {
    const Dims wide = g_.type(logarithm).dims;
    SKEIN_ASSIGN_OR_RETURN(b, Make(Op::broadcast, {b}, {{"dims", wide}}));
  }
  if (c.valid()) {
    SKEIN_ASSIGN_OR_RETURN(a, Make(Op::sub, {a, c}));
  }
  SKEIN_ASSIGN_OR_RETURN(Value e, Make(Op::exp, {a}));
  SKEIN_ASSIGN_OR_RETURN(Value v, Make(Op::div, {e, b}));
  return std::optional(v);
}

// not(a < b) = b <= a for integers; not(a == b) = a != b.
Simplifier::Found Simplifier::Comparison(Op op, std::span<const Value> x, const Attributes&) {
  if (op != Op::logical_not) return kNone;
  const Node node = NodeOf(x[0]);
  const bool integers = !node.operands.empty() && !IsFloatValue(node.operands[0]);
  absl::StatusOr<Value> v = absl::NotFoundError("");
  if (node.op == Op::less && integers) v = Make(Op::less_equal, {node.operands[1], node.operands[0]});
  if (node.op == Op::less_equal && integers) v = Make(Op::less, {node.operands[1], node.operands[0]});
  if (node.op == Op::equal) v = Make(Op::not_equal, {node.operands[0], node.operands[1]});
  if (absl::IsNotFound(v.status())) return kNone;
  if (!v.ok()) return v.status();
  return std::optional(*v);
}

}  // namespace skein
