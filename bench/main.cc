// skein-bench: microbenchmarks, each row with its share of a ceiling measured in the same run.

#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/heap.h"
#include "bench/calibrate.h"
#include "bench/ceilings.h"
#include "bench/compile_times.h"
#include "bench/families.h"
#include "bench/reporters.h"
#include "bench/rows.h"
#include "bench/team.h"
#include "bench/tiers.h"

namespace skein {
namespace {

void PrintHelp() {
  std::printf(
      "Usage: skein-bench [FAMILY...] [--family=NAME,...] [--threads N] [--benchmark_...]\n"
      "       skein-bench calibrate\n"
      "       skein-bench compile [FILE...] [--threads N]\n"
      "\n"
      "Runs the rows of the named families, or of all. Each row's `ceiling` is the share of the\n"
      "machine's limit that it reached: the slower of streaming the same bytes and of its own\n"
      "arithmetic on data in L1, both measured between the row's own rounds. 100%% is the limit.\n"
      "`of memory` is the share of streaming alone.\n"
      "`asked` is the share that the project asks of the row. docs/performance.md says more.\n"
      "`calibrate` measures the machine instead, and prints `key = value` lines.\n"
      "`compile` measures how long ONNX files, or a generated graph of 1,000 ops, take to compile.\n"
      "\n"
      "Families:\n");
  for (const Family& family : Families()) std::printf("  %-12s %s\n", family.name, family.summary);
  std::printf(
      "\n"
      "Options:\n"
      "  --threads N                  kernels and ceilings on N threads (1)\n"
      "  --tiers                      Xbyak's code beside LLVM's, in turns, instead of ceilings\n"
      "  --max-isa avx2|avx512        compiles kernels for this ISA (the best of the machine)\n"
      "  --list                       print the names of the rows and stop\n"
      "  --benchmark_filter=REGEX     only rows whose name matches\n"
      "  --markdown                   the table as Markdown\n"
      "  --json                       for scripts; also --benchmark_format=csv\n"
      "  --benchmark_out=FILE         write the rows to a file too\n"
      "  --help                       this text\n"
      "\n"
      "Exit status: 0; 2 for a mistake in the arguments; 3 if the CPU has no AVX2; 4 if the run "
      "is\n"
      "VOID: the machine was disturbed, and the shares of the marked rows are not to be believed.\n"
      "\n"
      "Example: skein-bench softmax --benchmark_filter=DRAM\n");
}

struct Arguments {
  std::vector<const Family*> families;
  std::vector<std::string> passed_on;  // to Google Benchmark
  std::optional<TableStyle> table = TableStyle::kPlain;
  bool list = false, help = false, calibrate = false, compile = false, tiers = false;
  std::vector<std::string> files;  // to compile
};

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

bool AddFamilies(std::string_view names, std::vector<const Family*>& chosen) {
  while (true) {
    const size_t comma = names.find(',');
    if (!AddFamily(names.substr(0, comma), chosen)) return false;
    if (comma == names.npos) return true;
    names.remove_prefix(comma + 1);
  }
}

bool SetThreads(std::string_view text) {
  const std::string digits(text);
  char* end = nullptr;
  const long threads = std::strtol(digits.c_str(), &end, 10);
  if (end == digits.c_str() || *end != 0 || threads < 1 || threads > 1024) {
    std::fprintf(stderr, "skein-bench: --threads takes a number from 1 to 1024, not '%s'\n",
                 digits.c_str());
    return false;
  }
  Team::SetSize(static_cast<int>(threads));
  return true;
}

bool SetIsa(std::string_view name) {
  if (name != "avx2" && name != "avx512") {
    std::fprintf(stderr, "skein-bench: --max-isa takes avx2 or avx512, not '%s'\n", std::string(name).c_str());
    return false;
  }
  IsaOfThisRun() = name == "avx2" ? Isa::kAvx2 : Isa::kAvx512;
  return true;
}

// False after a mistake, which has been reported.
bool Parse(int argc, char** argv, Arguments& parsed) {
  parsed.passed_on = {argv[0]};
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    constexpr std::string_view kFamily = "--family=", kThreads = "--threads=", kIsa = "--max-isa=";
    if (argument == "--help" || argument == "-h") {
      parsed.help = true;
    } else if (argument == "calibrate" && argc == 2) {
      parsed.calibrate = true;
    } else if (argument == "compile" && i == 1) {
      parsed.compile = true;
    } else if (argument == "--list") {
      parsed.list = true;
      parsed.passed_on.push_back("--benchmark_list_tests");
    } else if (argument == "--json") {
      parsed.table.reset();
      parsed.passed_on.push_back("--benchmark_format=json");
    } else if (argument == "--markdown") {
      parsed.table = TableStyle::kMarkdown;
    } else if (argument == "--threads" && i + 1 < argc) {
      if (!SetThreads(argv[++i])) return false;
    } else if (argument.starts_with(kThreads)) {
      if (!SetThreads(argument.substr(kThreads.size()))) return false;
    } else if (argument == "--tiers") {
      parsed.tiers = true;
    } else if (argument == "--max-isa" && i + 1 < argc) {
      if (!SetIsa(argv[++i])) return false;
    } else if (argument.starts_with(kIsa)) {
      if (!SetIsa(argument.substr(kIsa.size()))) return false;
    } else if (argument.starts_with("--benchmark_")) {
      if (argument.starts_with("--benchmark_format")) parsed.table.reset();
      if (argument.starts_with("--benchmark_list_tests")) parsed.list = true;
      parsed.passed_on.emplace_back(argument);
    } else if (argument.starts_with(kFamily)) {
      if (!AddFamilies(argument.substr(kFamily.size()), parsed.families)) return false;
    } else if (argument.starts_with("-")) {
      std::fprintf(stderr, "skein-bench: unknown option '%s'; see --help\n", argv[i]);
      return false;
    } else if (parsed.compile) {
      parsed.files.emplace_back(argument);
    } else if (!AddFamily(argument, parsed.families)) {
      return false;
    }
  }
  return true;
}

int Run(int argc, char** argv) {
  Arguments arguments;
  if (!Parse(argc, argv, arguments)) return 2;
  if (arguments.help) {
    PrintHelp();
    return 0;
  }
  if (!CanMeasureCeilings()) {
    std::fprintf(stderr, "skein-bench: this CPU has no AVX2\n");
    return 3;
  }
  if (arguments.calibrate || arguments.compile) {
    if (arguments.compile) UseHugePagesForHeap();  // as the command `skein` does
    const absl::Status status =
        arguments.compile ? PrintCompileTimes(arguments.files, Team::OfThisRun().size()) : Calibrate();
    if (status.ok()) return 0;
    std::fprintf(stderr, "skein-bench: %s\n", std::string(status.message()).c_str());
    return 1;
  }
  if (arguments.families.empty()) {
    for (const Family& family : Families()) arguments.families.push_back(&family);
  }
  if (arguments.tiers) CompareTiers();
  for (const Family* family : arguments.families) family->add_rows();
  if (arguments.tiers) AddTierSummary();

  std::vector<char*> pointers;
  for (std::string& argument : arguments.passed_on) pointers.push_back(argument.data());
  int count = static_cast<int>(pointers.size());
  benchmark::Initialize(&count, pointers.data());
  if (benchmark::ReportUnrecognizedArguments(count, pointers.data())) return 2;
  if (!arguments.list) CheckMachine();
  const auto table = arguments.table ? MakeTable(*arguments.table) : nullptr;
  benchmark::RunSpecifiedBenchmarks(table.get());
  benchmark::Shutdown();
  return RunIsVoid() ? 4 : 0;
}

}  // namespace
}  // namespace skein

int main(int argc, char** argv) { return skein::Run(argc, argv); }
