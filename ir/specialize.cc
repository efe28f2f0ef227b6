#include "ir/specialize.h"

#include <vector>

#include "ir/op.h"

namespace skein {
namespace {

Attributes SubstituteAttributes(const Attributes& attributes, const SymbolMap& with) {
  Attributes result = attributes;
  for (const auto& [name, attribute] : attributes.entries()) {
    const Dims* dims = std::get_if<Dims>(&attribute);
    if (dims == nullptr) continue;
    Dims substituted;
    for (DimExpr d : *dims) substituted.push_back(SubstituteSymbols(d, with));
    result.Set(name, std::move(substituted));
  }
  return result;
}

}  // namespace

absl::StatusOr<Graph> SpecializeSymbols(const Graph& graph, const SymbolMap& with) {
  Graph result;
  result.source_names = graph.source_names;
  for (const Guard& guard : graph.guards()) {
    const DimExpr condition = SubstituteSymbols(guard.condition, with);
    if (condition.IsConst(0)) return InvalidArgument(guard.reason);
    result.AddGuard(condition, guard.reason);
  }
  std::vector<std::vector<Value>> images(graph.size());
  for (const Graph::Named& input : graph.inputs()) {
    TensorType type = graph.type(input.value);
    for (DimExpr& d : type.dims) d = SubstituteSymbols(d, with);
    Graph::OriginScope scope(&result, graph.origins(input.value.node));
    images[input.value.node.index] = {result.AddInput(input.name, std::move(type))};
  }
  for (int i = 0; i < graph.size(); ++i) {
    const Node& node = graph.node(NodeId(i));
    if (node.op == Op::input) continue;
    std::vector<Value> operands;
    for (Value v : node.operands) operands.push_back(images[v.node.index][v.result]);
    Graph::OriginScope scope(&result, graph.origins(NodeId(i)));
    absl::StatusOr<NodeId> added =
        result.AddNode(node.op, operands, SubstituteAttributes(node.attributes, with));
    if (!added.ok()) {
      const SourceNodes& origins = graph.origins(NodeId(i));
      return Annotate(added.status(), origins.empty() ? std::string(Name(node.op))
                                                      : graph.source_names[origins.front()]);
    }
    for (size_t r = 0; r < node.results.size(); ++r) {
      images[i].push_back(Value{*added, static_cast<int32_t>(r)});
    }
  }
  for (const Graph::Named& output : graph.outputs()) {
    result.AddOutput(output.name, images[output.value.node.index][output.value.result]);
  }
  return result;
}

}  // namespace skein
