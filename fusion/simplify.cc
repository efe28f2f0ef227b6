// Simplify, the pipeline: which rules see an op, in which order, and how often (simplifier.h; simplify_*.cc has them).
#include "fusion/simplifier.h"

#include "fusion/rewrite.h"

namespace skein {

absl::StatusOr<Value> Simplifier::Make(Op op, std::span<const Value> x, Attributes attributes) {
  if (++depth_ > 64) {  // rules shrink or order their terms; this bounds a mistake
    --depth_;
    return g_.Add(op, x, std::move(attributes));
  }
  absl::StatusOr<Value> result = MakeOnce(op, x, std::move(attributes));
  --depth_;
  return result;
}

absl::StatusOr<std::optional<Value>> Simplifier::Rewrite(const Node& node, std::span<const Value> x) {
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

absl::StatusOr<Value> Simplifier::MakeOnce(Op op, std::span<const Value> x, Attributes attributes) {
  static constexpr Rule kRules[] = {
      &Simplifier::FoldConstants, &Simplifier::Identity,      &Simplifier::EmptyParts,
      &Simplifier::Movement,      &Simplifier::Power,         &Simplifier::Logistic,
      &Simplifier::Division,      &Simplifier::ErrorFunction, &Simplifier::ExponentialOfLogarithm,
      &Simplifier::Negation,      &Simplifier::GatedProduct,  &Simplifier::Product,
      &Simplifier::Comparison,    &Simplifier::SharedBroadcast, &Simplifier::OrderOperands,
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

// An integer or boolean value that sizes determine becomes a node without operands.
absl::StatusOr<Value> Simplifier::AsIndex(Value v) {
  const std::optional<DimExpr> known = g_.Known(v);
  if (!known || g_.op(v) == Op::index || g_.op(v) == Op::constant || g_.op(v) == Op::input) return v;
  const TensorType type = g_.type(v);
  return g_.AddIndex(type.element, type.dims, *known);
}

namespace {

// Whether simplifying `graph` again would change nothing but drop dead nodes. Adds origins as that would.
absl::StatusOr<bool> IsFixedPoint(Simplifier simplifier, const std::vector<bool>& settled, Graph* graph) {
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
    Simplifier again = simplifier ? Simplifier(&*current, *std::move(simplifier)) : Simplifier(&*current);
    SKEIN_ASSIGN_OR_RETURN(const bool fixed, IsFixedPoint(std::move(again), settled, &*current));
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
