#include "bench/reporters.h"

#include <cstdio>
#include <string>
#include <vector>

#include "bench/ceilings.h"
#include "bench/team.h"

namespace skein {
namespace {

// The counters that are columns; others are a row's own, and its label speaks of them.
struct Column {
  const char* counter;
  const char* head;
  const char* format;  // of the value times `scale`
  double scale;
};
constexpr Column kColumns[] = {
    {"GB/s", "GB/s", "%.1f", 1},           {"GFLOP/s", "GFLOP/s", "%.1f", 1},
    {"ceiling", "ceiling", "%.1f%%", 100}, {"memory_ceiling", "of memory", "%.1f%%", 100},
    {"at_least", "asked", "%.0f%%", 100},  {"compile_ms", "compile", "%.1f ms", 1},
};

using Run = benchmark::BenchmarkReporter::Run;

std::string Cell(const Run& run, const Column& column) {
  const auto found = run.counters.find(column.counter);
  if (found == run.counters.end()) return "";
  char text[32];
  std::snprintf(text, sizeof(text), column.format, found->second.value * column.scale);
  return text;
}

std::string Name(const Run& run) { return run.run_name.function_name; }

std::string Machine(int cpus) {
  const CacheSizes& caches = Caches();
  char text[120];
  std::snprintf(text, sizeof(text), "%d of %d CPUs, L1 %zu KiB, L2 %zu KiB, L3 %zu KiB",
                Team::OfThisRun().size(), cpus, caches.l1 >> 10, caches.l2 >> 10, caches.l3 >> 10);
  return text;
}

class PlainTable : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context& context) override {
    std::printf("%s\n%-38s %12s", Machine(context.cpu_info.num_cpus).c_str(), "row", "time [us]");
    for (const Column& column : kColumns) std::printf(" %9s", column.head);
    std::printf("  binds\n");
    return true;
  }

  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      if (run.error_occurred) {
        std::printf("%-38s %s\n", Name(run).c_str(), run.error_message.c_str());
        continue;
      }
      std::printf("%-38s %12.3f", Name(run).c_str(), run.GetAdjustedRealTime());
      for (const Column& column : kColumns) std::printf(" %9s", Cell(run, column).c_str());
      std::printf("  %s\n", run.report_label.c_str());
    }
    std::fflush(stdout);
  }
};

class MarkdownTable : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context& context) override {
    std::printf("%s\n\n| row | time [us] |", Machine(context.cpu_info.num_cpus).c_str());
    for (const Column& column : kColumns) std::printf(" %s |", column.head);
    std::printf(" binds |\n|---|---:|");
    for (size_t i = 0; i < std::size(kColumns); ++i) std::printf("---:|");
    std::printf("---|\n");
    return true;
  }

  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      std::printf("| %s |", Name(run).c_str());
      if (run.error_occurred) {
        for (size_t i = 0; i <= std::size(kColumns); ++i) std::printf(" |");
        std::printf(" %s |\n", run.error_message.c_str());
        continue;
      }
      std::printf(" %.1f |", run.GetAdjustedRealTime());
      for (const Column& column : kColumns) std::printf(" %s |", Cell(run, column).c_str());
      std::printf(" %s |\n", run.report_label.c_str());
    }
    std::fflush(stdout);
  }
};

}  // namespace

std::unique_ptr<benchmark::BenchmarkReporter> MakeTable(TableStyle style) {
  if (style == TableStyle::kMarkdown) return std::make_unique<MarkdownTable>();
  return std::make_unique<PlainTable>();
}

}  // namespace skein
