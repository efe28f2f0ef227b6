// Planner: which nodes share a kernel.
//
// Every node that computes starts as a group of its own. Best-gain greedy: of all edges between groups, the one
// that saves most memory traffic is tried first; it is taken if the merged group still fits one kernel, creates
// no cycle and recomputes little. Whether it fits is not a second set of rules: the scheduler is asked.
#include <algorithm>
#include <queue>
#include <set>

#include "fusion/choose_locality.h"
#include "fusion/plan.h"
#include "fusion/planner_graph.h"
#include "fusion/planner_groups.h"
#include "fusion/settle.h"

namespace skein {
namespace {

// Parts in topological order; among ready ones the earliest in the graph.
absl::StatusOr<std::vector<int>> OrderOf(const PlanGraph& graph, const Groups& groups) {
  std::vector<std::set<int>> needs(groups.size()), feeds(groups.size());
  int alive = 0;
  for (int i = 0; i < groups.size(); ++i) {
    alive += groups.alive(i);
    for (NodeId id : groups.nodes(i)) {
      for (NodeId from : graph.ReadsOf(id)) {
        const int part = groups.PartOf(from);
        if (part == i) continue;
        needs[i].insert(part);
        feeds[part].insert(i);
      }
    }
  }
  auto later = [&](int a, int b) { return *groups.nodes(b).begin() < *groups.nodes(a).begin(); };
  std::priority_queue<int, std::vector<int>, decltype(later)> ready(later);
  for (int i = 0; i < groups.size(); ++i) {
    if (groups.alive(i) && needs[i].empty()) ready.push(i);
  }
  std::vector<int> order;
  while (!ready.empty()) {
    const int i = ready.top();
    ready.pop();
    order.push_back(i);
    for (int next : feeds[i]) {
      needs[next].erase(i);
      if (needs[next].empty()) ready.push(next);
    }
  }
  if (static_cast<int>(order.size()) != alive) return Internal("groups depend on each other in a cycle");
  return order;
}

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
  absl::StatusOr<Group> group = groups.TrySchedule(nodes);
  if (absl::IsUnimplemented(group.status())) group = Interpreted(graph.graph(), groups.SpecOf(nodes));
  if (!group.ok()) {
    return Annotate(group.status(), absl::StrCat("no kernel for ", OriginText(graph.graph(), *nodes.begin())));
  }
  if (group->kind != "interpreted") {
    absl::Status valid = Verify(group->nest);
    if (!valid.ok()) return Internal(std::string(valid.message()), "\n", group->nest.ToString());
  }
  group->phase = graph.PhaseOf(nodes);
  return group;
}

}  // namespace

absl::StatusOr<Plan> MakePlan(const Graph& graph, const PlanOptions& options) {
  Plan plan;
  SKEIN_ASSIGN_OR_RETURN(plan.graph, Settle(graph));
  const PlanGraph nodes(plan.graph, options.fuse);
  Groups groups(nodes, options.target);
  if (options.fuse) {
    MergeGreedily(nodes, &groups);
  } else {
    MergeBySource(nodes, &groups);
  }
  AbsorbMovement(nodes, options.fuse, &groups);
  SKEIN_ASSIGN_OR_RETURN(const std::vector<int> order, OrderOf(nodes, groups));
  for (int part : order) {
    SKEIN_ASSIGN_OR_RETURN(Group group, KernelOf(nodes, groups, groups.nodes(part)));
    plan.groups.push_back(std::move(group));
  }
  plan.refusals = groups.Refusals();
  plan.fused_bytes = 0;
  for (const Group& g : plan.groups) {
    if (g.phase == Phase::kRun) plan.fused_bytes = plan.fused_bytes + g.bytes_read + g.bytes_written;
  }
  SKEIN_RETURN_IF_ERROR(SettleLocality(options.target, &plan));
  return plan;
}

}  // namespace skein
