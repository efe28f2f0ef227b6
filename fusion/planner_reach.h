// Which computed nodes lie between which: reachability, one bit a pair.
#ifndef SKEIN_FUSION_PLANNER_REACH_H_
#define SKEIN_FUSION_PLANNER_REACH_H_

#include <cstdint>
#include <span>
#include <vector>

#include "fusion/planner_graph.h"

namespace skein {

class Reachability {
 public:
  explicit Reachability(const PlanGraph& graph);

  // Graphs of more computed nodes are not tracked (2 bits a pair would take 64 MiB): nothing reaches anything.
  static constexpr int kMostNodes = 16384;
  bool tracked() const { return static_cast<int>(ids_.size()) <= kMostNodes; }

  // Whether b is computed from a.
  bool Reaches(NodeId a, NodeId b) const;
  bool Ordered(NodeId a, NodeId b) const { return Reaches(a, b) || Reaches(b, a); }
  // Whether some node of one set is computed from one of the other.
  bool Ordered(const NodeSet& a, const NodeSet& b) const;
  // a, b and all that lies on paths between them: what a kernel of both must hold. Nothing if that is more than `most`.
  std::vector<NodeId> Hull(NodeId a, NodeId b, int most) const;
  // Nodes as a row of bits; whether all that lies on paths from a to b is among them.
  std::vector<uint64_t> BitsOf(std::span<const NodeId> nodes) const;
  bool HasBetween(const std::vector<uint64_t>& bits, NodeId a, NodeId b) const;

 private:
  using Row = const uint64_t*;
  Row After(NodeId id) const { return after_.data() + index_[id.index] * words_; }
  Row Before(NodeId id) const { return before_.data() + index_[id.index] * words_; }

  std::vector<NodeId> ids_;
  std::vector<size_t> index_;   // by node
  size_t words_ = 0;
  std::vector<uint64_t> after_, before_;  // rows of bits
};

}  // namespace skein

#endif  // SKEIN_FUSION_PLANNER_REACH_H_
