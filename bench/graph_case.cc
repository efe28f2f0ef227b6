#include "bench/graph_case.h"

#include <cstdio>
#include <cstdlib>
#include <random>

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
  std::vector<std::unique_ptr<float[]>> memory;
  std::vector<TensorView> inputs, outputs;

  void Fill(TensorView* view, bool random) {
    int64_t count = 1;
    for (int64_t d : view->dims) count *= d;
    memory.emplace_back(static_cast<float*>(std::aligned_alloc(64, (count * sizeof(float) + 127) / 64 * 64)));
    view->data = memory.back().get();
    std::mt19937 generator(7);
    std::normal_distribution<float> normal;
    for (int64_t i = 0; random && i < count; ++i) memory.back()[i] = normal(generator);
  }
};

}  // namespace

Value GraphMaker::Input(const char* name, Dims dims, ElementType t) {
  return graph_.AddInput(name, {t, std::move(dims)});
}

Value GraphMaker::Node(Op op, std::vector<Value> x, Attributes a) {
  return OrDie(graph_.Add(op, x, std::move(a)));
}

Value GraphMaker::Scalar(double c, Value like) {
  const TensorType type = graph_.type(like);
  Value scalar = Op1(Op::reshape, graph_.AddScalar(type.element, c), {{"dims", Dims(type.rank(), DimExpr(1))}});
  return Op1(Op::broadcast, scalar, {{"dims", type.dims}});
}

Value GraphMaker::Row(Value x, Value like) {
  const TensorType type = graph_.type(like);
  Dims dims(type.rank(), DimExpr(1));
  dims.back() = type.dims.back();
  return Op1(Op::broadcast, Op1(Op::reshape, x, {{"dims", dims}}), {{"dims", type.dims}});
}

Value GraphMaker::ReduceRows(ReducerRef reducer, Value x) {
  const TensorType type = graph_.type(x);
  Value r = Op1(Op::reduce, x, {{"axes", std::vector<int64_t>{type.rank() - 1}}, {"reducer", reducer}});
  return Op1(Op::broadcast, r, {{"dims", type.dims}});
}

Value GraphMaker::Weight(int64_t rows, int64_t columns) {
  std::vector<uint8_t> bytes(rows * columns * sizeof(float));
  float* values = reinterpret_cast<float*>(bytes.data());
  std::mt19937 generator(3);
  std::normal_distribution<float> normal(0, 0.03f);
  for (int64_t i = 0; i < rows * columns; ++i) values[i] = normal(generator);
  return graph_.AddConstant(MakeLiteral(ElementType::kF32, {rows, columns}, std::move(bytes)));
}

Graph GraphMaker::Output(Value v) {
  graph_.AddOutput("y", v);
  return std::move(graph_);
}

Value GraphMaker::Softmax(Value x) {
  Value e = Op1(Op::exp, Op2(Op::sub, x, ReduceRows(MaxReducer(ElementType::kF32), x)));
  return Op2(Op::div, e, ReduceRows(SumReducer(ElementType::kF32), e));
}

Value GraphMaker::LayerNorm(Value x, Value scale, Value bias) {
  const double n = static_cast<double>(*graph_.type(x).dims.back().AsConst());
  auto mean = [&](Value v) {
    Value sum = ReduceRows(SumReducer(ElementType::kF32), v);
    return Op2(Op::div, sum, Scalar(n, sum));
  };
  Value centred = Op2(Op::sub, x, mean(x));
  Value variance = mean(Op2(Op::mul, centred, centred));
  Value deviation = Op1(Op::sqrt, Op2(Op::add, variance, Scalar(1e-5, variance)));
  Value scaled = Op2(Op::mul, Op2(Op::div, centred, deviation), Row(scale, x));
  return Op2(Op::add, scaled, Row(bias, x));
}

Value GraphMaker::Gelu(Value x) {
  Value one_plus_erf = Op2(Op::add, Op1(Op::erf, Op2(Op::mul, x, Scalar(0.70710678118654752, x))), Scalar(1, x));
  return Op2(Op::mul, Op2(Op::mul, x, one_plus_erf), Scalar(0.5, x));
}

std::function<void()> MakeGraphKernel(const Graph& graph) {
  auto held = std::make_shared<Case>();
  CompileOptions options;
  options.target = OrDie(HostTarget());
  held->program = OrDie(Program::Compile(graph, options));
  for (const Graph::Named& in : graph.inputs()) {
    TensorView view{graph.type(in.value).element, {}, nullptr};
    for (DimExpr d : graph.type(in.value).dims) view.dims.push_back(*d.AsConst());
    held->Fill(&view, true);
    held->inputs.push_back(view);
  }
  held->outputs = OrDie(held->program->OutputTypes(held->inputs));
  for (TensorView& view : held->outputs) held->Fill(&view, false);
  return [held] {
    absl::Status status = held->program->Run(held->inputs, held->outputs);
    if (!status.ok()) OrDie(absl::StatusOr<int>(status));
  };
}

}  // namespace skein
