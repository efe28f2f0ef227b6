#include "fusion/softmax_maxima.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/container/inlined_vector.h"
#include "fusion/rewrite.h"
#include "ir/op.h"

namespace skein {
namespace {

bool Combines(const Node& reduction, Op op) {
  return SimpleCombine(**reduction.attributes.Get<ReducerRef>("reducer")) == op;
}

// The reduction of x along some axes whose result `copy` is at every place of the same row, or a quotient by that; else
// null. Only if `inverse` are there quotients.
const Node* ReductionOf(const Graph& graph, Value copy, Value x, bool inverse) {
  Dims coords;
  const Dims& dims = graph.type(x).dims;
  for (size_t d = 0; d < dims.size(); ++d) coords.push_back(DimExpr::Coord(static_cast<int>(d), dims[d]));
  const Dims here = coords;
  Value v = copy;
  while (graph.op(v) != Op::reduce) {
    if (inverse && (graph.op(v) == Op::reciprocal || graph.op(v) == Op::div)) {
      v = graph.node(v.node).operands.back();
      continue;
    }
    const std::optional<std::vector<Piece>> pieces = MovementPieces(graph, v.node);
    if (!pieces || pieces->size() != 1) return nullptr;
    Dims next;
    for (DimExpr e : (*pieces)[0].map) next.push_back(SubstituteCoords(e, coords));
    coords = std::move(next);
    v = graph.node(v.node).operands[(*pieces)[0].operand];
  }
  const Node& reduce = graph.node(v.node);
  if (reduce.operands[0] != x) return nullptr;
  const std::vector<int64_t>& axes = reduce.attributes.Ints("axes");
  for (size_t d = 0; d < dims.size(); ++d) {
    const bool reduced = std::find(axes.begin(), axes.end(), static_cast<int64_t>(d)) != axes.end();
    if (!reduced && coords[d] != here[d] && !dims[d].IsConst(1)) return nullptr;
  }
  return &reduce;
}

// Who reads which node in a graph.
class Readers {
 public:
  explicit Readers(const Graph& graph) : graph_(graph), of_(graph.size()) {
    const std::vector<bool> needed = NeededNodes(graph);
    for (int i = 0; i < graph.size(); ++i) {
      if (!needed[i]) continue;
      for (Value v : graph.node(NodeId(i)).operands) of_[v.node.index].push_back(NodeId(i));
    }
    for (const Graph::Named& output : graph.outputs()) outputs_.insert(output.value.node);
  }

  // Whether nothing but `reader` needs v.
  bool IsOnly(Value v, NodeId reader) const {
    const auto& readers = of_[v.node.index];
    return readers.size() == 1 && readers[0] == reader && !outputs_.contains(v.node);
  }

  // Whether whatever comes of exponentials is NaN if their sum along `axes` is.
  bool AllNeedSum(Value exponentials, const std::vector<int64_t>& axes) const {
    const auto& readers = of_[exponentials.node.index];
    if (readers.empty() || outputs_.contains(exponentials.node)) return false;
    return std::all_of(readers.begin(), readers.end(), [&](NodeId id) {
      const Node* reader = &graph_.node(id);
      if (reader->op == Op::div || reader->op == Op::mul) {
        const Value other = reader->operands[reader->operands[0] == exponentials ? 1 : 0];
        reader = ReductionOf(graph_, other, exponentials, /*inverse=*/true);
        if (reader == nullptr) return false;
      }
      return reader->op == Op::reduce && Combines(*reader, Op::add) && reader->attributes.Ints("axes") == axes;
    });
  }

 private:
  const Graph& graph_;
  std::vector<absl::InlinedVector<NodeId, 2>> of_;  // by node, each as often as it reads
  absl::flat_hash_set<NodeId> outputs_;
};

}  // namespace

bool IsMaximumOf(const Graph& graph, Value bound, Value x) {
  const Node* reduction = ReductionOf(graph, bound, x, /*inverse=*/false);
  return reduction != nullptr && Combines(*reduction, Op::maximum);
}

absl::flat_hash_set<const Node*> SoftmaxMaxima(const Graph& graph) {
  absl::flat_hash_set<const Node*> found;
  std::optional<Readers> readers;
  for (int i = 0; i < graph.size(); ++i) {
    const NodeId exponential(i);
    if (graph.node(exponential).op != Op::exp) continue;
    const Value difference = graph.node(exponential).operands[0];
    if (graph.op(difference) != Op::sub) continue;
    const Value x = graph.node(difference.node).operands[0];
    Value bound = graph.node(difference.node).operands[1];
    if (!IsMaximumOf(graph, bound, x)) continue;
    if (!readers) readers.emplace(graph);
    bool only = readers->IsOnly(difference, exponential);
    for (NodeId reader = difference.node; only; reader = bound.node, bound = graph.node(reader).operands[0]) {
      only = readers->IsOnly(bound, reader);
      if (graph.op(bound) == Op::reduce) break;
    }
    const Node& maximum = graph.node(bound.node);
    if (only && readers->AllNeedSum({exponential, 0}, maximum.attributes.Ints("axes"))) found.insert(&maximum);
  }
  return found;
}

}  // namespace skein
