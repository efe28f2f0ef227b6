// Rows that say what the machine can do: read, copy, triad and wider streams at each cache level,
// with each kind of store, and the multiply-add peak. A row's `ceiling` is its share of the best
// loop of any kind for the same streams, measured in the same rounds.

#include <string>

#include "bench/families.h"
#include "bench/rows.h"

namespace skein {
namespace {

struct Shape {
  const char* name;
  int reads;
  int writes;
};
constexpr Shape kShapes[] = {
    {"read", 1, 0}, {"write", 0, 1}, {"copy", 1, 1}, {"triad", 2, 1}, {"three_to_one", 3, 1},
};

void AddStreamRow(const std::string& name, const Shape& shape, size_t footprint,
                  bool non_temporal) {
  const size_t bytes = footprint / (shape.reads + shape.writes) / 1024 * 1024;
  const Work work = {Streams::Equal(shape.reads, shape.writes, bytes)};
  AddRow(name, [work, non_temporal](benchmark::State& state) {
    StreamProbe loop(work.streams, {.non_temporal = non_temporal});
    Measurement measured;
    const std::string disturbed = UntilQuiet([&] {
      measured = MeasureAgainstCeiling(
          work, [&] { loop.Pass(); }, {}, RunCanary());
    });
    for (auto _ : state) Report(work, measured, state);
    state.SetLabel(loop.best().ToString() + disturbed);
  });
}

}  // namespace

void AddCeilings() {
  for (const Shape& shape : kShapes) {
    for (const Level& level : Levels()) {
      const std::string name = std::string("ceilings/") + shape.name + "/" + level.name;
      if (shape.writes == 0) {
        AddStreamRow(name, shape, level.bytes, false);
      } else {
        AddStreamRow(name + "/normal", shape, level.bytes, false);
        AddStreamRow(name + "/nt", shape, level.bytes, true);
      }
    }
  }
  AddRow("ceilings/fma_f32", [](benchmark::State& state) {
    Work work;
    work.flops = FmaPeakFlops();
    Measurement measured;
    measured.kernel_seconds = 1;
    for (auto _ : state) Report(work, measured, state);
    state.SetLabel("per second");
  });
}

}  // namespace skein
