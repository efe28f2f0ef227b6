// The kernels that oneDNN has too, beside its own, on the same buffers and in the same rounds.
// Built where libdnnl-dev 2.x is installed.
#ifdef SKEIN_HAVE_ONEDNN

#include <omp.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/families.h"
#include "bench/rows.h"
#include "bench/team.h"

namespace skein {
namespace {

using dnnl::algorithm;
using dnnl::memory;
using dnnl::prop_kind;

constexpr ElementType kF32 = ElementType::kF32;

dnnl::engine& Engine() {
  static dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

memory::desc Dense(const std::vector<int64_t>& dims) {
  constexpr memory::format_tag kTags[] = {memory::format_tag::a, memory::format_tag::ab,
                                          memory::format_tag::abc};
  return {dims, memory::data_type::f32, kTags[dims.size() - 1]};
}

// One computation in both libraries.
struct Twin {
  std::string name;
  std::function<Graph()> graph;
  std::function<dnnl::primitive()> primitive;
  std::vector<int> arguments;        // what the graph's inputs are to the primitive
  std::vector<int64_t> output_dims;  // of the primitive, where the graph's differ
  bool positive = false;             // inputs are at least 0.01
};

// The ratios of this run, for its last row.
struct Ratio {
  std::string name;
  double value;
};
std::vector<Ratio> ratios;

bool FillPositive(std::string_view, const TensorView& view) {
  float* data = static_cast<float*>(view.data);
  int64_t count = 1;
  for (const int64_t d : view.dims) count *= d;
  for (int64_t i = 0; i < count; ++i) data[i] = 0.01f + static_cast<float>(i * 40503 % 8191) / 1024;
  return true;
}

// The largest difference, where both are numbers, in units of 1 + |a|; infinity if only one is.
double LargestDifference(const std::vector<float>& a, const float* b) {
  double largest = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::isnan(a[i]) != std::isnan(b[i])) return std::numeric_limits<double>::infinity();
    const double difference = std::abs(static_cast<double>(a[i]) - b[i]) / (1 + std::abs(a[i]));
    if (difference > largest) largest = difference;
  }
  return largest;
}

absl::Status MeasureTwin(const Twin& twin, benchmark::State& state) {
  const Graph graph = twin.graph();
  const Work work = WorkOf(graph, 0);
  KernelOptions options;
  options.threads = Team::OfThisRun().size();
  if (twin.positive) options.fill = FillPositive;
  SKEIN_ASSIGN_OR_RETURN(const GraphKernel ours, MakeGraphKernel(graph, options));
  if (!ours.interpreted.empty()) {
    return absl::UnimplementedError(absl::StrCat("interpreted: ", ours.interpreted.c_str()));
  }

  omp_set_num_threads(Team::OfThisRun().size());
  const dnnl::primitive primitive = twin.primitive();
  std::unordered_map<int, memory> arguments;
  for (size_t i = 0; i < twin.arguments.size(); ++i) {
    const TensorView& view = ours.inputs[i];
    arguments[twin.arguments[i]] = memory(Dense(view.dims), Engine(), view.data);
  }
  const TensorView& output = ours.outputs[0];
  arguments[DNNL_ARG_DST] = memory(Dense(twin.output_dims.empty() ? output.dims : twin.output_dims),
                                   Engine(), output.data);
  dnnl::stream stream(Engine());
  const auto theirs = [&] {
    primitive.execute(stream, arguments);
    stream.wait();
  };

  ours.run();
  const float* data = static_cast<const float*>(output.data);
  int64_t count = 1;
  for (const int64_t d : output.dims) count *= d;
  const std::vector<float> result(data, data + count);
  theirs();
  constexpr double kSame = 1e-4;  // different results would be different work
  const double difference = LargestDifference(result, data);
  if (difference > kSame) {
    return absl::InternalError(absl::StrFormat("results differ by %.2g", difference));
  }

  const PairSeconds pair = MeasurePair(ours.run, theirs);
  const double ratio = pair.second / pair.first;
  ratios.push_back({twin.name, ratio});
  for (auto _ : state) state.SetIterationTime(pair.first);
  state.counters["GB/s"] = work.streams.total() / pair.first * 1e-9;
  state.counters["compile_ms"] = ours.compile_ms;
  state.counters["onednn_us"] = pair.second * 1e6;
  state.counters["ratio"] = ratio;
  state.SetLabel(
      absl::StrFormat("oneDNN %.3f us: %.2fx%s", pair.second * 1e6, ratio, pair.disturbed.c_str()));
  return absl::OkStatus();
}

void AddTwin(const Twin& twin) {
  AddRow("onednn/" + twin.name, [twin](benchmark::State& state) {
    absl::Status status;
    try {
      status = MeasureTwin(twin, state);
    } catch (const dnnl::error& error) {
      status = absl::InternalError(absl::StrCat("oneDNN: ", error.what()));
    }
    if (!status.ok()) state.SkipWithError(std::string(status.message()).c_str());
  });
}

void AddGeometricMean() {
  AddRow("onednn/geometric_mean", [](benchmark::State& state) {
    constexpr double kMost = 4;  // where it has only a reference kernel, a row must not carry all
    double log_sum = 0;
    Ratio least = {"", std::numeric_limits<double>::infinity()};
    for (const Ratio& ratio : ratios) {
      log_sum += std::log(std::min(ratio.value, kMost));
      if (ratio.value < least.value) least = ratio;
    }
    const double mean = std::exp(log_sum / std::max<double>(1, static_cast<double>(ratios.size())));
    for (auto _ : state) state.SetIterationTime(0);
    state.counters["ratio"] = mean;
    state.SetLabel(absl::StrFormat(
        "%.2fx over %d rows, none counted above %.0fx, asked 1.10x; least %.2fx (%s), asked 0.95x",
        mean, ratios.size(), kMost, least.value, least.name.c_str()));
  });
}

// --- the computations ---

struct Size {
  const char* level;
  int64_t Rows(int64_t columns, int streams) const {
    const auto bytes = static_cast<int64_t>(LevelBytes(level));
    return std::max<int64_t>(1, bytes / (columns * streams * static_cast<int64_t>(sizeof(float))));
  }
};

struct Eltwise {
  const char* name;
  algorithm kind;
  float alpha;
  Value (*apply)(GraphMaker& g, Value x);
  bool positive = false;
};
const Eltwise kEltwise[] = {
    {"relu", algorithm::eltwise_relu, 0, [](GraphMaker& g, Value x) { return g.Relu(x); }},
    {"abs", algorithm::eltwise_abs, 0, [](GraphMaker& g, Value x) { return g.Op1(Op::abs, x); }},
    {"sqrt", algorithm::eltwise_sqrt, 0, [](GraphMaker& g, Value x) { return g.Op1(Op::sqrt, x); },
     true},
    {"round", algorithm::eltwise_round, 0,
     [](GraphMaker& g, Value x) { return g.Op1(Op::round_even, x); }},
    {"exp", algorithm::eltwise_exp, 0, [](GraphMaker& g, Value x) { return g.Op1(Op::exp, x); }},
    {"log", algorithm::eltwise_log, 0, [](GraphMaker& g, Value x) { return g.Op1(Op::log, x); },
     true},
    {"tanh", algorithm::eltwise_tanh, 0, [](GraphMaker& g, Value x) { return g.Op1(Op::tanh, x); }},
    {"sigmoid", algorithm::eltwise_logistic, 0,
     [](GraphMaker& g, Value x) { return g.Op1(Op::sigmoid, x); }},
    {"silu", algorithm::eltwise_swish, 1, [](GraphMaker& g, Value x) { return g.Silu(x); }},
    {"gelu_erf", algorithm::eltwise_gelu_erf, 0, [](GraphMaker& g, Value x) { return g.Gelu(x); }},
    {"gelu_tanh", algorithm::eltwise_gelu_tanh, 0,
     [](GraphMaker& g, Value x) { return g.GeluTanh(x); }},
    {"softplus", algorithm::eltwise_soft_relu, 1,
     [](GraphMaker& g, Value x) { return g.Op1(Op::softplus, x); }},
    {"elu", algorithm::eltwise_elu, 1, [](GraphMaker& g, Value x) { return g.Elu(x); }},
    {"mish", algorithm::eltwise_mish, 0, [](GraphMaker& g, Value x) {
       return g.Op2(Op::mul, x, g.Op1(Op::tanh, g.Op1(Op::softplus, x)));
     }}};

void AddEltwise(const Eltwise& op, Size size) {
  const int64_t rows = size.Rows(1024, 2);
  const auto create = [op, rows]() -> dnnl::primitive {
    return dnnl::eltwise_forward(
        {{prop_kind::forward_inference, op.kind, Dense({rows, 1024}), op.alpha, 0}, Engine()});
  };
  AddTwin({absl::StrCat("eltwise_", op.name, "/", size.level),
           [op, rows] {
             GraphMaker g;
             return g.Output(op.apply(g, g.Input("x", {rows, 1024})));
           },
           create,
           {DNNL_ARG_SRC},
           {},
           op.positive});
}

void AddBinary(const char* name, algorithm kind, Op op, bool of_row, Size size) {
  const int64_t rows = size.Rows(1024, of_row ? 2 : 3), second = of_row ? 1 : rows;
  AddTwin(
      {absl::StrCat("binary_", name, "/", size.level),
       [=] {
         GraphMaker g;
         const Value x = g.Input("x", {rows, 1024});
         return g.Output(g.Op2(op, x, g.Repeat(g.Input("y", {second, 1024}), x)));
       },
       [=]() -> dnnl::primitive {
         return dnnl::binary(
             {{kind, Dense({rows, 1024}), Dense({second, 1024}), Dense({rows, 1024})}, Engine()});
       },
       {DNNL_ARG_SRC_0, DNNL_ARG_SRC_1}});
}

void AddSoftmaxTwin(int64_t columns, bool logarithm, Size size) {
  const int64_t rows = size.Rows(columns, 2);
  AddTwin({absl::StrCat(logarithm ? "log_softmax_" : "softmax_", columns, "/", size.level),
           [=] {
             GraphMaker g;
             const Value x = g.Input("x", {rows, columns});
             return g.Output(logarithm ? g.LogSoftmax(x) : g.Softmax(x));
           },
           [=]() -> dnnl::primitive {
             const memory::desc desc = Dense({rows, columns});
             if (!logarithm) {
               return dnnl::softmax_forward({{prop_kind::forward_inference, desc, 1}, Engine()});
             }
             return dnnl::logsoftmax_forward({{prop_kind::forward_inference, desc, 1}, Engine()});
           },
           {DNNL_ARG_SRC}});
}

void AddLayerNormTwin(int64_t columns, Size size) {
  const int64_t rows = size.Rows(columns, 2);
  AddTwin(
      {absl::StrCat("layer_norm_", columns, "/", size.level),
       [=] {
         GraphMaker g;
         const Value x = g.Input("x", {rows, columns});
         const Value scale = g.Input("scale", {columns});
         return g.Output(g.LayerNorm(x, scale, g.Input("shift", {columns})));
       },
       [=]() -> dnnl::primitive {
         using enum dnnl::normalization_flags;
         return dnnl::layer_normalization_forward(
             {{prop_kind::forward_inference, Dense({rows, columns}), 1e-5f, use_scale | use_shift},
              Engine()});
       },
       {DNNL_ARG_SRC, DNNL_ARG_SCALE, DNNL_ARG_SHIFT}});
}

void AddReductionTwin(const char* name, algorithm kind, int axis, Size size) {
  // Inner rows of 512; the middle and outer ones as in the family `reduce`.
  const bool dram = size.level == std::string_view("DRAM");
  const int64_t rows = size.Rows(512, 1);
  std::vector<int64_t> dims = {1, rows, 512};
  if (axis == 1)
    dims = dram ? std::vector<int64_t>{rows / 512, 512, 512}
                : std::vector<int64_t>{rows / 16, 128, 64};
  if (axis == 0) dims = {256, std::max<int64_t>(1, rows / 64), 128};
  std::vector<int64_t> reduced = dims;
  reduced[axis] = 1;
  const auto apply = [kind, axis](GraphMaker& g, Value x) {
    if (kind == algorithm::reduction_mean) return g.Mean(x, axis);
    const bool sum = kind == algorithm::reduction_sum;
    return g.Reduce(sum ? SumReducer(kF32) : MaxReducer(kF32), x, axis);
  };
  constexpr const char* kAxes[] = {"outer", "middle", "inner"};
  AddTwin({absl::StrCat("reduction_", name, "_", kAxes[axis], "/", size.level),
           [=] {
             GraphMaker g;
             return g.Output(apply(g, g.Input("x", Dims(dims.begin(), dims.end()))));
           },
           [=]() -> dnnl::primitive {
             return dnnl::reduction({{kind, Dense(dims), Dense(reduced), 0, 0}, Engine()});
           },
           {DNNL_ARG_SRC}});
}

}  // namespace

void AddOneDnn() {
  for (const Size size : {Size{"L2"}, Size{"DRAM"}}) {
    for (const Eltwise& op : kEltwise) AddEltwise(op, size);
    AddBinary("add", algorithm::binary_add, Op::add, false, size);
    AddBinary("mul", algorithm::binary_mul, Op::mul, false, size);
    AddBinary("div", algorithm::binary_div, Op::div, false, size);
    AddBinary("max", algorithm::binary_max, Op::maximum, false, size);
    AddBinary("add_row", algorithm::binary_add, Op::add, true, size);
    for (const int64_t columns : {40, 512, 1024}) AddSoftmaxTwin(columns, false, size);
    AddSoftmaxTwin(1024, true, size);
    for (const int64_t columns : {768, 1024}) AddLayerNormTwin(columns, size);
    for (const int axis : {2, 1, 0}) {
      AddReductionTwin("sum", algorithm::reduction_sum, axis, size);
    }
    AddReductionTwin("mean", algorithm::reduction_mean, 2, size);
    AddReductionTwin("max", algorithm::reduction_max, 2, size);
  }
  AddGeometricMean();
}

}  // namespace skein

#endif  // SKEIN_HAVE_ONEDNN
