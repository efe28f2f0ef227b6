// skein-bench: microbenchmarks, each row with its share of a ceiling measured in the same run.

#include <benchmark/benchmark.h>

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "bench/ceilings.h"
#include "bench/families.h"

namespace skein {
namespace {

// A narrower table than Google Benchmark's: a row is one measurement, so iterations and CPU time
// say nothing.
class RowReporter : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context& context) override {
    const CacheSizes& caches = Caches();
    std::printf("%d CPUs, L1 %zu KiB, L2 %zu KiB, L3 %zu KiB\n", context.cpu_info.num_cpus,
                caches.l1 >> 10, caches.l2 >> 10, caches.l3 >> 10);
    std::printf("%-40s %12s %9s %9s %8s\n", "row", "time [us]", "GB/s", "GFLOP/s", "ceiling");
    return true;
  }

  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      if (run.error_occurred) {
        std::printf("%-40s %s\n", run.run_name.function_name.c_str(), run.error_message.c_str());
        continue;
      }
      std::printf("%-40s %12.3f %9s %9s %8s  %s\n", run.run_name.function_name.c_str(),
                  run.GetAdjustedRealTime(), Counter(run, "GB/s", 1, "").c_str(),
                  Counter(run, "GFLOP/s", 1, "").c_str(), Counter(run, "ceiling", 100, "%").c_str(),
                  run.report_label.c_str());
    }
    std::fflush(stdout);
  }

 private:
  static std::string Counter(const Run& run, const char* name, double scale, const char* unit) {
    const auto found = run.counters.find(name);
    if (found == run.counters.end()) return "-";
    char text[32];
    std::snprintf(text, sizeof(text), "%.1f%s", found->second.value * scale, unit);
    return text;
  }
};

void PrintHelp() {
  std::printf(
      "Usage: skein-bench [FAMILY...] [--family=NAME,...] [--benchmark_...]\n"
      "\n"
      "Runs the rows of the named families, or of all, on one thread. Each row's `ceiling` is the\n"
      "share of the machine's limit that it reached: the slower of streaming the same bytes and\n"
      "of the multiply-add peak, both measured between the row's own rounds. 1 is the limit.\n"
      "\n"
      "Families:\n");
  for (const Family& family : Families()) std::printf("  %-12s %s\n", family.name, family.summary);
  std::printf(
      "\n"
      "Options:\n"
      "  --list                       print the names of the rows and stop\n"
      "  --benchmark_filter=REGEX     only rows whose name matches\n"
      "  --benchmark_format=json      for scripts (also csv)\n"
      "  --benchmark_out=FILE         write the rows to a file too\n"
      "  --help                       this text\n"
      "\n"
      "Example: skein-bench ceilings --benchmark_filter=copy\n");
}

bool AddFamily(std::string_view name, std::vector<const Family*>& chosen) {
  for (const Family& family : Families()) {
    if (name == family.name) {
      chosen.push_back(&family);
      return true;
    }
  }
  std::fprintf(stderr, "skein-bench: there is no family '%.*s'; --help lists them\n",
               static_cast<int>(name.size()), name.data());
  return false;
}

int Run(int argc, char** argv) {
  std::vector<const Family*> chosen;
  std::vector<std::string> passed_on = {argv[0]};
  bool own_table = true;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    constexpr std::string_view kFamily = "--family=";
    if (argument == "--help" || argument == "-h") {
      PrintHelp();
      return 0;
    }
    if (argument == "--list") {
      passed_on.push_back("--benchmark_list_tests");
    } else if (argument.starts_with("--benchmark_")) {
      if (argument.starts_with("--benchmark_format")) own_table = false;
      passed_on.emplace_back(argument);
    } else if (argument.starts_with(kFamily)) {
      std::string_view names = argument.substr(kFamily.size());
      while (true) {
        const size_t comma = names.find(',');
        if (!AddFamily(names.substr(0, comma), chosen)) return 2;
        if (comma == names.npos) break;
        names.remove_prefix(comma + 1);
      }
    } else if (argument.starts_with("-")) {
      std::fprintf(stderr, "skein-bench: unknown option '%s'; see --help\n", argv[i]);
      return 2;
    } else if (!AddFamily(argument, chosen)) {
      return 2;
    }
  }
  if (!CanMeasureCeilings()) {
    std::fprintf(stderr, "skein-bench: this CPU has no AVX2\n");
    return 3;
  }
  if (chosen.empty()) {
    for (const Family& family : Families()) chosen.push_back(&family);
  }
  for (const Family* family : chosen) family->add_rows();

  std::vector<char*> pointers;
  for (std::string& argument : passed_on) pointers.push_back(argument.data());
  int count = static_cast<int>(pointers.size());
  benchmark::Initialize(&count, pointers.data());
  if (benchmark::ReportUnrecognizedArguments(count, pointers.data())) return 2;
  RowReporter table;
  benchmark::RunSpecifiedBenchmarks(own_table ? &table : nullptr);
  benchmark::Shutdown();
  return 0;
}

}  // namespace
}  // namespace skein

int main(int argc, char** argv) { return skein::Run(argc, argv); }
