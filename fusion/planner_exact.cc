#include "fusion/planner_exact.h"

#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/container/inlined_vector.h"
#include "absl/numeric/bits.h"
#include "ir/node_key.h"

namespace skein {
namespace {

constexpr uint64_t Bit(int i) { return uint64_t{1} << i; }

// Calls visit(i) for each bit.
template <typename Visit>
void ForEach(uint64_t mask, Visit visit) {
  for (; mask != 0; mask &= mask - 1) visit(absl::countr_zero(mask));
}

void Pair(std::vector<uint64_t>& rows, int i, int j) {
  rows[i] |= Bit(j);
  rows[j] |= Bit(i);
}

uint64_t Join(const std::vector<uint64_t>& rows, uint64_t mask) {
  uint64_t all = 0;
  ForEach(mask, [&](int i) { all |= rows[i]; });
  return all;
}

class Solver {
 public:
  Solver(const Traffic& traffic, const Groups& groups, const Component& component, std::vector<uint64_t> planned,
         const ExactLimits& limits)
      : traffic_(traffic), groups_(groups), c_(component), planned_(std::move(planned)), limits_(limits) {}

  ExactResult Run() {
    ExactResult result = Search();
    result.work = work_;
    result.asked = asked_;
    return result;
  }

 private:
  ExactResult Search() {
    ExactResult result;
    if (static_cast<int>(c_.nodes.size()) > std::min(limits_.nodes, 64) || !FindCandidates()) return result;
    // Costs are sums of bytes: what differs by less than one byte is equal.
    constexpr double kSame = 1;
    double planned = 0;
    for (uint64_t set : planned_) planned += CostOf(set);
    for (;;) {
      std::optional<std::vector<uint64_t>> best = Best(&result.least);
      if (!best) return result;
      if (result.least > planned - kSame) return {true, planned, std::move(planned_), 0, 0};
      const Verdict verdict = Ask(*best);
      if (verdict == Verdict::kUnknown) return result;
      if (verdict == Verdict::kFits) {
        result.exact = true;
        result.sets = *std::move(best);
        return result;
      }
    }
  }

  struct Candidate {
    uint64_t set;
    uint64_t before;    // what must have run
    double cost;
    bool fits = false;  // known to
  };
  enum class Verdict { kFits, kDropped, kUnknown };

  // Every connected set without another node between its own. Grown by a neighbour at a time, with what lies between;
  // any such set can be, since what lies between nodes of a set belongs to it.
  bool FindCandidates() {
    absl::flat_hash_set<uint64_t> seen;
    std::vector<uint64_t> work;
    auto add = [&](uint64_t set) {
      set |= Join(c_.after, set) & Join(c_.before, set);
      if ((Join(c_.conflicts, set) & set) == 0 && seen.insert(set).second) work.push_back(set);
    };
    for (size_t i = 0; i < c_.nodes.size(); ++i) add(Bit(static_cast<int>(i)));
    while (!work.empty()) {
      const uint64_t set = work.back();
      work.pop_back();
      const bool one = absl::popcount(set) == 1;
      work_ += 1000;  // about what this takes, in candidates looked at later
      candidates_.push_back({set, Join(c_.before, set) & ~set, CostOf(set), one});
      if (candidates_.size() > limits_.sets) return false;
      ForEach(Join(c_.neighbours, set) & ~set, [&](int i) { add(set | Bit(i)); });
    }
    // In an order that does not depend on hashes.
    std::sort(candidates_.begin(), candidates_.end(), [](const Candidate& a, const Candidate& b) { return a.set < b.set; });
    return true;
  }

  double CostOf(uint64_t set) const {
    absl::InlinedVector<NodeId, 64> nodes;
    ForEach(set, [&](int i) { nodes.push_back(c_.nodes[i]); });
    return traffic_.Cost(nodes);
  }

  // The cheapest way to cover all nodes by candidates, each after what it needs. Nothing if that is too much work.
  std::optional<std::vector<uint64_t>> Best(double* least) {
    struct Entry {
      double cost;
      uint64_t last;  // the set that led here
    };
    absl::flat_hash_map<uint64_t, Entry> reached = {{0, {0, 0}}};
    const int count = static_cast<int>(c_.nodes.size());
    std::vector<std::vector<uint64_t>> by_size(count + 1);   // down-sets
    by_size[0].push_back(0);
    for (int size = 0; size < count; ++size) {
      for (uint64_t done : by_size[size]) {
        work_ += static_cast<int64_t>(candidates_.size());
        if (work_ > limits_.work) return std::nullopt;
        const double so_far = reached.at(done).cost;
        for (const Candidate& c : candidates_) {
          if ((c.set & done) != 0 || (c.before & ~done) != 0) continue;
          const uint64_t next = done | c.set;
          auto [it, fresh] = reached.emplace(next, Entry{so_far + c.cost, c.set});
          if (fresh) {
            by_size[absl::popcount(next)].push_back(next);
          } else if (so_far + c.cost < it->second.cost) {
            it->second = {so_far + c.cost, c.set};
          }
        }
      }
    }
    uint64_t at = count == 64 ? ~uint64_t{0} : Bit(count) - 1;
    *least = reached.at(at).cost;
    std::vector<uint64_t> sets;
    for (; at != 0; at &= ~sets.back()) sets.push_back(reached.at(at).last);
    std::reverse(sets.begin(), sets.end());
    return sets;
  }

  // Whether all of these fit; those that do not are no candidates from now on.
  Verdict Ask(const std::vector<uint64_t>& sets) {
    Verdict verdict = Verdict::kFits;
    for (uint64_t set : sets) {
      auto known = std::find_if(candidates_.begin(), candidates_.end(), [&](const Candidate& c) { return c.set == set; });
      if (known == candidates_.end() || known->fits) continue;
      if (++asked_ > limits_.asked) return verdict == Verdict::kFits ? Verdict::kUnknown : verdict;
      const std::optional<Reason> refused = groups_.WhyNot(c_.SetOf(set));
      known->fits = !refused;
      if (!refused) continue;
      verdict = Verdict::kDropped;
      const bool larger = HoldsForLargerSets(*refused);
      std::erase_if(candidates_, [&](const Candidate& c) { return c.set == set || (larger && (c.set & set) == set); });
    }
    return verdict;
  }

  const Traffic& traffic_;
  const Groups& groups_;
  const Component& c_;
  std::vector<uint64_t> planned_;
  const ExactLimits& limits_;
  std::vector<Candidate> candidates_;
  int64_t work_ = 0;
  int asked_ = 0;
};

}  // namespace

NodeSet Component::SetOf(uint64_t mask) const {
  NodeSet set;
  ForEach(mask, [&](int i) { set.insert(nodes[i]); });
  return set;
}

int Component::PositionOf(NodeId id) const {
  auto it = std::lower_bound(nodes.begin(), nodes.end(), id);
  return it != nodes.end() && *it == id ? static_cast<int>(it - nodes.begin()) : -1;
}

Component MakeComponent(const PlanGraph& graph, const Traffic& traffic, const Reachability& reach,
                        std::vector<NodeId> nodes) {
  Component c;
  c.nodes = std::move(nodes);
  const int count = static_cast<int>(c.nodes.size());
  const std::vector<uint64_t> bits = reach.BitsOf(c.nodes);
  for (auto* rows : {&c.before, &c.after, &c.conflicts, &c.neighbours}) rows->assign(count, 0);
  for (int i = 0; i < count; ++i) {
    for (NodeId reader : graph.ReadersOf(c.nodes[i])) {
      if (const int j = c.PositionOf(reader); j >= 0) Pair(c.neighbours, i, j);
    }
    for (int value : traffic.ReadBy(c.nodes[i])) {
      if (!IsLarge(traffic, value)) continue;
      for (NodeId reader : traffic.ReadersOf(value)) {
        const int j = c.PositionOf(reader);
        if (j > i && !reach.Reaches(c.nodes[i], reader)) Pair(c.neighbours, i, j);
      }
    }
    for (int j = i + 1; j < count; ++j) {
      if (!reach.Reaches(c.nodes[i], c.nodes[j])) continue;
      c.after[i] |= Bit(j);
      c.before[j] |= Bit(i);
      if (!reach.HasBetween(bits, c.nodes[i], c.nodes[j])) Pair(c.conflicts, i, j);
    }
  }
  return c;
}

void AddConflicts(const Reachability& reach, const Groups& groups, Component* c) {
  const int count = static_cast<int>(c->nodes.size());
  for (int i = 0; i < count; ++i) {
    for (int j = i + 1; j < count; ++j) {
      if ((c->conflicts[i] & Bit(j)) != 0) continue;
      if (!groups.MayShare(reach, c->nodes[i], c->nodes[j])) Pair(c->conflicts, i, j);
    }
  }
}

std::string StructureOf(const PlanGraph& graph, const Groups& groups, const Component& c) {
  const Graph& g = graph.graph();
  std::vector<NodeId> content = c.nodes;
  for (NodeId id : c.nodes) content.insert(content.end(), graph.RecomputedFor(id).begin(), graph.RecomputedFor(id).end());
  std::sort(content.begin(), content.end());
  content.erase(std::unique(content.begin(), content.end()), content.end());
  auto place_of = [&](NodeId id) {  // -1: not here
    auto it = std::lower_bound(content.begin(), content.end(), id);
    return it != content.end() && *it == id ? static_cast<int>(it - content.begin()) : -1;
  };
  std::string key;
  absl::flat_hash_map<Value, int> leaves;
  for (NodeId id : content) {
    AppendNumber(groups.ClassOf(id), &key);
    for (Value v : g.node(id).operands) {
      const int place = graph.IsInlined(v) ? -1 : place_of(v.node);
      AppendNumber(place, &key);
      AppendNumber(v.result, &key);
      if (place >= 0) continue;
      AppendNumber(groups.ClassOfRead(v.node), &key);
      AppendNumber(leaves.emplace(v, static_cast<int>(leaves.size())).first->second, &key);
    }
  }
  for (size_t i = 0; i < c.nodes.size(); ++i) {
    const NodeId id = c.nodes[i];
    const auto readers = graph.ReadersOf(id);
    const bool outside = graph.IsOutput(id) || std::any_of(readers.begin(), readers.end(), [&](NodeId reader) {
                           return !std::binary_search(c.nodes.begin(), c.nodes.end(), reader);
                         });
    AppendNumber(place_of(id), &key);
    AppendNumber(outside, &key);
    for (uint64_t mask : {c.before[i], c.conflicts[i], c.neighbours[i]}) AppendNumber(mask, &key);
    for (size_t r = 1; r < g.node(id).results.size(); ++r) {
      AppendNumber(graph.IsUsed({id, static_cast<int32_t>(r)}), &key);
    }
  }
  return key;
}

ExactResult SolveExactly(const Traffic& traffic, const Groups& groups, const Component& component,
                         std::vector<uint64_t> planned, const ExactLimits& limits) {
  return Solver(traffic, groups, component, std::move(planned), limits).Run();
}

}  // namespace skein
