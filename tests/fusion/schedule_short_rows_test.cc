// Rows shorter than a vector: sixteen at once, one a lane.
#include <gmock/gmock.h>

#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/substitute.h"
#include "fusion/schedule.h"
#include "tests/fusion/guarded_run.h"

namespace skein {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// $0: elements of a row. $1: element type.
constexpr const char* kSum = R"(
  %0 = input() {name = "x"} : $1[n, $0]
  %1 = reduce(%0) {axes = (1), reducer = sum<$1>} : $1[n, 1]
  output "y" = %1
)";
constexpr const char* kMax = R"(
  %0 = input() {name = "x"} : $1[n, $0]
  %1 = reduce(%0) {axes = (1), reducer = max<$1>} : $1[n, 1]
  output "y" = %1
)";
constexpr const char* kMean = R"(
  %0 = input() {name = "x"} : $1[n, $0]
  %1 = reduce(%0) {axes = (1), reducer = sum<$1>} : $1[n, 1]
  %2 = constant() {literal = $1[1, 1] {0.3}} : $1[1, 1]
  %3 = broadcast(%2) : $1[n, 1]
  %4 = mul(%1, %3) : $1[n, 1]
  output "y" = %4
)";
constexpr const char* kSoftmax = R"(
  %0 = input() {name = "x"} : $1[n, $0]
  %1 = reduce(%0) {axes = (1), reducer = max<$1>} : $1[n, 1]
  %2 = broadcast(%1) : $1[n, $0]
  %3 = sub(%0, %2) : $1[n, $0]
  %4 = exp(%3) : $1[n, $0]
  %5 = reduce(%4) {axes = (1), reducer = sum<$1>} : $1[n, 1]
  %6 = broadcast(%5) : $1[n, $0]
  %7 = div(%4, %6) : $1[n, $0]
  output "y" = %7
)";
// With a residual, weights, a scale for each row, and the sum as a second result.
constexpr const char* kLayerNorm = R"(
  %0 = input() {name = "x"} : $1[n, $0]
  %1 = input() {name = "residual"} : $1[n, $0]
  %2 = add(%0, %1) : $1[n, $0]
  %3 = reduce(%2) {axes = (1), reducer = sum<$1>} : $1[n, 1]
  %4 = constant() {literal = $1[1, 1] {0.125}} : $1[1, 1]
  %5 = broadcast(%4) : $1[n, 1]
  %6 = mul(%3, %5) : $1[n, 1]
  %7 = broadcast(%6) : $1[n, $0]
  %8 = sub(%2, %7) : $1[n, $0]
  %9 = mul(%8, %8) : $1[n, $0]
  %10 = reduce(%9) {axes = (1), reducer = sum<$1>} : $1[n, 1]
  %11 = mul(%10, %5) : $1[n, 1]
  %12 = add(%11, %5) : $1[n, 1]
  %13 = sqrt(%12) : $1[n, 1]
  %14 = input() {name = "row scale"} : $1[n, 1]
  %15 = div(%14, %13) : $1[n, 1]
  %16 = broadcast(%15) : $1[n, $0]
  %17 = mul(%8, %16) : $1[n, $0]
  %18 = input() {name = "weights"} : $1[$0]
  %19 = reshape(%18) : $1[1, $0]
  %20 = broadcast(%19) : $1[n, $0]
  %21 = mul(%17, %20) : $1[n, $0]
  output "y" = %21
  output "sum" = %2
)";

Graph GraphOf(const char* text, int64_t elements, const char* type = "f32") {
  return Parse(absl::Substitute(text, elements, type));
}

// Rows lie along the lanes: no step of a reduction joins lanes.
void ExpectRowsAlongLanes(const Graph& graph) {
  const std::string nest = OnlyNest(graph);
  EXPECT_THAT(nest, HasSubstr("shuffle"));
  for (const char* other : {" reduce", "gather", "scatter", "stride"}) EXPECT_THAT(nest, Not(HasSubstr(other)));
}
void ExpectOneRowAtATime(const Graph& graph) { EXPECT_THAT(OnlyNest(graph), HasSubstr(" reduce")); }

std::vector<SymbolValues> RowCounts() {
  std::vector<SymbolValues> sizes;
  for (int64_t n : {0, 1, 15, 16, 17, 63, 64, 65, 130, 513}) sizes.push_back({{"n", n}});
  return sizes;
}

TEST(ShortRows, EveryLength) {
  for (int64_t elements = 1; elements <= 24; ++elements) {
    for (const char* text : {kSum, kMax, kMean, kSoftmax, kLayerNorm}) {
      const Graph graph = GraphOf(text, elements);
      if (elements > 1) ExpectRowsAlongLanes(graph);
      ExpectRight(graph, {{{"n", 15}}, {{"n", 41}}});
    }
  }
}

TEST(ShortRows, EveryCount) {
  for (int64_t elements : {7, 13, 21}) {
    for (const char* text : {kSum, kMax, kSoftmax, kLayerNorm}) ExpectRight(GraphOf(text, elements), RowCounts());
  }
}

TEST(ShortRows, EveryBackEndInAndOutOfCache) {
  const std::vector<SymbolValues> sizes = {{{"n", 1}}, {{"n", 17}}, {{"n", 600}}};
  for (int64_t elements : {3, 7, 21}) {
    ExpectRight(GraphOf(kSoftmax, elements), sizes, EveryWay());
    ExpectRight(GraphOf(kLayerNorm, elements), sizes, OutOfCache(EveryWay()));
  }
}

TEST(ShortRows, KnownCounts) {
  for (int64_t n : {16, 17, 256, 259, 512, 600}) {
    for (const char* text : {kSum, kSoftmax, kLayerNorm}) {
      const Graph graph = Parse(Replace(absl::Substitute(text, 5, "f32"), "[n,", absl::StrCat("[", n, ",")));
      ExpectRowsAlongLanes(graph);
      ExpectRight(graph, {{}});
    }
  }
}

TEST(ShortRows, NarrowTypes) {
  for (const char* type : {"i32", "i16", "i8", "u8"}) {
    for (const char* text : {kSum, kMax}) {
      for (int64_t elements : {3, 11}) {
        const Graph graph = GraphOf(text, elements, type);
        ExpectRowsAlongLanes(graph);
        ExpectRight(graph, {{{"n", 9}}, {{"n", 41}}}, EveryWay());
      }
    }
  }
  const Graph storage = Parse(R"(
    %0 = input() {name = "x"} : f16[n, 9]
    %1 = cast(%0) : f32[n, 9]
    %2 = reduce(%1) {axes = (1), reducer = sum<f32>} : f32[n, 1]
    %3 = broadcast(%2) : f32[n, 9]
    %4 = div(%1, %3) : f32[n, 9]
    %5 = cast(%4) : bf16[n, 9]
    output "y" = %5
  )");
  ExpectRowsAlongLanes(storage);
  ExpectRight(storage, RowCounts(), EveryWay());
}

// The order of DESIGN section 6, spelled out.
float SumInOrder(const float* row, int64_t elements) {
  float slots[64] = {};
  for (int64_t i = 0; i < elements; ++i) slots[i] += row[i];
  for (int half = 32; half >= 1; half /= 2) {
    for (int j = 0; j < half; ++j) slots[j] += slots[j + half];
  }
  return slots[0];
}

TEST(ShortRows, AdditionsHaveTheOrderOfLongRows) {
  constexpr int64_t kRows = 37;
  for (int64_t elements = 2; elements <= 24; ++elements) {
    const Graph graph = GraphOf(kSum, elements);
    std::vector<HostTensor> inputs = *DrawInputs(graph, {{"n", kRows}}, 11);
    auto* x = reinterpret_cast<float*>(inputs[0].bytes.data());
    for (int64_t i = 0; i < elements; ++i) {
      x[i] = -0.0f;
      x[elements + i] = i % 3 == 0 ? 3e38f : -3e38f;
      x[2 * elements + i] = i == elements / 2 ? NAN : 1;
      x[3 * elements + i] = i % 2 == 0 ? 1e-42f : -1e-42f;
    }
    for (const NamedOptions& way : WaysWithoutLlvm()) {
      const std::vector<HostTensor> outputs = *RunGraph(graph, way.options, inputs);
      const auto* y = reinterpret_cast<const float*>(outputs[0].bytes.data());
      for (int64_t r = 0; r < kRows; ++r) {
        const float expected = SumInOrder(x + r * elements, elements);
        if (std::isnan(expected)) {
          EXPECT_TRUE(std::isnan(y[r])) << way.name << ", row " << r;
        } else {
          EXPECT_EQ(absl::bit_cast<uint32_t>(y[r]), absl::bit_cast<uint32_t>(expected))
              << way.name << ", row " << r << " of " << elements << ": " << y[r] << " and " << expected;
        }
      }
    }
  }
}

// A state of two values, and a node of two results.
ReducerRef SumAndLargestSquare() {
  const TensorType scalar{ElementType::kF32, {}};
  auto reducer = std::make_shared<Reducer>();
  reducer->name = "sum_and_largest_square";
  reducer->state = {ElementType::kF32, ElementType::kF32};
  reducer->initial = {0, 0};
  const Value x = reducer->map.AddInput("x", scalar);
  reducer->map.AddOutput("sum", x);
  reducer->map.AddOutput("square", *reducer->map.Add(Op::mul, {x, x}));
  Graph& combine = reducer->combine;
  const Value a = combine.AddInput("a", scalar), b = combine.AddInput("b", scalar);
  const Value c = combine.AddInput("c", scalar), d = combine.AddInput("d", scalar);
  combine.AddOutput("sum", *combine.Add(Op::add, {a, c}));
  combine.AddOutput("square", *combine.Add(Op::maximum, {b, d}));
  Graph& finish = reducer->finish;
  const Value sum = finish.AddInput("sum", scalar), square = finish.AddInput("square", scalar);
  finish.AddOutput("sum", sum);
  finish.AddOutput("largest", *finish.Add(Op::sqrt, {square}));
  return reducer;
}

TEST(ShortRows, StatesOfSeveralValues) {
  for (int64_t elements : {2, 5, 8, 15}) {
    Graph graph;
    const Value x = graph.AddInput("x", {ElementType::kF32, {DimExpr::Symbol("n"), elements}});
    const NodeId node = *graph.AddNode(Op::reduce, std::vector<Value>{x},
                                       {{"axes", std::vector<int64_t>{1}}, {"reducer", SumAndLargestSquare()}});
    graph.AddOutput("sum", {node, 0});
    graph.AddOutput("largest", {node, 1});
    ExpectRowsAlongLanes(graph);
    ExpectRight(graph, RowCounts());
  }
}

TEST(ShortRows, SeveralAxesAndLoops) {
  const Graph axes = Parse(R"(
    %0 = input() {name = "x"} : f32[n, 2, 3]
    %1 = reduce(%0) {axes = (1, 2), reducer = max<f32>} : f32[n, 1, 1]
    %2 = broadcast(%1) : f32[n, 2, 3]
    %3 = sub(%0, %2) : f32[n, 2, 3]
    output "y" = %3
  )");
  ExpectRowsAlongLanes(axes);
  ExpectRight(axes, RowCounts());
  // A mask for each of the outer rows, and a result with the rows innermost.
  const Graph loops = Parse(R"(
    %0 = input() {name = "x"} : f32[3, n, 6]
    %1 = input() {name = "mask"} : f32[3, 1, 6]
    %2 = broadcast(%1) : f32[3, n, 6]
    %3 = mul(%0, %2) : f32[3, n, 6]
    %4 = reduce(%3) {axes = (2), reducer = sum<f32>} : f32[3, n, 1]
    %5 = broadcast(%4) : f32[3, n, 6]
    %6 = sub(%3, %5) : f32[3, n, 6]
    %7 = transpose(%6) {permutation = (0, 2, 1)} : f32[3, 6, n]
    output "y" = %7
  )");
  ExpectRowsAlongLanes(loops);
  ExpectRight(loops, RowCounts(), EveryWay());
}

TEST(ShortRows, PartsOfLongerRows) {
  for (const char* width : {"20", "m"}) {
    const Graph part = Parse(Replace(R"(
      %0 = input() {name = "x"} : f32[n, WIDTH]
      %1 = slice(%0) {starts = [0, 3], steps = [1, 1]} : f32[n, 7]
      %2 = reduce(%1) {axes = (1), reducer = sum<f32>} : f32[n, 1]
      %3 = broadcast(%2) : f32[n, 7]
      %4 = sub(%1, %3) : f32[n, 7]
      output "y" = %4
    )", "WIDTH", width));
    ExpectRowsAlongLanes(part);
    std::vector<SymbolValues> sizes = RowCounts();
    for (SymbolValues& s : sizes) s["m"] = 10;
    ExpectRight(part, sizes, OutOfCache(WaysWithoutLlvm()));
    ExpectTouchesNothingElse(part, sizes, WaysWithoutLlvm());
  }
}

TEST(ShortRows, MasksInAndOut) {
  const Graph graph = Parse(R"(
    %0 = input() {name = "x"} : f32[n, 6]
    %1 = input() {name = "mask"} : bool[n, 6]
    %2 = neg(%0) : f32[n, 6]
    %3 = select(%1, %0, %2) : f32[n, 6]
    %4 = reduce(%3) {axes = (1), reducer = max<f32>} : f32[n, 1]
    %5 = broadcast(%4) : f32[n, 6]
    %6 = equal(%3, %5) : bool[n, 6]
    %7 = sub(%3, %5) : f32[n, 6]
    output "largest" = %6
    output "difference" = %7
  )");
  ExpectRowsAlongLanes(graph);
  ExpectRight(graph, RowCounts(), EveryWay());
}

TEST(ShortRows, WideElements) {
  for (int64_t elements : {2, 4, 7, 11}) {
    ExpectRowsAlongLanes(GraphOf(kSoftmax, elements, "f64"));
    ExpectRight(GraphOf(kLayerNorm, elements, "f64"), {{{"n", 7}}, {{"n", 41}}}, EveryWay());
  }
}

TEST(ShortRows, OtherStructuresAreLeftAlone) {
  ExpectOneRowAtATime(GraphOf(kSoftmax, 25));
  ExpectOneRowAtATime(GraphOf(kSoftmax, 13, "f64"));
  ExpectOneRowAtATime(Parse(Replace(absl::Substitute(kSoftmax, 7, "f32"), "[n,", "[15,")));
  // Lengths that are not known.
  ExpectOneRowAtATime(Parse(Replace(absl::Substitute(kSoftmax, 7, "f32"), ", 7]", ", m]")));
}

TEST(ShortRows, NothingOutsideIsTouched) {
  const std::vector<SymbolValues> sizes = {{{"n", 1}}, {{"n", 5}}, {{"n", 16}}, {{"n", 64}}, {{"n", 67}}, {{"n", 530}}};
  for (int64_t elements : {1, 2, 3, 4, 5, 7, 8, 9, 13, 16, 17, 24}) {
    const bool few = elements != 3 && elements != 13;
    ExpectTouchesNothingElse(GraphOf(kLayerNorm, elements), sizes, few ? WaysWithoutLlvm() : EveryWay());
    ExpectTouchesNothingElse(GraphOf(kSum, elements), sizes, OutOfCache(few ? WaysWithoutLlvm() : EveryWay()));
  }
}

}  // namespace
}  // namespace skein
