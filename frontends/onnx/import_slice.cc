// Slice and Pad.
#include <numeric>

#include "frontends/onnx/op_table.h"
#include "ir/op.h"

namespace skein {
namespace {

// Exporters write "to the end" as a number of this size or more.
constexpr int64_t kUnboundedPlace = INT32_MAX - 1;

// --- Slice ---

// A place as ONNX writes it (negative: from the end; beyond an end: that end), as one in [lo, hi],
// where hi is the extent or one less. Against a symbolic extent, a constant is assumed to be
// inside.
DimExpr Place(NodeImport& n, DimExpr place, DimExpr extent, DimExpr lo, DimExpr hi) {
  if (std::optional<int64_t> c = place.AsConst()) {
    if (*c >= kUnboundedPlace) return hi;
    if (*c <= -kUnboundedPlace) return lo;
    if (*c < 0) place = extent + place;
    if (place.IsConst() && hi.IsConst()) return Min(Max(place, lo), hi);
  } else if (ProveLess(place, 0)) {
    place = extent + place;
  }
  n.AssumeLessEqual(lo, place, absl::StrCat(lo.ToString(), " <= ", place.ToString()));
  n.AssumeLessEqual(place, hi, absl::StrCat(place.ToString(), " <= ", hi.ToString()));
  return place;
}

Value SliceOne(NodeImport& n, Value x, int axis, DimExpr start, DimExpr end, int64_t step) {
  if (!n.ok()) return Value();
  DimExpr extent = n.dims(x)[axis], last = extent - 1;
  bool forward = step > 0;
  start = Place(n, start, extent, 0, forward ? extent : last);
  end = Place(n, end, extent, forward ? 0 : -1, forward ? extent : last);
  DimExpr distance = forward ? end - start : start - end;
  if (distance.IsConst()) {
    distance = Max(distance, 0);
  } else {
    n.AssumeLessEqual(
        0, distance,
        absl::StrCat("the slice ", start.ToString(), " to ", end.ToString(), " is not reversed"));
  }
  // A distance of |step| at most is one element; also keeps -step from overflowing.
  DimExpr count = CeilDiv(distance, forward ? DimExpr(step) : DimExpr(-1) * DimExpr(step));
  if (count.IsConst(0)) start = 0;
  return n.SliceAxis(x, axis, start, count, step);
}

void Slice(NodeImport& n) {
  Value x = n.In(0);
  Dims starts, ends;
  std::vector<int64_t> axes, steps;
  bool attributes = n.opset() < 10;
  if (attributes) {
    std::vector<int64_t> s = n.Ints("starts").value_or(std::vector<int64_t>());
    std::vector<int64_t> e = n.Ints("ends").value_or(std::vector<int64_t>());
    starts.assign(s.begin(), s.end());
    ends.assign(e.begin(), e.end());
  } else {
    starts = n.KnownList(n.In(1), "list of starts");
    ends = n.KnownList(n.In(2), "list of ends");
  }
  axes.resize(starts.size());
  std::iota(axes.begin(), axes.end(), 0);
  if (attributes) {
    axes = n.Ints("axes").value_or(axes);
  } else if (n.Has(3)) {
    axes = n.KnownInts(n.In(3), "list of axes");
  }
  steps.assign(starts.size(), 1);
  if (!attributes && n.Has(4)) steps = n.KnownInts(n.In(4), "list of steps");
  if (!n.ok()) return;
  if (ends.size() != starts.size() || axes.size() != starts.size() ||
      steps.size() != starts.size()) {
    n.Fail(starts.size(), " starts, ", ends.size(), " ends, ", axes.size(), " axes, ", steps.size(),
           " steps");
    return;
  }
  n.Axes(axes, n.rank(x));  // each once
  for (size_t i = 0; i < starts.size(); ++i) {
    if (steps[i] == 0) n.Fail("a step of 0");
    x = SliceOne(n, x, n.Axis(axes[i], n.rank(n.In(0))), starts[i], ends[i], steps[i]);
  }
  n.Out(0, x);
}

// --- Pad ---

// Which element of the operand stands at coordinate c of an axis padded by `low` at the front.
DimExpr PadSource(std::string_view mode, DimExpr c, DimExpr low, DimExpr extent) {
  DimExpr place = c - low, last = extent - 1;
  if (mode == "edge") return Min(Max(place, 0), last);
  if (mode == "wrap") return Mod(place, extent);
  DimExpr before = Select(Less(place, 0), -place, place);  // reflect
  return Select(Less(last, before), last * 2 - before, before);
}

// The pads of every axis: first those at the front, then those at the end.
Dims PadsOf(NodeImport& n, int rank) {
  if (n.opset() < 11) {
    const char* name = n.opset() < 2 ? "paddings" : "pads";
    std::vector<int64_t> pads = n.Ints(name).value_or(std::vector<int64_t>());
    return Dims(pads.begin(), pads.end());
  }
  Dims pads = n.KnownList(n.In(1), "list of pads");
  if (!n.ok() || !n.Has(3)) return pads;
  std::vector<int64_t> axes = n.KnownInts(n.In(3), "list of axes");
  if (n.ok() && pads.size() != 2 * axes.size()) {
    n.Fail(pads.size(), " pads for ", axes.size(), " axes");
  }
  n.Axes(axes, rank);  // each once
  if (!n.ok()) return {};
  Dims all(2 * rank, DimExpr(0));
  for (size_t i = 0; i < axes.size(); ++i) {
    int axis = n.Axis(axes[i], rank);
    all[axis] = pads[i];
    all[rank + axis] = pads[axes.size() + i];
  }
  return all;
}

void Pad(NodeImport& n) {
  Value x = n.In(0);
  int rank = n.rank(x);
  Dims pads = PadsOf(n, rank), low(rank, DimExpr(0)), high = low;
  std::string mode = n.String("mode", "constant");
  if (n.ok() && static_cast<int>(pads.size()) != 2 * rank) {
    n.Fail(pads.size(), " pads for ", n.type(x).ToString());
  }
  if (mode != "constant" && mode != "edge" && mode != "wrap" && mode != "reflect") {
    n.Fail("attribute 'mode' is '", mode, "'");
  }
  if (!n.ok()) return;
  for (int i = 0; i < rank && n.ok(); ++i) {  // negative pads cut
    DimExpr before = pads[i], after = pads[rank + i];
    bool cut_before = ProveLess(before, 0), cut_after = ProveLess(after, 0);
    if (cut_before || cut_after) {
      DimExpr start = cut_before ? -before : DimExpr(0);
      DimExpr extent = n.dims(x)[i] - start + (cut_after ? after : DimExpr(0));
      n.AssumeLessEqual(0, extent, "a negative pad cuts no more than there is");
      x = n.SliceAxis(x, i, start, extent);
      if (!n.ok()) return;
    }
    low[i] = cut_before ? DimExpr(0) : before;
    high[i] = cut_after ? DimExpr(0) : after;
    if (mode == "constant" || (low[i].IsConst(0) && high[i].IsConst(0))) continue;
    DimExpr extent = n.dims(x)[i], wide = low[i] + extent + high[i];
    if (mode == "reflect") {  // one reflection at each end
      n.AssumeLessEqual(low[i], extent - 1, "the front pad is shorter than the axis");
      n.AssumeLessEqual(high[i], extent - 1, "the end pad is shorter than the axis");
    }
    DimExpr source = PadSource(mode, CoordsOf(Dims{wide})[0], low[i], extent);
    x = n.GatherAxis(x, i, n.Index(ElementType::kI64, {wide}, source));
  }
  if (mode != "constant") return n.Out(0, x);
  Value fill = n.opset() < 11 || !n.Has(2)
                   ? n.Scalar(n.element(x), n.opset() < 11 ? n.Float("value", 0) : 0)
                   : n.Reshape(n.In(2), {});
  n.Out(0, n.Emit(Op::pad, {x, fill}, {{"low", low}, {"high", high}}));
}

constexpr OnnxOp kOps[] = {
    {"Pad", 1, 4, Pad},
    {"Slice", 1, 5, Slice},
};

}  // namespace

std::span<const OnnxOp> SliceOps() { return kOps; }

}  // namespace skein
