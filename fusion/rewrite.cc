#include "fusion/rewrite.h"

#include "absl/container/inlined_vector.h"
#include "ir/op.h"

namespace skein {

std::vector<bool> NeededNodes(const Graph& graph) {
  std::vector<bool> needed(graph.size(), false);
  for (const Graph::Named& out : graph.outputs()) needed[out.value.node.index] = true;
  for (int i = graph.size() - 1; i >= 0; --i) {
    if (!needed[i]) continue;
    for (Value v : graph.node(NodeId(i)).operands) needed[v.node.index] = true;
  }
  return needed;
}

absl::StatusOr<Graph> RewriteGraph(const Graph& graph, const RewriteFunction& rewrite) {
  const std::vector<bool> needed = NeededNodes(graph);
  Graph fresh;
  GraphRewriter copier(graph, &fresh);
  for (int i = 0; i < graph.size(); ++i) {
    const Node& node = graph.node(NodeId(i));
    if (!needed[i] || node.op == Op::input) continue;
    absl::InlinedVector<Value, 3> operands;
    for (Value v : node.operands) operands.push_back(copier.Get(v));
    std::optional<Value> replacement;
    {
      Graph::OriginScope scope(&fresh, graph.origins(NodeId(i)));
      absl::StatusOr<std::optional<Value>> result = rewrite(&fresh, node, operands);
      if (!result.ok()) return result.status();
      replacement = *result;
    }
    if (replacement) {
      if (fresh.type(*replacement).element != node.results[0].element ||
          fresh.type(*replacement).rank() != node.results[0].rank()) {
        return Internal("a rewrite of ", Name(node.op), " turned ", node.results[0].ToString(), " into ",
                        fresh.type(*replacement).ToString());
      }
      fresh.AddOrigins(replacement->node, graph.origins(NodeId(i)));
      copier.Set({NodeId(i), 0}, *replacement);
      for (size_t r = 1; r < node.results.size(); ++r) {
        copier.Set({NodeId(i), static_cast<int32_t>(r)}, {replacement->node, static_cast<int32_t>(r)});
      }
    } else {
      SKEIN_RETURN_IF_ERROR(copier.Copy(NodeId(i)).status());
    }
  }
  SKEIN_RETURN_IF_ERROR(copier.CopyOutputs());
  return fresh;
}

}  // namespace skein
