// What the import of one ONNX node works with: its inputs and attributes, and ways to add
// primitives.
//
// The first failure sticks: after it `ok()` is false, adding gives invalid Values and changes
// nothing, so an operator reads as straight-line code and its error is returned by the driver.
#ifndef SKEIN_FRONTENDS_ONNX_NODE_IMPORT_H_
#define SKEIN_FRONTENDS_ONNX_NODE_IMPORT_H_

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "ir/graph.h"
#include "onnx/onnx_pb.h"

namespace skein {

class NodeImport {
 public:
  // `label` says where we are in every message: "node '/m/Add' (Add)". An input that is absent or
  // empty is an invalid Value.
  NodeImport(Graph* graph, const onnx::NodeProto& node, std::string label, int opset,
             std::vector<Value> inputs);

  // --- the ONNX side ---
  const onnx::NodeProto& node() const { return node_; }
  const std::string& label() const { return label_; }
  int opset() const { return opset_; }
  int input_count() const { return static_cast<int>(inputs_.size()); }
  int output_count() const { return node_.output_size(); }
  bool Has(int i) const { return i < input_count() && inputs_[i].valid(); }
  Value In(int i) const { return Has(i) ? inputs_[i] : Value(); }
  void Out(int i, Value v);
  const std::vector<Value>& outputs() const { return outputs_; }

  // Attributes. One of another type than asked for is a failure.
  bool HasAttribute(std::string_view name) const;
  int64_t Int(std::string_view name, int64_t otherwise);
  double Float(std::string_view name, double otherwise);
  std::string String(std::string_view name, std::string_view otherwise);
  std::optional<std::vector<int64_t>> Ints(std::string_view name);
  std::optional<std::vector<double>> Floats(std::string_view name);
  const onnx::TensorProto* Tensor(std::string_view name);
  // An attribute that holds a number of onnx::TensorProto::DataType.
  ElementType Type(std::string_view name, ElementType otherwise);

  // --- failures ---
  bool ok() const { return status_.ok(); }
  const absl::Status& status() const { return status_; }
  template <typename... Args>
  Value Fail(const Args&... args) {
    return SetStatus(InvalidArgument(args...));
  }
  template <typename... Args>
  Value Unsupported(const Args&... args) {
    return SetStatus(Unimplemented(args...));
  }
  Value SetStatus(const absl::Status& status);

  // --- the Graph side ---
  Graph& graph() { return *graph_; }
  const TensorType& type(Value v) const;  // an f32 scalar if v is invalid
  ElementType element(Value v) const { return type(v).element; }
  // With every assumed equality substituted.
  Dims dims(Value v) const;
  int rank(Value v) const { return type(v).rank(); }

  Value Emit(Op op, std::initializer_list<Value> operands, Attributes attributes = {});
  Value Emit(Op op, std::span<const Value> operands, Attributes attributes = {});
  Value Constant(LiteralRef literal);
  Value Scalar(ElementType t, double value);
  Value Index(ElementType t, Dims dims, DimExpr expr);
  // An i64 list with these values.
  Value List(const Dims& values);
  // `value` in every element.
  Value Splat(ElementType t, double value, const Dims& dims);
  Value SplatLike(Value like, double value) { return Splat(element(like), value, dims(like)); }

  // Dim lists are numpy's: an extent of 1 repeats. Dims that differ and are not 1 are assumed equal
  // (Graph::AssumeEqual).
  DimExpr CommonDim(DimExpr a, DimExpr b);
  // The same for dims that must be equal, such as the K of a product.
  DimExpr SameDim(DimExpr a, DimExpr b);
  Dims CommonDims(const Dims& a, const Dims& b);
  // v repeated to `dims`, with leading dims added.
  Value BroadcastTo(Value v, const Dims& dims);
  void BroadcastTogether(std::span<Value> values);
  Value Binary(Op op, Value a, Value b);
  Value Unary(Op op, Value x) { return Emit(op, {x}); }

  Value Cast(Value x, ElementType to);
  Value Reshape(Value x, const Dims& dims);
  Value Transpose(Value x, std::vector<int64_t> permutation);
  // Swaps the last two dims of a value of rank >= 2.
  Value TransposeLast(Value x);
  // Elements [start, start + extent) of one axis, or every step-th.
  Value SliceAxis(Value x, int axis, DimExpr start, DimExpr extent, int64_t step = 1);
  Value Concat(std::span<const Value> values, int axis);
  // x with `axis` replaced by the dims of `indices`, which are in [0, extent).
  Value GatherAxis(Value x, int axis, Value indices);
  Value Select(Value condition, Value a, Value b) { return Emit(Op::select, {condition, a, b}); }
  // One-operand reductions of numbers; the axes stay with extent 1. `reducer` is SumReducer or
  // another of its kind.
  Value Reduce(Value x, const std::vector<int64_t>& axes, ReducerRef (*reducer)(ElementType));
  Value ReduceSum(Value x, const std::vector<int64_t>& axes);
  Value ReduceMax(Value x, const std::vector<int64_t>& axes);
  // Sum divided by the number of elements. Spelled as exporters do.
  Value ReduceMean(Value x, const std::vector<int64_t>& axes);
  // f16 and bf16 as f32 (what ONNX calls stash_type 1); others as they are.
  Value Widen(Value x);

  // --- values that must be known while importing ---
  // The elements of a rank-0 or rank-1 integer tensor. `what` names the operand. Data-dependent: a
  // failure. Empty on failure.
  Dims KnownList(Value v, std::string_view what);
  DimExpr KnownScalar(Value v, std::string_view what);
  // The same, all constant.
  std::vector<int64_t> KnownInts(Value v, std::string_view what);
  // axis in [-rank, rank) as [0, rank). 0 on failure.
  int Axis(int64_t axis, int rank);
  std::vector<int64_t> Axes(const std::vector<int64_t>& axes, int rank);

  // Assumes condition != 0 unless it is provably so. A condition that is provably 0 is a failure.
  void Assume(DimExpr condition, std::string_view fact);
  // a <= b, by proof or assumption.
  void AssumeLessEqual(DimExpr a, DimExpr b, std::string_view fact);

 private:
  const onnx::AttributeProto* FindAttribute(std::string_view name,
                                            onnx::AttributeProto::AttributeType type);
  void CheckResult(Value v);

  Graph* graph_;
  const onnx::NodeProto& node_;
  std::string label_;
  int opset_;
  std::vector<Value> inputs_, outputs_;
  absl::Status status_;
};

}  // namespace skein

#endif  // SKEIN_FRONTENDS_ONNX_NODE_IMPORT_H_
