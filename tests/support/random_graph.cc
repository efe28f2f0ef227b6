#include "tests/support/random_graph.h"

#include <algorithm>
#include <cstdlib>
#include <random>

#include "ir/op.h"

namespace skein {
namespace {

constexpr ElementType kF32 = ElementType::kF32, kI64 = ElementType::kI64, kBool = ElementType::kBool;

// Elements of a value where the symbols are at their largest: bounds the work of the interpreters.
constexpr int64_t kMostElements = 12000;
constexpr int64_t kLargestA = 70, kLargestB = 17;

class Generator {
 public:
  explicit Generator(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  Graph Run() {
    g_.source_names = {"/input"};
    for (int i = 0; i < 4; ++i) extents_.push_back(RandomExtent());
    Keep(g_.AddInput("sizes", {kF32, {DimExpr::Symbol("a"), DimExpr::Symbol("b")}}));  // says what both are
    const int inputs = 1 + Below(3);
    for (int i = 0; i < inputs; ++i) {
      Dims dims;
      for (int rank = Below(4); rank > 0; --rank) dims.push_back(Pick(extents_));
      Keep(g_.AddInput(absl::StrCat("x", i), {kF32, Small(dims)}));
    }
    integer_ = g_.AddInput("i", {kI64, Small({Pick(extents_)})});
    const int operations = 3 + Below(12);
    for (int i = 0; i < operations; ++i) {
      g_.source_names.push_back(absl::StrCat("/node_", i));
      Graph::OriginScope scope(&g_, {static_cast<int32_t>(g_.source_names.size()) - 1});
      Operation();
    }
    g_.AddOutput("y", pool_.back());
    for (int more = Below(3); more > 0; --more) g_.AddOutput(absl::StrCat("z", more), Pick(pool_));
    if (Below(4) == 0) {  // what sizes and constants determine
      const DimExpr rows = DimExpr::Symbol("a"), i = DimExpr::Coord(0, rows), j = DimExpr::Coord(1, 3);
      g_.AddOutput("known", g_.AddIndex(kI64, {rows, 3}, 2 * i + Less(j, i)));
      g_.AddOutput("splat", Splat(0.25, {rows, 2}));
    }
    return std::move(g_);
  }

 private:
  int Byte() { return at_ < bytes_.size() ? bytes_[at_++] : 0; }
  int Below(int n) { return Byte() % n; }
  template <typename T>
  T Pick(const std::vector<T>& list) {
    return list[Below(static_cast<int>(list.size()))];
  }

  DimExpr RandomExtent() {
    static constexpr int64_t kExtents[] = {1, 2, 3, 5, 7, 16, 17, 33, 64, 65};
    const DimExpr a = DimExpr::Symbol("a"), b = DimExpr::Symbol("b");
    switch (Below(6)) {
      case 0: return a;
      case 1: return b;
      case 2: return a + 1;
      case 3: return 2 * b;
      default: return kExtents[Below(10)];
    }
  }

  static int64_t Largest(std::span<const DimExpr> dims) {
    return Evaluate(Product(dims), {{"a", kLargestA}, {"b", kLargestB}}).value();
  }
  static bool Fits(std::span<const DimExpr> dims) { return dims.size() <= 5 && Largest(dims) <= kMostElements; }
  static Dims Small(Dims dims) {
    size_t first = 0;  // outer dims are dropped
    while (!Fits(std::span(dims).subspan(first))) ++first;
    return Dims(dims.begin() + first, dims.end());
  }

  const Dims& DimsOf(Value v) const { return g_.type(v).dims; }
  void Keep(Value v) {
    pool_.push_back(v);
  }
  Value Add(Op op, std::vector<Value> operands, Attributes attributes = {}) {
    return g_.Add(op, operands, std::move(attributes)).value();
  }
  Value Reshape(Value v, Dims dims) { return Add(Op::reshape, {v}, {{"dims", std::move(dims)}}); }
  Value Broadcast(Value v, Dims dims) { return Add(Op::broadcast, {v}, {{"dims", std::move(dims)}}); }
  Value Splat(double c, const Dims& dims) {
    return Broadcast(Reshape(g_.AddScalar(kF32, c), Dims(dims.size(), DimExpr(1))), dims);
  }
  static Attributes Axes(std::vector<int64_t> axes, ReducerRef reducer) {
    return {{"axes", std::move(axes)}, {"reducer", std::move(reducer)}};
  }

  // A value of these dims made from any kept one: where a dim differs, it is reduced and repeated, as residuals and
  // biases are.
  Value Fit(Value v, const Dims& dims) {
    while (g_.type(v).rank() > static_cast<int>(dims.size())) {
      v = Add(Op::reduce, {v}, Axes({0}, MaxReducer(kF32)));
      v = Reshape(v, Dims(DimsOf(v).begin() + 1, DimsOf(v).end()));
    }
    Dims padded(dims.size() - DimsOf(v).size(), DimExpr(1));
    padded.insert(padded.end(), DimsOf(v).begin(), DimsOf(v).end());
    v = Reshape(v, padded);
    std::vector<int64_t> reduced;
    for (size_t d = 0; d < dims.size(); ++d) {
      if (padded[d] != dims[d] && !padded[d].IsConst(1)) reduced.push_back(static_cast<int64_t>(d));
    }
    if (!reduced.empty()) v = Add(Op::reduce, {v}, Axes(reduced, SumReducer(kF32)));
    return Broadcast(v, dims);
  }

  void Operation() {
    switch (Below(14)) {
      case 0: case 1: return Unary();
      case 2: case 3: return Binary();
      case 4: return Scaled();
      case 5: return Reshaped();
      case 6: return Transposed();
      case 7: return Sliced();
      case 8: return Joined();
      case 9: return Reduced();
      case 10: return Normalized();
      case 11: return Multiplied();
      case 12: return Gathered();
      default: return Chosen();
    }
  }

  // Functions that keep moderate values moderate.
  void Unary() {
    Value x = Pick(pool_);
    switch (Below(12)) {
      case 0: return Keep(Add(Op::neg, {x}));
      case 1: return Keep(Add(Op::abs, {x}));
      case 2: return Keep(Add(Op::exp, {Add(Op::tanh, {x})}));
      case 3: return Keep(Add(Op::tanh, {x}));
      case 4: return Keep(Add(Op::sigmoid, {x}));
      case 5: return Keep(Add(Op::erf, {x}));
      case 6: return Keep(Add(Op::sqrt, {Add(Op::abs, {x})}));
      case 7: return Keep(Add(Op::reciprocal, {Add(Op::add, {Add(Op::abs, {x}), Splat(1, DimsOf(x))})}));
      case 8: return Keep(Add(Op::round_even, {x}));
      case 9: return Keep(Add(Op::mul, {x, x}));
      case 10: {
        const ElementType half = Below(2) == 0 ? ElementType::kF16 : ElementType::kBF16;
        return Keep(Add(Op::cast, {Add(Op::cast, {Add(Op::tanh, {x})}, {{"to", half}})}, {{"to", kF32}}));
      }
      default: return Keep(Add(Op::add, {Splat(1, DimsOf(x)), Add(Op::erf, {x})}));
    }
  }

  void Binary() {
    Value x = Pick(pool_), y = Fit(Pick(pool_), DimsOf(x));
    if (Below(2) == 1) std::swap(x, y);
    static constexpr Op kOps[] = {Op::add, Op::sub, Op::mul, Op::minimum, Op::maximum};
    const int op = Below(6);
    if (op < 5) return Keep(Add(kOps[op], {x, y}));
    Keep(Add(Op::div, {x, Add(Op::add, {Add(Op::abs, {y}), Splat(0.5, DimsOf(y))})}));
  }

  void Scaled() {
    Value x = Pick(pool_);
    static constexpr double kConstants[] = {0.5, -1, 2, 0.7071067811865476, 1, 0, 3, 1e-3};
    Value c = Splat(kConstants[Below(8)], DimsOf(x));
    static constexpr Op kOps[] = {Op::add, Op::sub, Op::mul, Op::maximum};
    const Op op = kOps[Below(4)];
    Keep(Below(2) == 0 ? Add(op, {x, c}) : Add(op, {c, x}));
  }

  void Reshaped() {
    Value x = Pick(pool_);
    Dims dims = DimsOf(x);
    const int at = dims.empty() ? 0 : Below(static_cast<int>(dims.size()));
    switch (Below(4)) {
      case 0: return Keep(Reshape(x, {Product(dims)}));
      case 1: dims.insert(dims.begin() + at, DimExpr(1)); break;
      case 2:  // two adjacent dims become one
        if (dims.size() < 2 || at == 0) break;
        dims[at - 1] = dims[at - 1] * dims[at];
        dims.erase(dims.begin() + at);
        break;
      default:  // one dim becomes two
        if (dims.empty()) break;
        for (int64_t factor : {5, 4, 3, 2}) {
          if (!Mod(dims[at], factor).IsConst(0)) continue;
          dims[at] = FloorDiv(dims[at], factor);
          dims.insert(dims.begin() + at + Below(2), DimExpr(factor));
          break;
        }
    }
    if (Fits(dims)) Keep(Reshape(x, dims));
  }

  void Transposed() {
    Value x = Pick(pool_);
    std::vector<int64_t> permutation(DimsOf(x).size());
    for (size_t i = 0; i < permutation.size(); ++i) permutation[i] = static_cast<int64_t>(i);
    for (size_t i = permutation.size(); i > 1; --i) std::swap(permutation[i - 1], permutation[Below(static_cast<int>(i))]);
    Keep(Add(Op::transpose, {x}, {{"permutation", permutation}}));
  }

  void Sliced() {
    Value x = Pick(pool_);
    const Dims from = DimsOf(x);
    Dims starts(from.size(), DimExpr(0)), steps(from.size(), DimExpr(1)), dims = from;
    for (size_t d = 0; d < from.size(); ++d) {
      switch (Below(4)) {
        case 0:  // backwards
          starts[d] = from[d] - 1;
          steps[d] = -1;
          break;
        case 1:  // every second
          if (from[d].IsConst()) {
            dims[d] = CeilDiv(from[d], 2);
            steps[d] = 2;
          }
          break;
        case 2:  // without the first
          if (ProveNonNegative(from[d] - 1)) {
            starts[d] = 1;
            dims[d] = from[d] - 1;
          }
          break;
        default: break;
      }
    }
    Keep(Add(Op::slice, {x}, {{"starts", starts}, {"steps", steps}, {"dims", dims}}));
  }

  // Concatenation with itself or padding.
  void Joined() {
    Value x = Pick(pool_);
    Dims dims = DimsOf(x);
    if (dims.empty()) return;
    const int axis = Below(static_cast<int>(dims.size()));
    if (Below(2) == 0) {
      dims[axis] = dims[axis] * 3;
      if (!Fits(dims)) return;
      return Keep(Add(Op::concat, {x, Add(Op::neg, {x}), x}, {{"axis", int64_t{axis}}}));
    }
    Dims low(dims.size(), DimExpr(0)), high = low;
    low[axis] = Below(3);
    high[axis] = Below(2) == 0 ? DimExpr(Below(3)) : DimExpr::Symbol("b");
    dims[axis] = dims[axis] + low[axis] + high[axis];
    if (!Fits(dims)) return;
    Keep(Add(Op::pad, {x, g_.AddScalar(kF32, -0.25)}, {{"low", low}, {"high", high}}));
  }

  std::vector<int64_t> RandomAxes(const Dims& dims) {
    std::vector<int64_t> axes;
    for (size_t d = 0; d < dims.size(); ++d) {
      if (Below(2) == 0) axes.push_back(static_cast<int64_t>(d));
    }
    if (axes.empty() && !dims.empty()) axes.push_back(static_cast<int64_t>(dims.size()) - 1);
    return axes;
  }

  // Sum and largest square at once: a state of two values, and a node of two results.
  static ReducerRef MomentsReducer() {
    auto reducer = std::make_shared<Reducer>();
    reducer->name = "moments";
    reducer->state = {kF32, kF32};
    reducer->initial = {0, 0};
    Value x = reducer->map.AddInput("x", {kF32, {}});
    reducer->map.AddOutput("sum", x);
    reducer->map.AddOutput("square", reducer->map.Add(Op::mul, {x, x}).value());
    Graph& combine = reducer->combine;
    Value a = combine.AddInput("a", {kF32, {}}), b = combine.AddInput("b", {kF32, {}});
    Value c = combine.AddInput("c", {kF32, {}}), d = combine.AddInput("d", {kF32, {}});
    combine.AddOutput("sum", combine.Add(Op::add, {a, c}).value());
    combine.AddOutput("square", combine.Add(Op::maximum, {b, d}).value());
    Graph& finish = reducer->finish;
    Value sum = finish.AddInput("sum", {kF32, {}}), square = finish.AddInput("square", {kF32, {}});
    finish.AddOutput("sum", sum);
    finish.AddOutput("largest", finish.Add(Op::sqrt, {square}).value());
    return reducer;
  }

  void Reduced() {
    Value x = Pick(pool_);
    if (DimsOf(x).empty()) return;
    if (Below(4) == 0) {
      static const auto& moments = *new ReducerRef(MomentsReducer());
      const NodeId node = g_.AddNode(Op::reduce, std::vector<Value>{x}, Axes(RandomAxes(DimsOf(x)), moments)).value();
      Keep({node, 1});
      return Keep({node, Below(2)});
    }
    static const ReducerRef kReducers[] = {SumReducer(kF32), MaxReducer(kF32), MinReducer(kF32), ProductReducer(kF32)};
    const int reducer = Below(4);
    if (reducer == 3) x = Add(Op::tanh, {x});  // a product of many factors would overflow
    Keep(Add(Op::reduce, {x}, Axes(RandomAxes(DimsOf(x)), kReducers[reducer])));
  }

  // Softmax, or layer norm, over any axes.
  void Normalized() {
    Value x = Pick(pool_);
    const Dims dims = DimsOf(x);
    if (dims.empty()) return;
    const std::vector<int64_t> axes = RandomAxes(dims);
    auto reduced = [&](Value v, ReducerRef reducer) {
      return Broadcast(Add(Op::reduce, {v}, Axes(axes, std::move(reducer))), dims);
    };
    if (Below(2) == 0) {
      Value e = Add(Op::exp, {Add(Op::sub, {x, reduced(x, MaxReducer(kF32))})});
      return Keep(Add(Op::div, {e, reduced(e, SumReducer(kF32))}));
    }
    Value scale = Splat(0.125, dims);
    Value centred = Add(Op::sub, {x, Add(Op::mul, {reduced(x, SumReducer(kF32)), scale})});
    Value variance = Add(Op::mul, {reduced(Add(Op::mul, {centred, centred}), SumReducer(kF32)), scale});
    Keep(Add(Op::div, {centred, Add(Op::sqrt, {Add(Op::add, {variance, Splat(1e-3, dims)})})}));
  }

  // Pick . B, where B is a weight or made from another value.
  void Multiplied() {
    Value x = Pick(pool_);
    if (DimsOf(x).size() < 2) x = Reshape(x, {1, Product(DimsOf(x))});
    Dims dims = DimsOf(x);
    const DimExpr k = dims.back(), n = Pick(extents_);
    Dims right(dims.begin(), dims.end() - 2), result = dims;
    right.insert(right.end(), {k, n});
    result.back() = n;
    if (!Fits(right) || !Fits(result) || Largest(result) * Largest(std::vector<DimExpr>{k}) > 600000) return;
    Value b;
    if (Below(2) == 0 && k.IsConst() && n.IsConst() && dims.size() == 2) {
      std::vector<uint8_t> bytes(BytesFor(kF32, k.constant() * n.constant()));
      auto* weights = reinterpret_cast<float*>(bytes.data());
      for (int64_t i = 0; i < k.constant() * n.constant(); ++i) weights[i] = static_cast<float>((i * 7 + 3) % 31 - 15) / 64;
      b = g_.AddConstant(MakeLiteral(kF32, {k.constant(), n.constant()}, bytes));
    } else {
      b = Fit(Pick(pool_), right);
    }
    Keep(Add(Op::dot, {Add(Op::tanh, {x}), b}));
  }

  // Rows of a value chosen by the integer input, which is taken modulo the extent.
  void Gathered() {
    Value x = Pick(pool_);
    const Dims dims = DimsOf(x);
    if (dims.empty()) return;
    const int axis = Below(static_cast<int>(dims.size()));
    if (!ProveNonNegative(dims[axis] - 1)) return;
    const Dims index_dims = DimsOf(integer_);
    Value index = Add(Op::mod, {integer_, g_.AddIndex(kI64, index_dims, dims[axis])});
    if (Below(2) == 0) index = Add(Op::sub, {g_.AddIndex(kI64, index_dims, dims[axis] - 1), index});
    Dims result = dims;
    result.erase(result.begin() + axis);
    result.insert(result.begin() + axis, index_dims.begin(), index_dims.end());
    if (!Fits(result)) return;
    Dims map, index_map;
    const int wide = static_cast<int>(index_dims.size());
    for (int d = 0; d < static_cast<int>(dims.size()); ++d) {
      const int at = d < axis ? d : d - 1 + wide;
      map.push_back(d == axis ? DimExpr::Value(0) : DimExpr::Coord(at, result[at]));
    }
    for (int d = 0; d < wide; ++d) index_map.push_back(DimExpr::Coord(axis + d, result[axis + d]));
    Keep(Add(Op::gather, {x, index}, {{"dims", result}, {"map", map}, {"index_map", index_map}}));
  }

  // select(mask, x, y) where the mask is known, or compares data.
  void Chosen() {
    Value x = Pick(pool_), y = Fit(Pick(pool_), DimsOf(x));
    const Dims dims = DimsOf(x);
    Value mask;
    if (Below(2) == 0 && !dims.empty()) {
      const int d = Below(static_cast<int>(dims.size()));
      DimExpr c = DimExpr::Coord(d, dims[d]);
      DimExpr other = DimExpr::Coord(0, dims[0]);
      mask = g_.AddIndex(kBool, dims, Below(2) == 0 ? Less(other, c + 1) : Equal(Mod(c, 3), 0));
    } else {
      static constexpr Op kOps[] = {Op::less, Op::less_equal, Op::equal, Op::not_equal};
      mask = Add(kOps[Below(4)], {x, Below(2) == 0 ? y : Splat(0, dims)});
      if (Below(3) == 0) mask = Add(Op::logical_not, {mask});
    }
    Keep(Add(Op::select, {mask, x, y}));
  }

  std::span<const uint8_t> bytes_;
  size_t at_ = 0;
  Graph g_;
  Value integer_;
  std::vector<DimExpr> extents_;
  std::vector<Value> pool_;  // f32 values
};

}  // namespace

Graph RandomGraph(std::span<const uint8_t> bytes) { return Generator(bytes).Run(); }

std::vector<uint8_t> RandomBytes(uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<uint8_t> bytes(160);
  for (uint8_t& b : bytes) b = static_cast<uint8_t>(random() >> 32);
  return bytes;
}

SymbolValues RandomSizes(uint64_t seed) {
  static constexpr int64_t kA[] = {1, 2, 7, 15, 16, 17, 33, 63, 64, 65, kLargestA, 0};
  static constexpr int64_t kB[] = {1, 2, 3, 5, 16, kLargestB, 0};
  std::mt19937_64 random(seed * 31 + 5);
  return {{"a", kA[random() % 12]}, {"b", kB[random() % 7]}};
}

uint64_t TestSeed() {
  static const uint64_t seed = [] {
    const char* given = std::getenv("SKEIN_TEST_SEED");
    return given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()() % 1000000000u;
  }();
  return seed;
}

int TestGraphs(int otherwise) {
  const char* given = std::getenv("SKEIN_TEST_GRAPHS");
  return given != nullptr ? std::atoi(given) : otherwise;
}

}  // namespace skein
