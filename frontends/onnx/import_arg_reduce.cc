// ArgMax and ArgMin: a Reduce whose state is the best element so far and its place.
#include <limits>

#include "frontends/onnx/op_table.h"
#include "ir/op.h"

namespace skein {
namespace {

enum class Wanted { kMax, kMin };

// Adds nodes to the small graphs of a reducer; they cannot fail on scalars of these types.
class ScalarBuilder {
 public:
  explicit ScalarBuilder(Graph* graph) : graph_(graph) {}
  Value Emit(Op op, std::initializer_list<Value> operands) {
    absl::StatusOr<Value> v = graph_->Add(op, operands);
    SKEIN_CHECK_MSG(v.ok(), v.status().ToString());
    return *v;
  }

 private:
  Graph* graph_;
};

// 1 where element `a` at `i` is to be kept rather than `b` at `j`: the better one; of equal ones
// the first (or last); NaN is better than any number, as numpy has it.
Value Keeps(ScalarBuilder b, bool is_float, Wanted wanted, bool last, Value a, Value i, Value c,
            Value j) {
  Value better = wanted == Wanted::kMax ? b.Emit(Op::less, {c, a}) : b.Emit(Op::less, {a, c});
  Value tie = b.Emit(Op::equal, {a, c});
  if (is_float) {
    Value nan_a = b.Emit(Op::is_nan, {a}), nan_c = b.Emit(Op::is_nan, {c});
    Value only_a = b.Emit(Op::bit_and, {nan_a, b.Emit(Op::logical_not, {nan_c})});
    better = b.Emit(Op::bit_or, {better, only_a});
    tie = b.Emit(Op::bit_or, {tie, b.Emit(Op::bit_and, {nan_a, nan_c})});
  }
  Value earlier = last ? b.Emit(Op::less, {j, i}) : b.Emit(Op::less, {i, j});
  return b.Emit(Op::bit_or, {better, b.Emit(Op::bit_and, {tie, earlier})});
}

ReducerRef PlaceReducer(ElementType t, Wanted wanted, bool last) {
  constexpr double kNoPlace = 4611686018427387904.0;  // 2^62: later than any place
  TensorType element{t, {}}, place{ElementType::kI64, {}};
  auto reducer = std::make_shared<Reducer>();
  reducer->name = wanted == Wanted::kMax ? "argmax" : "argmin";
  reducer->state = {t, ElementType::kI64};
  // The identity of maximum or minimum is the worst element; its place loses every tie.
  ReducerRef best = wanted == Wanted::kMax ? MaxReducer(t) : MinReducer(t);
  reducer->initial = {best->initial[0], last ? -1 : kNoPlace};

  Graph& map = reducer->map;
  map.AddOutput("element", map.AddInput("x", element));
  map.AddOutput("place", map.AddInput("i", place));

  Graph& combine = reducer->combine;
  Value a = combine.AddInput("a", element), i = combine.AddInput("i", place);
  Value c = combine.AddInput("c", element), j = combine.AddInput("j", place);
  ScalarBuilder builder(&combine);
  Value keep = Keeps(builder, IsFloat(t), wanted, last, a, i, c, j);
  combine.AddOutput("element", builder.Emit(Op::select, {keep, a, c}));
  combine.AddOutput("place", builder.Emit(Op::select, {keep, i, j}));

  Graph& finish = reducer->finish;
  finish.AddInput("element", element);
  finish.AddOutput("place", finish.AddInput("place", place));
  return reducer;
}

template <Wanted kWanted>
void ArgReduce(NodeImport& n) {
  Value x = n.In(0);
  int axis = n.Axis(n.Int("axis", 0), n.rank(x));
  bool last = n.Int("select_last_index", 0) != 0;
  if (!n.ok()) return;
  if (IsBool(n.element(x))) {
    n.Fail("cannot compare ", n.type(x).ToString());
    return;
  }
  Dims dims = n.dims(x);
  Value places = n.Index(ElementType::kI64, dims, CoordsOf(dims)[axis]);
  Value result = n.Emit(Op::reduce, {x, places},
                        {{"axes", std::vector<int64_t>{axis}},
                         {"reducer", PlaceReducer(n.element(x), kWanted, last)}});
  if (n.Int("keepdims", 1) == 0) {
    dims.erase(dims.begin() + axis);
    result = n.Reshape(result, dims);
  }
  n.Out(0, result);
}

constexpr OnnxOp kOps[] = {
    {"ArgMax", 1, 1, ArgReduce<Wanted::kMax>},
    {"ArgMin", 1, 1, ArgReduce<Wanted::kMin>},
};

}  // namespace

std::span<const OnnxOp> ArgReduceOps() { return kOps; }

}  // namespace skein
