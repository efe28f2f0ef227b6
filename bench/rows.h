// What the families add rows with. A row is one case, measured in one go; Google Benchmark selects,
// times out nothing, and prints.
#pragma once

#include <benchmark/benchmark.h>

#include <functional>
#include <string>
#include <vector>

#include "bench/ceilings.h"
#include "bench/graph_case.h"

namespace skein {

inline constexpr double kTranscendental = 20;  // flops, DESIGN section 6

// One row of a graph against its ceiling. It prints the time (median of the rounds), GB/s, the
// share of its ceiling, which ceiling binds, and the compile time. Where no back end takes the
// graph, or compiling fails, the row says so and measures nothing.
struct GraphRow {
  std::string name;
  std::function<Graph()> graph;
  Work work = {};  // if it has no streams: WorkOf the graph, with these flops
  // Share of the ceiling that is asked for; 0 for none. Printed beside what was reached.
  double at_least = 0;
  // The same arithmetic on `small` and `large` units of data that stay in L1; the row's data are
  // `units`. Without it, the flops at the multiply-add peak count. If `one_code`, the number of
  // units is a symbol, so that both sizes run the same code: what is chosen by the number of rows,
  // such as whether they overlap, must not count as arithmetic.
  std::function<Graph(DimExpr)> resident = {};
  bool one_code = false;
  int64_t small = 0, large = 0;
  double units = 0;
  decltype(KernelOptions::fill) fill = {};
};
void AddGraphRow(GraphRow row);

// From here on, graph rows measure Xbyak's code beside LLVM's (tiers.h), and not against a ceiling.
void CompareTiers();

// Rows of one case over sizes: a graph over [rows, columns] whose bytes and flops grow with both,
// one row of the table for each level, its bytes near the level's size. The resident arithmetic is
// the same graph's, over a few rows, or over parts of them if they are too long for L1.
struct SizedCase {
  std::string name;  // "softmax/512": the level is added
  std::function<Graph(DimExpr rows, int64_t columns)> graph;
  int64_t columns = 0;
  double flops = 0;  // per element
  std::vector<const char*> levels = {"L2", "L3", "DRAM"};
  std::vector<int64_t> rows = {};  // rows of a model's own size, asked 70%, beside the levels
  double at_least_dram = 0, at_least_l2 = 0;
  decltype(KernelOptions::fill) fill = {};
  int64_t resident_rows = 1;  // of parts
};
void AddSizedCase(const SizedCase& sized);

// A row that is measured by `measure`, once, in this order after the rows before it.
void AddRow(const std::string& name, const std::function<void(benchmark::State&)>& measure);

// Calls `measure`, which lets RunCanary() sing once a round, up to three times, until the canary
// does not dip. Returns what is to be added to the row's label: nothing, or why the row is void,
// which RunIsVoid() remembers.
std::string UntilQuiet(const std::function<void()>& measure);
Canary* RunCanary();  // null before CheckMachine

// Seconds of kernels that run in turns, each by rounds; the order is reversed from round to round.
struct Turns {
  std::vector<std::vector<double>> seconds;
  std::string disturbed;  // as from UntilQuiet
};
// At most so many rounds: an odd number, fewer where they take longer than a second.
Turns MeasureInTurns(const std::vector<std::function<void()>>& kernels, int most_rounds);

// Medians of two kernels' in turns.
struct PairSeconds {
  double first = 0, second = 0;
  std::string disturbed;
};
PairSeconds MeasurePair(const std::function<void()>& first, const std::function<void()>& second);

// Writes a measurement into a benchmark's one iteration.
void Report(const Work& work, const Measurement& measured, benchmark::State& state);

// Measures the canary's ratios, and prints what is wrong to stderr, before the first row.
void CheckMachine();
// True if the machine or one of the rows was disturbed.
bool RunIsVoid();

}  // namespace skein
