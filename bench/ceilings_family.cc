// Rows that say what the machine can do: read, copy, triad and wider streams at each cache level,
// with each kind of store, and the multiply-add peak. A row's `ceiling` is its share of the best
// loop of any kind for the same streams, measured in the same rounds.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bench/families.h"

namespace skein {
namespace {

struct Streams {
  const char* name;
  int reads;
  int writes;
};
constexpr Streams kStreams[] = {
    {"read", 1, 0}, {"write", 0, 1}, {"copy", 1, 1}, {"triad", 2, 1}, {"three_to_one", 3, 1},
};

// Footprints that lie well inside a level, and one well outside all of them.
std::vector<std::pair<std::string, size_t>> Levels() {
  const CacheSizes& caches = Caches();
  // A shared L3 is bigger than what one tenant can keep: a quarter of it, up to 32 MiB.
  const size_t l3 = std::max(std::min(caches.l3 / 4, size_t{32} << 20), 2 * caches.l2);
  const size_t memory = std::clamp(2 * caches.l3, size_t{256} << 20, size_t{1} << 30);
  return {{"L1", caches.l1 / 2}, {"L2", caches.l2 / 2}, {"L3", l3}, {"memory", memory}};
}

void AddStreamRow(const std::string& name, const Streams& streams, size_t footprint,
                  bool non_temporal) {
  Work work;
  work.reads = streams.reads;
  work.writes = streams.writes;
  work.bytes_per_stream = footprint / (streams.reads + streams.writes) / 1024 * 1024;
  benchmark::RegisterBenchmark(
      name.c_str(),
      [work, non_temporal](benchmark::State& state) {
        StreamProbe loop(work.reads, work.writes, work.bytes_per_stream, non_temporal);
        const Measurement measured = MeasureAgainstCeiling(work, [&] { loop.Pass(); });
        for (auto _ : state) Report(work, measured, state);
        state.SetLabel(loop.best().ToString());
      })
      ->UseManualTime()
      ->Iterations(1)
      ->Unit(benchmark::kMicrosecond);
}

void AddFmaRow() {
  benchmark::RegisterBenchmark("ceilings/fma_f32",
                               [](benchmark::State& state) {
                                 const double flops = FmaPeakFlops();
                                 Work work;
                                 work.flops = flops;
                                 Measurement measured;
                                 measured.kernel_seconds = 1;
                                 for (auto _ : state) Report(work, measured, state);
                                 state.SetLabel("per second of one thread");
                               })
      ->UseManualTime()
      ->Iterations(1)
      ->Unit(benchmark::kMicrosecond);
}

}  // namespace

void AddCeilings() {
  for (const Streams& streams : kStreams) {
    for (const auto& [level, footprint] : Levels()) {
      const std::string name = std::string("ceilings/") + streams.name + "/" + level;
      if (streams.writes == 0) {
        AddStreamRow(name, streams, footprint, false);
      } else {
        AddStreamRow(name + "/normal", streams, footprint, false);
        AddStreamRow(name + "/nt", streams, footprint, true);
      }
    }
  }
  AddFmaRow();
}

}  // namespace skein
