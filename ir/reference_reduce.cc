#include <algorithm>
#include <cmath>

#include "ir/op_helpers.h"
#include "ir/reference.h"

namespace skein {

// The orders of the numerics contract (DESIGN section 6).
namespace {
constexpr int64_t kChunk = 4096, kSlots = 64, kRows = 64, kScanBlock = 16;
}  // namespace

int64_t InnerSumChain(int64_t n) {
  int64_t in_slot = std::min(n, kChunk) / kSlots + 1;
  return in_slot + 6 + n / kChunk + 1;
}

int64_t OuterSumChain(int64_t n) { return std::min(n, kRows) + n / kRows + 1; }

double SumRoundoff(ElementType t) {
  // For f64 the reference rounds as often as the code does.
  return t == ElementType::kF64 ? std::ldexp(1.0, -52) : std::ldexp(1.0, -24);
}

namespace {

bool IsInner(const Node& node, std::span<const int64_t> axes, size_t rank) {
  const std::string* order = node.attributes.Get<std::string>("order");
  if (order != nullptr) return *order == "inner";
  return std::find(axes.begin(), axes.end(), static_cast<int64_t>(rank) - 1) != axes.end();
}

// Offsets of the elements that one result element folds (row-major over the reduced axes), and
// where each result element's first one is.
struct Layout {
  std::vector<int64_t> result_dims, starts, offsets;
};

void Enumerate(std::span<const int64_t> dims, std::span<const int64_t> strides,
               std::vector<int64_t>* out) {
  *out = {0};
  for (size_t i = 0; i < dims.size(); ++i) {
    std::vector<int64_t> next;
    next.reserve(out->size() * static_cast<size_t>(std::max<int64_t>(dims[i], 0)));
    for (int64_t base : *out) {
      for (int64_t c = 0; c < dims[i]; ++c) next.push_back(base + c * strides[i]);
    }
    *out = std::move(next);
  }
}

Layout LayOut(std::span<const int64_t> dims, std::span<const int64_t> axes) {
  Layout layout;
  std::vector<int64_t> kept_dims, kept_strides, axis_dims, axis_strides;
  std::vector<int64_t> strides(dims.size());
  int64_t stride = 1;
  for (size_t i = dims.size(); i-- > 0;) {
    strides[i] = stride;
    stride *= dims[i];
  }
  for (size_t i = 0; i < dims.size(); ++i) {
    bool reduced = std::find(axes.begin(), axes.end(), static_cast<int64_t>(i)) != axes.end();
    layout.result_dims.push_back(reduced ? 1 : dims[i]);
    (reduced ? axis_dims : kept_dims).push_back(dims[i]);
    (reduced ? axis_strides : kept_strides).push_back(strides[i]);
  }
  Enumerate(kept_dims, kept_strides, &layout.starts);
  Enumerate(axis_dims, axis_strides, &layout.offsets);
  return layout;
}

// Sums, products and extrema of floats, whose error does not depend on the order beyond its chain
// length.
RefScalar FoldFloats(Op op, ElementType t, const RefTensor& x, int64_t start,
                     std::span<const int64_t> offsets, double initial, int64_t chain) {
  double total = initial, magnitude = op == Op::mul ? std::fabs(initial) : 0, error = 0,
         wide = magnitude;
  bool exact = true, nan = false;
  for (int64_t offset : offsets) {
    double v = x.value[start + offset];
    double e = x.error.empty() ? 0 : x.error[start + offset];
    exact = exact && e == 0;
    nan = nan || (std::isnan(v) && e == 0);
    switch (op) {
      case Op::add:
        total += v;
        magnitude += std::fabs(v);
        error += e;
        break;
      case Op::mul:
        total *= v;
        magnitude *= std::fabs(v);
        wide *= std::fabs(v) + e;
        break;
      default:
        if (std::isnan(v) || std::isnan(total)) {
          total += v;
        } else {
          total = op == Op::maximum ? std::fmax(total, v) : std::fmin(total, v);
        }
        error = std::fmax(error, e);
    }
  }
  double unit = SumRoundoff(t);
  double n = static_cast<double>(op == Op::mul ? offsets.size() + 1 : chain);
  if (op == Op::add || op == Op::mul) {
    // n roundings in a row change a sum of such magnitude by at most gamma_n of it.
    double gamma = n * unit < 0.5 ? n * unit / (1 - n * unit) : HUGE_VAL;
    if (op == Op::mul) {
      error = (wide - magnitude) + gamma * wide + n * HalfUlp(t, 0);
      magnitude = wide;
    } else {
      error += gamma * (magnitude + error);
    }
    error += BitWidth(t) == 16 ? HalfUlp(t, total) : 0;
    // A partial result may overflow where the total does not.
    Bounded partial = InOrder(t, {magnitude, error}, false, false);
    if (std::isinf(partial.value) || std::isinf(partial.error)) {
      if (std::isfinite(total)) error = HUGE_VAL;
    }
  }
  Bounded y = InOrder(t, {total, error}, exact, nan);
  return {y.value, y.error, 0};
}

RefScalar FoldInts(Op op, ElementType t, const RefTensor& x, int64_t start,
                   std::span<const int64_t> offsets, double initial) {
  int64_t total = SaturateTo(t, initial);
  bool uncertain = false;
  for (int64_t offset : offsets) {
    int64_t v = x.exact[start + offset];
    uncertain = uncertain || (!x.error.empty() && x.error[start + offset] > 0);
    bool less = IsUnsigned(t) ? AsUnsigned(v) < AsUnsigned(total) : v < total;
    switch (op) {
      case Op::add:
        total = static_cast<int64_t>(AsUnsigned(total) + AsUnsigned(v));
        break;
      case Op::mul:
        total = static_cast<int64_t>(AsUnsigned(total) * AsUnsigned(v));
        break;
      case Op::maximum:
        total = less ? total : v;
        break;
      default:
        total = less ? v : total;
    }
  }
  return IntScalar(t, WrapTo(t, total), uncertain ? HUGE_VAL : 0);
}

using State = std::vector<RefScalar>;

// Any reducer, folded in exactly the order that kernels use, so that the errors it gathers are
// theirs.
class GeneralFold {
 public:
  explicit GeneralFold(const Reducer& reducer)
      : map_(reducer.map),
        combine_(reducer.combine),
        finish_(reducer.finish),
        both_(2 * reducer.state.size()) {
    for (size_t i = 0; i < reducer.state.size(); ++i) {
      ElementType t = reducer.state[i];
      double initial = reducer.initial[i];
      initial_.push_back(IsFloat(t) ? RefScalar{initial, 0, 0}
                                    : IntScalar(t, SaturateTo(t, initial)));
    }
  }

  void Run(RefOperands x, int64_t start, std::span<const int64_t> offsets, bool inner,
           std::span<RefScalar> results) {
    int64_t n = static_cast<int64_t>(offsets.size()), chunk = inner ? kChunk : kRows;
    State total = initial_;
    for (int64_t begin = 0; begin < n; begin += chunk) {
      auto part = offsets.subspan(begin, std::min(chunk, n - begin));
      State of_chunk = inner ? InnerChunk(x, start, part) : OuterChunk(x, start, part);
      if (begin == 0) {
        total = std::move(of_chunk);
      } else {
        Combine(&total, of_chunk);
      }
    }
    finish_.Run(total, results);
  }

 private:
  void Combine(State* into, const State& from) {
    std::copy(into->begin(), into->end(), both_.begin());
    std::copy(from.begin(), from.end(), both_.begin() + static_cast<int64_t>(into->size()));
    combine_.Run(both_, *into);
  }
  State Map(RefOperands x, int64_t at) {
    std::vector<RefScalar> elements;
    for (const RefTensor* t : x) elements.push_back(Element(*t, at));
    State state(initial_.size());
    map_.Run(elements, state);
    return state;
  }
  State OuterChunk(RefOperands x, int64_t start, std::span<const int64_t> offsets) {
    State total = initial_;
    for (int64_t offset : offsets) Combine(&total, Map(x, start + offset));
    return total;
  }
  State InnerChunk(RefOperands x, int64_t start, std::span<const int64_t> offsets) {
    std::vector<State> slots(kSlots, initial_);
    for (size_t i = 0; i < offsets.size(); ++i)
      Combine(&slots[i % kSlots], Map(x, start + offsets[i]));
    for (int64_t half = kSlots / 2; half >= 1; half /= 2) {
      for (int64_t j = 0; j < half; ++j) Combine(&slots[j], slots[j + half]);
    }
    return slots[0];
  }
  ScalarGraph map_, combine_, finish_;
  State initial_, both_;
};

}  // namespace

std::vector<RefTensor> ReferenceReduce(const Node& node, RefOperands x,
                                       const InterpretOptions& options) {
  const Reducer& reducer = **node.attributes.Get<ReducerRef>("reducer");
  Layout layout = LayOut(x[0]->dims, node.attributes.Ints("axes"));
  std::vector<RefTensor> results;
  for (const TensorType& t : node.results) {
    results.push_back(EmptyTensor(t.element, layout.result_dims, options.track_error));
  }
  int64_t n = static_cast<int64_t>(layout.offsets.size());
  bool inner = IsInner(node, node.attributes.Ints("axes"), x[0]->dims.size());
  auto simple = SimpleCombine(reducer);
  int64_t chain = inner ? InnerSumChain(n) : OuterSumChain(n);
  if (node.attributes.Get<std::string>("order") == nullptr)
    chain = std::max(InnerSumChain(n), OuterSumChain(n));
  int64_t grain = std::max<int64_t>(1, (1 << 15) / std::max<int64_t>(n, 1));
  ForRange(static_cast<int64_t>(layout.starts.size()), grain, options.threads,
           [&](int64_t begin, int64_t end) {
             ElementType t = reducer.state[0];
             std::optional<GeneralFold> general;
             if (!simple) general.emplace(reducer);
             std::vector<RefScalar> outputs(results.size());
             for (int64_t i = begin; i < end; ++i) {
               if (!simple) {
                 general->Run(x, layout.starts[i], layout.offsets, inner, outputs);
               } else if (IsFloat(t)) {
                 outputs[0] = FoldFloats(*simple, t, *x[0], layout.starts[i], layout.offsets,
                                         reducer.initial[0], chain);
               } else {
                 outputs[0] = FoldInts(*simple, t, *x[0], layout.starts[i], layout.offsets,
                                       reducer.initial[0]);
               }
               for (size_t r = 0; r < results.size(); ++r) SetElement(&results[r], i, outputs[r]);
             }
           });
  return results;
}

RefTensor ReferenceScan(const Node& node, const RefTensor& x, const InterpretOptions& options) {
  int64_t axis = node.attributes.Int("axis");
  bool exclusive = node.attributes.Int("exclusive") != 0,
       reverse = node.attributes.Int("reverse") != 0;
  RefTensor y = EmptyTensor(x.element, x.dims, options.track_error);
  std::vector<int64_t> axes = {axis};
  Layout layout = LayOut(x.dims, axes);
  if (reverse) std::reverse(layout.offsets.begin(), layout.offsets.end());
  bool innermost = IsInner(node, axes, x.dims.size());
  double unit = SumRoundoff(x.element);
  for (int64_t start : layout.starts) {
    double total = 0, magnitude = 0, error = 0;
    int64_t exact = 0;
    bool all_exact = true, nan = false;
    for (size_t i = 0; i < layout.offsets.size(); ++i) {
      int64_t at = start + layout.offsets[i];
      // Blocks of 16 take 4 doublings, then one addition a block carries on.
      double chain =
          innermost ? 5 + static_cast<double>(i / kScanBlock) : static_cast<double>(i + 1);
      auto put = [&] {
        if (!IsFloat(x.element)) {
          SetElement(&y, at,
                     IntScalar(x.element, WrapTo(x.element, exact), error > 0 ? HUGE_VAL : 0));
          return;
        }
        double e = error + chain * unit / (1 - std::fmin(0.5, chain * unit)) * (magnitude + error);
        if (BitWidth(x.element) == 16) e += HalfUlp(x.element, total);
        Bounded b = InOrder(x.element, {total, e}, all_exact, nan);
        SetElement(&y, at, {b.value, b.error, 0});
      };
      RefScalar v = Element(x, at);
      if (exclusive) put();
      total += v.value;
      magnitude += std::fabs(v.value);
      error += v.error;
      exact = static_cast<int64_t>(AsUnsigned(exact) + AsUnsigned(v.exact));
      all_exact = all_exact && v.error == 0;
      nan = nan || (std::isnan(v.value) && v.error == 0);
      if (!exclusive) put();
    }
  }
  return y;
}

}  // namespace skein
