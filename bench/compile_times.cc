#include "bench/compile_times.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <set>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/graph_case.h"
#include "bench/timing.h"
#include "frontends/onnx/import.h"
#include "ir/op.h"
#include "runtime/back_ends.h"

namespace skein {
namespace {

constexpr int kProcesses = 5;  // for the median of first times
constexpr int kRepeats = 15;   // in one process

using MakeGraph = std::function<absl::StatusOr<Graph>()>;

// Milliseconds.
struct Times {
  double total = 0, plan = 0, kernels = 0;
};

// What one process finds out; plain data, since it goes through a pipe.
struct Report {
  Times first, next;  // of later compilations the medians
  int ops = 0, groups = 0, kernels = 0;
  double memory_bound_us = 0, contraction_us = 0;  // medians from LoopNest to loaded code
  int contractions = 0;                            // of the kernels
};

Times MedianOf(const std::vector<Times>& all) {
  const auto median = [&](double Times::*field) {
    std::vector<double> values;
    for (const Times& t : all) values.push_back(t.*field);
    return values.empty() ? 0 : Median(std::move(values));
  };
  return {median(&Times::total), median(&Times::plan), median(&Times::kernels)};
}

// As a process begins: no kernel is there yet.
absl::StatusOr<Times> Compile(const Graph& graph, int threads, std::unique_ptr<Program>* program) {
  const BackEnds& usual = *BackEnds::Process();
  CompileOptions options;
  options.threads = threads;
  // As front ends do; asked for where sizes break an assumption, which is not measured here.
  options.rebuild = [](const SymbolMap&) { return absl::UnimplementedError("not measured"); };
  options.back_ends = std::make_shared<BackEnds>(usual.fast, usual.optimizing);
  program->reset();
  const double start = Now();
  SKEIN_ASSIGN_OR_RETURN(*program, Program::Compile(graph, options));
  const double total = 1e3 * (Now() - start);
  const CompileStats stats = (*program)->stats();
  return Times{total, stats.plan_ms, stats.compile_ms};
}

// Medians over the plan's distinct kernels of the median time of each.
absl::Status MeasureKernels(const Plan& plan, Report* report) {
  const Target target = DefaultTarget();
  KernelCache::Options options{.generator = "fast", .batch = 1};
  options.compile = [&](std::span<const NamedNest> nests) { return BackEnds::Process()->fast(nests, target); };
  std::set<std::string> seen;
  std::vector<double> memory_bound, contractions;
  for (const Group& group : plan.groups) {
    if (group.nest == nullptr || !seen.insert(group.hash.Hex()).second) continue;
    const KernelRequest request{group.nest, group.text, "kernel"};
    std::vector<double> times;
    for (int i = 0; i < kRepeats; ++i) {
      KernelCache cache;
      const double start = Now();
      const KernelCache::Result result = cache.Get({&request, 1}, options);
      times.push_back(1e6 * (Now() - start));
      SKEIN_RETURN_IF_ERROR(result.kernels[0].status());
    }
    (group.kind == "dot" ? contractions : memory_bound).push_back(Median(std::move(times)));
  }
  report->kernels = static_cast<int>(seen.size());
  report->contractions = static_cast<int>(contractions.size());
  if (!contractions.empty()) report->contraction_us = Median(contractions);
  if (!memory_bound.empty()) report->memory_bound_us = Median(memory_bound);
  return absl::OkStatus();
}

// Nodes that compute: movement is part of other ops in most formats.
int CountOps(const Graph& graph) {
  int ops = 0;
  for (int i = 0; i < graph.size(); ++i) {
    const OpClass op_class = Def(graph.node(NodeId(i)).op).op_class;
    ops += op_class != OpClass::kSource && op_class != OpClass::kMovement;
  }
  return ops;
}

absl::StatusOr<Report> Measure(const MakeGraph& make, int threads, bool again) {
  SKEIN_ASSIGN_OR_RETURN(const Graph graph, make());
  Report report{.ops = CountOps(graph)};
  std::unique_ptr<Program> program;
  SKEIN_ASSIGN_OR_RETURN(report.first, Compile(graph, threads, &program));
  report.groups = program->stats().groups;
  if (!again) return report;
  std::vector<Times> next;
  for (int i = 0; i < kRepeats; ++i) {
    SKEIN_ASSIGN_OR_RETURN(const Times times, Compile(graph, threads, &program));
    next.push_back(times);
  }
  report.next = MedianOf(next);
  SKEIN_RETURN_IF_ERROR(MeasureKernels(program->plan(), &report));
  return report;
}

// Measure in a child: code and heap are as cold as in a process that has done nothing else.
absl::StatusOr<Report> MeasureInAProcess(const MakeGraph& make, int threads, bool again) {
  int ends[2];
  if (pipe(ends) != 0) return absl::InternalError("no pipe");
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child < 0) return absl::InternalError("no process");
  if (child == 0) {
    const absl::StatusOr<Report> report = Measure(make, threads, again);
    if (!report.ok()) {
      std::fprintf(stderr, "skein-bench: %s\n", std::string(report.status().message()).c_str());
      _exit(1);
    }
    _exit(write(ends[1], &*report, sizeof *report) == sizeof *report ? 0 : 1);
  }
  close(ends[1]);
  Report report;
  const bool whole = read(ends[0], &report, sizeof report) == sizeof report;
  close(ends[0]);
  waitpid(child, nullptr, 0);
  if (!whole) return absl::InternalError("a measuring process failed");
  return report;
}

absl::Status PrintTimes(const char* name, const MakeGraph& make, int threads) {
  std::vector<Times> first;
  Report report;
  for (int i = 0; i < kProcesses; ++i) {
    SKEIN_ASSIGN_OR_RETURN(report, MeasureInAProcess(make, threads, i + 1 == kProcesses));
    first.push_back(report.first);
  }
  const Times median = MedianOf(first);
  std::printf("%-16s %5d %6d %7d | %6.2f %6.2f %6.2f | %6.2f %6.2f %6.2f | %5.0f (%d) %5.0f (%d)\n", name, report.ops,
              report.groups, report.kernels, median.total, median.plan, median.kernels, report.next.total,
              report.next.plan, report.next.kernels, report.memory_bound_us, report.kernels - report.contractions,
              report.contraction_us, report.contractions);
  return absl::OkStatus();
}

// Some pointwise ops, as `choice` says.
Value Pointwise(GraphMaker& g, Value x, unsigned choice) {
  const Value y = choice % 2 == 0 ? g.Times(x, 0.5 + choice) : g.Plus(x, 0.25 * choice);
  switch (choice / 2 % 5) {
    case 0: return g.Op1(Op::tanh, y);
    case 1: return g.Relu(y);
    case 2: return g.Op2(Op::mul, y, g.Op1(Op::sigmoid, x));
    case 3: return g.Op1(Op::sqrt, g.Op1(Op::abs, y));
    default: return g.Op2(Op::maximum, y, x);
  }
}

// Stages of several kinds in turn, none like another: their widths and their arithmetic differ.
Graph ManyKernels() {
  constexpr int kRows = 64, kStages = 240;
  GraphMaker g;
  int64_t width = 40;
  Value x = g.Input("x", {kRows, width});
  for (unsigned stage = 0; stage < kStages; ++stage) {
    const int64_t next = 40 + (stage * 37 + 11) % 331;
    if (stage % 4 == 0) {
      x = Pointwise(g, g.Op2(Op::dot, x, g.Weight(width, next)), stage);
      width = next;
    } else if (stage % 4 == 1) {
      x = g.Softmax(x);
    } else if (stage % 4 == 2) {
      x = Pointwise(g, g.Op2(Op::sub, x, g.Repeat(g.Mean(x, 0), x)), stage);
    } else {
      x = g.Op2(Op::mul, x, g.Repeat(g.Reduce(MaxReducer(ElementType::kF32), Pointwise(g, x, stage), 1), x));
    }
  }
  return g.Output(x);
}

}  // namespace

absl::Status PrintCompileTimes(std::span<const std::string> files, int threads) {
  std::printf("%-16s %5s %6s %7s | %-20s | %-20s | %s\n", "", "", "", "", "first, ms", "next, ms", "a kernel, us");
  std::printf("%-16s %5s %6s %7s | %6s %6s %6s | %6s %6s %6s | %-10s %s\n", "graph", "ops", "groups", "kernels",
              "total", "plan", "code", "total", "plan", "code", "memory", "product");
  for (const std::string& file : files) {
    const auto make = [&] { return ImportOnnx(file, {.random_weights_seed = 1}); };
    const std::string name = file.substr(file.find_last_of('/') + 1);
    SKEIN_RETURN_IF_ERROR(PrintTimes(name.substr(0, name.find('.')).c_str(), make, threads));
  }
  if (!files.empty()) return absl::OkStatus();
  return PrintTimes("generated", [] { return absl::StatusOr<Graph>(ManyKernels()); }, threads);
}

}  // namespace skein
