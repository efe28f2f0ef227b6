#include "frontends/onnx/import.h"

#include <algorithm>
#include <map>
#include <memory>
#include <set>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "frontends/onnx/function_attributes.h"
#include "frontends/onnx/mapped_file.h"
#include "frontends/onnx/node_import.h"
#include "frontends/onnx/op_table.h"
#include "frontends/onnx/random_weights.h"
#include "frontends/onnx/tensor_literal.h"
#include "onnx/onnx_pb.h"

namespace skein {
namespace {

using NodeList = google::protobuf::RepeatedPtrField<onnx::NodeProto>;
using OpsetList = google::protobuf::RepeatedPtrField<onnx::OperatorSetIdProto>;
using Opsets = std::map<std::string, int>;

// Functions that call functions deeper than this are a broken file.
constexpr int kMaxCallDepth = 64;
// A dim_param longer than this is taken as a plain name, not parsed.
constexpr size_t kMaxDimText = 1000;

// Names of one graph or function body, and of those around it.
struct Scope {
  const Scope* outer = nullptr;
  absl::flat_hash_map<std::string, Value> values;
  absl::flat_hash_map<std::string, const onnx::TensorProto*> initializers;  // not yet in the Graph
};

// Where a list of nodes stands.
struct Body {
  std::string prefix;  // of node names: "call/"
  const Opsets* opsets;
  int depth;
};

std::string NormalDomain(const std::string& domain) { return domain == "ai.onnx" ? "" : domain; }

std::string NameOf(const onnx::NodeProto& node) {
  if (!node.name().empty()) return node.name();
  return absl::StrCat(node.op_type(), "_", node.output_size() > 0 ? node.output(0) : "");
}

std::string OpName(const onnx::NodeProto& node) {
  std::string domain = NormalDomain(node.domain());
  return domain.empty() ? node.op_type() : absl::StrCat(domain, ".", node.op_type());
}

std::string Label(const std::string& name, const onnx::NodeProto& node) {
  return absl::StrCat("node '", name, "' (", OpName(node), ")");
}

absl::StatusOr<Opsets> OpsetsOf(const OpsetList& list) {
  Opsets result;
  for (const onnx::OperatorSetIdProto& opset : list) {
    if (opset.version() < 1 || opset.version() > INT32_MAX) {
      return InvalidArgument("opset version ", opset.version(), " of domain '", opset.domain(),
                             "'");
    }
    result[NormalDomain(opset.domain())] = static_cast<int>(opset.version());
  }
  return result;
}

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

// Which nodes are needed for `outputs`.
std::vector<bool> LiveNodes(const NodeList& nodes, const std::vector<std::string>& outputs) {
  absl::flat_hash_set<std::string> needed(outputs.begin(), outputs.end());
  std::vector<bool> live(nodes.size(), false);
  for (int i = nodes.size() - 1; i >= 0; --i) {
    const onnx::NodeProto& node = nodes.Get(i);
    for (const std::string& output : node.output()) live[i] = live[i] || needed.contains(output);
    if (live[i]) VisitReads(node, [&](const std::string& name) { needed.insert(name); });
  }
  return live;
}

class Importer {
 public:
  Importer(std::shared_ptr<const onnx::ModelProto> model, const std::string& folder,
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
  absl::flat_hash_map<std::string, const onnx::FunctionProto*> functions_;  // by OpName
  std::map<const onnx::FunctionProto*, Opsets> function_opsets_;
  std::set<const onnx::FunctionProto*> active_;
  std::map<std::string, LiteralRef> drawn_;
};

absl::StatusOr<Graph> Importer::Run() {
  if (!model_->has_graph()) return InvalidArgument("the file holds no graph");
  const onnx::GraphProto& graph = model_->graph();
  if (graph.output_size() == 0) return InvalidArgument("the graph has no outputs");
  Opsets opsets;
  SKEIN_ASSIGN_OR_RETURN(opsets, OpsetsOf(model_->opset_import()));
  opsets.emplace("", 1);  // files before IR version 3 do not say
  SKEIN_RETURN_IF_ERROR(ReadFunctions());
  Scope scope;
  SKEIN_RETURN_IF_ERROR(AddInitializers(graph, &scope));
  SKEIN_RETURN_IF_ERROR(DrawMissingWeights());
  for (const onnx::ValueInfoProto& input : graph.input()) {
    SKEIN_RETURN_IF_ERROR(AddInput(input, &scope));
  }
  for (const auto& [name, literal] : options_.fixed_inputs) {
    if (!scope.values.contains(name)) return InvalidArgument("there is no input '", name, "'");
  }
  std::vector<std::string> outputs;
  for (const onnx::ValueInfoProto& output : graph.output()) outputs.push_back(output.name());
  SKEIN_RETURN_IF_ERROR(ImportNodes(graph.node(), {"", &opsets, 0}, outputs, &scope));
  SKEIN_RETURN_IF_ERROR(AddOutputs(scope));
  return std::move(graph_);
}

absl::Status Importer::ReadFunctions() {
  for (const onnx::FunctionProto& function : model_->functions()) {
    onnx::NodeProto call;
    call.set_op_type(function.name());
    call.set_domain(function.domain());
    if (!functions_.emplace(OpName(call), &function).second) {
      return InvalidArgument("function '", OpName(call), "' is defined twice");
    }
    absl::StatusOr<Opsets> opsets = OpsetsOf(function.opset_import());
    if (!opsets.ok()) return Annotate(opsets.status(), "function '" + OpName(call) + "'");
    function_opsets_[&function] = *std::move(opsets);
  }
  return absl::OkStatus();
}

absl::Status Importer::AddInitializers(const onnx::GraphProto& graph, Scope* scope) {
  if (graph.sparse_initializer_size() > 0) {
    return Unimplemented("sparse initializer '", graph.sparse_initializer(0).values().name(), "'");
  }
  for (const onnx::TensorProto& tensor : graph.initializer()) {
    if (!scope->initializers.emplace(tensor.name(), &tensor).second) {
      return InvalidArgument("initializer '", tensor.name(), "' is defined twice");
    }
  }
  return absl::OkStatus();
}

absl::Status Importer::DrawMissingWeights() {
  if (!options_.random_weights_seed) return absl::OkStatus();
  const onnx::GraphProto& graph = model_->graph();
  absl::flat_hash_set<std::string> used;
  for (const onnx::NodeProto& node : graph.node()) {
    VisitReads(node, [&](const std::string& name) { used.insert(name); });
  }
  for (const onnx::ValueInfoProto& output : graph.output()) used.insert(output.name());
  std::vector<const onnx::TensorProto*> missing;
  for (const onnx::TensorProto& tensor : graph.initializer()) {
    if (!IsExternal(tensor) || !used.contains(tensor.name())) continue;
    absl::StatusOr<TensorHeader> header = HeaderOf(tensor);
    if (!header.ok()) {
      return Annotate(header.status(), absl::StrCat("initializer '", tensor.name(), "'"));
    }
    std::shared_ptr<const void> owner;
    absl::StatusOr<const char*> data = files_.Find(tensor, header->bytes, &owner);
    if (absl::IsNotFound(data.status())) missing.push_back(&tensor);
  }
  SKEIN_ASSIGN_OR_RETURN(drawn_, DrawWeights(graph, missing, *options_.random_weights_seed,
                                             options_.max_random_weight_bytes));
  return absl::OkStatus();
}

absl::StatusOr<DimExpr> Importer::DimOf(const std::string& input, int axis,
                                        const onnx::TensorShapeProto::Dimension& dim) {
  if (dim.has_dim_value()) {
    if (dim.dim_value() < 0) return InvalidArgument("has the dim ", dim.dim_value());
    return DimExpr(dim.dim_value());
  }
  if (dim.dim_param().empty()) return DimExpr::Symbol(absl::StrCat(input, ".", axis));
  if (dim.dim_param().size() <= kMaxDimText) {
    absl::StatusOr<DimExpr> parsed = ParseDimExpr(dim.dim_param());
    if (parsed.ok() && !HasCoords(*parsed)) {
      if (ProveLess(*parsed, 0)) return InvalidArgument("has the dim ", dim.dim_param());
      if (!ProveNonNegative(*parsed)) {
        graph_.AddGuard(Not(Less(*parsed, 0)), absl::StrCat("dim ", axis, " of input '", input,
                                                            "', ", dim.dim_param(), ", is >= 0"));
      }
      return *parsed;
    }
  }
  return DimExpr::Symbol(dim.dim_param());
}

absl::Status Importer::AddInput(const onnx::ValueInfoProto& input, Scope* scope) {
  // Before IR version 4 every initializer was also listed as an input.
  if (scope->initializers.contains(input.name())) return absl::OkStatus();
  std::string where = absl::StrCat("input '", input.name(), "'");
  if (input.name().empty()) return InvalidArgument("an input has no name");
  if (scope->values.contains(input.name())) return InvalidArgument(where, " is defined twice");
  if (!input.type().has_tensor_type()) return Unimplemented(where, " is not a tensor");
  const onnx::TypeProto::Tensor& declared = input.type().tensor_type();
  absl::StatusOr<ElementType> element = ElementTypeOf(declared.elem_type());
  if (!element.ok()) return Annotate(element.status(), where);
  auto fixed = options_.fixed_inputs.find(input.name());
  if (fixed != options_.fixed_inputs.end()) {
    const Literal& literal = *fixed->second;
    bool fits = literal.element == *element;
    if (declared.has_shape()) {
      fits = fits && declared.shape().dim_size() == static_cast<int>(literal.dims.size());
      for (int i = 0; fits && i < declared.shape().dim_size(); ++i) {
        const auto& dim = declared.shape().dim(i);
        fits = !dim.has_dim_value() || dim.dim_value() == literal.dims[i];
      }
    }
    if (!fits) return InvalidArgument(where, " is fixed to data of another type or shape");
    scope->values[input.name()] = graph_.AddConstant(fixed->second);
    return absl::OkStatus();
  }
  if (!declared.has_shape()) return Unimplemented(where, " has no shape");
  if (declared.shape().dim_size() > kMaxRank) {
    return InvalidArgument(where, " has ", declared.shape().dim_size(), " dims");
  }
  TensorType type{*element, {}};
  int64_t size = 1;
  for (int i = 0; i < declared.shape().dim_size(); ++i) {
    absl::StatusOr<DimExpr> dim = DimOf(input.name(), i, declared.shape().dim(i));
    if (!dim.ok()) return Annotate(dim.status(), where);
    if (dim->IsConst() && dim->constant() > 0 &&
        (__builtin_mul_overflow(size, dim->constant(), &size) || size >= kMaxTensorBytes)) {
      return InvalidArgument(where, " is larger than any memory");
    }
    type.dims.push_back(*dim);
  }
  scope->values[input.name()] = graph_.AddInput(input.name(), std::move(type));
  return absl::OkStatus();
}

absl::Status Importer::AddOutputs(const Scope& scope) {
  std::set<std::string> seen;
  for (const onnx::ValueInfoProto& output : model_->graph().output()) {
    std::string where = absl::StrCat("output '", output.name(), "'");
    if (!seen.insert(output.name()).second) return InvalidArgument(where, " is listed twice");
    absl::StatusOr<Value> value = Find(output.name(), scope);
    if (!value.ok()) return Annotate(value.status(), where);
    if (output.type().has_tensor_type() && output.type().tensor_type().elem_type() != 0) {
      absl::StatusOr<ElementType> declared =
          ElementTypeOf(output.type().tensor_type().elem_type());
      if (!declared.ok()) return Annotate(declared.status(), where);
      if (*declared != graph_.type(*value).element) {
        return InvalidArgument(where, " is declared as ", std::string(Name(*declared)), " but is ",
                               graph_.type(*value).ToString());
      }
    }
    graph_.AddOutput(output.name(), *value);
  }
  return absl::OkStatus();
}

// --- nodes ---

absl::StatusOr<Value> Importer::Find(const std::string& name, const Scope& scope) {
  for (const Scope* s = &scope; s != nullptr; s = s->outer) {
    auto value = s->values.find(name);
    if (value != s->values.end()) return value->second;
    auto initializer = s->initializers.find(name);
    if (initializer == s->initializers.end()) continue;
    auto drawn = drawn_.find(name);
    if (s->outer == nullptr && drawn != drawn_.end()) return graph_.AddConstant(drawn->second);
    absl::StatusOr<LiteralRef> literal = LiteralOf(*initializer->second, model_, &files_);
    if (!literal.ok()) {
      absl::Status status = literal.status();
      // To a caller, a weight file that is not there is a fault of the model.
      if (absl::IsNotFound(status)) status = absl::InvalidArgumentError(status.message());
      return Annotate(status, absl::StrCat("initializer '", name, "'"));
    }
    return graph_.AddConstant(*literal);
  }
  return InvalidArgument("no input, initializer or earlier node makes '", name, "'");
}

absl::Status Importer::ImportNodes(const NodeList& nodes, const Body& body,
                                   const std::vector<std::string>& outputs, Scope* scope) {
  node_count_ += nodes.size();
  if (node_count_ > options_.max_nodes) {
    return InvalidArgument("more than ", options_.max_nodes, " nodes, functions expanded");
  }
  absl::flat_hash_map<std::string, int> makers;
  for (int i = 0; i < nodes.size(); ++i) {
    for (const std::string& output : nodes.Get(i).output()) {
      if (output.empty()) continue;
      bool taken = scope->values.contains(output) || scope->initializers.contains(output);
      if (taken || !makers.emplace(output, i).second) {
        return InvalidArgument(Label(body.prefix + NameOf(nodes.Get(i)), nodes.Get(i)),
                               ": its output '", output, "' is defined twice");
      }
    }
  }
  // Order first: liveness, which reads the list once from the end, relies on it.
  for (int i = 0; i < nodes.size(); ++i) {
    const onnx::NodeProto& node = nodes.Get(i);
    for (const std::string& input : node.input()) {
      auto maker = makers.find(input);
      if (maker == makers.end() || maker->second < i) continue;
      const onnx::NodeProto& later = nodes.Get(maker->second);
      return InvalidArgument(Label(body.prefix + NameOf(node), node), ": its input '", input,
                             "' is made by ", Label(body.prefix + NameOf(later), later),
                             ", which does not come before it: the graph is not in order or has a "
                             "cycle");
    }
  }
  std::vector<bool> live = LiveNodes(nodes, outputs);
  for (int i = 0; i < nodes.size(); ++i) {
    std::string name = body.prefix + NameOf(nodes.Get(i));
    if (live[i]) {
      SKEIN_RETURN_IF_ERROR(ImportNode(nodes.Get(i), name, body, scope));
    } else {
      graph_.source_names.push_back(std::move(name));
    }
  }
  return absl::OkStatus();
}

absl::Status Importer::ImportNode(const onnx::NodeProto& node, const std::string& name,
                                  const Body& body, Scope* scope) {
  std::string label = Label(name, node);
  auto function = functions_.find(OpName(node));
  bool expands = function != functions_.end() || OpName(node) == "If";
  // A call is known by the nodes of its body.
  std::vector<int32_t> origins;
  if (!expands) {
    origins.push_back(static_cast<int32_t>(graph_.source_names.size()));
    graph_.source_names.push_back(name);
  }
  Graph::OriginScope origin_scope(&graph_, origins);
  std::vector<Value> inputs;
  for (const std::string& input : node.input()) {
    if (input.empty()) {
      inputs.emplace_back();
      continue;
    }
    absl::StatusOr<Value> value = Find(input, *scope);
    if (!value.ok()) return Annotate(value.status(), label);
    scope->values.emplace(input, *value);
    inputs.push_back(*value);
  }
  if (function != functions_.end()) {
    return ImportCall(node, name, body, *function->second, inputs, scope);
  }
  if (OpName(node) == "If") return ImportIf(node, name, body, inputs, scope);
  return ImportOp(node, name, body, std::move(inputs), scope);
}

absl::Status Importer::ImportOp(const onnx::NodeProto& node, const std::string& name,
                                const Body& body, std::vector<Value> inputs, Scope* scope) {
  std::string label = Label(name, node);
  std::string domain = NormalDomain(node.domain());
  const OnnxOp* op = FindOnnxOp(domain, node.op_type());
  if (op == nullptr) {
    return Unimplemented(label, ": operator '", node.op_type(), "' of domain '",
                         domain.empty() ? "ai.onnx" : domain, "' is not supported");
  }
  auto opset = body.opsets->find(domain);
  if (opset == body.opsets->end()) {
    return InvalidArgument(label, ": the model imports no opset of domain '", domain, "'");
  }
  int given = static_cast<int>(inputs.size());
  if (given > op->max_inputs) {
    return InvalidArgument(label, ": ", given, " inputs, at most ", op->max_inputs, " expected");
  }
  for (int i = 0; i < op->min_inputs || (op->max_inputs == kAnyCount && i < given); ++i) {
    if (i >= given || !inputs[i].valid()) {
      return InvalidArgument(label, ": its input ", i, " is missing");
    }
  }
  NodeImport import(&graph_, node, label, opset->second, std::move(inputs));
  op->import(import);
  if (!import.ok()) return import.status();
  for (int i = 0; i < node.output_size(); ++i) {
    if (node.output(i).empty()) continue;
    if (!import.outputs()[i].valid()) {
      return Unimplemented(label, ": its output ", i, " ('", node.output(i), "')");
    }
    scope->values[node.output(i)] = import.outputs()[i];
  }
  return absl::OkStatus();
}

// Gives the node's outputs the values that `outputs` have in the body that it stands for.
absl::Status Importer::BindOutputs(const onnx::NodeProto& node, const std::string& label,
                                   const std::vector<std::string>& outputs, const Scope& inner,
                                   Scope* scope) {
  for (int i = 0; i < node.output_size(); ++i) {
    if (node.output(i).empty()) continue;
    absl::StatusOr<Value> value = Find(outputs[i], inner);
    if (!value.ok()) return Annotate(value.status(), label);
    scope->values[node.output(i)] = *value;
  }
  return absl::OkStatus();
}

absl::Status Importer::ImportCall(const onnx::NodeProto& node, const std::string& name,
                                  const Body& body, const onnx::FunctionProto& function,
                                  const std::vector<Value>& inputs, Scope* scope) {
  std::string label = Label(name, node);
  if (active_.contains(&function)) return InvalidArgument(label, ": the function calls itself");
  if (body.depth >= kMaxCallDepth) return InvalidArgument(label, ": calls are nested too deep");
  if (static_cast<int>(inputs.size()) > function.input_size() ||
      node.output_size() > function.output_size()) {
    return InvalidArgument(label, ": ", inputs.size(), " inputs and ", node.output_size(),
                           " outputs, the function has ", function.input_size(), " and ",
                           function.output_size());
  }
  Scope inner;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].valid()) inner.values[function.input(static_cast<int>(i))] = inputs[i];
  }
  NodeList nodes = WithAttributes(function, node);
  // An input that the call leaves out is left out wherever the body passes it on.
  for (int i = 0; i < function.input_size(); ++i) {
    bool given = i < static_cast<int>(inputs.size()) && inputs[i].valid();
    if (!given) RemoveInput(function.input(i), &nodes);
  }
  std::vector<std::string> outputs(function.output().begin(), function.output().end());
  outputs.resize(node.output_size());
  active_.insert(&function);
  absl::Status status = ImportNodes(
      nodes, {name + "/", &function_opsets_[&function], body.depth + 1}, outputs, &inner);
  active_.erase(&function);
  SKEIN_RETURN_IF_ERROR(status);
  return BindOutputs(node, label, outputs, inner, scope);
}

// An If whose condition is known while importing is the branch that it takes.
absl::Status Importer::ImportIf(const onnx::NodeProto& node, const std::string& name,
                                const Body& body, const std::vector<Value>& inputs, Scope* scope) {
  std::string label = Label(name, node);
  if (body.depth >= kMaxCallDepth) return InvalidArgument(label, ": nested too deep");
  if (inputs.size() != 1 || !inputs[0].valid()) {
    return InvalidArgument(label, ": expected one condition");
  }
  std::optional<Dims> known;
  if (graph_.type(inputs[0]).rank() <= 1) known = graph_.KnownList(inputs[0]);
  if (!known || known->size() != 1 || !(*known)[0].IsConst()) {
    return Unimplemented(label, ": its condition is not known before the program runs");
  }
  std::string_view wanted = (*known)[0].IsConst(0) ? "else_branch" : "then_branch";
  const onnx::GraphProto* branch = nullptr;
  for (const onnx::AttributeProto& a : node.attribute()) {
    if (a.name() == wanted && a.has_g()) branch = &a.g();
  }
  if (branch == nullptr) {
    return InvalidArgument(label, ": attribute '", std::string(wanted), "' is no graph");
  }
  if (branch->output_size() < node.output_size()) {
    return InvalidArgument(label, ": ", node.output_size(), " outputs, the branch has ",
                           branch->output_size());
  }
  Scope inner;
  inner.outer = scope;
  absl::Status status = AddInitializers(*branch, &inner);
  if (!status.ok()) return Annotate(status, label);
  std::vector<std::string> outputs;
  for (const onnx::ValueInfoProto& output : branch->output()) outputs.push_back(output.name());
  outputs.resize(node.output_size());
  SKEIN_RETURN_IF_ERROR(
      ImportNodes(branch->node(), {name + "/", body.opsets, body.depth + 1}, outputs, &inner));
  return BindOutputs(node, label, outputs, inner, scope);
}

}  // namespace

absl::StatusOr<Graph> ImportOnnxBytes(std::string_view bytes, const std::string& folder,
                                      const ImportOptions& options) {
  // Protobuf's own limit is the same; nesting is limited to 100 by its parser.
  if (bytes.size() > INT32_MAX) return InvalidArgument("the model has more than 2 GiB");
  auto model = std::make_shared<onnx::ModelProto>();
  if (!model->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return InvalidArgument("not an ONNX model, or one that is truncated or corrupted");
  }
  return Importer(std::move(model), folder, options).Run();
}

absl::StatusOr<Graph> ImportOnnx(const std::string& path, const ImportOptions& options) {
  std::shared_ptr<const MappedFile> file;
  SKEIN_ASSIGN_OR_RETURN(file, MappedFile::Open(path));
  size_t slash = path.rfind('/');
  std::string folder = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  absl::StatusOr<Graph> graph = ImportOnnxBytes(file->bytes(), folder, options);
  if (!graph.ok()) return Annotate(graph.status(), path);
  return graph;
}

std::vector<std::string> SupportedOnnxOps() {
  std::vector<std::string> names = {"If"};
  for (std::span<const OnnxOp> group : OnnxOpGroups()) {
    for (const OnnxOp& op : group) names.emplace_back(op.name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace skein
