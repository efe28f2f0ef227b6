// Argmax and argmin: which reducers are, and what comes out of them.
#include "fusion/first_place.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "ir/op.h"
#include "tests/fusion/guarded_run.h"

namespace skein {
namespace {

constexpr ElementType kF32 = ElementType::kF32, kI64 = ElementType::kI64;
constexpr float kInfinity = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();

struct Spelling {
  bool largest = true;
  bool later = false;       // of equal ones the last
  bool forgets_nan = false;
};

// Whether the left pair is kept, in boolean operations.
ReducerRef ArgReducer(const Spelling& s) {
  auto reducer = std::make_shared<Reducer>();
  const TensorType element{kF32, {}}, place{kI64, {}};
  reducer->name = "place";
  reducer->state = {kF32, kI64};
  reducer->initial = {s.largest ? -kInfinity : kInfinity, 0x1p62};
  reducer->map.AddOutput("x", reducer->map.AddInput("x", element));
  reducer->map.AddOutput("i", reducer->map.AddInput("i", place));
  Graph& g = reducer->combine;
  const Value a = g.AddInput("a", element), i = g.AddInput("i", place);
  const Value c = g.AddInput("c", element), j = g.AddInput("j", place);
  const auto add = [&](Op op, std::initializer_list<Value> x) { return *g.Add(op, x); };
  const Value less = s.largest ? add(Op::less, {c, a}) : add(Op::less, {a, c});
  const Value nan_a = add(Op::is_nan, {a}), nan_c = add(Op::is_nan, {c});
  const Value better =
      s.forgets_nan ? less : add(Op::bit_or, {less, add(Op::bit_and, {nan_a, add(Op::logical_not, {nan_c})})});
  const Value tie = add(Op::bit_or, {add(Op::equal, {a, c}), add(Op::bit_and, {nan_a, nan_c})});
  const Value sooner = s.later ? add(Op::less, {j, i}) : add(Op::less, {i, j});
  const Value keep = add(Op::bit_or, {better, add(Op::bit_and, {tie, sooner})});
  g.AddOutput("x", add(Op::select, {keep, a, c}));
  g.AddOutput("i", add(Op::select, {keep, i, j}));
  reducer->finish.AddInput("x", element);
  reducer->finish.AddOutput("i", reducer->finish.AddInput("i", place));
  return reducer;
}

TEST(FirstPlace, IsFoundBehindAnySpelling) {
  const auto of = [](const Spelling& s) { return FindFirstPlace(*ArgReducer(s)); };
  ASSERT_TRUE(of({}).has_value());
  EXPECT_TRUE(of({})->of_largest);
  ASSERT_TRUE(of({.largest = false}).has_value());
  EXPECT_FALSE(of({.largest = false})->of_largest);
  EXPECT_FALSE(of({.later = true}).has_value());
  EXPECT_FALSE(of({.forgets_nan = true}).has_value());
  EXPECT_FALSE(FindFirstPlace(*MaxReducer(kF32)).has_value());
}

// Along rows the lanes carry the best element and where it was; along short ones it is the best, then its place. In one
// kernel, among 32-bit places.
TEST(FirstPlace, AlongRowsIsOneReductionOrTwo) {
  for (const auto& [axis, columns, reductions] : {std::tuple{0, 500, 1}, {1, 500, 1}, {1, 50, 2}}) {
    Graph graph;
    const Dims dims = {300, columns};
    const Value x = graph.AddInput("x", {kF32, dims}), places = graph.AddIndex(kI64, dims, CoordsOf(dims)[axis]);
    graph.AddOutput("y", *graph.Add(Op::reduce, {x, places},
                                    {{"axes", std::vector<int64_t>{axis}}, {"reducer", ArgReducer({})}}));
    const Plan plan = MakePlanOf(graph);
    EXPECT_EQ(Kinds(plan), axis == 1 ? "row" : "columns");
    EXPECT_EQ(CountOf(plan.graph.ToString(), "= reduce("), reductions) << plan.graph.ToString();
    EXPECT_EQ(CountOf(plan.groups[0].nest->ToString(), "i64x64"), axis == 1 ? 0 : 1);  // of columns, the results
  }
}

// Ties, NaN, infinities and zeros of both signs, along every axis, as plain C++ finds them.
TEST(FirstPlace, ComesOutOfEveryKernel) {
  const float special[] = {0.0f, -0.0f, 1, 2, 2, -1, kNan, -kNan, kInfinity, -kInfinity, 1, 2, 0, 3};
  for (bool largest : {true, false}) {
    for (int axis : {0, 1, 2}) {
      for (const auto& [length, columns] : {std::pair{1, 64}, {0, 3}, {2, 70}, {9, 300}, {70, 200}, {-9, 20}, {13, 2064}, {700, 3}, {-700, 3}, {5000, 2}, {-9000, 2}}) {
        Graph graph;  // a negative length: known when sizes are bound
        const DimExpr rows = length < 0 ? DimExpr::Symbol("rows") : DimExpr(length);
        const DimExpr n = columns > 1000 ? DimExpr(columns) : DimExpr::Symbol("n");
        const Dims dims = {axis == 0 ? rows : 3, axis == 1 ? rows : 2, axis == 2 ? rows : n};
        const Value x = graph.AddInput("x", {kF32, dims});
        const Value places = graph.AddIndex(kI64, dims, CoordsOf(dims)[axis]);
        graph.AddOutput("y", *graph.Add(Op::reduce, {x, places},
                                        {{"axes", std::vector<int64_t>{axis}},
                                         {"reducer", ArgReducer({.largest = largest})}}));
        std::vector<HostTensor> inputs = *DrawInputs(graph, {{"rows", std::abs(length)}, {"n", columns}}, 3);
        auto* data = reinterpret_cast<float*>(inputs[0].bytes.data());
        const std::vector<int64_t>& d = inputs[0].dims;
        int64_t outer = 1, inner = 1;
        for (int i = 0; i < axis; ++i) outer *= d[i];
        for (int i = axis + 1; i < 3; ++i) inner *= d[i];
        uint32_t random = 1;  // few NaN to a row, some rows without
        for (int64_t e = 0; e < inputs[0].count(); ++e) {
          random = random * 1664525 + 1013904223;
          data[e] = special[(random >> 16) % ((random >> 24) < 40 ? std::size(special) : 6)];
        }
        std::vector<int64_t> expected;
        for (int64_t o = 0; o < outer; ++o) {
          for (int64_t i = 0; i < inner; ++i) {
            int64_t best = d[axis] == 0 ? int64_t{1} << 62 : 0;
            const auto at = [&](int64_t r) { return data[(o * d[axis] + r) * inner + i]; };
            for (int64_t r = 1; r < d[axis]; ++r) {
              if (std::isnan(at(best))) break;
              if (std::isnan(at(r)) || (largest ? at(r) > at(best) : at(r) < at(best))) best = r;
            }
            expected.push_back(best);
          }
        }
        std::vector<NamedOptions> ways = length == 9 && axis != 0 ? EveryWay() : WaysWithoutLlvm();
        if (columns > 1000) ways = OutOfCache(std::move(ways));
        for (const NamedOptions& way : ways) {
          const auto outputs = RunGraph(graph, way.options, inputs);
          ASSERT_TRUE(outputs.ok()) << outputs.status();
          const auto* y = reinterpret_cast<const int64_t*>((*outputs)[0].bytes.data());
          EXPECT_EQ(std::vector<int64_t>(y, y + expected.size()), expected)
              << way.name << " axis " << axis << " of " << length << " x " << columns;
        }
      }
    }
  }
}

}  // namespace
}  // namespace skein
