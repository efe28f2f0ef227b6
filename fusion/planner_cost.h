// The planner's cost model: bytes moved, where a launch counts as some. Recomputation costs nothing here: the rules
// bound it (planner_rules.h).
#ifndef SKEIN_FUSION_PLANNER_COST_H_
#define SKEIN_FUSION_PLANNER_COST_H_

#include <initializer_list>
#include <span>
#include <vector>

#include "fusion/planner_graph.h"
#include "ir/graph.h"

namespace skein {

// A launch costs about as much as moving 16 KiB through the cache (FIELD-NOTES, "Launch cost"); a little less, so that of two
// plans that would cost the same, sizes being powers of two, the one that moves fewer bytes is taken.
inline constexpr double kLaunchBytes = (16 << 10) - 16;

// The value of an expression; symbols that `sizes` lacks are 128. Only relative sizes matter, and only to choose
// between merges; no plan is wrong for other sizes.
double NominalValue(DimExpr e, const SymbolValues& sizes = {});
double NominalElements(const TensorType& type, const SymbolValues& sizes = {});
double NominalBytes(const TensorType& type, const SymbolValues& sizes = {});

// What kernels move, counted as in a plan (Group::bytes_read, bytes_written): each value that a kernel reads once and
// at most all of it, through a gather or a slice no more than is selected; each result that is needed outside once.
class Traffic {
 public:
  // `launch`: bytes that a launch counts as.
  Traffic(const PlanGraph& graph, const SymbolValues& sizes, double launch);

  // Of one kernel that computes all these nodes.
  double Cost(std::span<const NodeId> nodes) const;
  double Cost(std::initializer_list<const NodeSet*> parts) const;

  // Values that a computed node reads, looking through what is recomputed: numbers, ascending.
  std::span<const int> ReadBy(NodeId id) const { return values_of_[id.index]; }
  // The computed nodes that read value number `value`, and its bytes.
  std::span<const NodeId> ReadersOf(int value) const { return values_[value].readers; }
  double BytesOf(int value) const { return values_[value].bytes; }

 private:
  struct ReadValue {
    double bytes;
    absl::InlinedVector<NodeId, 2> readers;
  };
  struct Access {     // one node, computed or recomputed, reads one value
    int value;
    NodeId producer;
    double all;       // bytes of the value
    double bytes;     // the same, or as many as the node selects
    int64_t counted;  // in that round
  };
  struct Touched {    // of a value
    int64_t round;
    double bytes;
  };
  // Of the sum that is being made.
  template <typename ForEachNode>
  double CostOf(ForEachNode for_each) const;
  double Written(NodeId id) const;
  double Read(NodeId id) const;

  const PlanGraph& graph_;
  const double launch_;
  std::vector<ReadValue> values_;
  using Numbers = absl::InlinedVector<int, 4>;
  std::vector<Numbers> accesses_of_, values_of_;            // by computed node
  std::vector<double> written_;                             // by computed node: its results that are used
  // `round_` marks what belongs to the sum that is being made.
  mutable int64_t round_ = 0;
  mutable std::vector<int64_t> included_;                    // by node
  mutable std::vector<Access> accesses_;
  mutable std::vector<Touched> touched_;                     // by value
};

// Whether kernels are worth merging because both read this value.
inline bool IsLarge(const Traffic& traffic, int value) { return traffic.BytesOf(value) >= kLaunchBytes; }

}  // namespace skein

#endif  // SKEIN_FUSION_PLANNER_COST_H_
