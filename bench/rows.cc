#include "bench/rows.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <mutex>
#include <optional>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/canary.h"
#include "bench/team.h"
#include "bench/tiers.h"
#include "bench/timing.h"

namespace skein {
namespace {

constexpr int kTries = 3;

std::optional<Canary> canary;
int void_rows = 0;
bool void_machine = false;
bool compares_tiers = false;

absl::StatusOr<Resident> MakeResident(const GraphRow& row) {
  Resident resident;
  if (!row.resident || row.units <= 0) return resident;
  const auto make = [&](int64_t units) {
    KernelOptions options;
    options.symbols = {{"units", units}};
    return MakeGraphKernel(row.resident(row.one_code ? DimExpr::Symbol("units") : units), options);
  };
  resident.small.resize(Team::OfThisRun().size());
  resident.large.resize(Team::OfThisRun().size());
  // Each thread makes its own, in memory of its own: programs write a little to themselves in every run, and where two
  // had a line in common, it went from core to core.
  std::mutex mutex;
  absl::Status status;
  Team::OfThisRun().Time([&](int thread) {
    std::lock_guard lock(mutex);
    absl::StatusOr<GraphKernel> small = make(row.small), large = make(row.large);
    status.Update(small.status());
    status.Update(large.status());
    if (!status.ok()) return;
    resident.small[thread] = std::move(small->run);
    resident.large[thread] = std::move(large->run);
  });
  SKEIN_RETURN_IF_ERROR(status);
  resident.scale = row.units / static_cast<double>(row.large - row.small);
  return resident;
}

// What is remarkable about a kernel beside its time.
std::string Remarks(const GraphKernel& kernel, const Work& work) {
  std::string text;
  if (kernel.groups > 1) absl::StrAppend(&text, ", ", kernel.groups, " kernels");
  const double needed = work.streams.total();
  if (needed > 0 && kernel.bytes > 1.05 * needed) {
    absl::StrAppendFormat(&text, ", moves %.2fx the bytes", kernel.bytes / needed);
  }
  if (kernel.cached) text += ", code from an earlier row";
  if (Team::OfThisRun().size() > 1) {
    absl::StrAppendFormat(&text, ", cores %.0f ns apart", 1e9 * Team::OfThisRun().Distance());
  }
  return text;
}

absl::Status MeasureGraphRow(const GraphRow& row, benchmark::State& state) {
  if (compares_tiers) return MeasureTiers(row, state);
  const Graph graph = row.graph();
  Work work = row.work;
  if (work.streams.empty()) work = WorkOf(graph, work.flops);
  KernelOptions options;
  options.threads = Team::OfThisRun().size();
  options.fill = row.fill;
  SKEIN_ASSIGN_OR_RETURN(const GraphKernel kernel, MakeGraphKernel(graph, options));
  if (!kernel.interpreted.empty()) {
    return absl::UnimplementedError(absl::StrCat("interpreted: ", kernel.interpreted.c_str()));
  }
  SKEIN_ASSIGN_OR_RETURN(const Resident resident, MakeResident(row));
  Measurement measured;
  const std::string disturbed = UntilQuiet(
      [&] { measured = MeasureAgainstCeiling(work, kernel.run, resident, RunCanary()); });
  for (auto _ : state) Report(work, measured, state);
  state.counters["compile_ms"] = kernel.compile_ms;
  if (row.at_least > 0) state.counters["at_least"] = row.at_least;
  state.SetLabel(absl::StrCat(measured.memory_bound() ? "memory" : "arithmetic",
                              Remarks(kernel, work), disturbed));
  return absl::OkStatus();
}

}  // namespace

void AddRow(const std::string& name, const std::function<void(benchmark::State&)>& measure) {
  benchmark::RegisterBenchmark(name.c_str(), [measure](benchmark::State& state) { measure(state); })
      ->UseManualTime()
      ->Iterations(1)  // a measurement does its own rounds
      ->Unit(benchmark::kMicrosecond);
}

void AddGraphRow(GraphRow row) {
  const std::string name = row.name;
  AddRow(name, [row = std::move(row)](benchmark::State& state) {
    const absl::Status status = MeasureGraphRow(row, state);
    if (!status.ok()) state.SkipWithError(std::string(status.message()).c_str());
  });
}

void CompareTiers() { compares_tiers = true; }

void AddSizedCase(const SizedCase& sized) {
  // Weights and the like, which do not grow, must not count.
  constexpr int64_t kMany = 1 << 14;
  const Graph many = sized.graph(kMany, sized.columns);
  const double row_bytes = WorkOf(many, 0).streams.total() / kMany;
  struct Size {
    std::string name;
    int64_t rows;
    double at_least;
  };
  std::vector<Size> sizes;
  for (int64_t rows : sized.rows) {
    constexpr double kOfModels = 0.7;
    sizes.push_back({absl::StrCat(rows, "x", sized.columns), rows, kOfModels});
  }
  for (const char* level : sized.levels) {
    const double at_least = level == std::string_view("DRAM") ? sized.at_least_dram
                            : level == std::string_view("L2") ? sized.at_least_l2
                                                              : 0;
    const double rows = static_cast<double>(LevelBytes(level)) / row_bytes;
    sizes.push_back({level, std::max<int64_t>(1, static_cast<int64_t>(rows)), at_least});
  }
  for (const auto& [name, rows, at_least] : sizes) {
    GraphRow row;
    row.name = absl::StrCat(sized.name, "/", name);
    row.graph = [graph = sized.graph, rows = rows, columns = sized.columns] {
      return graph(rows, columns);
    };
    row.work.flops = sized.flops * static_cast<double>(rows * sized.columns);
    row.at_least = at_least;
    row.fill = sized.fill;
    // Scratch lies in L1 too, so two thirds of it for the streams.
    const double room = static_cast<double>(Caches().l1) * 2 / 3;
    row.large = static_cast<int64_t>(room / row_bytes);
    if (row.large >= 2) {
      row.small = std::max<int64_t>(1, row.large / 4);
      row.resident = [graph = sized.graph, columns = sized.columns](DimExpr n) {
        return graph(n, columns);
      };
      row.one_code = true;
      row.units = static_cast<double>(rows);
    } else {
      const double column_bytes = row_bytes / static_cast<double>(sized.columns);
      const double columns = room / column_bytes / static_cast<double>(sized.resident_rows);
      row.large = static_cast<int64_t>(columns) / 256 * 256;
      row.small = row.large / 256 / 4 * 256;
      row.resident = [graph = sized.graph, part = sized.resident_rows](DimExpr n) {
        return graph(part, n.constant());
      };
      row.units =
          static_cast<double>(rows * sized.columns) / static_cast<double>(sized.resident_rows);
    }
    if (row.small <= 0) row.resident = nullptr;
    AddGraphRow(std::move(row));
  }
}

std::string UntilQuiet(const std::function<void()>& measure) {
  std::string dip;
  for (int attempt = 0; attempt < kTries; ++attempt) {
    measure();
    if (!canary) return "";
    dip = canary->TakeDip();
    if (dip.empty()) return "";
  }
  ++void_rows;
  return ", VOID: " + dip;
}

Canary* RunCanary() { return canary ? &*canary : nullptr; }

Turns MeasureInTurns(const std::vector<std::function<void()>>& kernels, int most_rounds) {
  constexpr double kSlow = 20e-3;  // a second warm pass would only take time
  // Seconds for which threads of another side may stay awake and keep this one's from their cores (libgomp: 8 ms).
  constexpr double kOthersSpin = 20e-3;
  struct Side {
    const std::function<void()>& kernel;
    int passes = 1;
    bool slow = false;

    void Prepare() {
      const double seconds = TimePasses(kernel, 2);
      passes = PassesPerRound(seconds);
      slow = seconds > kSlow;
    }
    double Round() {
      if (Team::OfThisRun().size() > 1) {
        WarmUp(kernel, kOthersSpin);
      } else if (!slow) {
        kernel();  // finds its data where its own last pass has left them
      }
      return TimePasses(kernel, passes);
    }
  };
  std::vector<Side> sides;
  for (const auto& kernel : kernels) sides.push_back({kernel});
  for (Side& side : sides) side.Prepare();
  Turns turns;
  turns.disturbed = UntilQuiet([&] {
    turns.seconds.assign(sides.size(), {});
    const double start = Now();
    for (int round = 0; round < most_rounds; ++round) {
      if (round >= 3 && round % 2 == 1 && Now() - start > 1) break;
      for (size_t i = 0; i < sides.size(); ++i) {
        const size_t side = round % 2 == 0 ? i : sides.size() - 1 - i;  // whichever is first has an advantage
        turns.seconds[side].push_back(sides[side].Round());
      }
      if (canary) canary->Sing();
    }
  });
  return turns;
}

PairSeconds MeasurePair(const std::function<void()>& first, const std::function<void()>& second) {
  const Turns turns = MeasureInTurns({first, second}, kRounds);
  return {Median(turns.seconds[0]), Median(turns.seconds[1]), turns.disturbed};
}

void Report(const Work& work, const Measurement& measured, benchmark::State& state) {
  state.SetIterationTime(measured.kernel_seconds);
  const double bytes = work.streams.total();
  if (bytes > 0) state.counters["GB/s"] = bytes / measured.kernel_seconds * 1e-9;
  if (work.flops > 0) state.counters["GFLOP/s"] = work.flops / measured.kernel_seconds * 1e-9;
  if (measured.ceiling_seconds() > 0) {
    state.counters["ceiling"] = measured.share();
    state.counters["memory_ceiling"] = measured.memory_seconds / measured.kernel_seconds;
    state.counters["arithmetic_ceiling"] = measured.arithmetic_seconds / measured.kernel_seconds;
    state.SetLabel(measured.memory_bound() ? "memory" : "arithmetic");
  }
}

void CheckMachine() {
  for (int attempt = 0; attempt < kTries; ++attempt) {
    if (attempt > 0) std::this_thread::sleep_for(std::chrono::seconds(1));
    canary.emplace();
    if (canary->faults().empty()) return;
  }
  void_machine = true;
  for (const std::string& fault : canary->faults()) {
    std::fprintf(stderr, "VOID: %s\n", fault.c_str());
  }
}

bool RunIsVoid() {
  if (void_machine) {
    std::fprintf(stderr,
                 "VOID: the machine is not what the ceilings were made for, or is disturbed\n");
  }
  if (void_rows > 0) {
    std::fprintf(stderr, "VOID: %d rows were disturbed in each of %d tries\n", void_rows, kTries);
  }
  return void_machine || void_rows > 0;
}

}  // namespace skein
