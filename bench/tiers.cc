#include "bench/tiers.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/team.h"
#include "bench/timing.h"

namespace skein {
namespace {

constexpr int kTierRounds = 25;

struct RowRatio {
  std::string row;
  double ratio;
};
std::vector<RowRatio>& Ratios() {
  static std::vector<RowRatio> ratios;
  return ratios;
}

// `kernel` on the buffers of `place`.
std::function<void()> On(const GraphKernel& kernel, const GraphKernel& place) {
  return [&kernel, &place] { kernel.run_on(place.inputs, place.outputs); };
}

double MedianRatio(const std::vector<double>& over, const std::vector<double>& under) {
  std::vector<double> ratios(over.size());
  std::transform(over.begin(), over.end(), under.begin(), ratios.begin(), std::divides<>());
  return Median(std::move(ratios));
}

}  // namespace

absl::Status MeasureTiers(const GraphRow& row, benchmark::State& state) {
  const Graph graph = row.graph();
  KernelOptions options;
  options.threads = Team::OfThisRun().size();
  options.fill = row.fill;
  SKEIN_ASSIGN_OR_RETURN(const GraphKernel optimized, MakeGraphKernel(graph, options));
  options.tier = Tier::kFast;
  SKEIN_ASSIGN_OR_RETURN(const GraphKernel fast, MakeGraphKernel(graph, options));
  if (!fast.interpreted.empty()) {
    return absl::UnimplementedError(absl::StrCat("interpreted: ", fast.interpreted.c_str()));
  }
  const Turns turns = MeasureInTurns(
      {On(optimized, optimized), On(fast, optimized), On(optimized, fast), On(fast, fast)}, kTierRounds);
  const double here = MedianRatio(turns.seconds[0], turns.seconds[1]);
  const double there = MedianRatio(turns.seconds[2], turns.seconds[3]);
  const double ratio = std::sqrt(here * there);
  for (auto _ : state) state.SetIterationTime(std::sqrt(Median(turns.seconds[1]) * Median(turns.seconds[3])));
  state.counters["compile_ms"] = fast.compile_ms;
  state.counters["of_llvm"] = ratio;
  Ratios().push_back({row.name, ratio});
  state.SetLabel(absl::StrFormat("%.2f of LLVM's speed (%.2f, %.2f), compiled in %.1f ms%s", ratio, here, there,
                                 optimized.compile_ms, turns.disturbed.c_str()));
  return absl::OkStatus();
}

void AddTierSummary() {
  AddRow("tiers/geometric_mean", [](benchmark::State& state) {
    for (auto _ : state) state.SetIterationTime(1e-9);
    const std::vector<RowRatio>& ratios = Ratios();
    if (ratios.empty()) return;
    double logs = 0;
    for (const RowRatio& row : ratios) logs += std::log(row.ratio);
    const RowRatio& least = *std::min_element(ratios.begin(), ratios.end(),
                                              [](const RowRatio& a, const RowRatio& b) { return a.ratio < b.ratio; });
    state.SetLabel(absl::StrFormat("%.2f of LLVM's speed over %d rows, least %.2f (%s)", std::exp(logs / ratios.size()),
                                   static_cast<int>(ratios.size()), least.ratio, least.row.c_str()));
  });
}

}  // namespace skein
