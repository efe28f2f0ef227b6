// Groups scheduled by structure are the groups that the scheduler makes of them, and equal layers are scheduled once.
#include "fusion/schedule_memo.h"

#include <gtest/gtest.h>

#include <tuple>

#include "fusion/planner_groups.h"
#include "fusion/planner_repair.h"
#include "fusion/settle.h"
#include "tests/fusion/fusion_graphs.h"
#include "tests/support/random_graph.h"

namespace skein {
namespace {

auto PartsOf(const Group& g) {
  return std::tuple(g.outputs, g.inputs, g.nodes, g.kind, g.nest->ToString(), g.arguments, g.hash, g.bytes_read,
                    g.bytes_written, g.flops, g.dot_flops, g.gather_sites);
}

// `count` layers of one shape and their own weights: normalization, product, activation, residual.
Graph Layers(int count) {
  std::string text = "%0 = input() {name = \"x\"} : f32[n, 96]\n";
  auto add = [&, id = 0](const std::string& line) mutable {
    absl::StrAppend(&text, "%", ++id, " = ", line, "\n");
    return absl::StrCat("%", id);
  };
  std::string x = "%0";
  for (int layer = 0; layer < count; ++layer) {
    const std::string w = add(absl::StrCat("input() {name = \"w", layer, "\"} : f32[96, 96]"));
    const std::string sum = add(absl::StrCat("reduce(", x, ") {axes = (1), reducer = sum<f32>} : f32[n, 1]"));
    const std::string wide = add(absl::StrCat("broadcast(", sum, ") : f32[n, 96]"));
    const std::string normal = add(absl::StrCat("sub(", x, ", ", wide, ") : f32[n, 96]"));
    const std::string product = add(absl::StrCat("dot(", normal, ", ", w, ") : f32[n, 96]"));
    const std::string active = add(absl::StrCat("tanh(", product, ") : f32[n, 96]"));
    x = add(absl::StrCat("add(", x, ", ", active, ") : f32[n, 96]"));
  }
  return Parse(absl::StrCat(text, "output \"y\" = ", x, "\n"));
}

// Every group of one node, and what the greedy planner makes of them: often the same few structures.
void ExpectWhatTheSchedulerGives(const Graph& original, const std::string& context) {
  const absl::StatusOr<Graph> graph = Settle(original);
  ASSERT_TRUE(graph.ok()) << graph.status();
  const PlanGraph nodes(*graph, true);
  const Target target;
  Groups groups(nodes, target);
  for (bool merged : {false, true}) {
    if (merged) MergeGreedily(nodes, Traffic(nodes, {}, kLaunchBytes), Reachability(nodes), &groups);
    for (int part = 0; part < groups.size(); ++part) {
      if (!groups.alive(part)) continue;
      const absl::StatusOr<Group> asked = Schedule(*graph, groups.SpecOf(groups.nodes(part)), target);
      const absl::StatusOr<Group> found = groups.KernelOf(groups.nodes(part));
      ASSERT_EQ(asked.status(), found.status()) << context;
      EXPECT_EQ(asked.status(), groups.Fits(groups.nodes(part))) << context;
      if (!asked.ok()) continue;
      EXPECT_TRUE(PartsOf(*asked) == PartsOf(*found)) << context << "\n" << graph->ToString();
    }
  }
}

TEST(ScheduleMemo, GivesWhatTheSchedulerGives) {
  ExpectWhatTheSchedulerGives(Layers(4), "layers");
  for (int i = 0; i < TestGraphs(30); ++i) {
    const uint64_t seed = TestSeed() + i;
    ExpectWhatTheSchedulerGives(RandomGraph(RandomBytes(seed)), absl::StrCat("SKEIN_TEST_SEED=", seed));
  }
}

int ScheduledFor(int layers) {
  const absl::StatusOr<Graph> graph = Settle(Layers(layers));
  EXPECT_TRUE(graph.ok()) << graph.status();
  const PlanGraph nodes(*graph, true);
  const Target target;
  Groups groups(nodes, target);
  const Traffic traffic(nodes, {}, kLaunchBytes);
  const Reachability reach(nodes);
  MergeGreedily(nodes, traffic, reach, &groups);
  RepairExactly(nodes, traffic, reach, ExactLimits(), &groups);
  AbsorbMovement(nodes, true, &groups);
  for (int part = 0; part < groups.size(); ++part) {
    if (!groups.alive(part)) continue;
    EXPECT_TRUE(groups.KernelOf(groups.nodes(part)).ok());
  }
  return groups.scheduled();
}

TEST(ScheduleMemo, MoreLayersAreNotScheduledMoreOften) {
  const int few = ScheduledFor(4);
  EXPECT_EQ(ScheduledFor(16), few);
  EXPECT_LE(few, 24);
}

}  // namespace
}  // namespace skein
