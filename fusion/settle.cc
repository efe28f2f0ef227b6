#include "fusion/settle.h"

#include <algorithm>
#include <limits>

#include "fusion/first_place.h"
#include "fusion/rewrite.h"
#include "fusion/softmax_maxima.h"
#include "ir/op.h"

namespace skein {
namespace {

// The innermost dim that is not 1, or 0.
int Innermost(const Dims& dims) {
  int last = static_cast<int>(dims.size()) - 1;
  while (last > 0 && dims[last].IsConst(1)) --last;
  return last;
}

bool ReducesRows(const Dims& dims, std::span<const int64_t> axes) {
  bool inner = false, nothing = true;  // nothing: every axis has one element, which is a row of its own
  for (int64_t axis : axes) {
    inner = inner || axis == Innermost(dims);
    nothing = nothing && dims[axis].IsConst(1);
  }
  return inner || nothing;
}

using Replacement = absl::StatusOr<std::optional<Value>>;

// Elements: what schedule_short_rows.h may take many rows of at a time.
constexpr int64_t kShortRow = 64;

// The first place of the best element along short rows, or where places are not the numbers of a row's elements, as two
// reductions: the best element, then the least of the places where it is, while the row is in cache.
//   best = max(x);  place = min(select(x == best or x is NaN, places, none))     since any NaN is best
// `none` must be behind all places, and is what is found where there is nothing.
Replacement SplitFirstPlace(Graph* to, std::span<const Value> operands, Attributes attributes) {
  const ReducerRef given = *attributes.Get<ReducerRef>("reducer");
  const Reducer& reducer = *given;
  const std::optional<FirstPlace> first = FindFirstPlace(reducer);
  const std::optional<DimExpr> places = first ? to->Known(operands[1]) : std::nullopt;
  if (!places || static_cast<double>(places->range().hi) > reducer.initial[1]) return std::nullopt;
  const Value x = operands[0];
  const Dims dims = to->type(x).dims;
  const std::vector<int64_t> axes = attributes.Ints("axes");
  const bool numbers = axes.size() == 1 && *places == CoordsOf(dims)[axes[0]];
  if (numbers && !ProveLessEqual(dims[axes[0]], kShortRow)) return std::nullopt;
  attributes.Set("reducer", first->of_largest ? MaxReducer(ElementType::kF32) : MinReducer(ElementType::kF32));
  SKEIN_ASSIGN_OR_RETURN(Value best, to->Add(Op::reduce, {x}, attributes));
  SKEIN_ASSIGN_OR_RETURN(best, to->Add(Op::broadcast, {best}, {{"dims", dims}}));
  SKEIN_ASSIGN_OR_RETURN(Value is_best, to->Add(Op::equal, {x, best}));
  SKEIN_ASSIGN_OR_RETURN(Value nan, to->Add(Op::is_nan, {x}));
  SKEIN_ASSIGN_OR_RETURN(is_best, to->Add(Op::bit_or, {is_best, nan}));

  // In 32 bits where something is found and fits.
  DimExpr count = 1;
  for (int64_t axis : axes) count = count * dims[axis];
  const DimRange range = places->range();
  const bool narrow = ProveLess(0, count) && range.lo >= 0 && range.hi < std::numeric_limits<int32_t>::max();
  const ElementType element = reducer.state[1], place = narrow ? ElementType::kI32 : element;
  const double none = narrow ? std::numeric_limits<int32_t>::max() : reducer.initial[1];
  SKEIN_ASSIGN_OR_RETURN(Value nowhere, to->Add(Op::reshape, {to->AddScalar(place, none)},
                                                {{"dims", Dims(dims.size(), DimExpr(1))}}));
  SKEIN_ASSIGN_OR_RETURN(nowhere, to->Add(Op::broadcast, {nowhere}, {{"dims", dims}}));
  SKEIN_ASSIGN_OR_RETURN(Value candidates,
                         to->Add(Op::select, {is_best, to->AddIndex(place, dims, *places), nowhere}));
  Reducer least = *MinReducer(place);
  least.initial = {none};
  attributes.Set("reducer", std::make_shared<const Reducer>(std::move(least)));
  SKEIN_ASSIGN_OR_RETURN(Value result, to->Add(Op::reduce, {candidates}, attributes));
  if (place == element) return result;
  SKEIN_ASSIGN_OR_RETURN(result, to->Add(Op::cast, {result}, {{"to", element}}));
  return result;
}

// A reduction or scan over the innermost dim that is not 1 runs along rows; any other runs down columns. The order
// of its additions (DESIGN section 6) follows from that, and from here on belongs to the op.
Replacement SettleOrder(Graph* to, const Node& node, std::span<const Value> operands) {
  const OpClass op_class = Def(node.op).op_class;
  if ((op_class != OpClass::kReduce && op_class != OpClass::kScan) || node.attributes.Has("order")) {
    return std::nullopt;
  }
  const Dims& dims = to->type(operands[0]).dims;
  const bool inner = op_class == OpClass::kScan ? node.attributes.Int("axis") == Innermost(dims)
                                                : ReducesRows(dims, node.attributes.Ints("axes"));
  Attributes attributes = node.attributes;
  attributes.Set("order", std::string(inner ? "inner" : "outer"));
  if (inner && op_class == OpClass::kReduce) {
    SKEIN_ASSIGN_OR_RETURN(std::optional<Value> place, SplitFirstPlace(to, operands, attributes));
    if (place) return place;
  }
  SKEIN_ASSIGN_OR_RETURN(NodeId id, to->AddNode(node.op, operands, attributes));
  return Value{id, 0};
}

// True for every node that reads constants only.
std::vector<bool> FromConstants(const Graph& graph) {
  std::vector<bool> result(graph.size());
  for (int i = 0; i < graph.size(); ++i) {
    const Node& node = graph.node(NodeId(i));
    bool all = node.op != Op::input && node.effect < 0;
    for (Value v : node.operands) all = all && result[v.node.index];
    for (DimExpr d : node.results[0].dims) all = all && d.IsConst();
    if (graph.Known({NodeId(i), 0}) && HasSymbols(*graph.Known({NodeId(i), 0}))) all = false;
    result[i] = all;
  }
  return result;
}

// Weights of a contraction are stored in panels of 64 columns, each [K, 64], zero-padded: B' = transpose(reshape(
// pad(B))), computed once. The contraction then reads slice(reshape(transpose(B'))), which is B again, so no
// value changes; the schedulers see that a panel is contiguous.
Replacement PackWeights(Graph* to, const Node& node, std::span<const Value> operands) {
  constexpr int64_t kPanel = 64;
  const TensorType type = to->type(operands[1]);
  if (type.rank() != 2 || type.element != ElementType::kF32) return std::nullopt;
  const DimExpr k = type.dims[0], n = type.dims[1], panels = CeilDiv(n, kPanel);
  Value b = operands[1];
  if (panels * kPanel != n) {
    SKEIN_ASSIGN_OR_RETURN(b, to->Add(Op::pad, {b, to->AddScalar(type.element, 0)},
                                      {{"low", Dims{0, 0}}, {"high", Dims{0, panels * kPanel - n}}}));
  }
  SKEIN_ASSIGN_OR_RETURN(b, to->Add(Op::reshape, {b}, {{"dims", Dims{k, panels, kPanel}}}));
  // Shared by all weights.
  static const auto* swap = new Attributes{{"permutation", std::vector<int64_t>{1, 0, 2}}};
  static const auto* packed = new Attributes{{"permutation", std::vector<int64_t>{1, 0, 2}}, {"materialize", int64_t{1}}};
  SKEIN_ASSIGN_OR_RETURN(b, to->Add(Op::transpose, {b}, *packed));
  SKEIN_ASSIGN_OR_RETURN(b, to->Add(Op::transpose, {b}, *swap));
  SKEIN_ASSIGN_OR_RETURN(b, to->Add(Op::reshape, {b}, {{"dims", Dims{k, panels * kPanel}}}));
  if (panels * kPanel != n) {
    SKEIN_ASSIGN_OR_RETURN(b, to->Add(Op::slice, {b},
                                      {{"starts", Dims{0, 0}}, {"steps", Dims{1, 1}}, {"dims", Dims{k, n}}}));
  }
  SKEIN_ASSIGN_OR_RETURN(Value product, to->Add(Op::dot, {operands[0], b}, node.attributes));
  return product;
}

// exp(x - max(x)), as softmax has it, needs neither the upper half of exp's range nor its scaling in two steps.
Replacement SettleSign(Graph* to, const Node& node, std::span<const Value> operands) {
  if (node.op != Op::exp || to->op(operands[0]) != Op::sub) return std::nullopt;
  const Node& difference = to->node(operands[0].node);
  if (!IsMaximumOf(*to, difference.operands[1], difference.operands[0])) return std::nullopt;
  Attributes attributes = node.attributes;
  attributes.Set("nonpositive", int64_t{1});
  SKEIN_ASSIGN_OR_RETURN(NodeId id, to->AddNode(Op::exp, operands, attributes));
  return Value{id, 0};
}

Replacement SettleOp(Graph* to, const Node& node, std::span<const Value> operands, bool packs) {
  switch (node.op) {
    case Op::exp: return SettleSign(to, node, operands);
    case Op::dot: return packs ? PackWeights(to, node, operands) : Replacement(std::nullopt);
    default: return SettleOrder(to, node, operands);
  }
}

bool IsStorage(ElementType t) { return t == ElementType::kF16 || t == ElementType::kBF16; }

// Whether an op has to compute in f16 or bf16, which are for storage only. Movement, casts and choices do not.
bool ComputesInStorage(const Graph& graph, const Node& node) {
  const OpClass op_class = Def(node.op).op_class;
  if (op_class == OpClass::kSource || op_class == OpClass::kMovement || op_class == OpClass::kGather) return false;
  if (node.op == Op::cast || node.op == Op::select) return false;
  return std::any_of(node.operands.begin(), node.operands.end(),
                     [&](Value v) { return IsStorage(graph.type(v).element); });
}

// The same in f32, of a reducer that is one operation; null for any other.
ReducerRef Widened(const Reducer& reducer) {
  const std::optional<Op> op = SimpleCombine(reducer);
  if (!op) return nullptr;
  switch (*op) {
    case Op::add: return SumReducer(ElementType::kF32);
    case Op::mul: return ProductReducer(ElementType::kF32);
    case Op::maximum: return MaxReducer(ElementType::kF32);
    case Op::minimum: return MinReducer(ElementType::kF32);
    default: return nullptr;
  }
}

// f16 or bf16 -> f32: of as few elements as there are, and constants stay constants.
absl::StatusOr<Value> Widen(Graph* to, Value v) {
  const TensorType type = to->type(v);
  if (!IsStorage(type.element)) return v;
  if (type.dims.empty()) {
    if (const std::optional<double> scalar = to->SplatValue(v)) return to->AddScalar(ElementType::kF32, *scalar);
  }
  if (to->op(v) == Op::broadcast || to->op(v) == Op::reshape) {
    const Node movement = to->node(v.node);
    SKEIN_ASSIGN_OR_RETURN(Value operand, Widen(to, movement.operands[0]));
    return to->Add(movement.op, {operand}, movement.attributes);
  }
  return to->Add(Op::cast, {v}, {{"to", ElementType::kF32}});
}

// An op on f16 or bf16 computes in f32, sums and products included, and its result is rounded once.
Replacement SettleStorage(Graph* to, const Node& node, std::span<const Value> operands, bool packs) {
  Node wide = node;
  if (const ReducerRef* reducer = node.attributes.Get<ReducerRef>("reducer")) {
    const ReducerRef widened = Widened(**reducer);
    if (widened == nullptr) return std::nullopt;
    wide.attributes.Set("reducer", widened);
  }
  std::vector<Value> widened;
  for (Value v : operands) {
    SKEIN_ASSIGN_OR_RETURN(Value w, Widen(to, v));
    widened.push_back(w);
  }
  SKEIN_ASSIGN_OR_RETURN(std::optional<Value> result, SettleOp(to, wide, widened, packs));
  if (!result) {
    SKEIN_ASSIGN_OR_RETURN(result, to->Add(node.op, widened, wide.attributes));
  }
  const ElementType element = node.results[0].element;
  if (!IsStorage(element)) return result;
  SKEIN_ASSIGN_OR_RETURN(Value rounded, to->Add(Op::cast, {*result}, {{"to", element}}));
  return rounded;
}

// What each op alone needs for its schedule.
absl::StatusOr<Graph> SettleOps(const Graph& graph) {
  const std::vector<bool> constant = FromConstants(graph);
  const absl::flat_hash_set<const Node*> of_softmax = SoftmaxMaxima(graph);
  return RewriteGraph(graph, [&](Graph* to, const Node& node, std::span<const Value> operands) -> Replacement {
    const bool packs = node.op == Op::dot && constant[node.operands[1].node.index];
    const auto settle = [&](const Node& given) {
      return ComputesInStorage(graph, node) ? SettleStorage(to, given, operands, packs)
                                            : SettleOp(to, given, operands, packs);
    };
    if (!of_softmax.contains(&node)) return settle(node);
    Node loose = node;
    loose.attributes.Set("loose", int64_t{1});
    return settle(loose);
  });
}

constexpr Pass kPasses[] = {
    {"simplify", SimplifyNeeded},
    {"settle_ops", SettleOps},
};

}  // namespace

std::span<const Pass> SettlePasses() { return kPasses; }

absl::StatusOr<Graph> Settle(const Graph& graph) {
  std::optional<Graph> current;
  for (const Pass& pass : kPasses) {
    absl::StatusOr<Graph> next = pass.run(current ? *current : graph);
    if (!next.ok()) return Annotate(next.status(), pass.name);
    current = *std::move(next);
    absl::Status valid = Verify(*current);
    if (!valid.ok()) return Internal("after ", pass.name, ": ", std::string(valid.message()), "\n", current->ToString());
  }
  return *std::move(current);
}

}  // namespace skein
