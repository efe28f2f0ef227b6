// The driver of Graph -> Graph passes, and the simplifier's rules.
#ifndef SKEIN_FUSION_REWRITE_H_
#define SKEIN_FUSION_REWRITE_H_

#include <functional>
#include <optional>
#include <vector>

#include "base/status.h"
#include "ir/graph.h"

namespace skein {

// Builds a new graph from the nodes that the outputs need, operands first. `rewrite` returns what stands for
// result 0 of a node whose operands are already in `to`, or nullopt to copy the node as it is. New nodes carry
// the origins of the node they stand for.
using RewriteFunction = std::function<absl::StatusOr<std::optional<Value>>(
    Graph* to, const Node& node, std::span<const Value> operands)>;
absl::StatusOr<Graph> RewriteGraph(const Graph& graph, const RewriteFunction& rewrite);

// By node: whether an output needs it.
std::vector<bool> NeededNodes(const Graph& graph);

// Algebraic identities of real arithmetic, canonical operand order, known values as `index` nodes, composed
// movement. See simplify.cc for each rule and its algebra. Runs to a fixed point of what the outputs need; the rest,
// which any rewriting drops, is still there.
absl::StatusOr<Graph> SimplifyNeeded(const Graph& graph);
// The same without nodes that no output needs.
absl::StatusOr<Graph> Simplify(const Graph& graph);

}  // namespace skein

#endif  // SKEIN_FUSION_REWRITE_H_
