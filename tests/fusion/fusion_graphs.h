// Small graphs in text form, planned, for the tests of fusion/.
#ifndef SKEIN_TESTS_FUSION_FUSION_GRAPHS_H_
#define SKEIN_TESTS_FUSION_FUSION_GRAPHS_H_

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "fusion/plan.h"
#include "tests/support/run_graph.h"

namespace skein {

inline Graph Parse(std::string_view text) {
  absl::StatusOr<Graph> graph = ParseGraph(text);
  EXPECT_TRUE(graph.ok()) << graph.status() << "\n" << text;
  return graph.ok() ? *std::move(graph) : Graph();
}

inline Plan MakePlanOf(const Graph& graph, bool fuse = true) {
  PlanOptions options;
  options.fuse = fuse;
  absl::StatusOr<Plan> plan = MakePlan(graph, options);
  EXPECT_TRUE(plan.ok()) << plan.status() << "\n" << graph.ToString();
  return plan.ok() ? *std::move(plan) : Plan();
}

// Kinds of the groups of every run, in order: "row dot".
inline std::string Kinds(const Plan& plan) {
  std::string kinds;
  for (const Group& g : plan.groups) {
    if (g.phase == Phase::kRun) kinds += (kinds.empty() ? "" : " ") + g.kind;
  }
  return kinds;
}

// The loops of the one group of every run.
inline std::string OnlyNest(const Graph& graph) {
  const Plan plan = MakePlanOf(graph);
  std::string text;
  int runs = 0;
  for (const Group& g : plan.groups) {
    if (g.phase != Phase::kRun) continue;
    text = g.nest->ToString();
    ++runs;
  }
  EXPECT_EQ(runs, 1) << Kinds(plan) << "\n" << graph.ToString();
  return text;
}

inline int CountOf(const std::string& text, const std::string& part) {
  int count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

// The same bits both tiers, fused or not, and right.
inline void ExpectRight(const Graph& graph, const std::vector<SymbolValues>& bindings,
                        const std::vector<NamedOptions>& ways = WaysWithoutLlvm()) {
  for (const SymbolValues& sizes : bindings) {
    std::string at;
    for (const auto& [name, value] : sizes) at += name + "=" + std::to_string(value) + " ";
    EXPECT_EQ(RunAllWays(graph, sizes, 7, ways), "") << at << "\n" << graph.ToString();
  }
}

}  // namespace skein

#endif  // SKEIN_TESTS_FUSION_FUSION_GRAPHS_H_
