#include "fusion/planner_groups.h"

#include <algorithm>

namespace skein {

Groups::Groups(const PlanGraph& graph, const Target& target) : graph_(graph), target_(target) {
  part_of_.assign(graph.graph().size(), -1);
  for (NodeId id : graph.computed()) {
    part_of_[id.index] = size();
    parts_.push_back({id});
  }
}

// A path from producer to consumer through a third part.
bool Groups::WouldCycle(int producer, int consumer) const {
  std::set<int> seen;
  std::vector<int> work;
  auto push_readers = [&](int part, bool first) {
    for (NodeId id : parts_[part]) {
      for (NodeId reader : graph_.ReadersOf(id)) {
        const int next = PartOf(reader);
        if (next == part || (first && next == consumer)) continue;
        if (seen.insert(next).second) work.push_back(next);
      }
    }
  };
  push_readers(producer, true);
  while (!work.empty()) {
    const int part = work.back();
    work.pop_back();
    if (part == consumer) return true;
    push_readers(part, false);
  }
  return false;
}

bool Groups::TryMerge(int producer, int consumer) {
  NodeSet nodes = parts_[producer];
  nodes.insert(parts_[consumer].begin(), parts_[consumer].end());
  // Kernels of different phases are launched at different times.
  if (graph_.PhaseOf(parts_[producer]) == graph_.PhaseOf(parts_[consumer]) && WouldCycle(producer, consumer)) {
    Refuse(producer, consumer, {"SK160", "another kernel lies between them"});
    return false;
  }
  if (std::optional<Reason> never = NeverTogether(graph_, nodes)) {
    Refuse(producer, consumer, *std::move(never));
    return false;
  }
  if (!ObviouslyFits(graph_, nodes)) {
    const absl::Status fits = TrySchedule(nodes).status();
    if (!fits.ok()) {
      Refuse(producer, consumer, ReasonOf(fits));
      return false;
    }
  }
  for (NodeId id : nodes) part_of_[id.index] = producer;
  parts_[producer] = std::move(nodes);
  parts_[consumer].clear();
  return true;
}

void Groups::Refuse(int producer, int consumer, Reason reason) {
  for (NodeId id : parts_[producer]) {
    for (NodeId reader : graph_.ReadersOf(id)) {
      if (PartOf(reader) != consumer) continue;
      const Graph& graph = graph_.graph();
      std::string sentence = absl::StrCat(OriginText(graph, id), " and ", OriginText(graph, reader),
                                          " do not share a kernel: ", reason.sentence);
      refusals_[{id, reader}] = {{id, 0}, reader, std::move(reason.code), std::move(sentence)};
      return;
    }
  }
}

std::vector<Refusal> Groups::Refusals() const {
  std::vector<Refusal> refusals;
  for (const auto& [edge, refusal] : refusals_) {
    const int a = PartOf(edge.first), b = PartOf(edge.second);
    if (a >= 0 && b >= 0 && a != b) refusals.push_back(refusal);
  }
  return refusals;
}

std::vector<Value> Groups::Outputs(const NodeSet& nodes) const {
  std::vector<Value> outputs;
  for (NodeId id : nodes) {
    const auto& readers = graph_.ReadersOf(id);
    const bool outside = graph_.IsOutput(id) || std::any_of(readers.begin(), readers.end(), [&](NodeId reader) {
                           return !nodes.contains(reader);
                         });
    if (!outside) continue;
    if (auto it = absorbed_.find(id); it != absorbed_.end()) {
      outputs.push_back(it->second);
      continue;
    }
    for (size_t r = 0; r < graph_.graph().node(id).results.size(); ++r) {
      Value v{id, static_cast<int32_t>(r)};
      if (r == 0 || graph_.IsUsed(v)) outputs.push_back(v);
    }
  }
  return outputs;
}

GroupSpec Groups::SpecOf(const NodeSet& nodes) const {
  GroupSpec spec;
  spec.outputs = Outputs(nodes);
  spec.boundary = [this, &nodes](Value v) {
    const Op op = graph_.graph().node(v.node).op;
    if (op == Op::input) return true;
    if (op == Op::constant) return !graph_.graph().SplatValue(v).has_value();
    if (absorbed_values_.contains(v)) return true;
    return graph_.IsComputed(v.node) && !nodes.contains(v.node) && !absorbed_.contains(v.node);
  };
  return spec;
}

absl::StatusOr<Group> Groups::TrySchedule(const NodeSet& nodes) const {
  return Schedule(graph_.graph(), SpecOf(nodes), target_);
}

void Groups::Absorb(NodeId id, Value moved) {
  absorbed_[id] = moved;
  absorbed_values_.insert(moved);
}

void Groups::UndoAbsorb(NodeId id) {
  absorbed_values_.erase(absorbed_.at(id));
  absorbed_.erase(id);
}

void Groups::Remove(int part, int by) {
  for (NodeId id : parts_[part]) part_of_[id.index] = by;
  parts_[part].clear();
}

}  // namespace skein
