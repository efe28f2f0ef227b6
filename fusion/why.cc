// Plans in the user's words.
#include <algorithm>
#include <set>

#include "absl/strings/str_join.h"
#include "fusion/plan.h"
#include "ir/op.h"

namespace skein {

std::string OriginText(const Graph& graph, NodeId node) {
  const SourceNodes& origins = graph.origins(node);
  if (origins.empty()) return absl::StrCat(ForStrCat(Name(graph.node(node).op)), " node ", node.index);
  std::string text = absl::StrCat("'", graph.source_names[origins[0]], "'");
  if (origins.size() > 1) absl::StrAppend(&text, " and ", origins.size() - 1, " more");
  return text;
}

std::vector<std::string> Origins(const Plan& plan, const Group& group) {
  std::set<int32_t> all;
  for (NodeId id : group.nodes) {
    for (int32_t o : plan.graph.origins(id)) all.insert(o);
  }
  std::vector<std::string> names;
  for (int32_t o : all) names.push_back(plan.graph.source_names[o]);
  return names;
}

namespace {

std::set<NodeId> NodesOf(const Plan& plan, std::string_view name) {
  std::set<NodeId> nodes;
  for (int i = 0; i < plan.graph.size(); ++i) {
    for (int32_t o : plan.graph.origins(NodeId(i))) {
      if (plan.graph.source_names[o] == name) nodes.insert(NodeId(i));
    }
  }
  return nodes;
}

std::set<size_t> GroupsOf(const Plan& plan, const std::set<NodeId>& nodes) {
  std::set<size_t> groups;
  for (size_t g = 0; g < plan.groups.size(); ++g) {
    for (NodeId id : plan.groups[g].nodes) {
      if (nodes.contains(id)) groups.insert(g);
    }
  }
  return groups;
}

}  // namespace

std::string SentenceOf(const Plan& plan, const Refusal& refusal) {
  return absl::StrCat(OriginText(plan.graph, refusal.producer.node), " and ", OriginText(plan.graph, refusal.consumer),
                      " do not share a kernel: ", refusal.reason);
}

std::string Why(const Plan& plan, std::string_view a, std::string_view b) {
  for (std::string_view name : {a, b}) {
    const auto& names = plan.graph.source_names;
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      return absl::StrCat("the graph has no node '", ForStrCat(name), "'");
    }
  }
  const std::set<NodeId> nodes_a = NodesOf(plan, a), nodes_b = NodesOf(plan, b);
  const std::set<size_t> groups_a = GroupsOf(plan, nodes_a), groups_b = GroupsOf(plan, nodes_b);
  for (auto [name, groups] : {std::pair(a, &groups_a), std::pair(b, &groups_b)}) {
    if (groups->empty()) {
      return absl::StrCat("'", ForStrCat(name),
                          "' is in no kernel: it was folded into a constant or into sizes, merged with an equal "
                          "node, or is not needed for any output");
    }
  }
  for (size_t g : groups_a) {
    if (groups_b.contains(g)) {
      return absl::StrCat("'", ForStrCat(a), "' and '", ForStrCat(b), "' share kernel ", g, " (",
                          plan.groups[g].kind, ", ", plan.groups[g].hash.Hex().substr(0, 12), ")");
    }
  }
  for (const Refusal& r : plan.refusals) {
    const bool forward = nodes_a.contains(r.producer.node) && nodes_b.contains(r.consumer);
    const bool backward = nodes_b.contains(r.producer.node) && nodes_a.contains(r.consumer);
    if (forward || backward) return absl::StrCat(r.code, ": ", SentenceOf(plan, r));
  }
  // Not neighbours: the refusal between their kernels, if those touch.
  for (const Refusal& r : plan.refusals) {
    const std::set<size_t> producers = GroupsOf(plan, {r.producer.node});
    const std::set<size_t> consumers = GroupsOf(plan, {r.consumer});
    auto meets = [](const std::set<size_t>& x, const std::set<size_t>& y) {
      return std::find_first_of(x.begin(), x.end(), y.begin(), y.end()) != x.end();
    };
    if ((meets(producers, groups_a) && meets(consumers, groups_b)) ||
        (meets(producers, groups_b) && meets(consumers, groups_a))) {
      return absl::StrCat(r.code, ": their kernels were not merged: ", SentenceOf(plan, r));
    }
  }
  return absl::StrCat("'", ForStrCat(a), "' (kernel ", *groups_a.begin(), ") and '", ForStrCat(b), "' (kernel ",
                      *groups_b.begin(), ") do not read each other's results, so no merge was considered");
}

}  // namespace skein
