// Kernels that need no scheduler to say that they are: most candidates of the greedy planner are a product, a chain, a
// row or a column with one more operation.
#include <algorithm>

#include "fusion/planner_rules.h"
#include "ir/op.h"

namespace skein {
namespace {

constexpr size_t kMostObvious = 24;   // nodes
constexpr size_t kMostPointers = 40;  // as the scheduler has it (SK110)

// f16, bf16 and halves of bytes are for storage: what computes in them is not obvious.
bool IsNarrow(ElementType t) { return t == ElementType::kF16 || t == ElementType::kBF16 || BitWidth(t) == 4; }

class ObviousKernel {
 public:
  ObviousKernel(const PlanGraph& graph, const NodeSet& nodes) : graph_(graph), g_(graph.graph()), nodes_(nodes) {}

  bool Fits() {
    if (nodes_.size() > kMostObvious || !FindShape()) return false;
    for (NodeId id : nodes_) {
      if (!IsObvious(id)) return false;
    }
    return pointers_ <= kMostPointers && RowsLeadToResults();
  }

 private:
  // The one shape of all nodes, and what reductions leave of it or the product has instead.
  bool FindShape() {
    const Node* reduction = nullptr;
    for (NodeId id : nodes_) {
      const Node& node = g_.node(id);
      const PlanGraph::Kind kind = graph_.KindOf(id);
      if (kind == PlanGraph::Kind::kContraction) ++dots_;
      const bool reduces = kind == PlanGraph::Kind::kInnerReduction || kind == PlanGraph::Kind::kOuterReduction;
      if (!reduces || reduction != nullptr) continue;
      reduction = &node;
      kind_ = kind;
    }
    if (reduction == nullptr) {
      wide_ = &g_.node(*nodes_.rbegin()).results[0].dims;
      return dots_ == 0 || (dots_ == 1 && FindProduct());
    }
    wide_ = &g_.type(reduction->operands[0]).dims;
    axes_ = &reduction->attributes.Ints("axes");
    row_ = *wide_;
    for (int64_t axis : *axes_) row_[axis] = 1;
    reduces_ = true;
    // One column is not a kernel of columns.
    const bool many = std::any_of(row_.begin(), row_.end(), [](DimExpr d) { return !d.IsConst(1); });
    return dots_ == 0 && row_ != *wide_ && (many || kind_ == PlanGraph::Kind::kInnerReduction);
  }

  // The product is first, and has the shape of the others or, if only they read it, that shape with two dims of rows
  // as one.
  bool FindProduct() {
    const NodeId dot = *nodes_.begin();
    const Node& node = g_.node(dot);
    if (node.op != Op::dot || node.results[0].element != ElementType::kF32) return false;
    const Dims& dims = node.results[0].dims;
    if (dims == *wide_) return true;
    const auto readers = graph_.ReadersOf(dot);
    const bool alone = !graph_.IsOutput(dot) &&
                       std::all_of(readers.begin(), readers.end(), [&](NodeId reader) { return nodes_.contains(reader); });
    row_ = dims;
    const bool ones = std::any_of(wide_->begin(), wide_->end(), [](DimExpr d) { return d.IsConst(1); });
    return alone && !ones && dims.size() == 2 && wide_->size() == 3 && dims[0] == (*wide_)[0] * (*wide_)[1] &&
           dims[1] == (*wide_)[2];
  }

  bool IsObvious(NodeId id) {
    const Node& node = g_.node(id);
    const Dims& dims = node.results[0].dims;
    if (node.results.size() != 1 || graph_.IsInlined({id, 0}) || !HasUsualTypes(node)) return false;
    ++pointers_;
    switch (Def(node.op).op_class) {
      case OpClass::kPointwise:
        // An epilogue starts at the product.
        if (dims != *wide_ && !(reduces_ && dims == row_)) return false;
        if (dots_ == 1 && std::none_of(node.operands.begin(), node.operands.end(), [&](Value v) { return IsFromHere(v); })) {
          return false;
        }
        break;
      case OpClass::kContraction: break;
      case OpClass::kReduce: {
        if (graph_.KindOf(id) != kind_ || node.operands.size() != 1 || dims != row_ ||
            g_.type(node.operands[0]).dims != *wide_ || node.attributes.Ints("axes") != *axes_) {
          return false;
        }
        break;
      }
      default: return false;
    }
    return ReadsAreObvious(id);
  }

  bool HasUsualTypes(const Node& node) const {
    return std::none_of(node.operands.begin(), node.operands.end(), [&](Value v) { return IsNarrow(g_.type(v).element); });
  }

  // What is computed here is read in place, or repeated along the row; all else is read from memory.
  bool ReadsAreObvious(NodeId id) {
    for (Value v : g_.node(id).operands) {
      if (nodes_.contains(v.node) && g_.type(v).dims != g_.node(id).results[0].dims &&
          Def(g_.node(id).op).op_class != OpClass::kReduce) {
        return false;
      }
      CountPointer(v);
    }
    for (NodeId by : graph_.RecomputedFor(id)) {
      const Node& node = g_.node(by);
      const bool pointwise = Def(node.op).op_class == OpClass::kPointwise;
      if (!graph_.IsMovement(by) && !(pointwise && HasUsualTypes(node))) return false;
      for (Value v : node.operands) {
        CountPointer(v);
        if (nodes_.contains(v.node) && !IsInPassing(by, id)) return false;
      }
    }
    return true;
  }

  void CountPointer(Value v) {
    const Op op = g_.op(v);
    pointers_ += !graph_.IsInlined(v) && (op == Op::input || op == Op::constant || graph_.IsComputed(v.node)) &&
                 !nodes_.contains(v.node);
  }

  bool IsFromHere(Value v) const {
    return nodes_.contains(v.node) || (g_.op(v) == Op::reshape && nodes_.contains(g_.node(v.node).operands[0].node));
  }

  // Whether `by` repeats what a reduction left, or takes a product's rows apart, and all that `id` does with it is to
  // read it as it is.
  bool IsInPassing(NodeId by, NodeId id) const {
    const Node& node = g_.node(by);
    if (node.op != (reduces_ ? Op::broadcast : Op::reshape) || dots_ + reduces_ == 0) return false;
    if (g_.type(node.operands[0]).dims != row_ || node.results[0].dims != *wide_) return false;
    const auto recomputed = graph_.RecomputedFor(id);
    return std::none_of(recomputed.begin(), recomputed.end(), [&](NodeId other) {
      const auto& operands = g_.node(other).operands;
      return std::any_of(operands.begin(), operands.end(), [&](Value v) { return v.node == by; });
    });
  }

  // The widest results span the loops: every reduction and every other result is needed for one of them.
  bool RowsLeadToResults() const {
    if (!reduces_) return true;
    auto is_result = [&](NodeId id) {
      const auto readers = graph_.ReadersOf(id);
      return graph_.IsOutput(id) ||
             std::any_of(readers.begin(), readers.end(), [&](NodeId reader) { return !nodes_.contains(reader); });
    };
    auto is_wide = [&](NodeId id) { return g_.node(id).results[0].dims == *wide_; };
    const bool any_wide = std::any_of(nodes_.begin(), nodes_.end(), [&](NodeId id) { return is_wide(id) && is_result(id); });
    // Each but those results is read by one that leads there: all lead if every other has a reader here.
    return std::all_of(nodes_.begin(), nodes_.end(), [&](NodeId id) {
      const auto readers = graph_.ReadersOf(id);
      return (is_result(id) && is_wide(id) == any_wide) ||
             std::any_of(readers.begin(), readers.end(), [&](NodeId reader) { return nodes_.contains(reader); });
    });
  }

  const PlanGraph& graph_;
  const Graph& g_;
  const NodeSet& nodes_;
  const Dims* wide_ = nullptr;
  Dims row_;
  const std::vector<int64_t>* axes_ = nullptr;
  int dots_ = 0;
  bool reduces_ = false;
  PlanGraph::Kind kind_ = PlanGraph::Kind::kOther;  // of all reductions
  size_t pointers_ = 0;
};

}  // namespace

bool ObviouslyFits(const PlanGraph& graph, const NodeSet& nodes) { return ObviousKernel(graph, nodes).Fits(); }

}  // namespace skein
