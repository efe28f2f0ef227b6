#include "fusion/schedule_memo.h"

#include <algorithm>

#include "ir/node_key.h"

namespace skein {
namespace {

// Whether a refusal names one of the group's nodes, so that it is a refusal of these nodes only.
bool NamesANode(const Graph& graph, const absl::Status& refused, const std::vector<NodeId>& nodes) {
  const std::string message(refused.message());
  return std::any_of(nodes.begin(), nodes.end(), [&](NodeId id) {
    return message.find(OriginText(graph, id)) != std::string::npos;
  });
}

// A group of nodes in the places of others of the same structure.
Group Moved(Group group, const std::vector<NodeId>& from, const std::vector<NodeId>& to) {
  auto move = [&](NodeId* id) { *id = to[std::lower_bound(from.begin(), from.end(), *id) - from.begin()]; };
  for (std::vector<Value>* values : {&group.outputs, &group.inputs}) {
    for (Value& v : *values) move(&v.node);
  }
  for (std::vector<NodeId>* nodes : {&group.nodes, &group.gather_sites}) {
    for (NodeId& id : *nodes) move(&id);
  }
  return group;
}

}  // namespace

ScheduleMemo::ScheduleMemo(const Graph& graph, const Target& target)
    : graph_(graph), target_(target), class_of_(graph.size(), -1), leaf_class_of_(graph.size(), -1), marks_(graph.size()) {}

int ScheduleMemo::ClassOf(NodeId id, bool leaf) {
  int& number = (leaf ? leaf_class_of_ : class_of_)[id.index];
  if (number >= 0) return number;
  const Node& node = graph_.node(id);
  std::string& key = class_key_;
  key.clear();
  for (const TensorType& type : node.results) {
    AppendNumber(type.element, &key);
    AppendNumber(type.dims.size(), &key);
    for (DimExpr d : type.dims) AppendNumber(d.node(), &key);
  }
  const std::optional<DimExpr> known = graph_.Known({id, 0});
  AppendNumber(known ? known->node() : nullptr, &key);
  if (leaf) {
    // Constants of one element value are numbers in the kernel, all others are memory.
    AppendNumber(node.op == Op::constant, &key);
    const std::optional<double> splat = graph_.SplatValue({id, 0});
    AppendNumber(splat.has_value(), &key);
    if (splat) AppendNumber(*splat, &key);
  } else {
    AppendNumber(node.op, &key);
    AppendAttributesKey(node.attributes, &key);
  }
  return number = classes_.try_emplace(key, static_cast<int>(classes_.size())).first->second;
}

ScheduleMemo::Structure ScheduleMemo::StructureOf(const GroupSpec& spec) {
  ++round_;
  Structure result;
  // Whether the kernel computes a value from its operands. A constant that is repeated is, by movement.
  auto computed = [&](Value v, bool boundary) {
    if (graph_.op(v) == Op::constant || graph_.Known(v)) return false;
    return !boundary || std::find(spec.outputs.begin(), spec.outputs.end(), v) != spec.outputs.end();
  };
  auto is_boundary = [&](Value v) { return v.result == 0 ? marks_[v.node.index].boundary : spec.boundary(v); };
  std::vector<NodeId>& work = work_;
  result.nodes.reserve(32);
  auto visit = [&](Value v) {
    Mark& mark = marks_[v.node.index];
    if (mark.round != round_) {
      mark = {round_, 0, false, false, spec.boundary({v.node, 0})};
      result.nodes.push_back(v.node);
    }
    if (mark.computed || (v.result == 0 && mark.decided)) return;
    mark.decided = mark.decided || v.result == 0;
    if (!computed(v, is_boundary(v))) return;
    mark.computed = true;
    work.push_back(v.node);
  };
  for (Value v : spec.outputs) visit(v);
  while (!work.empty()) {
    const NodeId id = work.back();
    work.pop_back();
    for (Value v : graph_.node(id).operands) visit(v);
  }
  std::sort(result.nodes.begin(), result.nodes.end());
  for (size_t i = 0; i < result.nodes.size(); ++i) marks_[result.nodes[i].index].position = static_cast<int>(i);
  words_.clear();
  auto append = [&](Value v) {
    words_.push_back(marks_[v.node.index].position);
    words_.push_back(v.result * 2 + is_boundary(v));
  };
  for (NodeId id : result.nodes) {
    const bool leaf = !marks_[id.index].computed;
    words_.push_back(ClassOf(id, leaf) * 2 + leaf);
    if (leaf) continue;
    words_.push_back(static_cast<int32_t>(graph_.node(id).operands.size()));
    for (Value v : graph_.node(id).operands) append(v);
  }
  for (Value v : spec.outputs) append(v);
  result.key.assign(reinterpret_cast<const char*>(words_.data()), words_.size() * sizeof(words_[0]));
  return result;
}

std::shared_ptr<ScheduleMemo::Entry> ScheduleMemo::Find(const GroupSpec& spec, std::vector<NodeId>* nodes) {
  Structure structure = StructureOf(spec);
  auto [it, fresh] = entries_.try_emplace(std::move(structure.key));
  *nodes = std::move(structure.nodes);
  if (!fresh && it->second != nullptr) return it->second;
  ++scheduled_;
  auto entry = std::make_shared<Entry>(Entry{*nodes});
  absl::StatusOr<UnfinishedKernel> loops = ScheduleLoops(graph_, spec, target_);
  entry->fits = loops.status();
  if (loops.ok()) entry->loops = *std::move(loops);
  if (entry->fits.ok() || !NamesANode(graph_, entry->fits, *nodes)) it->second = entry;
  return entry;
}

absl::Status ScheduleMemo::Fits(const GroupSpec& spec) {
  std::vector<NodeId> nodes;
  return Find(spec, &nodes)->fits;
}

absl::StatusOr<Group> ScheduleMemo::Kernel(const GroupSpec& spec) {
  std::vector<NodeId> nodes;
  const std::shared_ptr<Entry> entry = Find(spec, &nodes);
  SKEIN_RETURN_IF_ERROR(entry->fits);
  if (!entry->kernel) {
    Group kernel = FinishKernel(graph_, spec.locality, target_, std::move(entry->loops));
    if (absl::Status valid = Verify(*kernel.nest); !valid.ok()) {
      return Internal(std::string(valid.message()), "\n", kernel.nest->ToString());
    }
    entry->kernel = std::move(kernel);
  }
  return Moved(*entry->kernel, entry->nodes, nodes);
}

}  // namespace skein
