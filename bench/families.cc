#include "bench/families.h"

#include <benchmark/benchmark.h>

namespace skein {
namespace {

constexpr Family kFamilies[] = {
    {"ceilings", "memory streams per cache level and the multiply-add peak", AddCeilings},
    {"pointwise", "one op, a chain, and bias + GELU", AddPointwise},
    {"softmax", "over rows", AddSoftmax},
    {"layer_norm", "over rows, with scale and bias", AddLayerNorm},
    {"gemm", "activations times packed weights", AddGemm},
};

}  // namespace

std::span<const Family> Families() { return kFamilies; }

void AddRow(const std::string& name, const Work& work,
            const std::function<std::function<void()>()>& make_kernel,
            const std::function<Resident()>& make_resident) {
  benchmark::RegisterBenchmark(name.c_str(),
                               [work, make_kernel, make_resident](benchmark::State& state) {
                                 const std::function<void()> kernel = make_kernel();
                                 const Measurement measured = MeasureAgainstCeiling(
                                     work, kernel, make_resident ? make_resident() : Resident());
                                 for (auto _ : state) Report(work, measured, state);
                               })
      ->UseManualTime()
      ->Iterations(1)  // MeasureAgainstCeiling does its own rounds
      ->Unit(benchmark::kMicrosecond);
}

void Report(const Work& work, const Measurement& measured, benchmark::State& state) {
  state.SetIterationTime(measured.kernel_seconds);
  const double bytes = static_cast<double>(work.reads + work.writes) * work.bytes_per_stream;
  if (bytes > 0) state.counters["GB/s"] = bytes / measured.kernel_seconds * 1e-9;
  if (work.flops > 0) state.counters["GFLOP/s"] = work.flops / measured.kernel_seconds * 1e-9;
  if (measured.ceiling_seconds() > 0) {
    state.counters["ceiling"] = measured.share();
    state.SetLabel(measured.memory_bound() ? "memory" : "arithmetic");
  }
}

}  // namespace skein
