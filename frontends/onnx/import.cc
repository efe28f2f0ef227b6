#include "frontends/onnx/import.h"

#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "frontends/onnx/importer.h"
#include "frontends/onnx/mapped_file.h"
#include "frontends/onnx/op_table.h"
#include "frontends/onnx/random_weights.h"

namespace skein {
namespace {

// A dim_param longer than this is taken as a plain name, not parsed.
constexpr size_t kMaxDimText = 1000;

using Opsets = OnnxImporter::Opsets;

absl::StatusOr<Opsets> OpsetsOf(const OnnxImporter::OpsetList& list) {
  Opsets result;
  for (const onnx::OperatorSetIdProto& opset : list) {
    if (opset.version() < 1 || opset.version() > INT32_MAX) {
      return InvalidArgument("opset version ", opset.version(), " of domain '", opset.domain(),
                             "'");
    }
    result[NormalOnnxDomain(opset.domain())] = static_cast<int>(opset.version());
  }
  return result;
}

}  // namespace

absl::StatusOr<Graph> OnnxImporter::Run() {
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

absl::Status OnnxImporter::ReadFunctions() {
  for (const onnx::FunctionProto& function : model_->functions()) {
    onnx::NodeProto call;
    call.set_op_type(function.name());
    call.set_domain(function.domain());
    if (!functions_.emplace(OnnxOpName(call), &function).second) {
      return InvalidArgument("function '", OnnxOpName(call), "' is defined twice");
    }
    absl::StatusOr<Opsets> opsets = OpsetsOf(function.opset_import());
    if (!opsets.ok()) return Annotate(opsets.status(), "function '" + OnnxOpName(call) + "'");
    function_opsets_[&function] = *std::move(opsets);
  }
  return absl::OkStatus();
}

absl::Status OnnxImporter::AddInitializers(const onnx::GraphProto& graph, Scope* scope) {
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

absl::Status OnnxImporter::DrawMissingWeights() {
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

absl::StatusOr<DimExpr> OnnxImporter::DimOf(const std::string& input, int axis,
                                            const onnx::TensorShapeProto::Dimension& dim) {
  if (dim.has_dim_value()) {
    if (dim.dim_value() < 0) return InvalidArgument("has the dim ", dim.dim_value());
    return DimExpr(dim.dim_value());
  }
  auto fixed = [this](DimExpr e) { return SubstituteSymbols(e, options_.fixed_symbols); };
  if (dim.dim_param().empty()) return fixed(DimExpr::Symbol(absl::StrCat(input, ".", axis)));
  if (dim.dim_param().size() <= kMaxDimText) {
    absl::StatusOr<DimExpr> parsed = ParseDimExpr(dim.dim_param());
    if (parsed.ok() && !HasCoords(*parsed)) {
      parsed = fixed(*parsed);
      if (ProveLess(*parsed, 0)) return InvalidArgument("has the dim ", dim.dim_param());
      if (!ProveNonNegative(*parsed)) {
        graph_.AddGuard(Not(Less(*parsed, 0)), absl::StrCat("dim ", axis, " of input '", input,
                                                            "', ", dim.dim_param(), ", is >= 0"));
      }
      return *parsed;
    }
  }
  return fixed(DimExpr::Symbol(dim.dim_param()));
}

absl::Status OnnxImporter::AddInput(const onnx::ValueInfoProto& input, Scope* scope) {
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

absl::Status OnnxImporter::AddOutputs(const Scope& scope) {
  std::set<std::string> seen;
  for (const onnx::ValueInfoProto& output : model_->graph().output()) {
    std::string where = absl::StrCat("output '", output.name(), "'");
    if (!seen.insert(output.name()).second) return InvalidArgument(where, " is listed twice");
    absl::StatusOr<Value> value = Find(output.name(), scope);
    if (!value.ok()) return Annotate(value.status(), where);
    if (output.type().has_tensor_type() && output.type().tensor_type().elem_type() != 0) {
      absl::StatusOr<ElementType> declared = ElementTypeOf(output.type().tensor_type().elem_type());
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

absl::StatusOr<Graph> ImportOnnxBytes(std::string_view bytes, const std::string& folder,
                                      const ImportOptions& options) {
  // Protobuf's own limit is the same; nesting is limited to 100 by its parser.
  if (bytes.size() > INT32_MAX) return InvalidArgument("the model has more than 2 GiB");
  auto model = std::make_shared<onnx::ModelProto>();
  if (!model->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return InvalidArgument("not an ONNX model, or one that is truncated or corrupted");
  }
  return OnnxImporter(std::move(model), folder, options).Run();
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
