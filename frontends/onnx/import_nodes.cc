#include <algorithm>
#include <optional>

#include "absl/container/flat_hash_set.h"
#include "frontends/onnx/function_attributes.h"
#include "frontends/onnx/importer.h"
#include "frontends/onnx/node_import.h"
#include "frontends/onnx/op_table.h"

namespace skein {
namespace {

// Functions that call functions deeper than this are a broken file.
constexpr int kMaxCallDepth = 64;
std::string NameOf(const onnx::NodeProto& node) {
  if (!node.name().empty()) return node.name();
  return absl::StrCat(node.op_type(), "_", node.output_size() > 0 ? node.output(0) : "");
}

std::string Label(const std::string& name, const onnx::NodeProto& node) {
  return absl::StrCat("node '", name, "' (", OnnxOpName(node), ")");
}

// Which nodes are needed for `outputs`.
std::vector<bool> LiveNodes(const OnnxImporter::NodeList& nodes,
                            const std::vector<std::string>& outputs) {
  absl::flat_hash_set<std::string> needed(outputs.begin(), outputs.end());
  std::vector<bool> live(nodes.size(), false);
  for (int i = nodes.size() - 1; i >= 0; --i) {
    const onnx::NodeProto& node = nodes.Get(i);
    for (const std::string& output : node.output()) live[i] = live[i] || needed.contains(output);
    if (live[i]) VisitReads(node, [&](const std::string& name) { needed.insert(name); });
  }
  return live;
}

}  // namespace

std::string NormalOnnxDomain(const std::string& domain) {
  return domain == "ai.onnx" ? "" : domain;
}

std::string OnnxOpName(const onnx::NodeProto& node) {
  std::string domain = NormalOnnxDomain(node.domain());
  return domain.empty() ? node.op_type() : absl::StrCat(domain, ".", node.op_type());
}

absl::StatusOr<Value> OnnxImporter::Find(const std::string& name, const Scope& scope) {
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

absl::Status OnnxImporter::ImportNodes(const NodeList& nodes, const Body& body,
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

absl::Status OnnxImporter::ImportNode(const onnx::NodeProto& node, const std::string& name,
                                      const Body& body, Scope* scope) {
  std::string label = Label(name, node);
  auto function = functions_.find(OnnxOpName(node));
  bool expands = function != functions_.end() || OnnxOpName(node) == "If";
  // A call is known by the nodes of its body.
  SourceNodes origins;
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
  if (OnnxOpName(node) == "If") return ImportIf(node, name, body, inputs, scope);
  return ImportOp(node, name, body, std::move(inputs), scope);
}

absl::Status OnnxImporter::ImportOp(const onnx::NodeProto& node, const std::string& name,
                                    const Body& body, std::vector<Value> inputs, Scope* scope) {
  std::string label = Label(name, node);
  std::string domain = NormalOnnxDomain(node.domain());
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
absl::Status OnnxImporter::BindOutputs(const onnx::NodeProto& node, const std::string& label,
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

absl::Status OnnxImporter::ImportCall(const onnx::NodeProto& node, const std::string& name,
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
absl::Status OnnxImporter::ImportIf(const onnx::NodeProto& node, const std::string& name,
                                    const Body& body, const std::vector<Value>& inputs,
                                    Scope* scope) {
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

}  // namespace skein
