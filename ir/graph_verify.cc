#include <algorithm>

#include "ir/graph.h"
#include "ir/op.h"

namespace skein {
namespace {

bool SameDims(const Graph& graph, const Dims& a, const Dims& b) {
  return a == b || std::equal(a.begin(), a.end(), b.begin(), b.end(),
                              [&](DimExpr x, DimExpr y) { return graph.Assumed(x) == graph.Assumed(y); });
}

absl::Status VerifyTypes(const Graph& graph, const Node& node) {
  ResultTypes results;
  SKEIN_RETURN_IF_ERROR(Def(node.op).infer(graph, node, &results));
  if (results.size() != node.results.size())
    return Internal("has ", node.results.size(), " results");
  for (size_t i = 0; i < results.size(); ++i) {
    if (results[i].element != node.results[i].element || !SameDims(graph, results[i].dims, node.results[i].dims))
      return Internal("result is ", node.results[i].ToString(), ", not ", results[i].ToString());
  }
  return absl::OkStatus();
}

absl::Status VerifyNode(const Graph& graph, int index) {
  const Node& node = graph.node(NodeId(index));
  const OpDef& def = Def(node.op);
  int count = static_cast<int>(node.operands.size());
  if (count < def.min_operands || (def.max_operands >= 0 && count > def.max_operands)) {
    return Internal("has ", count, " operands");
  }
  for (Value v : node.operands) {
    if (v.node.index < 0 || v.node.index >= index)
      return Internal("operand %", v.node.index, " is not before it");
    if (v.result < 0 || v.result >= static_cast<int>(graph.node(v.node).results.size())) {
      return Internal("operand %", v.node.index, " has no result ", v.result);
    }
    if (def.op_class == OpClass::kPointwise && !SameDims(graph, graph.type(v).dims, node.results[0].dims)) {
      return Internal("operand %", v.node.index, " is ", graph.type(v).ToString());
    }
  }
  for (int32_t origin : graph.origins(NodeId(index))) {
    if (origin < 0 || origin >= static_cast<int32_t>(graph.source_names.size())) {
      return Internal("origin ", origin, " has no name");
    }
  }
  return VerifyTypes(graph, node);
}

}  // namespace

absl::Status Verify(const Graph& graph) {
  for (int i = 0; i < graph.size(); ++i) {
    if (absl::Status status = VerifyNode(graph, i); !status.ok()) {
      const std::string where =
          absl::StrCat("%", i, " = ", std::string(Name(graph.node(NodeId(i)).op)));
      return Annotate(status, where);
    }
  }
  for (const auto* list : {&graph.inputs(), &graph.outputs()}) {
    for (const Graph::Named& named : *list) {
      Value v = named.value;
      if (v.node.index < 0 || v.node.index >= graph.size() || v.result < 0 ||
          v.result >= static_cast<int>(graph.node(v.node).results.size())) {
        return Internal("'", named.name, "' is no value of the graph");
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace skein
