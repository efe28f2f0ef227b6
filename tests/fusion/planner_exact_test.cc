// Plans of random graphs against the best of all partitions, found by trying every set of nodes.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <vector>

#include "fusion/planner_repair.h"
#include "fusion/settle.h"
#include "tests/fusion/fusion_graphs.h"
#include "tests/support/random_graph.h"

namespace skein {
namespace {

// Tries every set of at most 14 nodes as a kernel, after every set of nodes that can have run.
class EverySet {
 public:
  EverySet(const PlanGraph& graph, const Traffic& traffic, const Groups& groups)
      : graph_(graph), traffic_(traffic), groups_(groups) {
    for (NodeId id : graph.computed()) {
      if (graph.PhaseOf(id) == Phase::kRun) nodes_.push_back(id);
    }
  }
  size_t size() const { return nodes_.size(); }

  double Least() {
    const unsigned all = (1u << size()) - 1;
    std::vector<double> least(all + 1, -1);
    least[0] = 0;
    for (unsigned done = 0; done < all; ++done) {
      if (least[done] < 0) continue;
      const unsigned rest = all & ~done;
      for (unsigned set = rest; set != 0; set = (set - 1) & rest) {
        if (!CanRun(set, done) || !Connected(set)) continue;
        const Kernel& kernel = KernelOf(set);
        if (!kernel.fits) continue;
        double& next = least[done | set];
        if (next < 0 || least[done] + kernel.cost < next) next = least[done] + kernel.cost;
      }
    }
    return least[all];
  }

 private:
  struct Kernel {
    bool fits;
    double cost;
  };
  bool Has(unsigned set, NodeId id) const {
    for (size_t i = 0; i < size(); ++i) {
      if (nodes_[i] == id) return (set >> i) & 1;
    }
    return true;  // ran before
  }
  bool CanRun(unsigned set, unsigned done) const {
    for (size_t i = 0; i < size(); ++i) {
      if (!((set >> i) & 1)) continue;
      for (NodeId from : graph_.ReadsOf(nodes_[i])) {
        if (!Has(set | done, from)) return false;
      }
    }
    return true;
  }
  bool Touch(NodeId a, NodeId b) const {
    for (auto [x, y] : {std::pair(a, b), std::pair(b, a)}) {
      const auto reads = graph_.ReadsOf(y);
      if (std::find(reads.begin(), reads.end(), x) != reads.end()) return true;
    }
    for (int value : traffic_.ReadBy(a)) {
      const auto readers = traffic_.ReadersOf(value);
      if (IsLarge(traffic_, value) && std::find(readers.begin(), readers.end(), b) != readers.end()) return true;
    }
    return false;
  }
  bool Connected(unsigned set) const {
    unsigned reached = set & -set;
    for (bool grew = true; grew;) {
      grew = false;
      for (size_t i = 0; i < size(); ++i) {
        if (!((set & ~reached) >> i & 1)) continue;
        for (size_t j = 0; j < size(); ++j) {
          if ((reached >> j & 1) && Touch(nodes_[i], nodes_[j])) {
            reached |= 1u << i;
            grew = true;
            break;
          }
        }
      }
    }
    return reached == set;
  }
  const Kernel& KernelOf(unsigned set) {
    auto [it, fresh] = kernels_.emplace(set, Kernel());
    if (fresh) {
      NodeSet nodes;
      for (size_t i = 0; i < size(); ++i) {
        if ((set >> i) & 1) nodes.insert(nodes_[i]);
      }
      it->second = {!groups_.WhyNot(nodes).has_value(), traffic_.Cost({&nodes})};
    }
    return it->second;
  }

  const PlanGraph& graph_;
  const Traffic& traffic_;
  const Groups& groups_;
  std::vector<NodeId> nodes_;
  std::map<unsigned, Kernel> kernels_;
};

double Bytes(const PlanGraph& graph, const Traffic& traffic, const Groups& groups) {
  double bytes = 0;
  for (int part = 0; part < groups.size(); ++part) {
    if (groups.alive(part) && graph.PhaseOf(groups.nodes(part)) == Phase::kRun) {
      bytes += traffic.Cost({&groups.nodes(part)});
    }
  }
  return bytes;
}

struct Ratios {
  double sum = 0, worst = 1;
  int count = 0;
  uint64_t worst_seed = 0;
  void Add(double ratio, uint64_t seed) {
    sum += ratio;
    ++count;
    if (ratio > worst) worst_seed = seed;
    worst = std::max(worst, ratio);
  }
  double mean() const { return count == 0 ? 1 : sum / count; }
};

// SKEIN_TEST_GRAPHS=1000 for the figures of docs/design.md.
TEST(ExactRepair, RandomPlansAreNearTheBestOfAllPartitions) {
  constexpr size_t kFewestNodes = 4, kMostNodes = 14;
  Ratios unfused, greedy, repaired;
  const int graphs = TestGraphs(100);
  uint64_t seed = TestSeed();
  for (; repaired.count < graphs; ++seed) {
    const absl::StatusOr<Graph> graph = Settle(RandomGraph(RandomBytes(seed)));
    ASSERT_TRUE(graph.ok()) << graph.status();
    const PlanGraph nodes(*graph, true);
    const Target target;
    Groups groups(nodes, target);
    const Traffic cost(nodes, {}, kLaunchBytes), bytes(nodes, {}, 0);
    EverySet every(nodes, bytes, groups);
    if (every.size() > kMostNodes || every.size() < kFewestNodes) continue;
    const Reachability reach(nodes);
    const double before = Bytes(nodes, bytes, groups);
    MergeGreedily(nodes, cost, reach, &groups);
    const double merged = Bytes(nodes, bytes, groups), merged_cost = Bytes(nodes, cost, groups);
    RepairExactly(nodes, cost, reach, ExactLimits(), &groups);
    const double least = every.Least();
    const std::string context = absl::StrCat("SKEIN_TEST_SEED=", seed, " SKEIN_TEST_GRAPHS=1\n", graph->ToString());
    ASSERT_LE(Bytes(nodes, cost, groups), merged_cost) << context;
    ASSERT_LE(least, Bytes(nodes, bytes, groups) + 1) << context;
    // What is reported as the optimum is.
    Groups copy = groups;
    const RepairResult bound = RepairExactly(nodes, bytes, reach, ExactLimits(), &copy);
    ASSERT_LE(bound.least, least + 1) << context;
    if (bound.exact) {
      ASSERT_GE(bound.least, least - 1) << context;
    }
    if (least <= 0) continue;
    unfused.Add(before / least, seed);
    greedy.Add(merged / least, seed);
    repaired.Add(Bytes(nodes, bytes, groups) / least, seed);
  }
  for (const auto& [name, r] : {std::pair("unfused", unfused), std::pair("greedy", greedy), std::pair("repaired", repaired)}) {
    std::printf("%-8s over the optimum: mean %.4f, worst %.4f (seed %llu) of %d graphs\n", name, r.mean(), r.worst,
                static_cast<unsigned long long>(r.worst_seed), r.count);
  }
  EXPECT_LE(repaired.mean(), 1.02) << "SKEIN_TEST_SEED=" << TestSeed();
  EXPECT_LE(repaired.worst, 1.10) << "SKEIN_TEST_SEED=" << repaired.worst_seed;
}

// The planner's model of bytes is what the plan counts.
TEST(ExactRepair, PlansMoveTheBytesThatThePlannerWeighs) {
  for (int i = 0; i < TestGraphs(100); ++i) {
    const uint64_t seed = TestSeed() + i;
    const Graph graph = RandomGraph(RandomBytes(seed));
    const Plan plan = MakePlanOf(graph);
    const SymbolValues sizes = {{"a", 128}, {"b", 128}};
    const double counted = static_cast<double>(*Evaluate(plan.fused_bytes, sizes));
    EXPECT_EQ(MeasureGap(plan, PlanOptions(), sizes).bytes, counted)
        << "SKEIN_TEST_SEED=" << seed << " SKEIN_TEST_GRAPHS=1\n" << plan.graph.ToString();
  }
}

}  // namespace
}  // namespace skein
