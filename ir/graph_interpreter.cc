#include "ir/graph_interpreter.h"

#include <algorithm>
#include <memory>

#include "ir/numeric.h"
#include "ir/reference.h"

namespace skein {

int64_t RefTensor::count() const {
  int64_t n = 1;
  for (int64_t d : dims) n *= d;
  return n;
}

RefTensor FromRaw(ElementType t, std::vector<int64_t> dims, const void* data) {
  RefTensor tensor = EmptyTensor(t, std::move(dims), false);
  int64_t n = tensor.count();
  if (t == ElementType::kF32) {  // weights: most of what is ever converted
    std::copy_n(static_cast<const float*>(data), n, tensor.value.begin());
    return tensor;
  }
  for (int64_t i = 0; i < n; ++i) {
    if (IsFloat(t)) {
      tensor.value[i] = ReadAsDouble(t, data, i);
    } else {
      tensor.exact[i] = ReadAsInt64(t, data, i);
    }
  }
  return tensor;
}

void ToRaw(const RefTensor& tensor, void* data) {
  for (int64_t i = 0; i < tensor.count(); ++i) {
    if (IsFloat(tensor.element)) {
      WriteFromDouble(tensor.element, data, i, tensor.value[i]);
    } else {
      WriteFromInt64(tensor.element, data, i, tensor.exact[i]);
    }
  }
}

namespace {

constexpr int64_t kMaxCount = int64_t{1}
                              << 31;  // 32 GiB with errors: a wrong size rather than a tensor

class Interpreter {
 public:
  Interpreter(const Graph& graph, const SymbolValues& symbols, const InterpretOptions& options)
      : graph_(graph), symbols_(symbols), options_(options) {}

  absl::StatusOr<std::vector<RefTensor>> Run(
      const std::vector<std::pair<Value, const RefTensor*>>& given, std::span<const Value> wanted) {
    for (const auto& [value, tensor] : given) {
      SKEIN_RETURN_IF_ERROR(CheckGiven(value, *tensor));
      values_[value] = std::shared_ptr<const RefTensor>(std::shared_ptr<void>(), tensor);
    }
    FindNeeded(wanted);
    SKEIN_RETURN_IF_ERROR(CheckGuards());
    for (int i = 0; i < graph_.size(); ++i) {
      if (!needed_[i]) continue;
      if (absl::Status status = RunNode(NodeId(i)); !status.ok())
        return Annotate(status, NodeText(NodeId(i)));
      for (Value v : graph_.node(NodeId(i)).operands) Release(v);
    }
    std::vector<RefTensor> results;
    for (Value v : wanted) results.push_back(Operand(v));
    return results;
  }

 private:
  std::string NodeText(NodeId id) const {
    std::string text = absl::StrCat("%", id.index, " (", std::string(Name(graph_.node(id).op)));
    for (int32_t origin : graph_.origins(id))
      absl::StrAppend(&text, ", '", graph_.source_names[origin], "'");
    return text + ")";
  }

  absl::StatusOr<std::vector<int64_t>> BindDims(const Dims& dims) const {
    std::vector<int64_t> bound;
    int64_t count = 1;
    for (DimExpr d : dims) {
      SKEIN_ASSIGN_OR_RETURN(int64_t extent, Evaluate(d, symbols_));
      if (extent < 0 || __builtin_mul_overflow(count, extent, &count) || count > kMaxCount) {
        return InvalidArgument("dim ", d.ToString(), " is ", extent);
      }
      bound.push_back(extent);
    }
    return bound;
  }

  absl::Status CheckGiven(Value value, const RefTensor& tensor) const {
    const TensorType& type = graph_.type(value);
    SKEIN_ASSIGN_OR_RETURN(std::vector<int64_t> dims, BindDims(type.dims));
    size_t stored = IsFloat(tensor.element) ? tensor.value.size() : tensor.exact.size();
    bool fits = type.element == tensor.element && dims == tensor.dims &&
                static_cast<int64_t>(stored) == tensor.count();
    if (fits) return absl::OkStatus();
    return InvalidArgument("what is given for ", NodeText(value.node), " does not have type ",
                           type.ToString());
  }

  // Only guards whose symbols are bound decide: a part of a graph may be run with a part of its
  // sizes.
  absl::Status CheckGuards() const {
    for (const Guard& guard : graph_.guards()) {
      auto holds = Evaluate(guard.condition, symbols_);
      if (!holds.ok() || *holds != 0) continue;
      return absl::FailedPreconditionError(
          absl::StrCat("guard ", guard.condition.ToString(), " does not hold: ", guard.reason));
    }
    return absl::OkStatus();
  }

  void FindNeeded(std::span<const Value> wanted) {
    needed_.assign(graph_.size(), false);
    uses_.assign(graph_.size(), 0);
    std::vector<NodeId> work;
    auto need = [&](Value v) {
      ++uses_[v.node.index];
      if (values_.contains(v) || needed_[v.node.index]) return;
      needed_[v.node.index] = true;
      work.push_back(v.node);
    };
    for (Value v : wanted) need(v);
    while (!work.empty()) {
      NodeId id = work.back();
      work.pop_back();
      for (Value v : graph_.node(id).operands) need(v);
    }
  }

  // `wanted` counts as a use that never ends.
  void Release(Value v) {
    if (--uses_[v.node.index] > 0) return;
    for (size_t r = 0; r < graph_.node(v.node).results.size(); ++r) {
      values_.erase(Value{v.node, static_cast<int32_t>(r)});
    }
  }

  // Constants are converted when something other than a gather asks for them.
  const RefTensor& Operand(Value v) {
    std::shared_ptr<const RefTensor>& slot = values_[v];
    if (slot == nullptr) {
      LiteralRef literal = graph_.Constant(v);
      slot = std::make_shared<RefTensor>(FromRaw(literal->element, literal->dims, literal->data));
    }
    return *slot;
  }

  void Store(NodeId id, int32_t result, RefTensor tensor) {
    Value v{id, result};
    if (values_.contains(v)) return;  // given: another result of the node was wanted
    if (!options_.track_error) tensor.error.clear();
    values_[v] = std::make_shared<RefTensor>(std::move(tensor));
  }

  absl::Status RunGather(NodeId id, std::vector<int64_t> dims) {
    const Node& node = graph_.node(id);
    std::vector<const RefTensor*> indices;
    for (size_t i = 1; i < node.operands.size(); ++i) indices.push_back(&Operand(node.operands[i]));
    LiteralRef literal = graph_.Constant(node.operands[0]);
    std::span<const int64_t> data_dims = literal ? literal->dims : Operand(node.operands[0]).dims;
    auto element = [&](int64_t i) -> RefScalar {
      if (!literal) return Element(Operand(node.operands[0]), i);
      if (IsFloat(literal->element)) return {literal->AsDouble(i), 0, 0};
      return IntScalar(literal->element, literal->AsInt64(i));
    };
    SKEIN_ASSIGN_OR_RETURN(RefTensor y, ReferenceGather(graph_, node, symbols_, std::move(dims),
                                                        data_dims, element, indices));
    Store(id, 0, std::move(y));
    return absl::OkStatus();
  }

  absl::Status RunNode(NodeId id) {
    const Node& node = graph_.node(id);
    if (node.op == Op::input) return InvalidArgument("nothing is given for the input");
    if (node.op == Op::constant) return absl::OkStatus();  // Operand converts it
    SKEIN_ASSIGN_OR_RETURN(std::vector<int64_t> dims, BindDims(node.results[0].dims));
    if (node.op == Op::index) {
      SKEIN_ASSIGN_OR_RETURN(RefTensor y, ReferenceIndex(node, symbols_, std::move(dims)));
      Store(id, 0, std::move(y));
      return absl::OkStatus();
    }
    OpClass op_class = Def(node.op).op_class;
    if (op_class == OpClass::kGather) return RunGather(id, std::move(dims));
    std::vector<const RefTensor*> x;
    for (Value v : node.operands) Operand(v);  // all first: the map moves what it holds
    for (Value v : node.operands) x.push_back(&Operand(v));
    if (op_class == OpClass::kMovement) {
      SKEIN_ASSIGN_OR_RETURN(RefTensor y,
                             ReferenceMovement(graph_, node, symbols_, std::move(dims), x));
      Store(id, 0, std::move(y));
      return absl::OkStatus();
    }
    SKEIN_RETURN_IF_ERROR(CheckAgree(node, x));
    if (op_class == OpClass::kPointwise) {
      Store(id, 0, ReferencePointwise(graph_, node, x, options_));
    } else if (op_class == OpClass::kScan) {
      Store(id, 0, ReferenceScan(node, *x[0], options_));
    } else if (op_class == OpClass::kContraction) {
      Store(id, 0, ReferenceDot(node, *x[0], *x[1], options_));
    } else {
      std::vector<RefTensor> results = ReferenceReduce(node, x, options_);
      for (size_t r = 0; r < results.size(); ++r)
        Store(id, static_cast<int32_t>(r), std::move(results[r]));
    }
    return absl::OkStatus();
  }

  // Types agree by construction, but only under guards that sizes bound by hand may break.
  static absl::Status CheckAgree(const Node& node, RefOperands x) {
    OpClass op_class = Def(node.op).op_class;
    for (const RefTensor* t : x) {
      bool agree = t->dims == x[0]->dims;
      if (op_class == OpClass::kContraction && t == x[1]) {
        size_t rank = t->dims.size();
        agree = std::equal(t->dims.begin(), t->dims.end() - 2, x[0]->dims.begin()) &&
                t->dims[rank - 2] == x[0]->dims[rank - 1];
      }
      if (!agree) return InvalidArgument("operands differ in shape at these sizes");
    }
    return absl::OkStatus();
  }

  const Graph& graph_;
  const SymbolValues& symbols_;
  const InterpretOptions& options_;
  absl::flat_hash_map<Value, std::shared_ptr<const RefTensor>> values_;
  std::vector<bool> needed_;
  std::vector<int> uses_;
};

}  // namespace

absl::StatusOr<std::vector<RefTensor>> Interpret(
    const Graph& graph, const SymbolValues& symbols,
    const std::vector<std::pair<Value, const RefTensor*>>& given, std::span<const Value> wanted,
    const InterpretOptions& options) {
  return Interpreter(graph, symbols, options).Run(given, wanted);
}

}  // namespace skein
