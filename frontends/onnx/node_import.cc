#include "frontends/onnx/node_import.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "frontends/onnx/tensor_literal.h"
#include "ir/op_helpers.h"

namespace skein {

using onnx::AttributeProto;

namespace {

// A dim that is a longer expression than this comes from a file that multiplies sizes on and on.
constexpr int kMaxDimSize = 500;

}  // namespace

NodeImport::NodeImport(Graph* graph, const onnx::NodeProto& node, std::string label, int opset,
                       std::vector<Value> inputs)
    : graph_(graph),
      node_(node),
      label_(std::move(label)),
      opset_(opset),
      inputs_(std::move(inputs)),
      outputs_(node.output_size()) {}

void NodeImport::Out(int i, Value v) {
  if (i < output_count()) outputs_[i] = v;
}

Value NodeImport::SetStatus(const absl::Status& status) {
  if (status_.ok()) status_ = Annotate(status, label_);
  return Value();
}

// --- attributes ---

const AttributeProto* NodeImport::FindAttribute(std::string_view name,
                                                AttributeProto::AttributeType type) {
  for (const AttributeProto& a : node_.attribute()) {
    if (a.name() != name) continue;
    if (a.type() == type) return &a;
    // Files of IR version 1 may leave the type out.
    bool untyped = a.type() == AttributeProto::UNDEFINED &&
                   ((type == AttributeProto::INT && a.has_i()) ||
                    (type == AttributeProto::FLOAT && a.has_f()) ||
                    (type == AttributeProto::STRING && a.has_s()) ||
                    (type == AttributeProto::TENSOR && a.has_t()) ||
                    (type == AttributeProto::INTS && a.ints_size() > 0) ||
                    (type == AttributeProto::FLOATS && a.floats_size() > 0));
    if (untyped) return &a;
    Fail("attribute '", a.name(), "' has the type ", AttributeProto::AttributeType_Name(a.type()),
         ", expected ", AttributeProto::AttributeType_Name(type));
    return nullptr;
  }
  return nullptr;
}

bool NodeImport::HasAttribute(std::string_view name) const {
  for (const AttributeProto& a : node_.attribute()) {
    if (a.name() == name) return true;
  }
  return false;
}

int64_t NodeImport::Int(std::string_view name, int64_t otherwise) {
  const AttributeProto* a = FindAttribute(name, AttributeProto::INT);
  return a ? a->i() : otherwise;
}

double NodeImport::Float(std::string_view name, double otherwise) {
  const AttributeProto* a = FindAttribute(name, AttributeProto::FLOAT);
  return a ? a->f() : otherwise;
}

std::string NodeImport::String(std::string_view name, std::string_view otherwise) {
  const AttributeProto* a = FindAttribute(name, AttributeProto::STRING);
  return a ? a->s() : std::string(otherwise);
}

std::optional<std::vector<int64_t>> NodeImport::Ints(std::string_view name) {
  const AttributeProto* a = FindAttribute(name, AttributeProto::INTS);
  if (a == nullptr) return std::nullopt;
  return std::vector<int64_t>(a->ints().begin(), a->ints().end());
}

std::optional<std::vector<double>> NodeImport::Floats(std::string_view name) {
  const AttributeProto* a = FindAttribute(name, AttributeProto::FLOATS);
  if (a == nullptr) return std::nullopt;
  return std::vector<double>(a->floats().begin(), a->floats().end());
}

const onnx::TensorProto* NodeImport::Tensor(std::string_view name) {
  const AttributeProto* a = FindAttribute(name, AttributeProto::TENSOR);
  return a ? &a->t() : nullptr;
}

ElementType NodeImport::Type(std::string_view name, ElementType otherwise) {
  if (!HasAttribute(name)) return otherwise;
  int64_t number = Int(name, 0);
  if (!ok()) return otherwise;
  absl::StatusOr<ElementType> t =
      ElementTypeOf(number == static_cast<int>(number) ? static_cast<int>(number) : -1);
  if (t.ok()) return *t;
  SetStatus(Annotate(t.status(), "attribute '" + std::string(name) + "'"));
  return otherwise;
}

// --- adding nodes ---

const TensorType& NodeImport::type(Value v) const {
  static const TensorType* const kNone = new TensorType;
  return v.valid() ? graph_->type(v) : *kNone;
}

Dims NodeImport::dims(Value v) const {
  Dims result = type(v).dims;
  for (DimExpr& d : result) d = graph_->Assumed(d);
  return result;
}

// What the file asks for may be absurd long before anything is computed.
void NodeImport::CheckResult(Value v) {
  const TensorType& t = type(v);
  if (t.rank() > kMaxRank) {
    Fail("its result has ", t.rank(), " dims; at most ", kMaxRank, " make sense");
    return;
  }
  int64_t size = 1;
  for (DimExpr d : t.dims) {
    if (ExpressionSize(d, kMaxDimSize) >= kMaxDimSize) {
      Fail("the shape of its result is an expression of more than ", kMaxDimSize, " parts");
      return;
    }
    std::optional<int64_t> extent = d.AsConst();
    if (!extent) continue;
    if (*extent < 0) {
      Fail("its result has the shape ", t.ToString());
      return;
    }
    bool overflow = *extent > 0 && __builtin_mul_overflow(size, *extent, &size);
    if (overflow || size >= kMaxTensorBytes) {
      Fail("its result ", t.ToString(), " is larger than any memory");
      return;
    }
  }
}

Value NodeImport::Emit(Op op, std::span<const Value> operands, Attributes attributes) {
  if (!ok()) return Value();
  for (Value v : operands) {
    if (!v.valid()) return Fail("an operand is missing");
  }
  absl::StatusOr<Value> result = graph_->Add(op, operands, std::move(attributes));
  if (!result.ok()) return SetStatus(result.status());
  CheckResult(*result);
  return ok() ? *result : Value();
}

Value NodeImport::Emit(Op op, std::initializer_list<Value> operands, Attributes attributes) {
  return Emit(op, std::span<const Value>(operands.begin(), operands.size()), std::move(attributes));
}

Value NodeImport::Constant(LiteralRef literal) {
  return ok() ? graph_->AddConstant(std::move(literal)) : Value();
}

Value NodeImport::Scalar(ElementType t, double value) {
  return ok() ? graph_->AddScalar(t, value) : Value();
}

Value NodeImport::Index(ElementType t, Dims dims, DimExpr expr) {
  if (!ok()) return Value();
  Value v = graph_->AddIndex(t, std::move(dims), expr);
  CheckResult(v);
  return ok() ? v : Value();
}

Value NodeImport::List(const Dims& values) {
  int64_t count = static_cast<int64_t>(values.size());
  std::vector<int64_t> constants;
  for (DimExpr v : values) {
    if (std::optional<int64_t> c = v.AsConst()) constants.push_back(*c);
  }
  if (constants.size() == values.size()) {
    return Constant(IntsLiteral(ElementType::kI64, constants));
  }
  DimExpr place = DimExpr::Coord(0, count);
  DimExpr expr = values.back();
  for (int64_t i = count - 2; i >= 0; --i) {
    expr = skein::Select(Equal(place, DimExpr(i)), values[i], expr);
  }
  return Index(ElementType::kI64, {DimExpr(count)}, expr);
}

Value NodeImport::Splat(ElementType t, double value, const Dims& dims) {
  return BroadcastTo(Scalar(t, value), dims);
}

// --- broadcasting ---

DimExpr NodeImport::CommonDim(DimExpr a, DimExpr b) {
  a = graph_->Assumed(a);
  b = graph_->Assumed(b);
  if (b.IsConst(1)) return a;
  if (a.IsConst(1)) return b;
  return SameDim(a, b);
}

DimExpr NodeImport::SameDim(DimExpr a, DimExpr b) {
  if (!ok()) return a;
  absl::StatusOr<DimExpr> common = graph_->AssumeEqual(
      a, b, absl::StrCat(a.ToString(), " = ", b.ToString(), ", assumed by ", label_));
  if (common.ok()) return *common;
  SetStatus(common.status());
  return a;
}

Dims NodeImport::CommonDims(const Dims& a, const Dims& b) {
  const Dims& longer = a.size() >= b.size() ? a : b;
  const Dims& shorter = a.size() >= b.size() ? b : a;
  Dims result = longer;
  size_t lead = longer.size() - shorter.size();
  for (size_t i = 0; i < shorter.size(); ++i) {
    result[lead + i] = CommonDim(longer[lead + i], shorter[i]);
  }
  return result;
}

Value NodeImport::BroadcastTo(Value v, const Dims& target) {
  if (!ok() || dims(v) == target) return v;
  LiteralRef literal = graph_->Constant(v);
  if (literal != nullptr && literal->count() == 1 && rank(v) > 0) {
    // One spelling for all single-element constants, whatever rank the exporter gave them.
    const uint8_t* bytes = static_cast<const uint8_t*>(literal->data);
    v = Constant(MakeLiteral(literal->element, {}, {bytes, bytes + literal->bytes()}));
  }
  if (rank(v) > static_cast<int>(target.size())) {
    return Fail(type(v).ToString(), " cannot be broadcast to ", ToString(target));
  }
  Dims from = dims(v);
  from.insert(from.begin(), target.size() - from.size(), DimExpr(1));
  for (size_t i = 0; i < target.size(); ++i) {
    if (from[i] == target[i] || from[i].IsConst(1)) continue;
    if (target[i].IsConst(1)) {
      return Fail(type(v).ToString(), " cannot be broadcast to ", ToString(target));
    }
    CommonDim(from[i], target[i]);  // a fact that is proved, assumed or refused
    from[i] = target[i];
  }
  v = Reshape(v, from);
  if (!ok() || from == target) return v;
  return Emit(Op::broadcast, {v}, {{"dims", target}});
}

void NodeImport::BroadcastTogether(std::span<Value> values) {
  Dims common;
  for (Value v : values) common = CommonDims(common, dims(v));
  for (Value& v : values) v = BroadcastTo(v, common);
}

Value NodeImport::Binary(Op op, Value a, Value b) {
  Value both[] = {a, b};
  BroadcastTogether(both);
  return Emit(op, both);
}

// --- movement ---

Value NodeImport::Cast(Value x, ElementType to) {
  if (!ok() || element(x) == to) return x;
  return Emit(Op::cast, {x}, {{"to", to}});
}

Value NodeImport::Reshape(Value x, const Dims& target) {
  if (!ok() || dims(x) == target) return x;
  DimExpr from_count = Product(dims(x)), to_count = Product(target);
  if (from_count != to_count) {
    if (from_count.IsConst() && to_count.IsConst()) {
      return Fail("cannot reshape ", type(x).ToString(), " to ", ToString(target));
    }
    Assume(Equal(from_count, to_count),
           absl::StrCat(type(x).ToString(), " has the elements of ", ToString(target)));
  }
  return Emit(Op::reshape, {x}, {{"dims", target}});
}

Value NodeImport::Transpose(Value x, std::vector<int64_t> permutation) {
  bool moves = false;
  for (size_t i = 0; i < permutation.size(); ++i) {
    moves |= permutation[i] != static_cast<int64_t>(i);
  }
  if (!moves && static_cast<int>(permutation.size()) == rank(x)) return x;
  return Emit(Op::transpose, {x}, {{"permutation", std::move(permutation)}});
}

Value NodeImport::TransposeLast(Value x) {
  if (!ok()) return Value();
  if (rank(x) < 2) return Fail("cannot transpose the matrices of ", type(x).ToString());
  std::vector<int64_t> permutation(rank(x));
  std::iota(permutation.begin(), permutation.end(), 0);
  std::swap(permutation[rank(x) - 1], permutation[rank(x) - 2]);
  return Transpose(x, std::move(permutation));
}

Value NodeImport::SliceAxis(Value x, int axis, DimExpr start, DimExpr extent, int64_t step) {
  if (!ok()) return Value();
  Dims result = dims(x), starts(result.size(), DimExpr(0)), steps(result.size(), DimExpr(1));
  if (start.IsConst(0) && step == 1 && result[axis] == extent) return x;
  result[axis] = extent;
  starts[axis] = start;
  steps[axis] = step;
  return Emit(Op::slice, {x}, {{"starts", starts}, {"steps", steps}, {"dims", result}});
}

Value NodeImport::Concat(std::span<const Value> values, int axis) {
  if (!ok()) return Value();
  return values.size() == 1 ? values[0] : Emit(Op::concat, values, {{"axis", int64_t{axis}}});
}

Value NodeImport::GatherAxis(Value x, int axis, Value indices) {
  if (!ok()) return Value();
  Dims from = dims(x), places = dims(indices), result(from.begin(), from.begin() + axis);
  result.insert(result.end(), places.begin(), places.end());
  result.insert(result.end(), from.begin() + axis + 1, from.end());
  Dims coords = CoordsOf(result), map(coords.begin(), coords.begin() + axis);
  map.push_back(DimExpr::Value(0));
  map.insert(map.end(), coords.begin() + axis + places.size(), coords.end());
  Dims index_map(coords.begin() + axis, coords.begin() + axis + places.size());
  return Emit(Op::gather, {x, indices}, {{"dims", result}, {"map", map}, {"index_map", index_map}});
}

// --- reductions ---

Value NodeImport::Reduce(Value x, const std::vector<int64_t>& axes,
                         ReducerRef (*reducer)(ElementType)) {
  if (!ok() || axes.empty()) return x;
  if (IsBool(element(x))) return Fail("cannot reduce ", type(x).ToString());
  return Emit(Op::reduce, {x}, {{"axes", axes}, {"reducer", reducer(element(x))}});
}

Value NodeImport::ReduceSum(Value x, const std::vector<int64_t>& axes) {
  return Reduce(x, axes, SumReducer);
}

Value NodeImport::ReduceMax(Value x, const std::vector<int64_t>& axes) {
  return Reduce(x, axes, MaxReducer);
}

Value NodeImport::ReduceMean(Value x, const std::vector<int64_t>& axes) {
  if (!ok()) return Value();
  Dims extents = dims(x);
  DimExpr count = 1;
  for (int64_t axis : axes) count = count * extents[axis];
  Value sum = ReduceSum(x, axes);
  Value divisor = count.IsConst() ? Scalar(element(x), static_cast<double>(count.constant()))
                                  : Cast(Index(ElementType::kI64, {}, count), element(x));
  return Emit(Op::div, {sum, BroadcastTo(divisor, dims(sum))});
}

Value NodeImport::Widen(Value x) {
  bool narrow = element(x) == ElementType::kF16 || element(x) == ElementType::kBF16;
  return narrow ? Cast(x, ElementType::kF32) : x;
}

// --- known values ---

Dims NodeImport::KnownList(Value v, std::string_view what) {
  if (!ok()) return {};
  if (!v.valid()) {
    Fail("its ", std::string(what), " is missing");
    return {};
  }
  if (rank(v) > 1 || !IsInteger(element(v))) {
    Fail("its ", std::string(what), " is ", type(v).ToString(), ", expected a list of integers");
    return {};
  }
  std::optional<Dims> list = graph_->KnownList(v);
  if (!list) {
    Unsupported("data-dependent shape: its ", std::string(what),
                " is not a function of constants and sizes");
    return {};
  }
  return *std::move(list);
}

DimExpr NodeImport::KnownScalar(Value v, std::string_view what) {
  Dims list = KnownList(v, what);
  if (ok() && list.size() != 1) {
    Fail("its ", std::string(what), " has ", list.size(), " elements, expected one");
  }
  return ok() ? list[0] : DimExpr(0);
}

std::vector<int64_t> NodeImport::KnownInts(Value v, std::string_view what) {
  std::vector<int64_t> result;
  for (DimExpr e : KnownList(v, what)) {
    if (!e.IsConst()) {
      Unsupported("its ", std::string(what), " depends on sizes: ", e.ToString());
      return {};
    }
    result.push_back(e.constant());
  }
  return result;
}

int NodeImport::Axis(int64_t axis, int rank) {
  if (axis < -rank || axis >= rank) {
    Fail("axis ", axis, " of a tensor of rank ", rank);
    return 0;
  }
  return static_cast<int>(axis < 0 ? axis + rank : axis);
}

std::vector<int64_t> NodeImport::Axes(const std::vector<int64_t>& axes, int rank) {
  std::vector<int64_t> result;
  for (int64_t axis : axes) result.push_back(Axis(axis, rank));
  if (!ok()) return {};
  std::sort(result.begin(), result.end());
  if (std::adjacent_find(result.begin(), result.end()) != result.end()) {
    Fail("an axis is named twice");
    return {};
  }
  return result;
}

void NodeImport::Assume(DimExpr condition, std::string_view fact) {
  if (!ok()) return;
  condition = graph_->Assumed(condition);
  if (condition.range().lo > 0) return;
  if (condition.IsConst(0)) {
    Fail("cannot be true: ", std::string(fact));
    return;
  }
  for (const Guard& guard : graph_->guards()) {
    if (guard.condition == condition) return;
  }
  graph_->AddGuard(condition, absl::StrCat(std::string(fact), ", assumed by ", label_));
}

void NodeImport::AssumeLessEqual(DimExpr a, DimExpr b, std::string_view fact) {
  a = graph_->Assumed(a);
  b = graph_->Assumed(b);
  if (ok() && !ProveLessEqual(a, b)) Assume(Less(a, b + DimExpr(1)), fact);
}

}  // namespace skein
