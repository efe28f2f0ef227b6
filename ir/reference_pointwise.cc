#include <algorithm>
#include <cmath>
#include <thread>

#include "ir/op_helpers.h"
#include "ir/reference.h"

namespace skein {

RefScalar IntScalar(ElementType t, int64_t exact, double error) {
  double value = t == ElementType::kU64 ? StickyDouble(AsUnsigned(exact)) : StickyDouble(exact);
  return {value, error, exact};
}

RefScalar Element(const RefTensor& tensor, int64_t i) {
  double error = tensor.error.empty() ? 0 : tensor.error[i];
  if (IsFloat(tensor.element)) return {tensor.value[i], error, 0};
  return IntScalar(tensor.element, tensor.exact[i], error);
}

void SetElement(RefTensor* tensor, int64_t i, const RefScalar& scalar) {
  if (IsFloat(tensor->element)) {
    tensor->value[i] = scalar.value;
  } else {
    tensor->exact[i] = scalar.exact;
  }
  if (!tensor->error.empty()) tensor->error[i] = scalar.error;
}

RefTensor EmptyTensor(ElementType t, std::vector<int64_t> dims, bool track_error) {
  RefTensor tensor{t, std::move(dims), {}, {}, {}};
  size_t count = static_cast<size_t>(tensor.count());
  (IsFloat(t) ? static_cast<void>(tensor.value.resize(count))
              : static_cast<void>(tensor.exact.resize(count)));
  if (track_error) tensor.error.resize(count);
  return tensor;
}

void ForRange(int64_t count, int64_t grain, int threads,
              const std::function<void(int64_t, int64_t)>& body) {
  int64_t pieces =
      std::clamp<int64_t>(count / std::max<int64_t>(grain, 1), 1, std::max(threads, 1));
  std::vector<std::thread> others;
  for (int64_t p = 1; p < pieces; ++p) {
    others.emplace_back([&, p] { body(count * p / pieces, count * (p + 1) / pieces); });
  }
  body(0, count / pieces);
  for (std::thread& t : others) t.join();
}

Bounded InOrder(ElementType t, Bounded y, bool exact_operands, bool nan_operand) {
  if (!IsFloat(t)) return y;
  if (!std::isfinite(y.value)) {
    bool sure = exact_operands || (nan_operand && std::isnan(y.value));
    return {y.value, sure ? 0 : std::isnan(y.error) ? HUGE_VAL : y.error};
  }
  if (std::isnan(y.error)) return {y.value, HUGE_VAL};
  if (t == ElementType::kF64) return y;
  double limit = OverflowLimit(t);
  double magnitude = std::fabs(y.value);
  if (magnitude + y.error <= limit) return y;
  if (magnitude - y.error >= limit) return {std::copysign(HUGE_VAL, y.value), 0};
  return {y.value, HUGE_VAL};
}

PointwiseReference::PointwiseReference(const Graph& graph, const Node& node)
    : node_(node), def_(Def(node.op)), type_(node.results[0].element), integer_(!IsFloat(type_)) {
  for (Value v : node.operands) {
    operand_type_ = graph.type(v).element;
    integer_ = integer_ && !IsFloat(operand_type_);
  }
}

RefScalar PointwiseReference::Integer(std::span<const RefScalar> x) const {
  int64_t exact[3];
  double error = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    exact[i] = x[i].exact;
    error += x[i].error;
  }
  int64_t y = WrapTo(type_, def_.int_reference(node_, operand_type_, std::span(exact, x.size())));
  if (error > 0) {
    if (node_.op == Op::select && x[0].error > 0) {
      error = std::fabs(x[1].value - x[2].value) + std::fmax(x[1].error, x[2].error);
    } else if (node_.op == Op::select) {
      error = exact[0] != 0 ? x[1].error : x[2].error;
    } else if (IsBool(type_)) {
      error = 1;
    } else if (node_.op != Op::add && node_.op != Op::sub && node_.op != Op::cast) {
      error = HUGE_VAL;
    }
  }
  return IntScalar(type_, y, error);
}

RefScalar PointwiseReference::operator()(std::span<const RefScalar> x) const {
  if (integer_) return Integer(x);
  Bounded operands[3];
  bool exact = true, nan = false;
  for (size_t i = 0; i < x.size(); ++i) {
    operands[i] = {x[i].value, x[i].error};
    exact = exact && x[i].error == 0;
    nan = nan || (std::isnan(x[i].value) && x[i].error == 0);
  }
  Bounded y = def_.reference(node_, type_, std::span(operands, x.size()));
  y = InOrder(type_, y, exact, nan && node_.op != Op::select);
  if (IsFloat(type_)) return {y.value, y.error, 0};
  // From floats to an integer or bool: a cast (whose double may not hold 64 bits), a comparison, a
  // test.
  int64_t result =
      IsBool(type_) ? y.value != 0 : SaturateTo(type_, node_.op == Op::cast ? x[0].value : y.value);
  return IntScalar(type_, result, std::isnan(y.error) ? HUGE_VAL : y.error);
}

RefTensor ReferencePointwise(const Graph& graph, const Node& node, RefOperands x,
                             const InterpretOptions& options) {
  constexpr int64_t kGrain = 1 << 14;
  RefTensor y = EmptyTensor(node.results[0].element, x[0]->dims, options.track_error);
  PointwiseReference reference(graph, node);
  ForRange(y.count(), kGrain, options.threads, [&](int64_t begin, int64_t end) {
    RefScalar scalars[3];
    for (int64_t i = begin; i < end; ++i) {
      for (size_t k = 0; k < x.size(); ++k) scalars[k] = Element(*x[k], i);
      SetElement(&y, i, reference(std::span(scalars, x.size())));
    }
  });
  return y;
}

ScalarGraph::ScalarGraph(const Graph& graph) : values_(graph.size()) {
  for (const Graph::Named& input : graph.inputs()) inputs_.push_back(input.value.node.index);
  for (const Graph::Named& output : graph.outputs()) outputs_.push_back(output.value.node.index);
  for (int i = 0; i < graph.size(); ++i) {
    const Node& node = graph.node(NodeId(i));
    if (LiteralRef literal = graph.Constant(Value{NodeId(i), 0})) {
      ElementType t = literal->element;
      values_[i] =
          IsFloat(t) ? RefScalar{literal->AsDouble(0), 0, 0} : IntScalar(t, literal->AsInt64(0));
    }
    if (Def(node.op).op_class != OpClass::kPointwise) continue;
    Step step{i, {}, PointwiseReference(graph, node)};
    for (Value v : node.operands) step.operands.push_back(v.node.index);
    steps_.push_back(std::move(step));
  }
}

void ScalarGraph::Run(std::span<const RefScalar> inputs, std::span<RefScalar> outputs) {
  for (size_t i = 0; i < inputs_.size(); ++i) values_[inputs_[i]] = inputs[i];
  for (const Step& step : steps_) {
    RefScalar x[3];
    for (size_t k = 0; k < step.operands.size(); ++k) x[k] = values_[step.operands[k]];
    values_[step.node] = step.reference(std::span(x, step.operands.size()));
  }
  for (size_t i = 0; i < outputs_.size(); ++i) outputs[i] = values_[outputs_[i]];
}

}  // namespace skein
