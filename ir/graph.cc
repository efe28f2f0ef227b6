#include "ir/graph.h"

#include <algorithm>
#include <bit>

#include "absl/hash/hash.h"
#include "absl/strings/str_cat.h"
#include "ir/node_key.h"
#include "ir/op_helpers.h"

namespace skein {

namespace {

// Equal for nodes that are one: of what the keys of attributes say, as much as is found without printing anything or
// reading whole literals.
struct HashAttribute {
  uint64_t operator()(const LiteralRef& v) const {
    if (v == nullptr) return 0;
    if (v->bytes() > kMostKeyedBytes) return absl::HashOf(v->data);
    // Abseil's own view: a standard one is hashed the standard way, which takes several times as long.
    const absl::string_view bytes(static_cast<const char*>(v->data), static_cast<size_t>(std::min<int64_t>(v->bytes(), 64)));
    return absl::HashOf(v->element, bytes);
  }
  uint64_t operator()(const ReducerRef& v) const { return v == nullptr ? 0 : absl::HashOf(v->name, v->state); }
  uint64_t operator()(double v) const { return absl::HashOf(std::bit_cast<uint64_t>(v)); }
  template <typename T>
  uint64_t operator()(const T& v) const { return absl::HashOf(v); }
};

uint64_t HashOfNode(const Node& node) {
  uint64_t hash = absl::HashOf(node.op, node.operands);
  for (const auto& [name, value] : node.attributes.entries()) {
    hash = absl::HashOf(hash, value.index(), std::visit(HashAttribute(), value));
  }
  return hash;
}

// Whether attributes are equal as they stand: literals and reducers are the same object. Zeros of both signs are not.
bool EqualAsTheyStand(const Attributes& a, const Attributes& b) {
  if (a.SharesWith(b)) return true;
  const auto& x = a.entries();
  const auto& y = b.entries();
  return std::equal(x.begin(), x.end(), y.begin(), y.end(), [](const auto& p, const auto& q) {
    return p.first == q.first && !std::holds_alternative<double>(p.second) && p.second == q.second;
  });
}

bool Same(const Node& a, const Node& b) {
  if (a.op != b.op || a.operands != b.operands) return false;
  if (EqualAsTheyStand(a.attributes, b.attributes)) return true;
  std::string keys[2];
  AppendAttributesKey(a.attributes, &keys[0]);
  AppendAttributesKey(b.attributes, &keys[1]);
  return keys[0] == keys[1];
}

std::string Signature(const Graph& graph, const Node& node) {
  std::string text = absl::StrCat(std::string(Name(node.op)), "(");
  for (size_t i = 0; i < node.operands.size(); ++i) {
    absl::StrAppend(&text, i ? ", " : "", graph.type(node.operands[i]).ToString());
  }
  return text + ")";
}

// Dims are over symbols alone; only the maps of `index` and `gather` mention the result's
// coordinates, and `map` the elements of the index operands as well.
absl::Status CheckExpressions(const Node& node) {
  const int rank = static_cast<int>(node.attributes.DimList("dims").size());
  for (const auto& [name, value] : node.attributes.entries()) {
    const Dims* list = std::get_if<Dims>(&value);
    if (list == nullptr) continue;
    bool is_map = node.op == Op::gather && (name == "map" || name == "index_map");
    bool over_coords = is_map || (node.op == Op::index && name == "expr");
    const int coords = over_coords ? rank : 0;
    const int values = is_map && name == "map" ? static_cast<int>(node.operands.size()) - 1 : 0;
    for (DimExpr e : *list) {
      if (!HasCoords(e)) continue;
      bool fits = true;
      VisitLeaves(e, [&](DimExpr leaf) {
        if (leaf.kind() == DimKind::kCoord) fits = fits && leaf.index() < coords;
        if (leaf.kind() == DimKind::kValue) fits = fits && leaf.index() < values;
      });
      if (!fits)
        return InvalidArgument(e.ToString(), " of `", name, "` mentions what is not there");
    }
  }
  return absl::OkStatus();
}

}  // namespace

// --- Building -----------------------------------------------------------------------------------

absl::StatusOr<Value> Graph::ReshapeTo(Value v, const Dims& dims) {
  if (type(v).dims == dims) return v;
  return Add(Op::reshape, {v}, {{"dims", dims}});
}

// Makes operands that must agree in dims agree: assumes the equalities that are not provable, and
// puts a reshape (a view) where an operand was written with the other name of a dim.
absl::Status Graph::UnifyOperands(Node* node) {
  const OpDef& def = Def(node->op);
  auto& operands = node->operands;
  auto same_rank = [&] {
    return std::all_of(operands.begin(), operands.end(),
                       [&](Value v) { return type(v).rank() == type(operands[0]).rank(); });
  };
  auto same_element = [&](size_t first) {
    for (size_t i = first + 1; i < operands.size(); ++i) {
      if (type(operands[i]).element != type(operands[first]).element) return false;
    }
    return true;
  };
  // Assumes dim `j` of operand `b` equal to dim `i` of operand `a`.
  auto assume = [&](size_t a, size_t i, size_t b, size_t j) {
    if (type(operands[a]).dims[i] == type(operands[b]).dims[j]) return absl::OkStatus();
    std::string why = absl::StrCat("dim ", i, " of operand ", a, " = dim ", j, " of operand ", b,
                                   " of ", Signature(*this, *node));
    if (!current_origins_.empty() &&
        current_origins_[0] < static_cast<int32_t>(source_names.size())) {
      absl::StrAppend(&why, ", assumed by node '", source_names[current_origins_[0]], "'");
    }
    return AssumeEqual(type(operands[a]).dims[i], type(operands[b]).dims[j], why).status();
  };

  bool all_equal = def.op_class == OpClass::kPointwise || def.op_class == OpClass::kReduce;
  bool is_dot = def.op_class == OpClass::kContraction;
  if (def.op_class == OpClass::kPointwise || is_dot || node->op == Op::concat) {
    if (!same_element(node->op == Op::select ? 1 : 0))
      return InvalidArgument("operands differ in element type");
  }
  if (all_equal || is_dot || node->op == Op::concat) {
    if (!same_rank()) return InvalidArgument("operands differ in rank");
  }
  int rank = operands.empty() ? 0 : type(operands[0]).rank();
  if (is_dot) {
    if (rank < 2) return InvalidArgument("operands need a rank of at least 2");
    for (int i = 0; i + 2 < rank; ++i) SKEIN_RETURN_IF_ERROR(assume(0, i, 1, i));
    SKEIN_RETURN_IF_ERROR(assume(0, rank - 1, 1, rank - 2));
  } else if (all_equal || node->op == Op::concat) {
    int64_t axis = node->op == Op::concat ? node->attributes.Int("axis", -1) : -1;
    for (size_t b = 1; b < operands.size(); ++b) {
      if (type(operands[b]).dims == type(operands[0]).dims) continue;
      for (int i = 0; i < rank; ++i) {
        if (i != axis) SKEIN_RETURN_IF_ERROR(assume(0, i, b, i));
      }
    }
  }
  if (assumed_.empty() || def.op_class == OpClass::kSource || node->op == Op::reshape)
    return absl::OkStatus();
  for (Value& v : operands) {
    Dims dims = type(v).dims;
    for (DimExpr& d : dims) d = Assumed(d);
    SKEIN_ASSIGN_OR_RETURN(v, ReshapeTo(v, dims));
  }
  return absl::OkStatus();
}

absl::StatusOr<NodeId> Graph::AddNode(Op op, std::span<const Value> operands,
                                      Attributes attributes) {
  const OpDef& def = Def(op);
  int count = static_cast<int>(operands.size());
  if (count < def.min_operands || (def.max_operands >= 0 && count > def.max_operands)) {
    return InvalidArgument(std::string(def.name), " does not take ", count, " operands");
  }
  Node node{op, {operands.begin(), operands.end()}, std::move(attributes), {}};
  for (Value v : node.operands) {
    if (v.node.index < 0 || v.node.index >= size() || v.result < 0 ||
        v.result >= static_cast<int>(this->node(v.node).results.size())) {
      return InvalidArgument("operand of ", std::string(def.name), " is no value of this graph");
    }
  }
  if (absl::Status unified = UnifyOperands(&node); !unified.ok()) {
    return Annotate(unified, Signature(*this, node));
  }
  if (!assumed_.empty() && op != Op::input) {
    Attributes substituted = node.attributes;
    for (const auto& [name, value] : node.attributes.entries()) {
      const Dims* dims = std::get_if<Dims>(&value);
      if (dims == nullptr) continue;
      Dims assumed = *dims;
      for (DimExpr& d : assumed) d = Assumed(d);
      if (assumed != *dims) substituted.Set(name, std::move(assumed));
    }
    node.attributes = std::move(substituted);
  }
  return Insert(std::move(node));
}

absl::StatusOr<NodeId> Graph::AddCopy(const Graph& from, NodeId id, std::span<const Value> operands) {
  const Node& node = from.node(id);
  bool same_types = assumed_.empty() && node.op != Op::input;
  for (size_t i = 0; i < operands.size() && same_types; ++i) {
    same_types = type(operands[i]) == from.type(node.operands[i]);
  }
  if (!same_types) return AddNode(node.op, operands, node.attributes);
  return Insert({node.op, {operands.begin(), operands.end()}, node.attributes, node.results});
}

void Graph::Reserve(int nodes) {
  origins_.reserve(nodes);
  known_.reserve(nodes);
  consed_.reserve(nodes);
}

absl::StatusOr<NodeId> Graph::Insert(Node node) {
  const OpDef& def = Def(node.op);
  auto consed = consed_.end();
  if (node.op != Op::input) {
    for (uint64_t hash = HashOfNode(node);; ++hash) {
      const auto [found, fresh] = consed_.try_emplace(hash, NodeId(size()));
      consed = found;
      if (fresh) break;
      if (Same(nodes_[found->second.index], node)) {
        AddOrigins(found->second, current_origins_);
        return found->second;
      }
    }
  }
  if (node.results.empty()) {
    absl::Status status = CheckExpressions(node);
    if (status.ok()) status = def.infer(*this, node, &node.results);
    if (!status.ok()) {
      if (node.op != Op::input) consed_.erase(consed);
      return Annotate(status, Signature(*this, node));
    }
    if (node.op != Op::input && !assumed_.empty()) {
      for (TensorType& t : node.results) {
        for (DimExpr& d : t.dims) d = Assumed(d);
      }
    }
  }
  std::optional<DimExpr> known = FindKnown(*this, node);
  NodeId id(size());
  nodes_.push_back(std::move(node));
  known_.push_back(known);
  origins_.emplace_back();
  AddOrigins(id, current_origins_);
  if (def.op_class == OpClass::kGather) GuardGather(id);
  return id;
}

// A gather whose indices are known reads where sizes say, if the sizes are right: that is guarded,
// and the gather is then a movement (PiecesOf). Without such a condition it stays a gather and
// checks as it runs.
void Graph::GuardGather(NodeId id) {
  const Node& n = node(id);
  auto map = KnownGatherMap(*this, n);
  if (!map) return;
  const Dims& extents = type(n.operands[0]).dims;
  std::vector<DimExpr> conditions;
  for (size_t i = 0; i < extents.size(); ++i) {
    auto condition = InRange((*map)[i], Assumed(extents[i]));
    if (!condition) return;
    if (!condition->IsConst()) conditions.push_back(*condition);
  }
  std::string reason = "the indices of a gather stay inside its data";
  if (!origins_[id.index].empty())
    absl::StrAppend(&reason, ", node '", source_names[origins_[id.index][0]], "'");
  for (DimExpr condition : conditions) AddGuard(condition, reason);
}

absl::StatusOr<Value> Graph::Add(Op op, std::span<const Value> operands, Attributes attributes) {
  SKEIN_ASSIGN_OR_RETURN(NodeId id, AddNode(op, operands, std::move(attributes)));
  return Value{id, 0};
}

Value Graph::AddInput(std::string name, TensorType type) {
  auto id =
      AddNode(Op::input, {}, {{"name", name}, {"element", type.element}, {"dims", type.dims}});
  SKEIN_CHECK(id.ok());
  Value v{*id, 0};
  inputs_.push_back({std::move(name), v});
  return v;
}

Value Graph::AddConstant(LiteralRef literal) {
  auto v = Add(Op::constant, {}, {{"literal", std::move(literal)}});
  SKEIN_CHECK(v.ok());
  return *v;
}

Value Graph::AddIndex(ElementType t, Dims dims, DimExpr expr) {
  SKEIN_CHECK(!IsFloat(t));
  auto v = Add(Op::index, {}, {{"dims", std::move(dims)}, {"element", t}, {"expr", Dims{expr}}});
  SKEIN_CHECK(v.ok());
  return *v;
}

void Graph::AddOutput(std::string name, Value value) {
  outputs_.push_back({std::move(name), value});
}

// --- Guards and origins -------------------------------------------------------------------------

DimExpr Graph::Assumed(DimExpr e) const {
  if (assumed_.empty() || (!HasSymbols(e) && !HasCoords(e))) return e;  // coordinates have extents
  return SubstituteSymbols(e, assumed_);
}

// Solves a = b for a symbol that occurs once, with a factor of 1 or -1, or for 4*s = 8.
void Graph::LearnEquality(DimExpr a, DimExpr b) {
  DimExpr difference = Assumed(a) - Assumed(b);
  DimExpr symbol, solution;
  bool solved = false, solution_is_size = false;
  auto consider = [&](DimExpr s) {
    if (s.kind() != DimKind::kSymbol) return;
    SymbolMap zero{{std::string(s.symbol()), DimExpr(0)}},
        one{{std::string(s.symbol()), DimExpr(1)}};
    DimExpr rest = SubstituteSymbols(difference, zero);
    DimExpr factor = SubstituteSymbols(difference, one) - rest;
    if (!factor.IsConst() || factor.IsConst(0) || difference != factor * s + rest) return;
    int64_t f = factor.constant();
    DimExpr value;
    if (f == 1 || f == -1) {
      value = DimExpr(-f) * rest;
    } else if (rest.IsConst() && rest.constant() % f == 0) {
      value = DimExpr(-(rest.constant() / f));
    } else {
      return;
    }
    // The best value is surely a size (`total = past + seq`, not `past = total - seq`, of which
    // nothing could be proved); among those, one for the symbol that comes last in the alphabet.
    bool is_size = ProveNonNegative(value);
    if (solved && (is_size < solution_is_size ||
                   (is_size == solution_is_size && DimExpr::Compare(s, symbol) < 0))) {
      return;
    }
    symbol = s;
    solution = value;
    solution_is_size = is_size;
    solved = true;
  };
  VisitLeaves(difference, consider);
  if (!solved) return;
  SymbolMap fresh{{std::string(symbol.symbol()), solution}};
  for (auto& [name, value] : assumed_) value = SubstituteSymbols(value, fresh);
  assumed_.insert(*fresh.begin());
}

void Graph::AddGuard(DimExpr condition, std::string reason) {
  if (condition.IsConst(1)) return;
  for (const Guard& guard : guards_) {
    if (guard.condition == condition) return;
  }
  guards_.push_back({condition, std::move(reason)});
  if (condition.kind() == DimKind::kEqual)
    LearnEquality(condition.operands()[0], condition.operands()[1]);
}

absl::StatusOr<DimExpr> Graph::AssumeEqual(DimExpr a, DimExpr b, std::string_view why) {
  DimExpr x = Assumed(a), y = Assumed(b);
  if (x == y) return x;
  if (ProveNotEqual(x, y)) {
    return InvalidArgument(x.ToString(), " and ", y.ToString(), " differ: ", std::string(why));
  }
  AddGuard(Equal(x, y), std::string(why));
  x = Assumed(x);
  y = Assumed(y);
  return y.IsConst() ? y : x;
}

void Graph::AddOrigins(NodeId id, std::span<const int32_t> origins) {
  SourceNodes& mine = origins_[id.index];
  for (int32_t origin : origins) {
    if (mine.empty() || mine.back() < origin) {
      mine.push_back(origin);
      continue;
    }
    if (mine.back() == origin) continue;
    auto at = std::lower_bound(mine.begin(), mine.end(), origin);
    if (at == mine.end() || *at != origin) mine.insert(at, origin);
  }
}

Graph::OriginScope::OriginScope(Graph* graph, SourceNodes origins)
    : graph_(graph), saved_(std::move(graph->current_origins_)) {
  graph_->current_origins_ = std::move(origins);
}

Graph::OriginScope::~OriginScope() { graph_->current_origins_ = std::move(saved_); }

std::vector<std::vector<NodeId>> Graph::Users() const {
  std::vector<std::vector<NodeId>> users(nodes_.size());
  for (int i = 0; i < size(); ++i) {
    for (Value v : nodes_[i].operands) {
      std::vector<NodeId>& list = users[v.node.index];
      if (list.empty() || list.back() != NodeId(i)) list.push_back(NodeId(i));
    }
  }
  return users;
}

}  // namespace skein
