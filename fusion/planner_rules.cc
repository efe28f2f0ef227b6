#include "fusion/planner_rules.h"

#include <algorithm>

#include "absl/container/inlined_vector.h"
#include "fusion/planner_cost.h"
#include "ir/op.h"

namespace skein {
namespace {

// Whether a node is read, before any product, on the way into an operand of `dot`, and the flops on that way.
struct Feed {
  bool feeds = false;
  int flops = 0;
};
Feed FeedOf(const PlanGraph& graph, Value operand, const NodeSet& nodes) {
  Feed feed;
  absl::InlinedVector<NodeId, 64> seen;
  absl::InlinedVector<Value, 16> work = {operand};
  while (!work.empty()) {
    Value v = work.back();
    work.pop_back();
    if (graph.IsInlined(v) || std::find(seen.begin(), seen.end(), v.node) != seen.end()) continue;
    seen.push_back(v.node);
    if (graph.IsComputed(v.node)) {
      if (!nodes.contains(v.node)) continue;
      feed.feeds = true;
    }
    const Node& node = graph.graph().node(v.node);
    const OpDef& def = Def(node.op);
    if (def.op_class == OpClass::kPointwise) feed.flops += def.flops;
    for (Value next : node.operands) work.push_back(next);
  }
  return feed;
}

// The left operand of a contraction is read once per panel of columns, so nothing is computed there; the right one
// is packed once per block of rows, which a few operations can ride on.
std::optional<Reason> FeedsProduct(const PlanGraph& graph, const NodeSet& nodes) {
  constexpr int kPackedFlops = 8;
  for (NodeId dot : nodes) {
    if (graph.KindOf(dot) != PlanGraph::Kind::kContraction) continue;
    const auto reads = graph.ReadsOf(dot);
    if (std::none_of(reads.begin(), reads.end(), [&](NodeId from) { return nodes.contains(from); })) continue;
    const Node& node = graph.graph().node(dot);
    if (FeedOf(graph, node.operands[0], nodes).feeds) {
      return Reason{"SK154", "it would be computed again for every panel of columns of the product"};
    }
    const Feed right = FeedOf(graph, node.operands[1], nodes);
    if (right.feeds && right.flops > kPackedFlops) {
      return Reason{"SK154", "it would be computed again for every block of rows of the product"};
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<Reason> NeverTogether(const PlanGraph& graph, const NodeSet& nodes) {
  const Phase phase = graph.PhaseOf(*nodes.begin());
  for (NodeId id : nodes) {
    if (graph.PhaseOf(id) != phase) return Reason{"SK163", "one is computed once, the other in every run"};
  }
  for (NodeId id : nodes) {
    if (graph.IsRepeated(id, nodes)) {
      return Reason{"SK161", "the work would be repeated for every element that it is copied to"};
    }
  }
  if (std::optional<Reason> feeds = FeedsProduct(graph, nodes)) return feeds;
  if (nodes.size() > kMostNodes) return Reason{"SK162", "the kernel would have more than 64 operations"};
  return std::nullopt;
}

bool HoldsForLargerSets(const Reason& reason) {
  static constexpr const char* kCodes[] = {"SK101", "SK102", "SK103", "SK154", "SK161", "SK162", "SK163"};
  return std::find(std::begin(kCodes), std::end(kCodes), reason.code) != std::end(kCodes);
}

std::array<int, 3> KindsOf(const PlanGraph& graph, std::span<const NodeId> nodes) {
  std::array<int, 3> kinds = {0, 0, 0};
  for (NodeId id : nodes) {
    switch (graph.KindOf(id)) {
      case PlanGraph::Kind::kContraction: kinds[0] = std::min(kinds[0] + 1, 2); break;
      case PlanGraph::Kind::kInnerReduction: kinds[1] = 1; break;
      case PlanGraph::Kind::kOuterReduction: kinds[2] = 1; break;
      case PlanGraph::Kind::kOther: break;
    }
  }
  return kinds;
}

Reason ReasonOf(const absl::Status& refused) {
  std::string message(refused.message());
  const size_t colon = message.find(": ");
  if (message.rfind("SK", 0) != 0 || colon == std::string::npos) return {"SK199", message};
  return {message.substr(0, colon), message.substr(colon + 2)};
}

}  // namespace skein
