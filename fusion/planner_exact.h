// The best partition of a few nodes into kernels, by dynamic programming over down-sets.
#ifndef SKEIN_FUSION_PLANNER_EXACT_H_
#define SKEIN_FUSION_PLANNER_EXACT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "fusion/planner_groups.h"

namespace skein {

// Where the search gives up. The defaults keep the plan of a large model in a fraction of a second.
struct ExactLimits {
  int nodes = 24;            // at most 64
  size_t sets = 2000;        // candidate kernels
  int64_t work = 6'000'000;  // candidates looked at, over all down-sets and repetitions
  int asked = 120;           // questions to the scheduler
  // Of all searches together.
  int64_t all_work = 40'000'000;
  int all_asked = 300;
};

// Nodes that may share kernels with each other, and what says so, as bits by position in `nodes`.
struct Component {
  std::vector<NodeId> nodes;               // ascending
  std::vector<uint64_t> before, after;     // what it is computed from, and what from it
  std::vector<uint64_t> conflicts;         // with what it never shares a kernel
  std::vector<uint64_t> neighbours;        // what it reads, what reads it, and siblings

  NodeSet SetOf(uint64_t mask) const;
  int PositionOf(NodeId id) const;         // -1: not here
};
// `conflicts` are only those that follow from what lies between two nodes and is not in the component.
Component MakeComponent(const PlanGraph& graph, const Traffic& traffic, const Reachability& reach,
                        std::vector<NodeId> nodes);
// Adds the conflicts between nodes that have nothing else between them, by the rules.
void AddConflicts(const Reachability& reach, const Groups& groups, Component* component);

// A text that is equal for components in which every kernel costs the same and fits alike: equal layers.
std::string StructureOf(const PlanGraph& graph, const Groups& groups, const Component& component);

struct ExactResult {
  bool exact = false;           // `least` is the optimum; else no partition costs less
  double least = 0;
  std::vector<uint64_t> sets;   // the best partition, if exact
  int64_t work = 0;             // what finding it took
  int asked = 0;
};

// Kernels are sets of nodes that are connected, have no other node between them and fit (Groups::WhyNot); their cost is
// traffic's. Which of them fit is asked only of those that an optimum would use: a set that turns out not to fit is
// dropped, and the rest is solved again. So the search has a lower bound at every moment.
//   planned: the partition that is there, all of whose kernels fit; it stays unless another costs less.
ExactResult SolveExactly(const Traffic& traffic, const Groups& groups, const Component& component,
                         std::vector<uint64_t> planned, const ExactLimits& limits);

}  // namespace skein

#endif  // SKEIN_FUSION_PLANNER_EXACT_H_
