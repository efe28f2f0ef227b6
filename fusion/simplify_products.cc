// Rules of simplify that take products apart: their constants, gates and error functions, and what a contraction reads.
#include "fusion/simplifier.h"

#include <algorithm>

#include "absl/container/inlined_vector.h"
#include "fusion/gates.h"

namespace skein {

Simplifier::Factors Simplifier::FactorsOf(Value product) {
  Factors factors;
  absl::InlinedVector<Value, 16> work = {product};
  while (!work.empty()) {
    Value v = work.back();
    work.pop_back();
    if (std::optional<double> c = Splat(v)) {
      factors.constant *= *c;
      ++factors.constants;
    } else if (g_.op(v) == Op::neg) {
      factors.constant = -factors.constant;
      ++factors.constants;
      work.push_back(NodeOf(v).operands[0]);
    } else if (g_.op(v) == Op::mul && factors.values.size() + work.size() < 16) {
      work.insert(work.end(), NodeOf(v).operands.begin(), NodeOf(v).operands.end());
    } else {
      factors.values.push_back(v);
    }
  }
  return factors;
}

// Products are commutative and associative in real arithmetic. Canonical form: constants multiplied together,
// factors in a fixed order, broadcast factors (per row) joined before they meet the wide ones.
Simplifier::Found Simplifier::Product(Op op, std::span<const Value> x, const Attributes&) {
  if (op != Op::mul || !IsFloatValue(x[0])) return kNone;
  const Factors left = FactorsOf(x[0]), right = FactorsOf(x[1]);
  Values factors = left.values;
  factors.insert(factors.end(), right.values.begin(), right.values.end());
  const double constant = left.constant * right.constant;
  const int constants = left.constants + right.constants;
  if (factors.empty()) return kNone;
  if (constants > 0 && !Holds(g_.type(x[0]).element, constant)) return kNone;
  SortByStructure(&factors);
  // A square stays a square (it is one value used twice), everything else is a chain, constants first.
  Value product = factors[0];
  if (constants > 0 && constant != 1) {
    SKEIN_ASSIGN_OR_RETURN(Value c, Constant(constant, factors[0]));
    SKEIN_ASSIGN_OR_RETURN(product, Pair(Op::mul, product, c));
  }
  for (size_t i = 1; i < factors.size(); ++i) {
    SKEIN_ASSIGN_OR_RETURN(product, Pair(Op::mul, product, factors[i]));
  }
  return std::optional(product);
}

// A binary node of operands that are already in order.
absl::StatusOr<Value> Simplifier::Pair(Op op, Value a, Value b) {
  const Value operands[] = {a, b};
  SKEIN_ASSIGN_OR_RETURN(std::optional<Value> shared, SharedBroadcast(op, operands, {}));
  if (shared) return *shared;
  return g_.Add(op, operands);
}

// x * sigmoid(x) = silu(x) and the like, for two factors of a product: see MatchGate.
Simplifier::Found Simplifier::GatedProduct(Op op, std::span<const Value> x, const Attributes&) {
  if (op != Op::mul || !IsFloatValue(x[0])) return kNone;
  Factors left = FactorsOf(x[0]), right = FactorsOf(x[1]);
  const auto is_gate = [&](Value v) { return IsGate(g_.op(v)); };
  if (std::none_of(left.values.begin(), left.values.end(), is_gate) &&
      std::none_of(right.values.begin(), right.values.end(), is_gate)) {
    return kNone;
  }
  SortByStructure(&left.values);
  SortByStructure(&right.values);
  Values factors = left.values;
  factors.insert(factors.end(), right.values.begin(), right.values.end());
  for (size_t i = 0; i < factors.size(); ++i) {
    for (size_t j = 0; j < factors.size(); ++j) {
      const std::optional<Gate> gate = i == j ? std::nullopt : MatchGate(g_, factors[i], factors[j]);
      if (!gate) continue;
      const double constant = left.constant * right.constant * gate->factor;
      if (!Holds(g_.type(x[0]).element, constant)) return kNone;
      SKEIN_ASSIGN_OR_RETURN(Value product, Make(gate->op, {factors[j]}));
      SKEIN_ASSIGN_OR_RETURN(Value scale, Constant(constant, product));
      SKEIN_ASSIGN_OR_RETURN(product, Make(Op::mul, {product, scale}));
      for (size_t k = 0; k < factors.size(); ++k) {
        if (k == i || k == j) continue;
        SKEIN_ASSIGN_OR_RETURN(product, Make(Op::mul, {product, factors[k]}));
      }
      return std::optional(product);
    }
  }
  return kNone;
}

// p + p*erf(z) = p*erfc(-z), p - p*erf(z) = p*erfc(z), 2p - p*erfc(z) = p*erfc(-z), for any product p, 1 included:
// no cancellation in the tail.
Simplifier::Found Simplifier::ErrorFunction(Op op, std::span<const Value> x, const Attributes&) {
  if ((op != Op::add && op != Op::sub) || !IsFloatValue(x[0])) return kNone;
  for (int i = 0; i < (op == Op::add ? 2 : 1); ++i) {
    Factors q = FactorsOf(x[1 - i]);
    if (std::none_of(q.values.begin(), q.values.end(),
                     [&](Value v) { return g_.op(v) == Op::erf || g_.op(v) == Op::erfc; })) {
      continue;
    }
    Factors p = FactorsOf(x[i]);
    SortByStructure(&p.values);
    SortByStructure(&q.values);
    for (size_t f = 0; f < q.values.size(); ++f) {
      const Value function = q.values[f];
      const bool complement = g_.op(function) == Op::erfc;
      if (g_.op(function) != Op::erf && !complement) continue;
      if (complement && op == Op::add) continue;
      Factors rest = q;
      rest.values.erase(rest.values.begin() + static_cast<int64_t>(f));
      if (rest.values != p.values || rest.constant * (complement ? 2 : 1) != p.constant) continue;
      Value z = NodeOf(function).operands[0];
      if (op == Op::add || complement) {
        SKEIN_ASSIGN_OR_RETURN(z, Make(Op::neg, {z}));
      }
      SKEIN_ASSIGN_OR_RETURN(Value v, Make(Op::erfc, {z}));
      SKEIN_ASSIGN_OR_RETURN(Value scale, Constant(rest.constant, v));
      SKEIN_ASSIGN_OR_RETURN(v, Make(Op::mul, {v, scale}));
      for (Value factor : rest.values) {
        SKEIN_ASSIGN_OR_RETURN(v, Make(Op::mul, {v, factor}));
      }
      return std::optional(v);
    }
  }
  return kNone;
}

// dot(c*a, d*b) = (c*d) * dot(a, b): one scale on the product instead of one on each operand. A product over
// nothing is 0.
Simplifier::Found Simplifier::ScaledDot(const Node& node, std::span<const Value> x) {
  if (IsFloatValue(x[0]) && g_.type(x[0]).dims.back().IsConst(0)) {
    SKEIN_ASSIGN_OR_RETURN(Value zero, Filled(0, node.results[0].element, node.results[0].dims));
    return std::optional(zero);
  }
  double scale = 1;
  std::vector<Value> operands(x.begin(), x.end());
  for (Value& v : operands) {
    if (g_.op(v) != Op::mul || !IsFloatValue(v)) continue;
    const auto factors = NodeOf(v).operands;
    for (int i = 0; i < 2; ++i) {
      std::optional<double> c = Splat(factors[i]);
      if (!c || !Holds(g_.type(v).element, scale * *c)) continue;
      scale *= *c;
      v = factors[1 - i];
      break;
    }
  }
  if (std::equal(operands.begin(), operands.end(), x.begin())) return kNone;
  SKEIN_ASSIGN_OR_RETURN(Value product, g_.Add(Op::dot, operands));
  SKEIN_ASSIGN_OR_RETURN(Value c, Constant(scale, product));
  SKEIN_ASSIGN_OR_RETURN(Value v, Make(Op::mul, {product, c}));
  return std::optional(v);
}

}  // namespace skein
