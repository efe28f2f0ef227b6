#include "fusion/planner_groups.h"

#include <algorithm>
#include <queue>

#include "absl/container/flat_hash_set.h"

namespace skein {

Groups::Groups(const PlanGraph& graph, const Target& target) : graph_(graph), memo_(graph.graph(), target) {
  part_of_.assign(graph.graph().size(), -1);
  for (NodeId id : graph.computed()) {
    part_of_[id.index] = size();
    order_.push_back(size());
    parts_.push_back({id});
  }
  place_ = order_;
}

bool Groups::IsBetween(int from, int to) const {
  between_.clear();
  if (place_[from] > place_[to]) return false;
  met_.resize(parts_.size());
  ++search_;
  bool found = false;
  auto push_readers = [&](int part) {
    for (NodeId id : parts_[part]) {
      for (NodeId reader : graph_.ReadersOf(id)) {
        const int next = PartOf(reader);
        if (next == to) found = found || part != from;
        if (place_[next] >= place_[to] || next == part || met_[next] == search_) continue;
        met_[next] = search_;
        between_.push_back(next);
      }
    }
  };
  push_readers(from);
  for (size_t at = 0; at < between_.size() && !found; ++at) push_readers(between_[at]);
  return found;
}

void Groups::MakeAdjacent(int from, int to) {
  if (place_[from] > place_[to]) std::swap(from, to);
  IsBetween(from, to);  // meets what `from` leads to
  std::vector<int>&before = before_, &after = after_;
  before.clear();
  after.clear();
  for (int place = place_[from] + 1; place < place_[to]; ++place) {
    (met_[order_[place]] == search_ ? after : before).push_back(order_[place]);
  }
  int place = place_[from];
  const int both[] = {from, to};
  for (std::span<const int> list : {std::span<const int>(before), std::span<const int>(both), std::span<const int>(after)}) {
    for (int part : list) {
      order_[place] = part;
      place_[part] = place++;
    }
  }
}

void Groups::PlaceInOrder(const std::vector<int>& order) {
  order_ = order;
  place_.assign(parts_.size(), 0);
  for (int part = 0; part < size(); ++part) {
    if (!alive(part)) order_.push_back(part);
  }
  for (int place = 0; place < size(); ++place) place_[order_[place]] = place;
}

bool Groups::MayShare(const Reachability& reach, NodeId a, NodeId b) const {
  if (graph_.PhaseOf(a) != graph_.PhaseOf(b)) return false;
  const std::vector<NodeId> hull = reach.Hull(a, b, kMostNodes);
  if (hull.empty()) return false;
  const NodeSet nodes(hull.begin(), hull.end());
  auto kinds = asked_kinds_.find(KindsOf(graph_, hull));
  if (kinds != asked_kinds_.end() && kinds->second) return false;
  if (NeverTogether(graph_, nodes)) return false;
  if (kinds != asked_kinds_.end()) return true;
  const std::optional<Reason> refused = WhyNot(nodes);
  return !refused || !HoldsForLargerSets(*refused);
}

std::optional<Reason> Groups::WhyNot(const NodeSet& nodes) const {
  auto [it, fresh] = asked_.emplace(nodes, std::nullopt);
  std::optional<Reason>& reason = it->second;
  if (!fresh) return reason;
  reason = NeverTogether(graph_, nodes);
  if (reason || nodes.size() == 1) return reason;
  const std::array<int, 3> kinds = KindsOf(graph_, nodes);
  if (auto known = asked_kinds_.find(kinds); known != asked_kinds_.end() && known->second) return reason = known->second;
  const absl::Status fits = ObviouslyFits(graph_, nodes) ? absl::OkStatus() : Fits(nodes);
  if (!fits.ok()) reason = ReasonOf(fits);
  // The scheduler looks at kinds first, so whatever it says now settles what it says of them.
  const bool by_kinds = reason && HoldsForLargerSets(*reason);
  asked_kinds_.emplace(kinds, by_kinds ? reason : std::nullopt);
  return reason;
}

bool Groups::TryMerge(int producer, int consumer, std::optional<Siblings> siblings) {
  NodeSet nodes = parts_[producer];
  nodes.insert(parts_[consumer].begin(), parts_[consumer].end());
  // Kernels of different phases are launched at different times, so no cycle matters there.
  const bool same_phase = graph_.PhaseOf(parts_[producer]) == graph_.PhaseOf(parts_[consumer]);
  std::optional<Reason> reason;
  if (same_phase && (IsBetween(producer, consumer) || (siblings && IsBetween(consumer, producer)))) {
    reason = {"SK160", "another kernel lies between them"};
  } else {
    reason = WhyNot(nodes);
  }
  if (reason) {
    if (!siblings) siblings = EdgeBetween(producer, consumer);
    if (siblings) refusals_[*siblings] = *std::move(reason);
    return false;
  }
  MakeAdjacent(producer, consumer);
  for (NodeId id : nodes) part_of_[id.index] = producer;
  parts_[producer] = std::move(nodes);
  parts_[consumer].clear();
  return true;
}

std::optional<Groups::Siblings> Groups::EdgeBetween(int producer, int consumer) const {
  for (NodeId id : parts_[producer]) {
    for (NodeId reader : graph_.ReadersOf(id)) {
      if (PartOf(reader) == consumer) return {{id, reader}};
    }
  }
  return std::nullopt;
}

bool Groups::Regroup(const std::vector<NodeSet>& sets) {
  const std::vector<NodeSet> old_parts = parts_;
  const std::vector<int> old_part_of = part_of_;
  std::set<int> emptied;
  for (const NodeSet& nodes : sets) {
    for (NodeId id : nodes) emptied.insert(PartOf(id));
  }
  for (int part : emptied) parts_[part].clear();
  std::vector<int> free(emptied.begin(), emptied.end());
  for (const NodeSet& nodes : sets) {
    if (free.empty()) {
      free.push_back(size());
      parts_.emplace_back();
    }
    for (NodeId id : nodes) part_of_[id.index] = free.back();
    parts_[free.back()] = nodes;
    free.pop_back();
  }
  if (const std::optional<std::vector<int>> order = OrderOf(graph_, *this)) {
    PlaceInOrder(*order);
    return true;
  }
  parts_ = old_parts;
  part_of_ = old_part_of;
  return false;
}

void Groups::ExplainEdges() {
  absl::flat_hash_set<std::pair<int, int>> known;
  for (const auto& [edge, refusal] : refusals_) known.insert({PartOf(edge.first), PartOf(edge.second)});
  for (NodeId id : graph_.computed()) {
    for (NodeId reader : graph_.ReadersOf(id)) {
      const std::pair<int, int> parts = {PartOf(id), PartOf(reader)};
      if (parts.first == parts.second || !known.insert(parts).second) continue;
      NodeSet nodes = parts_[parts.first];
      nodes.insert(parts_[parts.second].begin(), parts_[parts.second].end());
      std::optional<Reason> reason = WhyNot(nodes);
      if (!reason && IsBetween(parts.first, parts.second)) reason = {"SK160", "another kernel lies between them"};
      if (!reason) reason = {"SK164", "together with others, they move fewer bytes apart"};
      refusals_[{id, reader}] = *std::move(reason);
    }
  }
}

std::vector<Refusal> Groups::TakeRefusals() {
  std::vector<Refusal> refusals;
  refusals.reserve(refusals_.size());
  for (auto& [edge, reason] : refusals_) {
    const int a = PartOf(edge.first), b = PartOf(edge.second);
    if (a < 0 || b < 0 || a == b) continue;
    refusals.push_back({{edge.first, 0}, edge.second, std::move(reason.code), std::move(reason.sentence)});
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
    if (graph_.IsMemory(v.node)) return true;
    if (!absorbed_.empty() && absorbed_values_.contains(v)) return true;
    return graph_.IsComputed(v.node) && !nodes.contains(v.node) && (absorbed_.empty() || !absorbed_.contains(v.node));
  };
  return spec;
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

std::optional<std::vector<int>> OrderOf(const PlanGraph& graph, const Groups& groups) {
  std::vector<std::pair<int, int>> edges;  // from a part to one that reads it
  int alive = 0;
  for (int i = 0; i < groups.size(); ++i) {
    alive += groups.alive(i);
    for (NodeId id : groups.nodes(i)) {
      for (NodeId from : graph.ReadsOf(id)) {
        if (groups.PartOf(from) != i) edges.push_back({groups.PartOf(from), i});
      }
    }
  }
  std::sort(edges.begin(), edges.end());
  std::vector<int> waits_for(groups.size());  // edges from what is not in the order yet
  for (const auto& [from, to] : edges) ++waits_for[to];
  auto later = [&](int a, int b) { return *groups.nodes(b).begin() < *groups.nodes(a).begin(); };
  std::priority_queue<int, std::vector<int>, decltype(later)> ready(later);
  for (int i = 0; i < groups.size(); ++i) {
    if (groups.alive(i) && waits_for[i] == 0) ready.push(i);
  }
  std::vector<int> order;
  while (!ready.empty()) {
    const int i = ready.top();
    ready.pop();
    order.push_back(i);
    for (auto edge = std::lower_bound(edges.begin(), edges.end(), std::pair(i, 0)); edge != edges.end() && edge->first == i;
         ++edge) {
      if (--waits_for[edge->second] == 0) ready.push(edge->second);
    }
  }
  if (static_cast<int>(order.size()) != alive) return std::nullopt;
  return order;
}

}  // namespace skein
