// What fusion is worth: the same graph with all its ops in as few kernels as the planner finds, and
// with a kernel for each op. On data in memory the times should be in the ratio of the bytes moved.

#include "absl/strings/str_format.h"
#include "bench/families.h"
#include "bench/rows.h"
#include "bench/team.h"

namespace skein {
namespace {

Graph Chain(int64_t rows) {
  GraphMaker g;
  return g.Output(g.Chain8(g.Input("x", {rows, 1024})));
}

// (relu(a + b) * c - a) * 0.5: four streams.
Graph WideChain(int64_t rows) {
  GraphMaker g;
  const Dims dims = {rows, 1024};
  const Value a = g.Input("a", dims);
  const Value sum = g.Relu(g.Op2(Op::add, a, g.Input("b", dims)));
  const Value product = g.Op2(Op::mul, sum, g.Input("c", dims));
  return g.Output(g.Times(g.Op2(Op::sub, product, a), 0.5));
}

Graph BiasGelu(int64_t rows) {
  GraphMaker g;
  const Value x = g.Input("x", {rows, 3072});
  return g.Output(g.Gelu(g.Op2(Op::add, x, g.Row(g.Input("bias", {3072}), x))));
}

Graph ResidualLayerNorm(int64_t rows) {
  GraphMaker g;
  const Dims dims = {rows, 768};
  const Value sum = g.Op2(Op::add, g.Input("x", dims), g.Input("residual", dims));
  return g.Output(g.LayerNorm(sum, g.Input("scale", {768}), g.Input("bias", {768})));
}

Graph Softmax(int64_t rows) {
  GraphMaker g;
  return g.Output(g.Softmax(g.Times(g.Input("x", {rows, 1024}), 0.125)));
}

Graph DequantizeAddRelu(int64_t rows) {
  GraphMaker g;
  const Dims dims = {rows, 4096};
  const Value q = g.Cast(g.Input("q", dims, ElementType::kI8), ElementType::kF32);
  return g.Output(g.Relu(g.Op2(Op::add, g.Times(q, 0.05), g.Input("x", dims))));
}

absl::Status MeasureFusion(Graph (*graph)(int64_t), bool asked, benchmark::State& state) {
  constexpr int64_t kMany = 1 << 14;
  const double row_bytes = WorkOf(graph(kMany), 0).streams.total() / kMany;
  const Graph whole = graph(static_cast<int64_t>(LevelBytes("DRAM") / row_bytes));
  const Work work = WorkOf(whole, 0);
  KernelOptions options;
  options.threads = Team::OfThisRun().size();
  SKEIN_ASSIGN_OR_RETURN(const GraphKernel fused, MakeGraphKernel(whole, options));
  options.fuse = false;
  SKEIN_ASSIGN_OR_RETURN(const GraphKernel unfused, MakeGraphKernel(whole, options));
  for (const GraphKernel* kernel : {&fused, &unfused}) {
    if (kernel->interpreted.empty()) continue;
    return absl::UnimplementedError(absl::StrCat("interpreted: ", kernel->interpreted.c_str()));
  }

  const PairSeconds pair = MeasurePair(fused.run, unfused.run);
  const double faster = pair.second / pair.first, fewer = unfused.bytes / fused.bytes;
  for (auto _ : state) state.SetIterationTime(pair.first);
  state.counters["GB/s"] = work.streams.total() / pair.first * 1e-9;
  state.counters["compile_ms"] = fused.compile_ms;
  state.counters["unfused_us"] = pair.second * 1e6;
  state.counters["times_ratio"] = faster;
  state.counters["bytes_ratio"] = fewer;
  state.counters["quotient"] = faster / fewer;
  state.SetLabel(absl::StrFormat("%.0f us in %d kernels: %.2fx the time, %.2fx the bytes: %.2f%s%s",
                                 pair.second * 1e6, unfused.groups, faster, fewer, faster / fewer,
                                 asked ? ", asked 0.85" : "", pair.disturbed.c_str()));
  return absl::OkStatus();
}

}  // namespace

void AddFusion() {
  struct Row {
    const char* name;
    Graph (*graph)(int64_t);
    bool asked = true;  // false: arithmetic binds the fused kernel, so bytes are not all
  };
  for (const Row& row : {Row{"chain8", Chain},
                         {"wide_chain", WideChain},
                         {"bias_gelu", BiasGelu, false},
                         {"residual_layer_norm", ResidualLayerNorm},
                         {"scale_softmax", Softmax},
                         {"dequantize_add_relu", DequantizeAddRelu}}) {
    AddRow(std::string("fusion/") + row.name, [row](benchmark::State& state) {
      const absl::Status status = MeasureFusion(row.graph, row.asked, state);
      if (!status.ok()) state.SkipWithError(std::string(status.message()).c_str());
    });
  }
}

}  // namespace skein
