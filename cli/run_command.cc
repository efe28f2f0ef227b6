// skein run, skein verify.
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <set>

#include "absl/strings/str_join.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/tensors.h"
#include "ir/op.h"
#include "runtime/verify.h"

namespace skein {
namespace {

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

double PeakRssMib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss / 1024.0;
}

struct GroupTime {
  int index;
  double median_us;
};

struct BindingResult {
  std::string shape;
  double first_ms = 0, median_ms = 0, min_ms = 0;
  double first_output = 0;             // NowMs()
  int runs = 0;
  WorkSummary work;
  double dot_ms = 0, other_ms = 0;     // sums over groups of their median times, per kind
  std::vector<GroupTime> groups;
  std::vector<OwnedTensor> outputs;
};

// Times whole runs without instruments, then (with --groups) each group in separate runs.
absl::StatusOr<BindingResult> RunBinding(const Graph& graph, Program& program, const Flags& flags,
                                         const SymbolValues& binding) {
  BindingResult result;
  result.shape = absl::StrJoin(binding, ",", absl::PairFormatter("="));
  SKEIN_ASSIGN_OR_RETURN(std::vector<OwnedTensor> inputs, MakeInputs(graph, flags, binding));
  SKEIN_ASSIGN_OR_RETURN(result.outputs, MakeOutputs(program, inputs));
  const std::vector<TensorView> in = Views(inputs), out = Views(result.outputs);
  double start = NowMs();
  SKEIN_RETURN_IF_ERROR(program.Run(in, out));
  result.first_output = NowMs();
  result.first_ms = result.first_output - start;
  std::vector<double> times;
  for (int i = 0; i < flags.repeat; ++i) {
    start = NowMs();
    SKEIN_RETURN_IF_ERROR(program.Run(in, out));
    times.push_back(NowMs() - start);
  }
  result.runs = flags.repeat;
  result.median_ms = Median(times);
  result.min_ms = *std::min_element(times.begin(), times.end());
  SKEIN_ASSIGN_OR_RETURN(result.work, program.Work(in));
  if (!flags.groups) return result;
  program.WaitForBackgroundWork();  // a group has one time, not one before its kernel is swapped and one after
  std::vector<std::vector<double>> seconds(program.plan().groups.size());
  for (int i = 0; i < std::max(flags.repeat, 5); ++i) {
    std::vector<double> one;
    RunOptions options;
    options.group_seconds = &one;
    SKEIN_RETURN_IF_ERROR(program.Run(in, out, options));
    for (size_t g = 0; g < one.size() && g < seconds.size(); ++g) seconds[g].push_back(one[g]);
  }
  for (size_t g = 0; g < seconds.size(); ++g) {
    const Group& group = program.plan().groups[g];
    if (group.phase != Phase::kRun) continue;
    const double median = Median(seconds[g]);
    (group.kind == "dot" ? result.dot_ms : result.other_ms) += median * 1e3;
    result.groups.push_back({static_cast<int>(g), median * 1e6});
  }
  return result;
}

void WriteBinding(const BindingResult& r, const Graph& graph, const Program& program, Json* json) {
  json->Field("first_run_ms", r.first_ms).Field("median_ms", r.median_ms).Field("min_ms", r.min_ms);
  json->Field("runs", r.runs);
  json->Field("generated_flops_share", r.work.generated_flops_share);
  json->Field("generated_bytes_share", r.work.generated_bytes_share);
  json->Field("bytes_moved", r.work.bytes).Field("flops", r.work.flops).Field("dot_flops", r.work.dot_flops);
  json->Field("peak_arena_bytes", r.work.arena_bytes);
  if (!r.groups.empty()) {
    json->Field("dot_groups_ms", r.dot_ms).Field("other_groups_ms", r.other_ms);
    json->Key("group_times").BeginArray();
    for (const GroupTime& g : r.groups) {
      const Group& group = program.plan().groups[g.index];
      json->BeginObject().Field("group", g.index).Field("kind", std::string_view(group.kind));
      json->Field("median_us", g.median_us).EndObject();
    }
    json->EndArray();
  }
  json->Key("outputs").BeginArray();
  for (size_t i = 0; i < r.outputs.size(); ++i) {
    const TensorView view = r.outputs[i].view();
    json->BeginObject().Field("name", std::string_view(graph.outputs()[i].name));
    json->Field("type", Name(view.element)).Key("dims").BeginArray();
    for (int64_t d : view.dims) json->Value(d);
    json->EndArray();
    // Equal hashes are equal bits.
    std::string_view bytes(static_cast<const char*>(view.data), r.outputs[i].bytes());
    json->Field("hash", std::string_view(StableHash(bytes).Hex())).EndObject();
  }
  json->EndArray();
}

void PrintBinding(const BindingResult& r, const Graph& graph, const Program& program) {
  if (!r.shape.empty()) std::printf("with %s:\n", r.shape.c_str());
  std::printf("  first run %.2f ms; median of %d: %.2f ms, best %.2f ms\n", r.first_ms, r.runs, r.median_ms, r.min_ms);
  std::printf("  %.1f MB moved, %.2f GFLOP, %.1f%% of bytes and %.1f%% of flops in generated code\n",
              r.work.bytes / 1e6, r.work.flops / 1e9, 100 * r.work.generated_bytes_share,
              100 * r.work.generated_flops_share);
  for (const GroupTime& g : r.groups) {
    const Group& group = program.plan().groups[g.index];
    std::printf("  %5d %-10s %9.1f us  %s\n", g.index, group.kind.c_str(), g.median_us,
                absl::StrJoin(Origins(program.plan(), group), " ").substr(0, 80).c_str());
  }
  if (!r.groups.empty()) std::printf("  contractions %.2f ms, everything else %.2f ms\n", r.dot_ms, r.other_ms);
  for (size_t i = 0; i < r.outputs.size(); ++i) {
    const TensorView v = r.outputs[i].view();
    std::printf("  output %s: %s[%s]\n", graph.outputs()[i].name.c_str(), std::string(Name(v.element)).c_str(),
                absl::StrJoin(v.dims, ", ").c_str());
  }
}

// Output names may be anything; file names may not.
std::string FileName(const std::string& name) {
  std::string file = name;
  for (char& c : file) {
    if (c == '/' || c == '\\' || c == '\0') c = '_';
  }
  return file.empty() || file == "." || file == ".." ? "output" : file;
}

absl::Status WriteOutputs(const Graph& graph, const std::string& folder, const BindingResult& r) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return InvalidArgument("cannot make the folder ", folder, ": ", error.message());
  std::set<std::string> used;
  for (size_t i = 0; i < r.outputs.size(); ++i) {
    std::string name = FileName(graph.outputs()[i].name);
    while (!used.insert(name).second) name += "_";  // 'a/b' beside 'a_b'
    SKEIN_RETURN_IF_ERROR(WriteNpy(folder + "/" + name + ".npy", r.outputs[i].view()));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<int> RunCommand(const Flags& flags) {
  const double start = NowMs();
  SKEIN_ASSIGN_OR_RETURN(Graph graph, LoadGraph(flags));
  const double load_ms = NowMs() - start;
  SKEIN_ASSIGN_OR_RETURN(CompileOptions options, OptionsOf(flags));
  options.rebuild = [&flags](const SymbolMap& fixed) { return LoadGraph(flags, 0, fixed); };
  SKEIN_ASSIGN_OR_RETURN(std::unique_ptr<Program> program, Program::Compile(graph, options));
  std::vector<BindingResult> results;
  for (size_t i = 0; i < flags.bindings.size(); ++i) {
    SKEIN_ASSIGN_OR_RETURN(BindingResult r, RunBinding(graph, *program, flags, flags.bindings[i]));
    if (!flags.output_folder.empty()) {
      const std::string folder = flags.bindings.size() == 1 ? flags.output_folder
                                                            : absl::StrCat(flags.output_folder, "/", i);
      SKEIN_RETURN_IF_ERROR(WriteOutputs(graph, folder, r));
    }
    results.push_back(std::move(r));
  }
  const CompileStats stats = program->stats();
  int launches = 0;
  for (const Group& g : program->plan().groups) launches += g.phase == Phase::kRun;
  if (!flags.json) {
    std::printf("load %.1f ms, plan %.1f ms, compile %.1f ms: %d launches a run, %d kernels compiled, %d reused\n",
                load_ms, stats.plan_ms, stats.compile_ms, launches, stats.kernels_compiled, stats.cache_hits);
    for (const std::string& g : stats.failed_guards) std::printf("a guard failed, one more variant: %s\n", g.c_str());
    for (const std::string& op : stats.interpreted_ops) std::printf("interpreted: %s\n", op.c_str());
    for (const std::string& f : stats.back_end_failures) std::printf("a back end failed: %s\n", f.c_str());
    for (const BindingResult& r : results) PrintBinding(r, graph, *program);
    std::printf("kernels at the end: %d fast, %d optimized (%.1f ms of processor time in the background)\n",
                stats.fast_kernels, stats.optimized_kernels, stats.background_cpu_ms);
    if (stats.hurried_kernels > 0) {
      std::printf("over LLVM's compile-time budget, compiled with less care: %d\n", stats.hurried_kernels);
    }
    if (stats.late_weights > 0) {
      std::printf("weights packed behind the runs: %d of %d; %lld launches read one as it lies\n",
                  stats.late_weights_packed, stats.late_weights, static_cast<long long>(stats.unpacked_launches));
    }
    if (!stats.packing_failure.empty()) std::printf("weights stay as they lie: %s\n", stats.packing_failure.c_str());
    std::printf("peak arena %.1f MiB, peak memory %.1f MiB\n", program->peak_arena_bytes() / 1048576.0, PeakRssMib());
    return kPass;
  }
  Json json;
  json.BeginObject();
  // Readings of CLOCK_MONOTONIC: whoever starts the process knows when, and so what lies before main.
  json.Field("main_clock_us", static_cast<int64_t>(1e3 * start));
  json.Field("first_output_clock_us", static_cast<int64_t>(1e3 * results[0].first_output));
  json.Field("load_ms", load_ms).Field("plan_ms", stats.plan_ms).Field("compile_ms", stats.compile_ms);
  json.Field("groups", launches).Field("kernels_compiled", stats.kernels_compiled).Field("cache_hits", stats.cache_hits);
  json.Field("variants", stats.variants);
  json.Strings("failed_guards", stats.failed_guards).Strings("interpreted_ops", stats.interpreted_ops);
  json.Strings("back_end_failures", stats.back_end_failures);
  json.Field("fast_kernels", stats.fast_kernels).Field("optimized_kernels", stats.optimized_kernels);
  json.Field("hurried_kernels", stats.hurried_kernels);
  json.Field("background_cpu_ms", stats.background_cpu_ms);
  json.Field("late_weights", stats.late_weights).Field("late_weights_packed", stats.late_weights_packed);
  json.Field("unpacked_launches", stats.unpacked_launches);
  json.Field("packing_failure", std::string_view(stats.packing_failure));
  json.Field("peak_rss_mib", PeakRssMib());
  if (results.size() == 1) {
    WriteBinding(results[0], graph, *program, &json);
  } else {
    json.Key("bindings").BeginArray();
    for (const BindingResult& r : results) {
      json.BeginObject().Field("shape", std::string_view(r.shape));
      WriteBinding(r, graph, *program, &json);
      json.EndObject();
    }
    json.EndArray();
  }
  json.EndObject();
  std::printf("%s\n", json.text().c_str());
  return kPass;
}

absl::StatusOr<int> VerifyCommand(const Flags& flags) {
  SKEIN_ASSIGN_OR_RETURN(Graph graph, LoadGraph(flags));
  SKEIN_ASSIGN_OR_RETURN(CompileOptions options, OptionsOf(flags));
  options.rebuild = [&flags](const SymbolMap& fixed) { return LoadGraph(flags, 0, fixed); };
  if (options.tier == Tier::kAuto) options.tier = Tier::kOptimized;  // one run would see the fast code only
  SKEIN_ASSIGN_OR_RETURN(std::unique_ptr<Program> program, Program::Compile(graph, options));
  bool passed = true;
  Json json;
  json.BeginObject().Key("bindings").BeginArray();
  for (const SymbolValues& binding : flags.bindings) {
    SKEIN_ASSIGN_OR_RETURN(std::vector<OwnedTensor> inputs, MakeInputs(graph, flags, binding));
    SKEIN_ASSIGN_OR_RETURN(std::vector<OwnedTensor> outputs, MakeOutputs(*program, inputs));
    VerifyOptions verify;
    verify.threads = flags.threads;
    SKEIN_ASSIGN_OR_RETURN(VerifyReport report,
                           VerifyProgram(*program, graph, Views(inputs), Views(outputs), verify));
    passed = passed && report.passed;
    const std::string shape = absl::StrJoin(binding, ",", absl::PairFormatter("="));
    if (!flags.json) {
      std::printf("%s%s%s\n", shape.c_str(), shape.empty() ? "" : ":\n", report.ToString().c_str());
      continue;
    }
    json.BeginObject().Field("shape", std::string_view(shape)).Field("passed", report.passed);
    json.Field("groups_checked", static_cast<int64_t>(report.groups.size())).Key("outputs").BeginArray();
    for (const OutputCheck& o : report.outputs) {
      json.BeginObject().Field("name", std::string_view(o.name)).Field("ulp", o.comparison.worst_ulp);
      json.Field("absolute", o.comparison.worst_absolute).Field("relative", o.comparison.worst_relative);
      json.Field("cosine", o.comparison.cosine).EndObject();
    }
    json.EndArray().EndObject();
  }
  json.EndArray().Field("passed", passed).EndObject();
  if (flags.json) std::printf("%s\n", json.text().c_str());
  else std::printf("%s\n", passed ? "PASS" : "FAIL");
  return passed ? kPass : kDifference;
}

}  // namespace skein
