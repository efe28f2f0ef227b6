// Graph: what a program means, as tensors in SSA form.
//
// Nodes live in one append-only vector; an operand's node comes before its user's, so the order is
// topological by construction. A node without effects is hash-consed: adding the same op on the
// same operands with the same attributes returns the node that is there. Every op of ir/ops.def is
// described in ir/ops/<op>.h (see ir/op.h). Shapes are DimExprs over symbols >= 0.
//
// Pointwise operands have identical shapes: broadcasting is spelled with `broadcast` nodes (and
// `reshape` for missing leading dims). `reduce` keeps its axes with extent 1.
#ifndef SKEIN_IR_GRAPH_H_
#define SKEIN_IR_GRAPH_H_

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "base/ids.h"
#include "base/status.h"
#include "ir/dim_expr.h"
#include "ir/element_type.h"

namespace skein {

using NodeId = Id<struct NodeTag>;

struct Value {  // one result of a node
  NodeId node;
  int32_t result = 0;
  constexpr auto operator<=>(const Value&) const = default;
  bool valid() const { return node.valid(); }
  template <typename H>
  friend H AbslHashValue(H h, Value v) {
    return H::combine(std::move(h), v.node, v.result);
  }
};

// Small enough to lie in the node: ranks above 4 are rare.
using Dims = absl::InlinedVector<DimExpr, 4>;

struct TensorType {
  ElementType element = ElementType::kF32;
  Dims dims;
  int rank() const { return static_cast<int>(dims.size()); }
  bool operator==(const TensorType&) const = default;
  std::string ToString() const;  // "f32[batch, seq, 768]"
};

using ResultTypes = absl::InlinedVector<TensorType, 1>;
// Of a node: numbers of the source nodes that it came from, ascending.
using SourceNodes = absl::InlinedVector<int32_t, 4>;

// Constant data, row-major, little-endian, packed as BytesFor says. `data` stays valid as long as
// `owner`; weights are mapped files shared by every graph that mentions them.
struct Literal {
  ElementType element;
  std::vector<int64_t> dims;
  const void* data = nullptr;
  std::shared_ptr<const void> owner;
  int64_t count() const;
  int64_t bytes() const { return BytesFor(element, count()); }
  double AsDouble(int64_t i) const;
  int64_t AsInt64(int64_t i) const;
  // True if all elements are bitwise equal (and there is at least one).
  bool IsSplat() const;
};
using LiteralRef = std::shared_ptr<const Literal>;
LiteralRef MakeLiteral(ElementType t, std::vector<int64_t> dims, std::vector<uint8_t> bytes);
LiteralRef ScalarLiteral(ElementType t, double value);                   // rank 0
LiteralRef IntsLiteral(ElementType t, std::span<const int64_t> values);  // rank 1

enum class Op : uint8_t {
#define SKEIN_OP(name) name,
#include "ir/ops.def"
#undef SKEIN_OP
};

struct Reducer;
using ReducerRef = std::shared_ptr<const Reducer>;

using Attribute = std::variant<int64_t, double, std::string, ElementType, std::vector<int64_t>,
                               Dims, LiteralRef, ReducerRef>;

// A few named attributes, sorted by name. The names an op takes are in its header. Copies share them until one is set.
class Attributes {
 public:
  Attributes() = default;
  Attributes(std::initializer_list<std::pair<std::string, Attribute>> list);
  void Set(std::string name, Attribute value);
  bool Has(std::string_view name) const { return Find(name) != nullptr; }
  // Null if absent or of another type.
  template <typename T>
  const T* Get(std::string_view name) const {
    const Attribute* a = Find(name);
    return a ? std::get_if<T>(a) : nullptr;
  }
  int64_t Int(std::string_view name, int64_t otherwise = 0) const;
  const std::vector<int64_t>& Ints(std::string_view name) const;  // empty if absent
  const Dims& DimList(std::string_view name) const;               // empty if absent
  using Entries = absl::InlinedVector<std::pair<std::string, Attribute>, 1>;
  const Entries& entries() const;
  // Surely equal, and found so at once.
  bool SharesWith(const Attributes& other) const { return entries_ == other.entries_; }
  // "{axis = 1, dims = [batch, 4]}"; literals of up to 64 elements in full, larger ones as a
  // place-holder.
  std::string ToString() const;

 private:
  const Attribute* Find(std::string_view name) const;
  std::shared_ptr<Entries> entries_;  // null: none. Changed by a sole owner only
};

struct Node {
  Op op;
  absl::InlinedVector<Value, 3> operands;
  Attributes attributes;
  ResultTypes results;
  int32_t effect = -1;  // >= 0: ordered by it and never merged
};

// Nodes by number. They stay where they are as more are added, and so do their types and attributes.
class NodeList {
 public:
  NodeList() = default;
  NodeList(NodeList&&) = default;
  NodeList& operator=(NodeList&&) = default;
  NodeList(const NodeList& other) {
    for (int i = 0; i < other.size(); ++i) push_back(other[i]);
  }
  NodeList& operator=(const NodeList& other) { return *this = NodeList(other); }
  int size() const { return chunks_.empty() ? 0 : static_cast<int>(kChunk * (chunks_.size() - 1) + chunks_.back().size()); }
  const Node& operator[](size_t i) const { return chunks_[i / kChunk][i % kChunk]; }
  void push_back(Node node) {
    if (chunks_.empty() || chunks_.back().size() == kChunk) chunks_.emplace_back().reserve(kChunk);
    chunks_.back().push_back(std::move(node));
  }

 private:
  static constexpr size_t kChunk = 16;
  std::vector<std::vector<Node>> chunks_;  // full, but the last
};

// A fact that was assumed while building. Checked whenever sizes are bound.
struct Guard {
  DimExpr condition;   // holds iff != 0
  std::string reason;  // "batch of 'x' = batch of 'y', assumed by node '/add' (Add)"
};

class Graph {
 public:
  // Adds a node: checks operand count, infers types, finds its known values, hash-conses.
  // Errors: InvalidArgument / Unimplemented naming the op and the operand types.
  absl::StatusOr<NodeId> AddNode(Op op, std::span<const Value> operands,
                                 Attributes attributes = {});
  // The same for a node of another graph on other operands. Where their types are those of the old operands, the
  // result types are taken from there.
  absl::StatusOr<NodeId> AddCopy(const Graph& from, NodeId id, std::span<const Value> operands);
  // AddNode for one-result ops.
  absl::StatusOr<Value> Add(Op op, std::span<const Value> operands, Attributes attributes = {});
  absl::StatusOr<Value> Add(Op op, std::initializer_list<Value> operands,
                            Attributes attributes = {}) {
    return Add(op, std::span<const Value>(operands.begin(), operands.size()),
               std::move(attributes));
  }

  Value AddInput(std::string name, TensorType type);
  Value AddConstant(LiteralRef literal);
  Value AddScalar(ElementType t, double value) { return AddConstant(ScalarLiteral(t, value)); }
  // A tensor of integers or booleans given by an expression of its coordinates.
  Value AddIndex(ElementType t, Dims dims, DimExpr expr);
  void AddOutput(std::string name, Value value);

  // Makes room for what is kept about as many nodes.
  void Reserve(int nodes);
  int size() const { return nodes_.size(); }
  const Node& node(NodeId id) const { return nodes_[id.index]; }
  const TensorType& type(Value v) const { return nodes_[v.node.index].results[v.result]; }
  Op op(Value v) const { return nodes_[v.node.index].op; }

  struct Named {
    std::string name;
    Value value;
  };
  const std::vector<Named>& inputs() const { return inputs_; }
  const std::vector<Named>& outputs() const { return outputs_; }

  // The value of an integer or boolean tensor as an expression of Coord(i, dims[i]), if known.
  // Constants up to 64 elements that are splats, linear or short are known too.
  std::optional<DimExpr> Known(Value v) const;
  // Known value of a rank-0/1 tensor, element by element (shape lists, axes, ...).
  std::optional<Dims> KnownList(Value v) const;
  // The literal of a `constant` node, else null.
  LiteralRef Constant(Value v) const;
  // If v is a float/int constant of at most 1 MiB whose elements are all equal (through broadcast/reshape too).
  std::optional<double> SplatValue(Value v) const;

  // Makes a and b the same from here on: if they are not provably equal, adds a guard and returns
  // the one to use (a constant rather than a symbol). Errors: InvalidArgument if provably
  // different.
  absl::StatusOr<DimExpr> AssumeEqual(DimExpr a, DimExpr b, std::string_view why);
  void AddGuard(DimExpr condition, std::string reason);
  const std::vector<Guard>& guards() const { return guards_; }
  // `e` with every assumed equality substituted. Types, attributes and known values of nodes that
  // are added after an assumption have it substituted already; inputs keep the names they were
  // added with.
  DimExpr Assumed(DimExpr e) const;

  // Origins: indices into source_names of the user's nodes that a node came from. While an
  // OriginScope is alive, nodes that are added (or found) gain its origins.
  std::vector<std::string> source_names;  // the user's node names, in file order
  const SourceNodes& origins(NodeId id) const { return origins_[id.index]; }
  void AddOrigins(NodeId id, std::span<const int32_t> origins);
  void AddCurrentOrigins(NodeId id) { AddOrigins(id, current_origins_); }  // as if it was added again
  class OriginScope {
   public:
    OriginScope(Graph* graph, SourceNodes origins);
    ~OriginScope();

   private:
    Graph* graph_;
    SourceNodes saved_;
  };

  // Users of every node's results, computed on demand by passes.
  std::vector<std::vector<NodeId>> Users() const;

  std::string ToString() const;  // text form, parsed back by ParseGraph

 private:
  friend class OriginScope;
  absl::Status UnifyOperands(Node* node);
  // Finds an equal node or appends this one, whose types are inferred unless it has them.
  absl::StatusOr<NodeId> Insert(Node node);
  absl::StatusOr<Value> ReshapeTo(Value v, const Dims& dims);
  void GuardGather(NodeId id);
  void LearnEquality(DimExpr a, DimExpr b);

  NodeList nodes_;
  std::vector<Named> inputs_, outputs_;
  std::vector<Guard> guards_;
  std::vector<SourceNodes> origins_;
  std::vector<std::optional<DimExpr>> known_;  // of result 0
  SourceNodes current_origins_;
  absl::flat_hash_map<uint64_t, NodeId> consed_;  // by hash, or the first number from there that was free
  SymbolMap assumed_;  // symbol -> what it was assumed to equal
};

// A reduction over a tuple state. All graphs are scalar: rank-0 inputs and outputs.
//   map: n operand elements -> state;  combine: state, state -> state (associative up to rounding);
//   finish: state -> results. `initial` is an identity of combine.
// The order of combination is the op's (DESIGN section 6), never the back end's.
struct Reducer {
  std::string name;  // for printing only: "sum", "max", "argmax"
  std::vector<ElementType> state;
  std::vector<double> initial;
  Graph map, combine, finish;
};
ReducerRef SumReducer(ElementType t);
ReducerRef ProductReducer(ElementType t);
ReducerRef MaxReducer(ElementType t);  // IEEE maximum: NaN wins
ReducerRef MinReducer(ElementType t);
// If the reducer is just add, mul, maximum or minimum over one element (whatever its name): that
// op.
std::optional<Op> SimpleCombine(const Reducer& reducer);

// Parses what Graph::ToString prints. Literals that it leaves out (`zeros`) come back as zeros.
absl::StatusOr<Graph> ParseGraph(std::string_view text);

// Types, operand order, outputs, origins; for the tests and after every pass.
absl::Status Verify(const Graph& graph);

// Copies nodes of one graph into another, old value -> new value; the base of every pass.
//   GraphRewriter r(old, &fresh);
//   for each node: either r.Set(old value, new value), or r.Copy(node);   then r.CopyOutputs()
class GraphRewriter {
 public:
  GraphRewriter(const Graph& from, Graph* to);  // copies inputs, guards and source names at once
  // Copies the node as it is on the mapped operands (types are inferred again where theirs differ), under its origins.
  // Operands that are not mapped yet are copied first. Results that are mapped already stay so.
  absl::StatusOr<NodeId> Copy(NodeId id);
  void Set(Value from, Value to);
  Value Get(Value from) const;  // invalid Value if not mapped yet
  absl::Status CopyOutputs();

 private:
  const Graph& from_;
  Graph* to_;
  std::vector<absl::InlinedVector<Value, 1>> map_;  // by node, then result; as far as there is any
};

}  // namespace skein

#endif  // SKEIN_IR_GRAPH_H_
