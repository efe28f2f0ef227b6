// Planner: which nodes share a kernel.
//
// Every node that computes starts as a group of its own. Best-gain greedy: of all edges between groups, the one
// that saves most memory traffic is tried first; it is taken if the merged group still fits one kernel, creates
// no cycle and recomputes little. Whether it fits is not a second set of rules: the scheduler is asked.
#include <algorithm>
#include <set>

#include "absl/container/flat_hash_map.h"
#include "fusion/choose_locality.h"
#include "fusion/plan.h"
#include "fusion/planner_graph.h"
#include "fusion/planner_groups.h"
#include "fusion/planner_repair.h"
#include "fusion/settle.h"

namespace skein {
namespace {

// A group that no scheduler takes: the runtime interprets it, and says so.
absl::StatusOr<Group> Interpreted(const Graph& graph, const GroupSpec& spec) {
  SKEIN_ASSIGN_OR_RETURN(GroupContent content, FindContent(graph, spec));
  Group group;
  group.kind = "interpreted";
  group.outputs = spec.outputs;
  group.nodes = content.nodes;
  std::set<Value> inputs;
  for (NodeId id : content.nodes) {
    for (Value v : graph.node(id).operands) {
      if (!graph.Known(v) && spec.boundary(v)) inputs.insert(v);
    }
  }
  group.inputs.assign(inputs.begin(), inputs.end());
  auto bytes = [&](Value v) { return Product(graph.type(v).dims) * BytesFor(graph.type(v).element, 1); };
  for (Value v : group.inputs) group.bytes_read = group.bytes_read + bytes(v);
  for (Value v : group.outputs) group.bytes_written = group.bytes_written + bytes(v);
  return group;
}

absl::StatusOr<Group> KernelOf(const PlanGraph& graph, const Groups& groups, const NodeSet& nodes) {
  absl::StatusOr<Group> group = groups.KernelOf(nodes);
  if (absl::IsUnimplemented(group.status())) group = Interpreted(graph.graph(), groups.SpecOf(nodes));
  if (!group.ok()) {
    return Annotate(group.status(), absl::StrCat("no kernel for ", OriginText(graph.graph(), *nodes.begin())));
  }
  group->phase = graph.PhaseOf(nodes);
  return group;
}

DimExpr FusedBytes(const Plan& plan) {
  // Equal layers have equal terms.
  std::vector<std::pair<DimExpr, int>> terms;
  absl::flat_hash_map<DimExpr, size_t> place;
  for (const Group& g : plan.groups) {
    if (g.phase != Phase::kRun) continue;
    for (DimExpr bytes : {g.bytes_read, g.bytes_written}) {
      const auto [it, fresh] = place.try_emplace(bytes, terms.size());
      if (fresh) terms.push_back({bytes, 0});
      ++terms[it->second].second;
    }
  }
  DimExpr sum = 0;
  for (const auto& [bytes, times] : terms) sum = sum + times * bytes;
  return sum;
}

}  // namespace

absl::StatusOr<Plan> MakePlan(const Graph& graph, const PlanOptions& options) {
  Plan plan;
  SKEIN_ASSIGN_OR_RETURN(plan.graph, Settle(graph));
  const PlanGraph nodes(plan.graph, options.fuse);
  Groups groups(nodes, options.target);
  if (options.fuse) {
    const Traffic traffic(nodes, {}, kLaunchBytes);
    const Reachability reach(nodes);
    MergeGreedily(nodes, traffic, reach, &groups);
    RepairExactly(nodes, traffic, reach, ExactLimits(), &groups);
    groups.ExplainEdges();
  } else {
    MergeBySource(nodes, &groups);
  }
  AbsorbMovement(nodes, options.fuse, &groups);
  const std::optional<std::vector<int>> order = OrderOf(nodes, groups);
  if (!order) return Internal("groups depend on each other in a cycle");
  for (int part : *order) {
    SKEIN_ASSIGN_OR_RETURN(Group group, KernelOf(nodes, groups, groups.nodes(part)));
    plan.groups.push_back(std::move(group));
  }
  plan.refusals = groups.TakeRefusals();
  plan.fused_bytes = FusedBytes(plan);
  SKEIN_RETURN_IF_ERROR(SettleLocality(options.target, &plan));
  return plan;
}

// Seconds, where MakePlan takes a fraction of one.
constexpr ExactLimits kMeasureLimits = {32, 100'000, 400'000'000, 2'000, 4'000'000'000, 20'000};

TrafficGap MeasureGap(const Plan& plan, const PlanOptions& options, const SymbolValues& sizes) {
  const PlanGraph nodes(plan.graph, true);
  Groups groups(nodes, options.target);
  std::vector<NodeSet> parts;
  for (const Group& group : plan.groups) {
    parts.emplace_back();
    for (NodeId id : group.nodes) {
      if (nodes.IsComputed(id)) parts.back().insert(id);
    }
  }
  groups.Regroup(parts);
  const Traffic traffic(nodes, sizes, 0);
  const Reachability reach(nodes);
  const RepairResult result = RepairExactly(nodes, traffic, reach, kMeasureLimits, &groups);
  return {result.planned, result.least, result.exact};
}

}  // namespace skein
