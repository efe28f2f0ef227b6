// The five transformer graphs of tests/graphs, as their frameworks exported them, through the whole of Skein.
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <set>
#include <thread>

#include "frontends/onnx/import.h"
#include "fusion/plan.h"
#include "ir/kernel_abi.h"
#include "ir/op.h"
#include "runtime/host.h"
#include "runtime/program.h"
#include "runtime/verify.h"
#include "tests/support/run_graph.h"

namespace skein {
namespace {

Graph Import(const std::string& name) {
  ImportOptions options;
  options.random_weights_seed = 1;
  absl::StatusOr<Graph> graph =
      ImportOnnx(std::string(SKEIN_SOURCE_DIR) + "/tests/graphs/" + name + ".onnx", options);
  EXPECT_TRUE(graph.ok()) << graph.status();
  return *std::move(graph);
}

CompileOptions Options() {
  CompileOptions options;
  options.target = *HostTarget();
  options.tier = Tier::kOptimized;
  return options;
}

std::unique_ptr<Program> Compile(const Graph& graph, const CompileOptions& options) {
  absl::StatusOr<std::unique_ptr<Program>> program = Program::Compile(graph, options);
  EXPECT_TRUE(program.ok()) << program.status();
  return *std::move(program);
}

int64_t Limit(const std::string& input) {
  if (input.find("mask") != std::string::npos) return 2;
  if (input.find("position") != std::string::npos) return 16;
  return 1000;  // below every vocabulary
}

// Every symbol of all five graphs; each graph uses two of them.
SymbolValues Sizes(int64_t batch, int64_t length) {
  return {{"batch", batch}, {"seq", length}, {"past", length}};
}

class Transformer : public testing::TestWithParam<const char*> {};

INSTANTIATE_TEST_SUITE_P(Graphs, Transformer,
                         testing::Values("bert-base", "bert-base-legacy", "gpt2-prefill", "llama-prefill",
                                         "llama-decode"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

// One program serves three bindings, each kernel within the reference's bound; masks blank out keys, and in the
// second binding a whole row.
TEST_P(Transformer, VerifiesAtThreeBindingsAndCompilesOnce) {
  const Graph graph = Import(GetParam());
  std::unique_ptr<Program> program = Compile(graph, Options());
  const int compiled = program->stats().kernels_compiled + program->stats().cache_hits;
  int row = 0;
  for (const SymbolValues& sizes : {Sizes(1, 12), Sizes(2, 7), Sizes(3, 1)}) {
    std::vector<HostTensor> inputs = *DrawInputs(graph, sizes, 11 + row, Limit);
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (graph.inputs()[i].name.find("mask") == std::string::npos || row != 1) continue;
      auto* mask = reinterpret_cast<int64_t*>(inputs[i].bytes.data());
      std::fill(mask, mask + inputs[i].dims.back(), 0);  // the first row: nothing to attend to
    }
    std::vector<HostTensor> outputs;
    const std::vector<TensorView> types = *program->OutputTypes(Views(inputs));
    for (const TensorView& v : types) outputs.emplace_back(v.element, v.dims);
    VerifyOptions options;
    options.end_to_end = false;
    options.threads = 2;
    const auto report = VerifyProgram(*program, graph, Views(inputs), Views(outputs), options);
    ASSERT_TRUE(report.ok()) << report.status();
    EXPECT_TRUE(report->passed) << report->ToString();
    const WorkSummary work = *program->Work(Views(inputs));
    EXPECT_GE(work.generated_flops_share, 0.99);
    EXPECT_GE(work.generated_bytes_share, 0.99);
    ++row;
  }
  const CompileStats stats = program->stats();
  EXPECT_EQ(stats.kernels_compiled + stats.cache_hits, compiled);
  EXPECT_TRUE(stats.failed_guards.empty());
  EXPECT_TRUE(stats.interpreted_ops.empty());
}

TEST_P(Transformer, GivesTheSameBitsEveryWay) {
  const Graph graph = Import(GetParam());
  std::vector<HostTensor> inputs = *DrawInputs(graph, Sizes(2, 11), 5, Limit);
  const std::vector<HostTensor> expected = *RunGraph(graph, Options(), inputs);
  std::map<std::string, CompileOptions> ways;
  for (const char* name : {"no-fuse", "two threads", "Xbyak", "no-fuse on Xbyak", "AVX2", "Xbyak for AVX2"}) ways[name] = Options();
  ways["no-fuse"].fuse = ways["no-fuse on Xbyak"].fuse = false;
  ways["two threads"].threads = 2;
  ways["AVX2"].target.isa = ways["Xbyak for AVX2"].target.isa = Isa::kAvx2;
  ways["Xbyak"].tier = ways["no-fuse on Xbyak"].tier = ways["Xbyak for AVX2"].tier = Tier::kFast;
  for (const auto& [name, options] : ways) {
    const auto got = RunGraph(graph, options, inputs);
    ASSERT_TRUE(got.ok()) << name << ": " << got.status();
    EXPECT_EQ(FirstDifference(expected, *got), "") << name;
  }
}

// Runs a launch again by the definition of what its kernel computes. Returns the first output that differs.
std::string DifferenceFromInterpreter(const LaunchView& launch) {
  const Group& group = *launch.group;
  std::vector<int64_t> arguments;
  SymbolValues values;
  for (size_t a = 0; a < group.arguments.size(); ++a) {
    arguments.push_back(*Evaluate(group.arguments[a], *launch.symbols));
    values[absl::StrCat("a", a)] = arguments.back();
  }
  std::vector<HostTensor> outputs;
  std::vector<void*> buffers;
  for (const TensorView& v : launch.inputs) buffers.push_back(v.data);
  for (const TensorView& v : launch.outputs) outputs.emplace_back(v.element, v.dims);
  for (HostTensor& t : outputs) {
    std::fill(t.bytes.begin(), t.bytes.end(), uint8_t{0xa5});
    buffers.push_back(t.bytes.data());
  }
  std::vector<std::byte> scratch(*Evaluate(LayOutScratch(*group.nest).bytes, values) + 64);
  std::byte* aligned = scratch.data() + (64 - reinterpret_cast<uintptr_t>(scratch.data()) % 64) % 64;
  uint64_t status = 0;
  const absl::Status run = InterpretLoopNest(*group.nest, {buffers.data(), arguments.data(), &status}, 0,
                                             *Evaluate(TileCount(*group.nest), values), aligned);
  if (!run.ok()) return run.ToString();
  for (size_t i = 0; i < outputs.size(); ++i) {
    HostTensor got(launch.outputs[i].element, launch.outputs[i].dims);
    std::memcpy(got.bytes.data(), launch.outputs[i].data, got.bytes.size());
    const std::string difference = FirstDifference({outputs[i]}, {got});
    if (!difference.empty()) return absl::StrCat(group.nest->ToString(), "\noutput ", i, ": ", difference);
  }
  return "";
}

// Every distinct kernel of every graph, in both tiers, on the inputs that it saw.
TEST_P(Transformer, KernelsMatchTheLoopNestInterpreter) {
  const Graph graph = Import(GetParam());
  std::vector<HostTensor> inputs = *DrawInputs(graph, Sizes(1, 2), 5, Limit);
  for (Tier tier : {Tier::kOptimized, Tier::kFast}) {
    CompileOptions options = Options();
    options.tier = tier;
    std::unique_ptr<Program> program = Compile(graph, options);
    std::vector<HostTensor> outputs;
    const std::vector<TensorView> types = *program->OutputTypes(Views(inputs));
    for (const TensorView& v : types) outputs.emplace_back(v.element, v.dims);
    std::set<std::string> seen;
    RunOptions run;
    run.after_group = [&](const LaunchView& launch) {
      if (!seen.insert(launch.group->hash.Hex()).second) return absl::OkStatus();
      EXPECT_EQ(DifferenceFromInterpreter(launch), "") << OriginText(launch.plan->graph, launch.group->nodes[0]);
      return absl::OkStatus();
    };
    const absl::Status status = program->Run(Views(inputs), Views(outputs), run);
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_GE(seen.size(), 10u);
  }
}

Plan PlanOf(const std::string& name) {
  PlanOptions options;
  options.target = *HostTarget();
  absl::StatusOr<Plan> plan = MakePlan(Import(name), options);
  EXPECT_TRUE(plan.ok()) << plan.status();
  return *std::move(plan);
}

// What sizes and constants determine is inlined or computed once per binding, never launched in a run.
TEST_P(Transformer, EveryLaunchOfARunReadsItsInputs) {
  const Plan plan = PlanOf(GetParam());
  std::set<Value> varies;
  for (const Graph::Named& in : plan.graph.inputs()) varies.insert(in.value);
  int launches = 0;
  for (const Group& group : plan.groups) {
    if (group.phase != Phase::kRun) continue;
    ++launches;
    const bool reads = std::any_of(group.inputs.begin(), group.inputs.end(), [&](Value v) { return varies.contains(v); });
    EXPECT_TRUE(reads) << "a kernel of a run reads constants and sizes only: " << OriginText(plan.graph, group.nodes[0]);
    varies.insert(group.outputs.begin(), group.outputs.end());
  }
  EXPECT_GT(launches, 30);
}

// Kernels (of runs) that hold nodes of the user's whose name contains `part`, by user node.
std::map<std::string, std::set<size_t>> KernelsOf(const Plan& plan, const std::string& part) {
  std::map<std::string, std::set<size_t>> kernels;
  for (size_t g = 0; g < plan.groups.size(); ++g) {
    for (const std::string& name : Origins(plan, plan.groups[g])) {
      if (name.find(part) != std::string::npos) kernels[name].insert(g);
    }
  }
  return kernels;
}

TEST(Structure, CompositesAreSingleKernels) {
  struct Expectation {
    const char *graph, *part, *kind;
    size_t count;
  };
  for (const Expectation& e : {Expectation{"bert-base", "node_Softmax", "row", 12},
                               Expectation{"bert-base", "node_layer_norm", "row", 25},
                               Expectation{"bert-base", "node_gelu", "dot", 12},  // an epilogue
                               Expectation{"gpt2-prefill", "node_Softmax", "row", 12},
                               Expectation{"llama-prefill", "node_Softmax", "row", 6}}) {
    const Plan plan = PlanOf(e.graph);
    const auto kernels = KernelsOf(plan, e.part);
    EXPECT_EQ(kernels.size(), e.count) << e.graph << " " << e.part;
    for (const auto& [name, groups] : kernels) {
      EXPECT_EQ(groups.size(), 1u) << e.graph << ": " << name;
      EXPECT_EQ(plan.groups[*groups.begin()].kind, e.kind) << e.graph << ": " << name;
    }
  }
  // RMS norm: from the square to the scaled result in one kernel with one reduction; rotary embedding, likewise.
  const Plan llama = PlanOf("llama-prefill");
  std::map<std::string, int> kinds;
  for (const Group& g : llama.groups) {
    if (g.phase == Phase::kRun) ++kinds[g.kind];
  }
  EXPECT_EQ(kinds["row"], 13 + 6);  // 2 norms a layer and the last one; softmax
  EXPECT_EQ(kinds["dot"], 6 * 9 + 1);
}

// Two exporters spell one encoder: the same kernels, but for the groups that hold what they spell differently.
TEST(Structure, TwoExportsOfBertPlanAlike) {
  const Plan a = PlanOf("bert-base"), b = PlanOf("bert-base-legacy");
  auto kernels = [](const Plan& plan) {
    std::map<std::string, int> count;
    for (const Group& g : plan.groups) {
      if (g.phase == Phase::kRun) ++count[g.hash.Hex()];
    }
    return count;
  };
  std::map<std::string, int> left = kernels(a), right = kernels(b);
  EXPECT_EQ(std::count_if(a.groups.begin(), a.groups.end(), [](const Group& g) { return g.phase == Phase::kRun; }),
            std::count_if(b.groups.begin(), b.groups.end(), [](const Group& g) { return g.phase == Phase::kRun; }));
  std::set<std::string> only_left;
  for (const auto& [hash, count] : left) {
    if (right[hash] != count) only_left.insert(hash);
  }
  // The score scale (q and k by its square root, or the scores: 0.35355338^2 is not 1/8 in f32), and softmax, which
  // one exporter guards against NaN.
  int scores = 0, softmax = 0;
  for (const Group& g : a.groups) {
    if (g.phase != Phase::kRun || !only_left.contains(g.hash.Hex())) continue;
    if (g.kind == "dot") ++scores;
    if (g.kind == "row") ++softmax;
    EXPECT_TRUE(g.kind == "dot" || g.kind == "row") << g.kind;
  }
  EXPECT_EQ(scores, 12);
  EXPECT_EQ(softmax, 12);
}

TEST(Kernels, OnePerDistinctLayerAndNoneForASecondProgram) {
  const Graph graph = Import("gpt2-prefill");
  std::unique_ptr<Program> first = Compile(graph, Options());
  std::set<std::string> distinct;
  for (const Group& g : first->plan().groups) distinct.insert(g.hash.Hex());
  EXPECT_LE(distinct.size(), 24u) << "12 equal layers";
  EXPECT_LE(first->stats().kernels_compiled, static_cast<int>(distinct.size()));
  std::unique_ptr<Program> second = Compile(graph, Options());
  EXPECT_EQ(second->stats().kernels_compiled, 0);
}

TEST(Kernels, EightThreadsCompileEachOnce) {
  Graph graph;  // kernels that no other test has: odd constants
  Value x = graph.AddInput("x", {ElementType::kF32, {DimExpr::Symbol("n"), 33}});
  for (double c : {0.1234567, 7.654321, 1.357924}) {
    Value ones = *graph.Add(Op::reshape, {graph.AddScalar(ElementType::kF32, c)}, {{"dims", Dims{1, 1}}});
    Value wide = *graph.Add(Op::broadcast, {ones}, {{"dims", Dims{DimExpr::Symbol("n"), 33}}});
    x = *graph.Add(Op::mul, {*graph.Add(Op::tanh, {x}), wide});
    graph.AddOutput(absl::StrCat("y", c), x);
  }
  std::vector<std::unique_ptr<Program>> programs(8);
  std::vector<std::thread> threads;
  for (auto& program : programs) {
    threads.emplace_back([&graph, &program] { program = Compile(graph, Options()); });
  }
  for (std::thread& t : threads) t.join();
  std::set<std::string> distinct;
  for (const Group& g : programs[0]->plan().groups) distinct.insert(g.hash.Hex());
  int compiled = 0;
  for (const auto& program : programs) compiled += program->stats().kernels_compiled;
  EXPECT_EQ(compiled, static_cast<int>(distinct.size()));
}

// BERT has 512 positions: seq <= 512 is assumed, and a longer input compiles one variant, once.
TEST(Guards, AFailedOneCompilesOneVariantAndSaysSo) {
  Graph graph;
  Value x = graph.AddInput("x", {ElementType::kF32, {DimExpr::Symbol("p")}});
  Value y = graph.AddInput("y", {ElementType::kF32, {DimExpr::Symbol("q")}});
  Value sum = *graph.Add(Op::add, {x, y});  // assumes p = q
  graph.AddOutput("sum", sum);
  ASSERT_EQ(graph.guards().size(), 1u);
  std::unique_ptr<Program> program = Compile(graph, Options());
  HostTensor a(ElementType::kF32, {5}), b(ElementType::kF32, {5}), c(ElementType::kF32, {6});
  std::vector<HostTensor> good, bad;
  good.push_back(a);
  good.push_back(b);
  EXPECT_TRUE(RunProgram(*program, good).ok());
  EXPECT_EQ(program->stats().variants, 1);
  bad.push_back(a);
  bad.push_back(c);
  const auto status = RunProgram(*program, bad).status();
  EXPECT_FALSE(status.ok());
  EXPECT_NE(std::string(status.message()).find("p"), std::string::npos) << status;
}

TEST(Guards, LongerThanTheModelCanBe) {
  const Graph graph = Import("bert-base");
  std::unique_ptr<Program> program = Compile(graph, Options());
  std::vector<HostTensor> inputs = *DrawInputs(graph, Sizes(1, 513), 3, Limit);
  // 512 positions are all there are: the sum of embeddings has no value for the 513th.
  EXPECT_FALSE(RunProgram(*program, inputs).ok());
  std::vector<HostTensor> shorter = *DrawInputs(graph, Sizes(1, 9), 3, Limit);
  EXPECT_TRUE(RunProgram(*program, shorter).ok());
}

}  // namespace
}  // namespace skein
