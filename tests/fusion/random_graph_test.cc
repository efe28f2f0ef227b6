// Random graphs: every way to run one gives the same bits, and the right ones.
#include "tests/support/random_graph.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>

#include "fusion/plan.h"
#include "fusion/settle.h"
#include "ir/op.h"
#include "tests/support/run_graph.h"

namespace skein {
namespace {

std::string Context(uint64_t seed, const Graph& graph) {
  return absl::StrCat("SKEIN_TEST_SEED=", seed, " SKEIN_TEST_GRAPHS=1\n", graph.ToString());
}

TEST(RandomGraphs, AreValidAndReadBack) {
  for (int i = 0; i < TestGraphs(100); ++i) {
    const uint64_t seed = TestSeed() + i;
    const Graph graph = RandomGraph(RandomBytes(seed));
    ASSERT_TRUE(Verify(graph).ok()) << Context(seed, graph) << Verify(graph);
    const absl::StatusOr<Graph> parsed = ParseGraph(graph.ToString());
    ASSERT_TRUE(parsed.ok()) << Context(seed, graph) << parsed.status();
  }
  EXPECT_TRUE(Verify(RandomGraph({})).ok());
}

TEST(RandomGraphs, UseEveryClassOfOp) {
  std::set<OpClass> seen;
  for (int i = 0; i < 60; ++i) {
    const Graph graph = RandomGraph(RandomBytes(i));
    for (int n = 0; n < graph.size(); ++n) seen.insert(Def(graph.node(NodeId(n)).op).op_class);
  }
  EXPECT_EQ(seen.size(), 6u);  // all but scans
}

// Every value that a group reads is there by then, every output is written, once.
void ExpectSound(const Plan& plan, const std::string& context) {
  std::set<Value> there;
  for (const Graph::Named& in : plan.graph.inputs()) there.insert(in.value);
  std::map<Value, Phase> written;
  for (size_t g = 0; g < plan.groups.size(); ++g) {
    const Group& group = plan.groups[g];
    for (Value v : group.inputs) {
      const bool constant = plan.graph.op(v) == Op::constant;
      ASSERT_TRUE(constant || there.contains(v)) << context << "group " << g << " reads %" << v.node.index;
      const auto at = written.find(v);
      ASSERT_TRUE(at == written.end() || at->second <= group.phase) << context << "group " << g;
    }
    for (Value v : group.outputs) {
      ASSERT_TRUE(there.insert(v).second) << context << "%" << v.node.index << " is written twice";
      written[v] = group.phase;
    }
    ASSERT_EQ(group.nest->argument_count, static_cast<int>(group.arguments.size())) << context;
    ASSERT_TRUE(group.kind == "interpreted" || Verify(*group.nest).ok()) << context << Verify(*group.nest);
    ASSERT_EQ(group.hash, group.nest->Hash()) << context;
  }
  for (const Graph::Named& out : plan.graph.outputs()) {
    ASSERT_TRUE(there.contains(out.value) || plan.graph.op(out.value) == Op::constant)
        << context << "output '" << out.name << "'";
  }
  for (const Refusal& refusal : plan.refusals) {
    ASSERT_EQ(refusal.code.substr(0, 2), "SK") << context;
    ASSERT_NE(refusal.code, "SK199") << context << refusal.reason;
    ASSERT_FALSE(refusal.reason.empty()) << context;
  }
}

TEST(RandomGraphs, PlansAreSound) {
  for (int i = 0; i < TestGraphs(100); ++i) {
    const uint64_t seed = TestSeed() + i;
    const Graph graph = RandomGraph(RandomBytes(seed));
    for (bool fuse : {true, false}) {
      PlanOptions options;
      options.fuse = fuse;
      const absl::StatusOr<Plan> plan = MakePlan(graph, options);
      ASSERT_TRUE(plan.ok()) << Context(seed, graph) << plan.status();
      ExpectSound(*plan, Context(seed, graph) + (fuse ? "fused: " : "no-fuse: "));
    }
  }
}

// Settling changes rounding, never the value: both sides of the f64 reference agree within their bounds.
TEST(RandomGraphs, SettlingKeepsTheValue) {
  for (int i = 0; i < TestGraphs(60); ++i) {
    const uint64_t seed = TestSeed() + i;
    const Graph graph = RandomGraph(RandomBytes(seed));
    const SymbolValues sizes = RandomSizes(seed);
    const absl::StatusOr<Graph> settled = Settle(graph);
    ASSERT_TRUE(settled.ok()) << Context(seed, graph) << settled.status();
    absl::StatusOr<std::vector<HostTensor>> inputs = DrawInputs(graph, sizes, seed);
    const auto before = Reference(graph, sizes, *inputs), after = Reference(*settled, sizes, *inputs);
    ASSERT_TRUE(before.ok() && after.ok()) << Context(seed, graph) << before.status() << after.status();
    for (size_t o = 0; o < before->size(); ++o) {
      const RefTensor &x = (*before)[o], &y = (*after)[o];
      ASSERT_EQ(x.dims, y.dims);
      for (size_t e = 0; e < x.value.size(); ++e) {
        const double bound = (x.error.empty() ? 0 : x.error[e]) + (y.error.empty() ? 0 : y.error[e]);
        if (!std::isfinite(bound) || (std::isnan(x.value[e]) && std::isnan(y.value[e]))) continue;
        ASSERT_TRUE(std::abs(x.value[e] - y.value[e]) <= bound || x.value[e] == y.value[e])
            << Context(seed, graph) << settled->ToString() << "output " << o << ", element " << e << ": " << x.value[e]
            << " and " << y.value[e] << " within " << bound;
      }
    }
  }
}

// LLVM takes most of the time of this program, so it sees every fifth graph.
TEST(RandomGraphs, EveryWayGivesTheSameBits) {
  const std::vector<NamedOptions> every = EveryWay(), quick = WaysWithoutLlvm();
  const int graphs = TestGraphs(150);
  for (int i = 0; i < graphs; ++i) {
    const uint64_t seed = TestSeed() + i;
    const Graph graph = RandomGraph(RandomBytes(seed));
    const SymbolValues sizes = RandomSizes(seed);
    ASSERT_EQ(RunAllWays(graph, sizes, seed, graphs == 1 || i % 5 == 0 ? every : quick), "")
        << Context(seed, graph) << "a = " << sizes.at("a") << ", b = " << sizes.at("b");
  }
}

}  // namespace
}  // namespace skein
