// What the planner knows of a settled graph before it groups anything: which nodes a kernel must compute, which of
// them read which, and when. Everything else is movement, or cheap enough to be recomputed where it is read.
#ifndef SKEIN_FUSION_PLANNER_GRAPH_H_
#define SKEIN_FUSION_PLANNER_GRAPH_H_

#include <set>
#include <span>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "fusion/node_set.h"
#include "fusion/plan.h"
#include "ir/graph.h"

namespace skein {

class PlanGraph {
 public:
  // `fuse`: PlanOptions::fuse; without it, movement is computed too. The graph must outlive this.
  PlanGraph(const Graph& graph, bool fuse);

  const Graph& graph() const { return graph_; }
  // Ascending, each once.
  std::span<const NodeId> UsersOf(NodeId id) const {
    return std::span(users_).subspan(first_user_[id.index], first_user_[id.index + 1] - first_user_[id.index]);
  }

  // Nodes that some kernel must compute.
  const NodeSet& computed() const { return computed_; }
  bool IsComputed(NodeId id) const { return is_computed_[id.index]; }
  bool IsOutput(NodeId id) const { return is_output_[id.index]; }
  // As far as kernels are told apart by it.
  enum class Kind : uint8_t { kOther, kContraction, kInnerReduction, kOuterReduction };
  Kind KindOf(NodeId id) const { return kinds_[id.index]; }
  // Says only where elements lie, or which.
  bool IsMovement(NodeId id) const { return is_movement_[id.index]; }
  // Movement, or a gather: makes another number of elements of those that it reads.
  bool Moves(NodeId id) const;
  // Whether a kernel of `nodes` would spend more than a few flops again on each element of a computed node: what lies
  // behind a repeat along outer dims, a concatenation or a gather is computed again for every use.
  bool IsRepeated(NodeId id, const NodeSet& nodes) const { return may_be_repeated_[id.index] && IsRepeated(id, &nodes); }
  // Written into a kernel as an expression or a number: read from nowhere.
  bool IsInlined(Value v) const { return (v.result == 0 ? is_inlined_ : is_splat_)[v.node.index]; }
  // Of its first result, for nominal sizes.
  double ElementsOf(NodeId id) const { return elements_[id.index]; }
  double BytesOf(Value v) const;
  // A constant, through whatever movement, all elements of which are equal.
  bool IsSplat(Value v) const { return is_splat_[v.node.index]; }
  // An input, or a constant that is no splat.
  bool IsMemory(NodeId id) const { return is_memory_[id.index]; }
  // Whether anything reads this result.
  bool IsUsed(Value v) const;

  // Computed nodes that a computed node reads, and that read it, looking through what is recomputed. Ascending.
  std::span<const NodeId> ReadsOf(NodeId id) const { return reads_[id.index]; }
  std::span<const NodeId> ReadersOf(NodeId id) const { return readers_[id.index]; }
  // What is recomputed for a computed node: all that lies between it and what it reads. Ascending.
  std::span<const NodeId> RecomputedFor(NodeId id) const { return recomputed_[id.index]; }

  // When a node can be computed at the earliest; of a set, the latest of its nodes'.
  Phase PhaseOf(NodeId id) const { return phase_[id.index]; }
  Phase PhaseOf(const NodeSet& nodes) const;
  // Whether two nodes came from one node of the user's.
  bool SameSource(NodeId a, NodeId b) const;

 private:
  // Most have a few.
  using Nodes = absl::InlinedVector<NodeId, 4>;

  void FindUsers();
  void FindKinds();
  void FindNeeded();
  void FindPhases();
  void FindComputed(bool fuse);
  void FindReads();
  void FindRepeated();
  bool IsRepeated(NodeId id, const NodeSet* nodes) const;  // none: of all nodes, or unknown
  bool RecomputedAnywhere(NodeId id) const;
  bool BroadcastInPassing(NodeId id) const;

  const Graph& graph_;
  std::vector<NodeId> users_;    // of all nodes, one after the other
  std::vector<int> first_user_;  // by node, and the end
  using Flags = std::vector<uint8_t>;  // by node; a byte each, since they are read far more often than made
  Flags is_output_, is_movement_, is_splat_, is_inlined_, is_memory_, needed_, constant_, is_computed_, may_be_repeated_;
  std::vector<Kind> kinds_;
  std::vector<double> elements_;
  std::vector<Phase> phase_;
  std::set<Value> outputs_;
  NodeSet computed_;
  std::vector<Nodes> reads_, readers_, recomputed_;
};

}  // namespace skein

#endif  // SKEIN_FUSION_PLANNER_GRAPH_H_
