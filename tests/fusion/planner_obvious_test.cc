// What the planner takes for granted, the scheduler grants: every set of nodes of random graphs.
#include <gtest/gtest.h>

#include <map>

#include "fusion/planner_groups.h"
#include "fusion/settle.h"
#include "tests/fusion/fusion_graphs.h"
#include "tests/support/random_graph.h"

namespace skein {
namespace {

// Counts the sets of more than one node that obviously fit, by kind.
void CheckEverySet(const Graph& original, const std::string& context, std::map<std::string, int>* kinds) {
  constexpr size_t kMostNodes = 10;
  const absl::StatusOr<Graph> graph = Settle(original);
  ASSERT_TRUE(graph.ok()) << graph.status();
  const PlanGraph plan_graph(*graph, true);
  const Groups groups(plan_graph, Target());
  const std::vector<NodeId> all(plan_graph.computed().begin(), plan_graph.computed().end());
  const size_t count = std::min(all.size(), kMostNodes);
  for (unsigned set = 1; set < 1u << count; ++set) {
    NodeSet nodes;
    for (size_t i = 0; i < count; ++i) {
      if ((set >> i) & 1) nodes.insert(all[i]);
    }
    if (nodes.size() < 2 || NeverTogether(plan_graph, nodes) || !ObviouslyFits(plan_graph, nodes)) continue;
    const absl::StatusOr<Group> kernel = groups.KernelOf(nodes);
    ASSERT_TRUE(kernel.ok()) << kernel.status() << " set " << set << "\n" << context << graph->ToString();
    ++(*kinds)[kernel->kind];
  }
}

TEST(ObviouslyFits, OnlyWhatTheSchedulerTakes) {
  std::map<std::string, int> kinds;
  for (int i = 0; i < TestGraphs(150); ++i) {
    const uint64_t seed = TestSeed() + i;
    CheckEverySet(RandomGraph(RandomBytes(seed)), absl::StrCat("SKEIN_TEST_SEED=", seed, " SKEIN_TEST_GRAPHS=1\n"), &kinds);
  }
  if (TestGraphs(150) == 150) {
    EXPECT_GT(kinds["row"], 0);
    EXPECT_GT(kinds["dot"], 0);
  }
}

// Rows with everything that is next to obvious: dims of 1, other axes, other results, other movement.
TEST(ObviouslyFits, RowsAndTheirNeighbours) {
  std::map<std::string, int> kinds;
  for (const char* dims : {"n, 96", "1, n, 96", "4, n, 7", "n, 1"}) {
    const std::string d = dims, rank_axis = d.find(", n, ") != d.npos ? "2" : "1";
    const std::string row = d.substr(0, d.rfind(',')) + ", 1";
    for (const char* axis : {rank_axis.c_str(), "0"}) {
      const std::string other_row = axis[0] == '0' ? "1" + d.substr(d.find(',')) : row;
      const std::string reduced = absl::StrCat("{axes = (", axis, "), reducer = sum<f32>} : f32[", other_row, "]\n");
      CheckEverySet(Parse(absl::StrCat("%0 = input() {name = \"x\"} : f32[", d, "]\n%1 = tanh(%0) : f32[", d, "]\n",
                                       "%2 = reduce(%1) {axes = (", rank_axis, "), reducer = max<f32>} : f32[", row, "]\n",
                                       "%3 = broadcast(%2) : f32[", d, "]\n%4 = sub(%1, %3) : f32[", d, "]\n",
                                       "%5 = exp(%4) : f32[", d, "]\n%6 = reduce(%5) ", reduced, "%7 = broadcast(%6) : f32[", d,
                                       "]\n%8 = div(%5, %7) : f32[", d, "]\n%9 = sqrt(%2) : f32[", row,
                                       "]\noutput \"y\" = %8\noutput \"z\" = %9\n")),
                    d, &kinds);
    }
  }
  EXPECT_GT(kinds["row"], 20);
}

// Two dims of rows as one in the product, and other ways to take its shape apart.
TEST(ObviouslyFits, EpiloguesOfProductsOfAllRows) {
  for (const char* dims : {"a, b, 64", "4, b, 64", "a, 1, 64", "a, b, 1"}) {
    std::map<std::string, int> kinds;
    const std::string d = dims, columns = d.substr(d.rfind(' ') + 1);
    for (const char* rows : {"a*b", "4*b", "a"}) {
      if ((d[0] == '4') != (rows[0] == '4') || (d.find(", 1, ") != d.npos) != (rows == std::string("a"))) continue;
      CheckEverySet(Parse(absl::StrCat("%0 = input() {name = \"x\"} : f32[", rows, ", 32]\n%1 = input() {name = \"w\"} : f32[32, ",
                                       columns, "]\n%2 = dot(%0, %1) : f32[", rows, ", ", columns, "]\n%3 = reshape(%2) {dims = [", d,
                                       "]} : f32[", d, "]\n%4 = input() {name = \"bias\"} : f32[", d, "]\n%5 = add(%3, %4) : f32[", d,
                                       "]\n%6 = tanh(%5) : f32[", d, "]\n%7 = add(%6, %4) : f32[", d,
                                       "]\noutput \"y\" = %7\noutput \"z\" = %5\n")),
                    d, &kinds);
    }
    EXPECT_EQ(kinds["dot"], d.find('1') == d.npos ? 3 : 0) << d;
  }
}

}  // namespace
}  // namespace skein
