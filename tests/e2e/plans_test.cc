// What the plans of the five transformer graphs promise: every node of the user's is accounted for, equal layers
// share kernels, and what exporters write in several ways is one kernel.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <set>
#include <thread>

#include "frontends/onnx/import.h"
#include "fusion/plan.h"
#include "ir/op.h"
#include "ir/specialize.h"
#include "runtime/program.h"
#include "tests/support/run_graph.h"

namespace skein {
namespace {

Graph Import(const std::string& name) {
  ImportOptions options;
  options.random_weights_seed = 2;
  absl::StatusOr<Graph> graph = ImportOnnx(absl::StrCat(SKEIN_SOURCE_DIR "/tests/graphs/", ForStrCat(name), ".onnx"), options);
  EXPECT_TRUE(graph.ok()) << graph.status();
  return graph.ok() ? *std::move(graph) : Graph();
}

Plan PlanOf(const Graph& graph, bool fuse = true) {
  PlanOptions options;
  options.fuse = fuse;
  options.target = DefaultTarget();
  absl::StatusOr<Plan> plan = MakePlan(graph, options);
  EXPECT_TRUE(plan.ok()) << plan.status();
  return plan.ok() ? *std::move(plan) : Plan();
}

bool Contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// One plan per graph and process: planning is what takes the time here.
const Plan& FusedPlan(const std::string& name) {
  static auto& plans = *new std::map<std::string, Plan>();
  auto it = plans.find(name);
  if (it == plans.end()) it = plans.emplace(name, PlanOf(Import(name))).first;
  return it->second;
}

class TransformerPlan : public testing::TestWithParam<const char*> {
 protected:
  const Plan& plan() const { return FusedPlan(GetParam()); }
};

INSTANTIATE_TEST_SUITE_P(Graphs, TransformerPlan,
                         testing::Values("bert-base", "bert-base-legacy", "gpt2-prefill", "llama-prefill", "llama-decode"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

// Values that the outputs need and that are neither inputs, nor constants, nor known from sizes.
std::set<NodeId> Needed(const Graph& graph) {
  std::set<NodeId> needed;
  std::vector<Value> work;
  for (const Graph::Named& out : graph.outputs()) work.push_back(out.value);
  while (!work.empty()) {
    const Value v = work.back();
    work.pop_back();
    if (graph.Known(v) || graph.SplatValue(v) || graph.op(v) == Op::input || graph.op(v) == Op::constant) continue;
    if (!needed.insert(v.node).second) continue;
    for (Value operand : graph.node(v.node).operands) work.push_back(operand);
  }
  return needed;
}

TEST_P(TransformerPlan, AccountsForEverySourceNode) {
  const Graph& graph = plan().graph;
  std::set<NodeId> computed;
  std::set<int32_t> in_kernels;
  for (const Group& group : plan().groups) {
    EXPECT_FALSE(Origins(plan(), group).empty()) << group.kind;
    computed.insert(group.nodes.begin(), group.nodes.end());
    for (NodeId id : group.nodes) in_kernels.insert(graph.origins(id).begin(), graph.origins(id).end());
  }
  std::set<int32_t> needed;
  for (NodeId id : Needed(graph)) {
    EXPECT_TRUE(computed.contains(id)) << OriginText(graph, id) << " is in no kernel";
    EXPECT_FALSE(graph.origins(id).empty()) << "%" << id.index << " has no origin";
    needed.insert(graph.origins(id).begin(), graph.origins(id).end());
  }
  EXPECT_TRUE(std::includes(in_kernels.begin(), in_kernels.end(), needed.begin(), needed.end()));
  // The rest were folded, merged or dead, which is what the plan says of them.
  int elsewhere = 0;
  for (size_t i = 0; i < graph.source_names.size(); ++i) {
    if (in_kernels.contains(static_cast<int32_t>(i))) continue;
    if (graph.source_names[i].empty()) continue;
    ++elsewhere;
    if (elsewhere % 40 != 1) continue;  // the sentence is the same for all; a few are read
    EXPECT_TRUE(Contains(Why(plan(), graph.source_names[i], graph.source_names[i]), "is in no kernel"));
  }
  EXPECT_GT(elsewhere, 5) << "shape arithmetic folds away";
  EXPECT_LT(elsewhere, static_cast<int>(graph.source_names.size()));
}

TEST_P(TransformerPlan, EqualLayersShareTheirKernels) {
  std::map<Hash128, int> runs;
  std::set<Hash128> all;
  for (const Group& group : plan().groups) {
    all.insert(group.hash);
    if (group.phase == Phase::kRun) ++runs[group.hash];
  }
  // A layer is at most 14 kernels (a cache is two); a few more come before the first layer and after the last.
  EXPECT_LE(runs.size(), 20u);
  EXPECT_LE(all.size(), 28u);
  const bool llama = Contains(GetParam(), "llama");
  const int layers = llama ? 6 : 12;
  int once = 0;
  for (const auto& [hash, count] : runs) {
    EXPECT_TRUE(count < 3 || count % layers == 0) << hash.Hex() << " is launched " << count << " times in " << layers << " layers";
    once += count < 3;
  }
  EXPECT_LE(once, 6);
}

TEST_P(TransformerPlan, FusingMovesFewerBytesInFewerLaunches) {
  const Plan unfused = PlanOf(Import(GetParam()), false);
  auto launches = [](const Plan& p) {
    return std::count_if(p.groups.begin(), p.groups.end(), [](const Group& g) { return g.phase == Phase::kRun; });
  };
  EXPECT_LT(launches(plan()) * 2, launches(unfused));
  const SymbolValues sizes = {{"batch", 1}, {"seq", 128}, {"past", 255}};
  EXPECT_LT(*Evaluate(plan().fused_bytes, sizes), *Evaluate(unfused.fused_bytes, sizes));
  for (const Plan* p : {&plan(), &unfused}) {
    for (const Group& group : p->groups) EXPECT_NE(group.kind, "interpreted") << OriginText(p->graph, group.nodes[0]);
  }
}

// The two exports of BERT: groups that differ are named here, each with what makes it differ.
TEST(BertExports, DifferWhereTheExportersDo) {
  struct Side {
    const char* graph;
    const char* scale_and_product;  // a node of the product of q and k
    const char* softmax;
  };
  std::map<Hash128, int> balance;  // launches of the one less those of the other
  const Side sides[] = {{"bert-base", "node_MatMul_136", "node_Softmax_138"},
                        {"bert-base-legacy", "/m/encoder/layer.0/attention/self/MatMul", "/m/encoder/layer.0/attention/self/Softmax"}};
  for (int s = 0; s < 2; ++s) {
    for (const Group& g : FusedPlan(sides[s].graph).groups) {
      if (g.phase == Phase::kRun) balance[g.hash] += s == 0 ? 1 : -1;
    }
  }
  for (const Side& side : sides) {
    const Plan& plan = FusedPlan(side.graph);
    std::set<Hash128> differ;
    for (const Group& g : plan.groups) {
      if (g.phase == Phase::kRun && balance[g.hash] != 0) differ.insert(g.hash);
    }
    EXPECT_EQ(differ.size(), 2u) << side.graph;
    std::set<Hash128> expected;
    for (const Group& g : plan.groups) {
      const std::vector<std::string> names = Origins(plan, g);
      for (const char* name : {side.scale_and_product, side.softmax}) {
        if (g.phase == Phase::kRun && std::find(names.begin(), names.end(), name) != names.end()) expected.insert(g.hash);
      }
    }
    EXPECT_EQ(differ, expected) << side.graph;
  }
}

// The group of a run that computes a node, and how many do.
std::vector<const Group*> KernelsWith(const Plan& plan, const std::function<bool(const Node&)>& what) {
  std::vector<const Group*> result;
  for (const Group& g : plan.groups) {
    if (g.phase != Phase::kRun) continue;
    for (NodeId id : g.nodes) {
      if (!what(plan.graph.node(id))) continue;
      result.push_back(&g);
      break;
    }
  }
  return result;
}

int CountOps(const Plan& plan, const Group& group, Op op) {
  return static_cast<int>(std::count_if(group.nodes.begin(), group.nodes.end(),
                                        [&](NodeId id) { return plan.graph.node(id).op == op; }));
}

TEST_P(TransformerPlan, NormsAreSingleKernels) {
  const bool llama = Contains(GetParam(), "llama");
  const auto norms = KernelsWith(plan(), [](const Node& n) { return n.op == Op::sqrt; });
  EXPECT_EQ(norms.size(), llama ? 13u : 25u);
  for (const Group* g : norms) {
    EXPECT_EQ(g->kind, "row");
    EXPECT_EQ(CountOps(plan(), *g, Op::reduce), llama ? 1 : 2);  // mean square, or mean and variance
    EXPECT_EQ(CountOps(plan(), *g, Op::dot), 0);
    EXPECT_LE(g->outputs.size(), 2u);  // the result, and the sum of embeddings before the first layer
  }
}

TEST_P(TransformerPlan, SoftmaxIsASingleKernel) {
  const auto softmax = KernelsWith(plan(), [](const Node& n) { return n.op == Op::exp; });
  EXPECT_EQ(softmax.size(), Contains(GetParam(), "llama") ? 6u : 12u);
  for (const Group* g : softmax) {
    EXPECT_EQ(g->kind, "row");
    EXPECT_EQ(CountOps(plan(), *g, Op::reduce), 2);
    EXPECT_EQ(g->inputs.size(), 1u);
    EXPECT_EQ(g->outputs.size(), 1u);
  }
}

// Activations ride on the product before them, or on the next one's operand; nothing is written in between.
TEST_P(TransformerPlan, ActivationsAndResidualsAreEpilogues) {
  const auto activations =
      KernelsWith(plan(), [](const Node& n) { return n.op == Op::gelu || n.op == Op::gelu_tanh || n.op == Op::silu || n.op == Op::tanh; });
  EXPECT_GE(activations.size(), Contains(GetParam(), "llama") ? 6u : 12u);
  for (const Group* g : activations) EXPECT_EQ(g->kind, "dot");
  // No kernel of a run is bias or residual alone: what is pointwise prepares masks, positions and caches.
  for (const Group& g : plan().groups) {
    if (g.phase != Phase::kRun || g.kind != "pointwise") continue;
    const bool rotary = CountOps(plan(), g, Op::concat) > 0;
    const int layers = Contains(GetParam(), "llama") ? 6 : 0;
    int same = 0;
    for (const Group& other : plan().groups) same += other.hash == g.hash;
    EXPECT_TRUE(same == 1 || (rotary && same % layers == 0)) << OriginText(plan().graph, g.nodes.back());
  }
}

// q's rotary embedding is one kernel a layer; k's is that too, or part of the product that reads it.
TEST(Rotary, IsASingleKernel) {
  for (const char* name : {"llama-prefill", "llama-decode"}) {
    const Plan& plan = FusedPlan(name);
    // sin and cos tables come from binding-time kernels or from positions; rotate-half is neg + concat.
    const auto rotary = KernelsWith(plan, [](const Node& n) { return n.op == Op::neg; });
    EXPECT_EQ(rotary.size(), 12u) << name;
    for (const Group* g : rotary) {
      EXPECT_GE(CountOps(plan, *g, Op::concat), 1) << name;
      EXPECT_GE(CountOps(plan, *g, Op::mul), 2) << name;  // by cosines and by sines
      EXPECT_GE(CountOps(plan, *g, Op::add), 1) << name;
    }
  }
}

// All keys masked, some keys masked, none: fused and op by op, on both tiers.
TEST(Masks, GiveTheSameBitsEveryWay) {
  const Graph graph = Import("llama-prefill");
  const SymbolValues sizes = {{"batch", 3}, {"seq", 5}};
  std::vector<HostTensor> inputs =
      *DrawInputs(graph, sizes, 3, [](const std::string& name) { return Contains(name, "mask") ? 1 : 32000; });
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!Contains(graph.inputs()[i].name, "mask")) continue;
    auto* mask = reinterpret_cast<int64_t*>(inputs[i].bytes.data());  // [3, 5], zeros so far
    for (int j : {0, 2, 3}) mask[5 + j] = 1;
    for (int j = 0; j < 5; ++j) mask[10 + j] = 1;
  }
  std::vector<HostTensor> first;
  for (const NamedOptions& way : EveryWay()) {
    if (way.options.interpret || way.options.threads > 1) continue;
    const auto outputs = RunGraph(graph, way.options, inputs);
    ASSERT_TRUE(outputs.ok()) << way.name << ": " << outputs.status();
    if (first.empty()) first = *outputs;
    EXPECT_EQ(FirstDifference(first, *outputs), "") << way.name;
  }
  const auto* logits = reinterpret_cast<const float*>(first[0].bytes.data());
  EXPECT_TRUE(std::all_of(logits, logits + first[0].count(), [](float v) { return std::isfinite(v); }));
}

// A graph with its sizes as constants has kernels of its own; eight threads that meet compile each of them once.
TEST(Sharing, EightThreadsCompileEachKernelOfATransformerOnce) {
  const absl::StatusOr<Graph> graph = SpecializeSymbols(Import("llama-decode"), {{"batch", 2}, {"past", 13}});
  ASSERT_TRUE(graph.ok()) << graph.status();
  std::vector<CompileStats> stats(8);
  std::vector<std::thread> threads;
  for (CompileStats& s : stats) {
    threads.emplace_back([&graph, &s] {
      const auto program = Program::Compile(*graph, {.pack_first = true});  // else some are made behind the runs
      ASSERT_TRUE(program.ok()) << program.status();
      s = (*program)->stats();
    });
  }
  for (std::thread& t : threads) t.join();
  std::set<Hash128> distinct;
  const Plan plan = PlanOf(*graph);
  for (const Group& g : plan.groups) distinct.insert(g.hash);
  int compiled = 0;
  for (const CompileStats& s : stats) {
    compiled += s.kernels_compiled;
    EXPECT_EQ(s.kernels_compiled + s.cache_hits, s.groups);
  }
  EXPECT_GT(compiled, 10);
  EXPECT_LE(compiled, static_cast<int>(distinct.size()));  // some do not depend on sizes and are there already
}

}  // namespace
}  // namespace skein
