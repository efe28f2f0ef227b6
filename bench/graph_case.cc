#include "bench/graph_case.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>

#include "absl/strings/str_cat.h"
#include "bench/huge_buffer.h"
#include "bench/timing.h"
#include "ir/numeric.h"
#include "ir/op.h"
#include "runtime/host.h"

namespace skein {
namespace {

template <typename T>
T OrDie(absl::StatusOr<T> v) {
  if (!v.ok()) {
    std::fprintf(stderr, "skein-bench: %s\n", std::string(v.status().message()).c_str());
    std::exit(1);
  }
  return *std::move(v);
}

// A program with its buffers.
struct Case {
  std::unique_ptr<Program> program;
  std::vector<HugeBuffer> memory;
  std::vector<TensorView> inputs, outputs;
};

int64_t CountOf(const TensorView& view) {
  int64_t count = 1;
  for (const int64_t d : view.dims) count *= d;
  return count;
}

// Standard normal numbers of any float type, small integers, both signs where there are two. A
// block of a prime length is repeated: to draw every number takes longer than the row.
void FillRandom(const TensorView& view) {
  constexpr int64_t kBlock = 65521;
  static const std::vector<double> block = [] {
    std::mt19937 generator(7);
    std::normal_distribution<double> normal;
    std::vector<double> values(kBlock);
    for (double& v : values) v = normal(generator);
    return values;
  }();
  const int64_t count = CountOf(view), bytes = BytesFor(view.element, count);
  // Even, so that elements of half a byte repeat too.
  const int64_t first = std::min(count, 2 * kBlock);
  const bool whole = IsInteger(view.element);
  for (int64_t i = 0; i < first; ++i) {
    WriteFromDouble(view.element, view.data, i, block[i % kBlock] * (whole ? 3 : 1));
  }
  char* data = static_cast<char*>(view.data);
  const int64_t step = BytesFor(view.element, first);
  for (int64_t at = step; at < bytes; at += step) {
    std::memcpy(data + at, data, std::min(step, bytes - at));
  }
}

// Places of the elements along `axis`, for argmax.
Value Places(Graph& graph, Value x, int axis) {
  const Dims& dims = graph.type(x).dims;
  return graph.AddIndex(ElementType::kI64, dims, CoordsOf(dims)[axis]);
}

// The best element so far and its place: the larger, of equal ones the first, NaN over all.
ReducerRef ArgMaxReducer() {
  auto reducer = std::make_shared<Reducer>();
  const TensorType element{ElementType::kF32, {}}, place{ElementType::kI64, {}};
  reducer->name = "argmax";
  reducer->state = {ElementType::kF32, ElementType::kI64};
  reducer->initial = {-INFINITY, 4611686018427387904.0};  // 2^62: later than any place
  reducer->map.AddOutput("element", reducer->map.AddInput("x", element));
  reducer->map.AddOutput("place", reducer->map.AddInput("i", place));

  Graph& combine = reducer->combine;
  const Value a = combine.AddInput("a", element), i = combine.AddInput("i", place);
  const Value c = combine.AddInput("c", element), j = combine.AddInput("j", place);
  const auto add = [&](Op op, std::initializer_list<Value> x) { return OrDie(combine.Add(op, x)); };
  const Value nan_a = add(Op::is_nan, {a}), nan_c = add(Op::is_nan, {c});
  const Value only_a = add(Op::bit_and, {nan_a, add(Op::logical_not, {nan_c})});
  const Value better = add(Op::bit_or, {add(Op::less, {c, a}), only_a});
  const Value tie = add(Op::bit_or, {add(Op::equal, {a, c}), add(Op::bit_and, {nan_a, nan_c})});
  const Value keep = add(Op::bit_or, {better, add(Op::bit_and, {tie, add(Op::less, {i, j})})});
  combine.AddOutput("element", add(Op::select, {keep, a, c}));
  combine.AddOutput("place", add(Op::select, {keep, i, j}));

  reducer->finish.AddInput("element", element);
  reducer->finish.AddOutput("place", reducer->finish.AddInput("place", place));
  return reducer;
}

}  // namespace

Value GraphMaker::Input(const char* name, Dims dims, ElementType t) {
  return graph_.AddInput(name, {t, std::move(dims)});
}

Value GraphMaker::Node(Op op, std::vector<Value> x, Attributes a) {
  return OrDie(graph_.Add(op, x, std::move(a)));
}

Value GraphMaker::Scalar(double c, Value like) {
  const TensorType type = graph_.type(like);
  const Value scalar = graph_.AddScalar(type.element, c);
  return Repeat(Op1(Op::reshape, scalar, {{"dims", Dims(type.rank(), DimExpr(1))}}), like);
}

Value GraphMaker::Repeat(Value x, Value like) {
  return Op1(Op::broadcast, x, {{"dims", graph_.type(like).dims}});
}

Value GraphMaker::Row(Value x, Value like) {
  const TensorType type = graph_.type(like);
  Dims dims(type.rank(), DimExpr(1));
  dims.back() = type.dims.back();
  return Repeat(Op1(Op::reshape, x, {{"dims", dims}}), like);
}

Value GraphMaker::Weight(int64_t rows, int64_t columns) {
  std::vector<uint8_t> bytes(rows * columns * sizeof(float));
  float* values = reinterpret_cast<float*>(bytes.data());
  std::mt19937 generator(3);
  std::normal_distribution<float> normal(0, 0.03f);
  for (int64_t i = 0; i < rows * columns; ++i) values[i] = normal(generator);
  return graph_.AddConstant(MakeLiteral(ElementType::kF32, {rows, columns}, std::move(bytes)));
}

Graph GraphMaker::Outputs(const std::vector<Value>& values) {
  for (size_t i = 0; i < values.size(); ++i) graph_.AddOutput(absl::StrCat("y", i), values[i]);
  return std::move(graph_);
}

Value GraphMaker::Reduce(ReducerRef reducer, Value x, int axis) {
  return Op1(Op::reduce, x,
             {{"axes", std::vector<int64_t>{axis}}, {"reducer", std::move(reducer)}});
}

Value GraphMaker::Mean(Value x, int axis) {
  const Value sum = Reduce(SumReducer(ElementType::kF32), x, axis);
  const double n = static_cast<double>(*graph_.type(x).dims[axis].AsConst());
  return Op2(Op::div, sum, Scalar(n, sum));
}

Value GraphMaker::ArgMax(Value x, int axis) {
  const Value places = Places(graph_, x, axis);
  return Node(Op::reduce, {x, places},
              {{"axes", std::vector<int64_t>{axis}}, {"reducer", ArgMaxReducer()}});
}

Value GraphMaker::Softmax(Value x) {
  const int axis = LastAxis(x);
  const Value max = Reduce(MaxReducer(ElementType::kF32), x, axis);
  const Value e = Op1(Op::exp, Op2(Op::sub, x, Repeat(max, x)));
  return Op2(Op::div, e, Repeat(Reduce(SumReducer(ElementType::kF32), e, axis), e));
}

Value GraphMaker::LogSoftmax(Value x) {
  const int axis = LastAxis(x);
  const Value max = Reduce(MaxReducer(ElementType::kF32), x, axis);
  const Value shifted = Op2(Op::sub, x, Repeat(max, x));
  const Value sum = Reduce(SumReducer(ElementType::kF32), Op1(Op::exp, shifted), axis);
  return Op2(Op::sub, shifted, Repeat(Op1(Op::log, sum), x));
}

Value GraphMaker::LayerNorm(Value x, Value scale, Value bias) {
  const int axis = LastAxis(x);
  const Value centred = Op2(Op::sub, x, Repeat(Mean(x, axis), x));
  const Value variance = Mean(Op2(Op::mul, centred, centred), axis);
  const Value deviation = Op1(Op::sqrt, Plus(variance, 1e-5));
  const Value normal = Op2(Op::div, centred, Repeat(deviation, x));
  return Op2(Op::add, Op2(Op::mul, normal, Row(scale, x)), Row(bias, x));
}

Value GraphMaker::RmsNorm(Value x, Value scale) {
  const Value mean = Mean(Op2(Op::mul, x, x), LastAxis(x));
  const Value factor = Op1(Op::reciprocal, Op1(Op::sqrt, Plus(mean, 1e-5)));
  return Op2(Op::mul, Row(scale, x), Op2(Op::mul, x, Repeat(factor, x)));
}

Value GraphMaker::Gelu(Value x) {
  const Value scaled = Op2(Op::div, x, Scalar(1.4142135623730951, x));
  return Times(Op2(Op::mul, x, Plus(Op1(Op::erf, scaled), 1)), 0.5);
}

Value GraphMaker::GeluTanh(Value x) {
  const Value cube = Op2(Op::mul, Op2(Op::mul, x, x), x);
  const Value inner = Times(Op2(Op::add, x, Times(cube, 0.044715)), 0.7978845608028654);
  return Op2(Op::mul, Times(x, 0.5), Plus(Op1(Op::tanh, inner), 1));
}

Value GraphMaker::Elu(Value x) {
  const Value negative = Op2(Op::less, x, Scalar(0, x));
  return Node(Op::select, {negative, Op1(Op::expm1, x), x});
}

Value GraphMaker::Chain8(Value x) {
  Value t = Op2(Op::mul, Plus(Times(x, 1.5), 0.25), x);
  t = Relu(Plus(t, -0.5));
  t = Times(Op2(Op::minimum, t, Scalar(3, t)), 0.7);
  return Op2(Op::mul, Op1(Op::abs, Op2(Op::sub, t, x)), x);
}

Value GraphMaker::GatherRows(Value table, Value indices) {
  const Dims dims = {graph_.type(indices).dims[0], graph_.type(table).dims[1]};
  const Dims coords = CoordsOf(dims);
  return Node(Op::gather, {table, indices},
              {{"dims", dims},
               {"map", Dims{DimExpr::Value(0), coords[1]}},
               {"index_map", Dims{coords[0]}}});
}

Work WorkOf(const Graph& graph, double flops) {
  const auto bytes_of = [&](Value v) {
    int64_t count = 1;
    for (const DimExpr d : graph.type(v).dims) count *= *d.AsConst();
    return static_cast<size_t>(BytesFor(graph.type(v).element, count));
  };
  Streams all;
  for (const Graph::Named& in : graph.inputs()) all.reads.push_back(bytes_of(in.value));
  for (const Graph::Named& out : graph.outputs()) all.writes.push_back(bytes_of(out.value));
  const auto is_small = [least = all.longest() / 64](size_t bytes) { return bytes <= least; };
  std::erase_if(all.reads, is_small);
  std::erase_if(all.writes, is_small);
  return {all, flops};
}

Isa& IsaOfThisRun() {
  static Isa isa = Isa::kAvx512;
  return isa;
}

absl::StatusOr<GraphKernel> MakeGraphKernel(const Graph& graph, const KernelOptions& options) {
  auto held = std::make_shared<Case>();
  CompileOptions compile;
  SKEIN_ASSIGN_OR_RETURN(compile.target, HostTarget());
  compile.target.isa = std::min(compile.target.isa, IsaOfThisRun());
  compile.tier = options.tier;
  compile.threads = options.threads;
  compile.fuse = options.fuse;
  GraphKernel kernel;
  const double start = Now();
  SKEIN_ASSIGN_OR_RETURN(held->program, Program::Compile(graph, compile));
  kernel.compile_ms = 1e3 * (Now() - start);
  const CompileStats stats = held->program->stats();
  kernel.cached = stats.kernels_compiled == 0 && stats.cache_hits > 0;
  kernel.groups = stats.groups;
  for (const std::string& op : stats.interpreted_ops) {
    absl::StrAppend(&kernel.interpreted, kernel.interpreted.empty() ? "" : "; ", op);
  }

  const auto allocate = [&](TensorView& view) {
    HugeBuffer& buffer = held->memory.emplace_back(BytesFor(view.element, CountOf(view)) + 64);
    view.data = buffer.data();
  };
  for (const Graph::Named& in : graph.inputs()) {
    TensorView view{graph.type(in.value).element, {}, nullptr};
    for (const DimExpr d : graph.type(in.value).dims) {
      SKEIN_ASSIGN_OR_RETURN(const int64_t size, Evaluate(d, options.symbols));
      view.dims.push_back(size);
    }
    allocate(view);
    if (!options.fill || !options.fill(in.name, view)) FillRandom(view);
    held->inputs.push_back(view);
  }
  SKEIN_ASSIGN_OR_RETURN(held->outputs, held->program->OutputTypes(held->inputs));
  for (TensorView& view : held->outputs) allocate(view);
  SKEIN_ASSIGN_OR_RETURN(const WorkSummary work, held->program->Work(held->inputs));
  kernel.bytes = work.bytes;
  kernel.inputs = held->inputs;
  kernel.outputs = held->outputs;
  kernel.run_on = [held](const std::vector<TensorView>& inputs, const std::vector<TensorView>& outputs) {
    const absl::Status status = held->program->Run(inputs, outputs);
    if (!status.ok()) OrDie(absl::StatusOr<int>(status));
  };
  kernel.run = [held, run_on = kernel.run_on] { run_on(held->inputs, held->outputs); };
  return kernel;
}

}  // namespace skein
