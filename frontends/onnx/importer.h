// One import: the state of reading a model, shared by import.cc (the model: functions,
// initializers, inputs, outputs) and import_nodes.cc (its nodes, calls and branches).
#ifndef SKEIN_FRONTENDS_ONNX_IMPORTER_H_
#define SKEIN_FRONTENDS_ONNX_IMPORTER_H_

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "frontends/onnx/import.h"
#include "frontends/onnx/tensor_literal.h"
#include "onnx/onnx_pb.h"

namespace skein {

// The domain as opset tables and operator names have it: "" for ai.onnx.
std::string NormalOnnxDomain(const std::string& domain);
// "Add", "com.microsoft.Gelu".
std::string OnnxOpName(const onnx::NodeProto& node);

// Calls visit(name) for every name that a node reads, also inside its sub-graphs.
template <typename Visit>
void VisitReads(const onnx::NodeProto& node, const Visit& visit) {
  for (const std::string& input : node.input()) visit(input);
  for (const onnx::AttributeProto& a : node.attribute()) {
    if (!a.has_g()) continue;
    for (const onnx::NodeProto& inner : a.g().node()) VisitReads(inner, visit);
    for (const onnx::ValueInfoProto& output : a.g().output()) visit(output.name());
  }
}

class OnnxImporter {
 public:
  using NodeList = google::protobuf::RepeatedPtrField<onnx::NodeProto>;
  using OpsetList = google::protobuf::RepeatedPtrField<onnx::OperatorSetIdProto>;
  using Opsets = std::map<std::string, int>;

  // Names of one graph or function body, and of those around it.
  struct Scope {
    const Scope* outer = nullptr;
    absl::flat_hash_map<std::string, Value> values;
    absl::flat_hash_map<std::string, const onnx::TensorProto*>
        initializers;  // not yet in the Graph
  };

  // Where a list of nodes stands.
  struct Body {
    std::string prefix;  // of node names: "call/"
    const Opsets* opsets;
    int depth;
  };

  OnnxImporter(std::shared_ptr<const onnx::ModelProto> model, const std::string& folder,
               const ImportOptions& options)
      : model_(std::move(model)), files_(folder), options_(options) {}

  absl::StatusOr<Graph> Run();

 private:
  absl::Status ReadFunctions();
  absl::Status DrawMissingWeights();
  absl::Status AddInitializers(const onnx::GraphProto& graph, Scope* scope);
  absl::Status AddInput(const onnx::ValueInfoProto& input, Scope* scope);
  absl::StatusOr<DimExpr> DimOf(const std::string& input, int axis,
                                const onnx::TensorShapeProto::Dimension& dim);
  absl::Status AddOutputs(const Scope& scope);

  absl::StatusOr<Value> Find(const std::string& name, const Scope& scope);
  absl::Status ImportNodes(const NodeList& nodes, const Body& body,
                           const std::vector<std::string>& outputs, Scope* scope);
  absl::Status ImportNode(const onnx::NodeProto& node, const std::string& name, const Body& body,
                          Scope* scope);
  absl::Status ImportOp(const onnx::NodeProto& node, const std::string& name, const Body& body,
                        std::vector<Value> inputs, Scope* scope);
  absl::Status ImportCall(const onnx::NodeProto& node, const std::string& name, const Body& body,
                          const onnx::FunctionProto& function, const std::vector<Value>& inputs,
                          Scope* scope);
  absl::Status ImportIf(const onnx::NodeProto& node, const std::string& name, const Body& body,
                        const std::vector<Value>& inputs, Scope* scope);
  absl::Status BindOutputs(const onnx::NodeProto& node, const std::string& label,
                           const std::vector<std::string>& outputs, const Scope& inner,
                           Scope* scope);

  std::shared_ptr<const onnx::ModelProto> model_;
  ExternalFiles files_;
  const ImportOptions& options_;
  Graph graph_;
  int64_t node_count_ = 0;
  absl::flat_hash_map<std::string, const onnx::FunctionProto*> functions_;  // by OnnxOpName
  std::map<const onnx::FunctionProto*, Opsets> function_opsets_;
  std::set<const onnx::FunctionProto*> active_;
  std::map<std::string, LiteralRef> drawn_;
};

}  // namespace skein

#endif  // SKEIN_FRONTENDS_ONNX_IMPORTER_H_
