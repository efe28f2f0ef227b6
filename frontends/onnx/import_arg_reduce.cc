// ArgMax and ArgMin: the best element, then the first or last place where it is. Two plain reductions over a row
// that stays in cache take half the time of one that carries elements and places along.
#include <limits>

#include "frontends/onnx/op_table.h"
#include "ir/op.h"

namespace skein {
namespace {

// More places along one axis are counted in 64 bits.
constexpr int64_t kMostPlaces = std::numeric_limits<int32_t>::max();

// NaN is better than any number, as numpy has it, and as the maximum and minimum of IEEE 754-2019 have it.
Value IsBest(NodeImport& n, Value x, Value best) {
  Value match = n.Emit(Op::equal, {x, n.BroadcastTo(best, n.dims(x))});
  if (IsFloat(n.element(x))) match = n.Emit(Op::bit_or, {match, n.Unary(Op::is_nan, x)});
  return match;
}

template <ReducerRef (*kBest)(ElementType)>
void ArgReduce(NodeImport& n) {
  Value x = n.In(0);
  int axis = n.Axis(n.Int("axis", 0), n.rank(x));
  bool last = n.Int("select_last_index", 0) != 0;
  if (!n.ok()) return;
  if (IsBool(n.element(x))) {
    n.Fail("cannot compare ", n.type(x).ToString());
    return;
  }
  x = n.Widen(x);
  Dims dims = n.dims(x);
  const std::vector<int64_t> axes = {axis};
  const bool wide = ProveLess(kMostPlaces, dims[axis]);
  const ElementType place = wide ? ElementType::kI64 : ElementType::kI32;
  if (!wide) n.AssumeLessEqual(dims[axis], kMostPlaces, "places along the axis fit 32 bits");
  Value places = n.Index(place, dims, CoordsOf(dims)[axis]);
  const double behind_all = wide ? 0x1p62 : static_cast<double>(kMostPlaces);
  Value nowhere = n.Splat(place, last ? -1 : behind_all, dims);
  Value best = n.Reduce(x, axes, kBest);
  Value candidates = n.Select(IsBest(n, x, best), places, nowhere);
  Value result = n.Cast(n.Reduce(candidates, axes, last ? MaxReducer : MinReducer), ElementType::kI64);
  if (n.Int("keepdims", 1) == 0) {
    dims.erase(dims.begin() + axis);
    result = n.Reshape(result, dims);
  }
  n.Out(0, result);
}

constexpr OnnxOp kOps[] = {
    {"ArgMax", 1, 1, ArgReduce<MaxReducer>},
    {"ArgMin", 1, 1, ArgReduce<MinReducer>},
};

}  // namespace

std::span<const OnnxOp> ArgReduceOps() { return kOps; }

}  // namespace skein
