#include "ir/graph.h"
#include "ir/op.h"

namespace skein {
namespace {

absl::Status VerifyTypes(const Graph& graph, const Node& node) {
  std::vector<TensorType> results;
  SKEIN_RETURN_IF_ERROR(Def(node.op).infer(graph, node, &results));
  if (results.size() != node.results.size())
    return Internal("has ", node.results.size(), " results");
  for (size_t i = 0; i < results.size(); ++i) {
    bool agree = results[i].element == node.results[i].element &&
                 results[i].rank() == node.results[i].rank();
    for (int d = 0; agree && d < results[i].rank(); ++d) {
      agree = graph.Assumed(results[i].dims[d]) == graph.Assumed(node.results[i].dims[d]);
    }
    if (!agree)
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
    if (def.op_class == OpClass::kPointwise) {
      const Dims& dims = graph.type(v).dims;
      bool agree = dims.size() == node.results[0].dims.size();
      for (size_t d = 0; agree && d < dims.size(); ++d) {
        agree = graph.Assumed(dims[d]) == graph.Assumed(node.results[0].dims[d]);
      }
      if (!agree) return Internal("operand %", v.node.index, " is ", graph.type(v).ToString());
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
