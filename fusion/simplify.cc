// Simplify: each rule is one function with its algebra in the comment. A rule sees an op that is about to be
// added to the new graph and may add another in its place; the result is simplified again on the way.
//
// The rules hold in real arithmetic. Some change rounding; that is why they run here, once, before any plan is
// made, and why --no-fuse runs them too.
#include <algorithm>
#include <cmath>

#include "absl/container/node_hash_map.h"
#include "base/hash.h"
#include "fusion/emitter.h"
#include "fusion/gates.h"
#include "fusion/rewrite.h"
#include "ir/numeric.h"
#include "ir/op.h"

namespace skein {
namespace {

class Simplifier {
 public:
  explicit Simplifier(Graph* to) : g_(*to) {}

  absl::StatusOr<Value> Make(Op op, std::initializer_list<Value> x, Attributes attributes = {}) {
    return Make(op, std::span<const Value>(x.begin(), x.size()), std::move(attributes));
  }
  absl::StatusOr<Value> Make(Op op, std::span<const Value> x, Attributes attributes = {}) {
    if (++depth_ > 64) {  // rules shrink or order their terms; this bounds a mistake
      --depth_;
      return g_.Add(op, x, std::move(attributes));
    }
    absl::StatusOr<Value> result = MakeOnce(op, x, std::move(attributes));
    --depth_;
    return result;
  }

  // What stands for a node on operands that are simplified already; nullopt: itself.
  absl::StatusOr<std::optional<Value>> Rewrite(const Node& node, std::span<const Value> x) {
    const OpClass op_class = Def(node.op).op_class;
    if (op_class == OpClass::kPointwise || op_class == OpClass::kMovement) {
      SKEIN_ASSIGN_OR_RETURN(const Value v, Make(node.op, x, node.attributes));
      return std::optional(v);
    }
    if (node.op == Op::dot) return ScaledDot(node, x);
    if (op_class == OpClass::kSource || node.results.size() != 1) return kNone;
    SKEIN_ASSIGN_OR_RETURN(Value v, node.op == Op::reduce ? Reduction(node, x) : g_.Add(node.op, x, node.attributes));
    SKEIN_ASSIGN_OR_RETURN(v, AsIndex(v));
    return std::optional(v);
  }

  // By node (none past the end): no rule applies to it, so that none will as long as its operands stay what they are.
  const std::vector<bool>& settled() const { return settled_; }

 private:
  // An integer or boolean value that sizes determine becomes a node without operands.
  absl::StatusOr<Value> AsIndex(Value v) {
    std::optional<DimExpr> known = g_.Known(v);
    const TensorType type = g_.type(v);
    if (!known || g_.op(v) == Op::index || g_.op(v) == Op::constant || g_.op(v) == Op::input) return v;
    return g_.AddIndex(type.element, type.dims, *known);
  }

  using Rule = absl::StatusOr<std::optional<Value>> (Simplifier::*)(Op, std::span<const Value>,
                                                                    const Attributes&);
  static constexpr std::optional<Value> kNone = std::nullopt;

  absl::StatusOr<Value> MakeOnce(Op op, std::span<const Value> x, Attributes attributes) {
    static constexpr Rule kRules[] = {
        &Simplifier::FoldConstants, &Simplifier::Identity,       &Simplifier::EmptyParts,
        &Simplifier::Movement,
        &Simplifier::Power,         &Simplifier::Logistic,       &Simplifier::Division,       &Simplifier::ErrorFunction,
        &Simplifier::ExponentialOfLogarithm,
        &Simplifier::Negation,      &Simplifier::GatedProduct, &Simplifier::Product,        &Simplifier::Comparison,
        &Simplifier::SharedBroadcast, &Simplifier::OrderOperands,
    };
    for (Rule rule : kRules) {
      absl::StatusOr<std::optional<Value>> result = (this->*rule)(op, x, attributes);
      if (!result.ok()) return result.status();
      if (result->has_value()) return **result;
    }
    SKEIN_ASSIGN_OR_RETURN(const Value v, g_.Add(op, x, std::move(attributes)));
    SKEIN_ASSIGN_OR_RETURN(const Value result, AsIndex(v));
    if (v == result) {
      settled_.resize(g_.size());
      settled_[v.node.index] = true;
    }
    return result;
  }

  std::optional<double> Splat(Value v) const { return g_.SplatValue(v); }
  bool IsSplat(Value v, double c) const {
    std::optional<double> s = Splat(v);
    return s && *s == c;
  }
  const Node& NodeOf(Value v) const { return g_.node(v.node); }
  bool IsFloatValue(Value v) const { return IsFloat(g_.type(v).element); }

  // Whether `t` holds c to its precision: neither overflow nor underflow, not even into subnormals.
  static bool Holds(ElementType t, double c) {
    if (c == 0) return true;
    const double held = DoubleFromBits(t, BitsFromDouble(t, c));
    return std::isfinite(held) && HalfUlp(t, held) <= HalfUlp(t, 1) * std::abs(held);
  }

  // A constant of the shape of `like`.
  absl::StatusOr<Value> Constant(double c, Value like) {
    const TensorType type = g_.type(like);
    Value scalar = g_.AddScalar(type.element, c);
    if (type.rank() == 0) return scalar;
    SKEIN_ASSIGN_OR_RETURN(Value ones, Make(Op::reshape, {scalar}, {{"dims", Dims(type.rank(), DimExpr(1))}}));
    return Make(Op::broadcast, {ones}, {{"dims", type.dims}});
  }

  // f(c, ...) of splats is a splat. Rounded to the element type once, from f64.
  absl::StatusOr<std::optional<Value>> FoldConstants(Op op, std::span<const Value> x, const Attributes& attributes) {
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
  absl::StatusOr<std::optional<Value>> Identity(Op op, std::span<const Value> x, const Attributes& attributes) {
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

  std::optional<double> BoolSplat(Value v) const {
    std::optional<DimExpr> known = g_.Known(v);
    if (known && known->IsConst()) return static_cast<double>(known->constant());
    return Splat(v);
  }

  static bool IsEmpty(const Dims& dims) {
    return std::any_of(dims.begin(), dims.end(), [](DimExpr d) { return d.IsConst(0); });
  }

  // concat(x, empty, y) = concat(x, y); pad(empty, c) = broadcast(c). With what Reduction and ScaledDot do, values
  // without elements are read by no other.
  absl::StatusOr<std::optional<Value>> EmptyParts(Op op, std::span<const Value> x, const Attributes& attributes) {
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
  absl::StatusOr<std::optional<Value>> Movement(Op op, std::span<const Value> x, const Attributes& attributes) {
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

  // pow(x, 2) = x*x, pow(x, 3) = x*x*x, pow(x, 1/2) = sqrt(x), pow(x, -1) = 1/x, pow(x, -1/2) = 1/sqrt(x);
  // rsqrt(x) = 1/sqrt(x).
  absl::StatusOr<std::optional<Value>> Power(Op op, std::span<const Value> x, const Attributes&) {
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

  // x / c = x * (1/c) for a constant c whose inverse is no subnormal; x / broadcast(y) = x * broadcast(1/y): one division per row instead of
  // one per element; c / x = c * (1/x) and 1/broadcast(y) = broadcast(1/y).
  absl::StatusOr<std::optional<Value>> Division(Op op, std::span<const Value> x, const Attributes&) {
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
  absl::StatusOr<std::optional<Value>> Logistic(Op op, std::span<const Value> x, const Attributes&) {
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

  // p + p*erf(z) = p*erfc(-z), p - p*erf(z) = p*erfc(z), 2p - p*erfc(z) = p*erfc(-z), for any product p, 1 included:
  // no cancellation in the tail.
  absl::StatusOr<std::optional<Value>> ErrorFunction(Op op, std::span<const Value> x, const Attributes&) {
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

  // exp(a - log(b)) = exp(a) / b, exp(a - (c + log(b))) = exp(a - c) / b, also through a broadcast: the exponential
  // of log-softmax or log-sum-exp is softmax, without the cancellation.
  absl::StatusOr<std::optional<Value>> ExponentialOfLogarithm(Op op, std::span<const Value> x, const Attributes&) {
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
  absl::StatusOr<std::optional<Value>> SplitLogarithm(Value a, Value c, Value logarithm) {
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

  // -(c*x) = (-c)*x; a + (-b) = a - b; a - (-b) = a + b, where -b may be a product with a negative constant, and may be
  // broadcast; a - c = a + (-c) for a constant c.
  absl::StatusOr<std::optional<Value>> Negation(Op op, std::span<const Value> x, const Attributes&) {
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
  absl::StatusOr<std::optional<Value>> WithoutSign(Value v) {
    if (Splat(v)) return kNone;
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

  // A product taken apart: its constants and signs multiplied together, and the other factors.
  struct Factors {
    double constant = 1;
    int constants = 0;
    std::vector<Value> values;
  };
  Factors FactorsOf(Value product) {
    Factors factors;
    std::vector<Value> work = {product};
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

  // x * sigmoid(x) = silu(x) and the like, for two factors of a product: see MatchGate.
  absl::StatusOr<std::optional<Value>> GatedProduct(Op op, std::span<const Value> x, const Attributes&) {
    if (op != Op::mul || !IsFloatValue(x[0])) return kNone;
    Factors left = FactorsOf(x[0]), right = FactorsOf(x[1]);
    const auto is_gate = [&](Value v) { return IsGate(g_.op(v)); };
    if (std::none_of(left.values.begin(), left.values.end(), is_gate) &&
        std::none_of(right.values.begin(), right.values.end(), is_gate)) {
      return kNone;
    }
    SortByStructure(&left.values);
    SortByStructure(&right.values);
    std::vector<Value> factors = left.values;
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

  // Products are commutative and associative in real arithmetic. Canonical form: constants multiplied together,
  // factors in a fixed order, broadcast factors (per row) joined before they meet the wide ones.
  absl::StatusOr<std::optional<Value>> Product(Op op, std::span<const Value> x, const Attributes&) {
    if (op != Op::mul || !IsFloatValue(x[0])) return kNone;
    const Factors left = FactorsOf(x[0]), right = FactorsOf(x[1]);
    std::vector<Value> factors = left.values;
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
  absl::StatusOr<Value> Pair(Op op, Value a, Value b) {
    const Value operands[] = {a, b};
    SKEIN_ASSIGN_OR_RETURN(std::optional<Value> shared, SharedBroadcast(op, operands, {}));
    if (shared) return *shared;
    return g_.Add(op, operands);
  }

  absl::StatusOr<Value> Filled(double c, ElementType t, const Dims& dims) {
    SKEIN_ASSIGN_OR_RETURN(Value v, Make(Op::reshape, {g_.AddScalar(t, c)}, {{"dims", Dims(dims.size(), DimExpr(1))}}));
    return Make(Op::broadcast, {v}, {{"dims", dims}});
  }

  // sum, product, min or max of one element = that element, of no element = where it starts; axes of extent 1 are
  // not reduced over.
  absl::StatusOr<Value> Reduction(const Node& node, std::span<const Value> x) {
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

  // dot(c*a, d*b) = (c*d) * dot(a, b): one scale on the product instead of one on each operand. A product over
  // nothing is 0.
  absl::StatusOr<std::optional<Value>> ScaledDot(const Node& node, std::span<const Value> x) {
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

  // not(a < b) = b <= a for integers; not(a == b) = a != b.
  absl::StatusOr<std::optional<Value>> Comparison(Op op, std::span<const Value> x, const Attributes&) {
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

  // f(broadcast(a), broadcast(b), c) = broadcast(f(a, b, c)) for operands of equal shape and splats c: what is
  // the same for a whole row is computed once a row.
  absl::StatusOr<std::optional<Value>> SharedBroadcast(Op op, std::span<const Value> x,
                                                       const Attributes& attributes) {
    if (Def(op).op_class != OpClass::kPointwise) return kNone;
    std::optional<Dims> narrow;
    for (Value v : x) {
      if (Splat(v)) continue;
      if (g_.op(v) != Op::broadcast) return kNone;
      const Dims& dims = g_.type(NodeOf(v).operands[0]).dims;
      if (narrow && *narrow != dims) return kNone;
      narrow = dims;
    }
    if (!narrow) return kNone;
    const Dims wide = g_.type(x[0]).dims;
    std::vector<Value> operands;
    for (Value v : x) {
      if (std::optional<double> c = Splat(v)) {
        TensorType type{g_.type(v).element, *narrow};
        Value scalar = g_.AddScalar(type.element, *c);
        if (type.rank() > 0) {
          SKEIN_ASSIGN_OR_RETURN(scalar, Make(Op::reshape, {scalar}, {{"dims", Dims(type.rank(), DimExpr(1))}}));
          SKEIN_ASSIGN_OR_RETURN(scalar, Make(Op::broadcast, {scalar}, {{"dims", type.dims}}));
        }
        operands.push_back(scalar);
      } else {
        operands.push_back(NodeOf(v).operands[0]);
      }
    }
    SKEIN_ASSIGN_OR_RETURN(Value f, Make(op, operands, attributes));
    SKEIN_ASSIGN_OR_RETURN(Value v, Make(Op::broadcast, {f}, {{"dims", wide}}));
    return std::optional(v);
  }

  // Commutative operations have their operands in structural order, so that spelling does not matter.
  absl::StatusOr<std::optional<Value>> OrderOperands(Op op, std::span<const Value> x, const Attributes& attributes) {
    if (!IsCommutative(op) || op == Op::mul) return kNone;  // Product orders factors
    std::vector<Value> sorted(x.begin(), x.end());
    SortByStructure(&sorted);
    if (std::equal(sorted.begin(), sorted.end(), x.begin())) return kNone;
    SKEIN_ASSIGN_OR_RETURN(Value v, g_.Add(op, sorted, attributes));
    SKEIN_ASSIGN_OR_RETURN(v, AsIndex(v));
    return std::optional(v);
  }

  // A hash of how a value is computed, a few operations deep: names, file order and what lies further back do not
  // enter, so that equal layers at different depths are ordered alike.
  // What mentions a symbol is "?", because symbols have the user's names.
  static std::string SizesText(std::span<const DimExpr> dims) {
    std::string text = "[";
    for (DimExpr d : dims) absl::StrAppend(&text, HasSymbols(d) ? "?" : d.ToString(), ",");
    return text + "]";
  }
  static constexpr int kStructureDepth = 3;
  const Hash128& Structure(Value v, int depth = kStructureDepth) {
    auto [it, fresh] = structure_.try_emplace({v.node, depth});
    if (!fresh) return it->second;
    const Node& node = NodeOf(v);
    std::string text = absl::StrCat(static_cast<int>(node.results[0].element), SizesText(node.results[0].dims));
    if (depth == 0) return structure_[{v.node, depth}] = StableHash(text);  // a weight is one however it is stored
    absl::StrAppend(&text, ForStrCat(Name(node.op)));
    if (node.op == Op::constant) {
      if (std::optional<double> c = Splat(v)) absl::StrAppend(&text, *c);
    } else if (node.op != Op::input) {
      for (const auto& [name, value] : node.attributes.entries()) {
        const Dims* dims = std::get_if<Dims>(&value);
        absl::StrAppend(&text, name, dims ? SizesText(*dims) : Attributes({{name, value}}).ToString());
      }
    }
    std::vector<std::string> operands;
    for (Value v : node.operands) operands.push_back(absl::StrCat(Structure(v, depth - 1).Hex(), v.result));
    if (IsCommutative(node.op)) std::sort(operands.begin(), operands.end());
    for (const std::string& operand : operands) text += operand;
    return structure_[{v.node, depth}] = StableHash(text);
  }
  void SortByStructure(std::vector<Value>* values) {
    if (values->size() < 2) return;
    std::stable_sort(values->begin(), values->end(), [this](Value a, Value b) {
      // Wide values first: a broadcast (per-row) factor joins last and stays out of inner expressions.
      const bool a_broadcast = g_.op(a) == Op::broadcast, b_broadcast = g_.op(b) == Op::broadcast;
      if (a_broadcast != b_broadcast) return b_broadcast;
      if (a == b) return false;
      return Structure(a) < Structure(b);
    });
  }

  Graph& g_;
  absl::node_hash_map<std::pair<NodeId, int>, Hash128> structure_;
  std::vector<bool> settled_;
  int depth_ = 0;
};

// Whether simplifying `graph` again would change nothing but drop dead nodes. Adds origins as that would.
absl::StatusOr<bool> IsFixedPoint(const std::vector<bool>& settled, Graph* graph) {
  Simplifier simplifier(graph);
  const std::vector<bool> needed = NeededNodes(*graph);
  for (size_t i = 0; i < needed.size(); ++i) {
    const NodeId id(i);
    if (!needed[i] || settled[i] || Def(graph->node(id).op).op_class == OpClass::kSource) continue;
    const Node node = graph->node(id);
    Graph::OriginScope scope(graph, graph->origins(id));
    SKEIN_ASSIGN_OR_RETURN(std::optional<Value> v, simplifier.Rewrite(node, node.operands));
    if (v && *v != Value{id, 0}) return false;
  }
  return true;
}

}  // namespace

absl::StatusOr<Graph> SimplifyNeeded(const Graph& graph) {
  // A second round sees what the first one uncovered; a few reach the fixed point on every graph we have.
  constexpr int kRounds = 4;
  std::optional<Graph> current;
  for (int round = 1; round <= kRounds; ++round) {
    std::optional<Simplifier> simplifier;
    SKEIN_ASSIGN_OR_RETURN(Graph next, RewriteGraph(current ? *current : graph,
                                                    [&](Graph* to, const Node& node, std::span<const Value> operands) {
                                                      if (!simplifier) simplifier.emplace(to);
                                                      return simplifier->Rewrite(node, operands);
                                                    }));
    current = std::move(next);
    if (round == kRounds) break;
    std::vector<bool> settled = simplifier ? simplifier->settled() : std::vector<bool>();
    settled.resize(current->size());
    SKEIN_ASSIGN_OR_RETURN(const bool fixed, IsFixedPoint(settled, &*current));
    if (fixed) break;
  }
  return *std::move(current);
}

absl::StatusOr<Graph> Simplify(const Graph& graph) {
  SKEIN_ASSIGN_OR_RETURN(const Graph simplified, SimplifyNeeded(graph));
  auto keep = [](Graph*, const Node&, std::span<const Value>) -> absl::StatusOr<std::optional<Value>> {
    return std::nullopt;
  };
  return RewriteGraph(simplified, keep);
}

}  // namespace skein
