// Rules of simplify on constants, on what has no elements, and on what changes nothing.
#include "fusion/simplifier.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "ir/numeric.h"

namespace skein {

// Whether `t` holds c to its precision: neither overflow nor underflow, not even into subnormals.
bool Simplifier::Holds(ElementType t, double c) {
  if (c == 0) return true;
  const double held = DoubleFromBits(t, BitsFromDouble(t, c));
  return std::isfinite(held) && HalfUlp(t, held) <= HalfUlp(t, 1) * std::abs(held);
}

// A constant of the shape of `like`. Layers ask for the same few.
absl::StatusOr<Value> Simplifier::Constant(double c, Value like) {
  const TensorType& type = g_.type(like);
  const std::tuple key(std::bit_cast<uint64_t>(c), type.element, type.dims);
  if (const auto known = constants_.find(key); known != constants_.end()) {
    Value v = known->second;
    for (g_.AddCurrentOrigins(v.node); g_.op(v) != Op::constant; g_.AddCurrentOrigins(v.node)) v = NodeOf(v).operands[0];
    return known->second;
  }
  SKEIN_ASSIGN_OR_RETURN(const Value constant, Filled(c, type.element, type.dims));
  return constants_[key] = constant;
}

absl::StatusOr<Value> Simplifier::Filled(double c, ElementType t, const Dims& dims) {
  if (dims.empty()) return g_.AddScalar(t, c);
  SKEIN_ASSIGN_OR_RETURN(Value v, Make(Op::reshape, {g_.AddScalar(t, c)}, {{"dims", Dims(dims.size(), DimExpr(1))}}));
  return Make(Op::broadcast, {v}, {{"dims", dims}});
}

// f(c, ...) of splats is a splat. Rounded to the element type once, from f64.
Simplifier::Found Simplifier::FoldConstants(Op op, std::span<const Value> x, const Attributes& attributes) {
  const OpDef& def = Def(op);
  if (def.op_class != OpClass::kPointwise || x.empty() || def.reference == nullptr) return kNone;
  std::vector<Bounded> values;
  for (Value v : x) {
    std::optional<double> c = Splat(v);
    if (!c || !(IsFloatValue(v) || IsBool(g_.type(v).element))) return kNone;
    values.push_back({*c, 0});
  }
  // The result type comes from adding the node; it is dead afterwards.
  SKEIN_ASSIGN_OR_RETURN(Value probe, g_.Add(op, x, attributes));
  if (!IsFloat(g_.type(probe).element)) return kNone;
  double y = def.reference(NodeOf(probe), g_.type(probe).element, values).value;
  SKEIN_ASSIGN_OR_RETURN(Value result, Constant(y, probe));
  return std::optional<Value>(result);
}

// x*1 = x, x/1 = x, x+0 = x, x-0 = x, and(true, x) = x, or(false, x) = x, and(false, x) = false,
// not(not(x)) = x, -(-x) = x, 1/(1/x) = x, select(c, x, x) = x, select of a constant condition, cast to the same
// type, max(x, -inf) = x. (x+0 turns -0 into +0; dropping it is a change of rounding that is settled here.)
Simplifier::Found Simplifier::Identity(Op op, std::span<const Value> x, const Attributes& attributes) {
  auto either = [&](double c) -> std::optional<Value> {
    if (IsSplat(x[1], c)) return x[0];
    if (IsSplat(x[0], c)) return x[1];
    return std::nullopt;
  };
  switch (op) {
    case Op::mul: return either(1);
    case Op::add: return either(0);
    case Op::div: return IsSplat(x[1], 1) ? std::optional(x[0]) : kNone;
    case Op::sub: return IsSplat(x[1], 0) ? std::optional(x[0]) : kNone;
    case Op::maximum: return IsFloatValue(x[0]) ? either(-INFINITY) : kNone;
    case Op::minimum: return IsFloatValue(x[0]) ? either(INFINITY) : kNone;
    case Op::bit_and:
    case Op::bit_or: {
      if (x[0] == x[1]) return std::optional(x[0]);
      if (!IsBool(g_.type(x[0]).element)) return kNone;
      const double neutral = op == Op::bit_and ? 1 : 0;
      for (int i = 0; i < 2; ++i) {
        std::optional<double> c = BoolSplat(x[i]);
        if (c) return std::optional(*c == neutral ? x[1 - i] : x[i]);
      }
      return kNone;
    }
    case Op::neg:
    case Op::logical_not:
    case Op::reciprocal:
      return g_.op(x[0]) == op ? std::optional(NodeOf(x[0]).operands[0]) : kNone;
    case Op::select: {
      if (x[1] == x[2]) return std::optional(x[1]);
      std::optional<double> c = BoolSplat(x[0]);
      if (c) return std::optional(*c != 0 ? x[1] : x[2]);
      return kNone;
    }
    case Op::cast: {
      const ElementType* to = attributes.Get<ElementType>("to");
      return to && *to == g_.type(x[0]).element ? std::optional(x[0]) : kNone;
    }
    default: return kNone;
  }
}

std::optional<double> Simplifier::BoolSplat(Value v) const {
  std::optional<DimExpr> known = g_.Known(v);
  if (known && known->IsConst()) return static_cast<double>(known->constant());
  return Splat(v);
}

// concat(x, empty, y) = concat(x, y); pad(empty, c) = broadcast(c). With what Reduction and ScaledDot do, values
// without elements are read by no other.
Simplifier::Found Simplifier::EmptyParts(Op op, std::span<const Value> x, const Attributes& attributes) {
  if (op == Op::pad && IsEmpty(g_.type(x[0]).dims)) {
    const Dims& low = attributes.DimList("low");
    const Dims& high = attributes.DimList("high");
    Dims dims = g_.type(x[0]).dims;
    for (size_t d = 0; d < dims.size(); ++d) dims[d] = low[d] + dims[d] + high[d];
    if (IsEmpty(dims)) return kNone;
    SKEIN_ASSIGN_OR_RETURN(Value v, Make(Op::reshape, {x[1]}, {{"dims", Dims(dims.size(), DimExpr(1))}}));
    SKEIN_ASSIGN_OR_RETURN(v, Make(Op::broadcast, {v}, {{"dims", dims}}));
    return std::optional(v);
  }
  if (op != Op::concat) return kNone;
  const int64_t axis = attributes.Int("axis");
  std::vector<Value> rest;
  for (Value v : x) {
    if (!g_.type(v).dims[axis].IsConst(0)) rest.push_back(v);
  }
  if (rest.empty() || rest.size() == x.size()) return kNone;
  SKEIN_ASSIGN_OR_RETURN(Value v, Make(op, rest, attributes));
  return std::optional(v);
}

// Movement that moves nothing disappears; reshape of reshape is one reshape, transpose of transpose one
// transpose, broadcast of broadcast one broadcast.
Simplifier::Found Simplifier::Movement(Op op, std::span<const Value> x, const Attributes& attributes) {
  if (Def(op).op_class != OpClass::kMovement) return kNone;
  const Dims& from = g_.type(x[0]).dims;
  auto inner = [&] { return NodeOf(x[0]); };
  switch (op) {
    case Op::reshape: {
      if (attributes.DimList("dims") == from) return std::optional(x[0]);
      if (g_.op(x[0]) == Op::reshape) {
        SKEIN_ASSIGN_OR_RETURN(Value v, Make(op, {NodeOf(x[0]).operands[0]}, attributes));
        return std::optional(v);
      }
      return kNone;
    }
    case Op::broadcast: {
      if (attributes.DimList("dims") == from) return std::optional(x[0]);
      if (g_.op(x[0]) == Op::broadcast) {
        SKEIN_ASSIGN_OR_RETURN(Value v, Make(op, {NodeOf(x[0]).operands[0]}, attributes));
        return std::optional(v);
      }
      return kNone;
    }
    case Op::transpose: {
      std::vector<int64_t> permutation = attributes.Ints("permutation");
      if (g_.op(x[0]) == Op::transpose) {
        const std::vector<int64_t> first = inner().attributes.Ints("permutation");
        std::vector<int64_t> both;
        for (int64_t p : permutation) both.push_back(first[p]);
        SKEIN_ASSIGN_OR_RETURN(Value v, Make(op, {NodeOf(x[0]).operands[0]}, {{"permutation", both}}));
        return std::optional(v);
      }
      bool moves = false;  // dims that are not 1 keep their order?
      int64_t last = -1;
      for (int64_t p : permutation) {
        if (from[p].IsConst(1)) continue;
        moves = moves || p < last;
        last = p;
      }
      if (moves) return kNone;
      Dims dims;
      for (int64_t p : permutation) dims.push_back(from[p]);
      SKEIN_ASSIGN_OR_RETURN(Value v, Make(Op::reshape, {x[0]}, {{"dims", dims}}));
      return std::optional(v);
    }
    case Op::slice: {
      for (size_t i = 0; i < from.size(); ++i) {
        if (!attributes.DimList("starts")[i].IsConst(0) || !attributes.DimList("steps")[i].IsConst(1) ||
            attributes.DimList("dims")[i] != from[i]) {
          return kNone;
        }
      }
      return std::optional(x[0]);
    }
    case Op::concat: return x.size() == 1 ? std::optional(x[0]) : kNone;
    default: return kNone;
  }
}

// sum, product, min or max of one element = that element, of no element = where it starts; axes of extent 1 are
// not reduced over.
absl::StatusOr<Value> Simplifier::Reduction(const Node& node, std::span<const Value> x) {
  const Dims dims = g_.type(x[0]).dims;
  std::vector<int64_t> axes;
  for (int64_t axis : node.attributes.Ints("axes")) {
    if (!dims[axis].IsConst(1)) axes.push_back(axis);
  }
  const Reducer& reducer = **node.attributes.Get<ReducerRef>("reducer");
  if (axes.empty() && SimpleCombine(reducer)) return x[0];
  const bool nothing = std::any_of(axes.begin(), axes.end(), [&](int64_t axis) { return dims[axis].IsConst(0); });
  if (nothing && SimpleCombine(reducer)) return Filled(reducer.initial[0], reducer.state[0], node.results[0].dims);
  Attributes attributes = node.attributes;
  if (!axes.empty()) attributes.Set("axes", axes);
  return g_.Add(node.op, x, attributes);
}

}  // namespace skein
