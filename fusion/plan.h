// Plan: which values of a graph are materialized, by which kernel, in which order.
//
// A group is the kernel that produces `outputs`. Everything between its inputs (buffers) and its outputs is
// recomputed inside it from demand, so a node may be computed in several groups; whatever is not the
// output of a group never touches memory.
#ifndef SKEIN_FUSION_PLAN_H_
#define SKEIN_FUSION_PLAN_H_

#include <memory>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/status.h"
#include "ir/graph.h"
#include "ir/loop_nest.h"
#include "ir/target.h"

namespace skein {

// When a group's kernel runs.
enum class Phase : uint8_t {
  kProgram,  // once: reads constants only (packed weights, folded tables)
  kBinding,  // once per binding of the symbols: reads constants and sizes only
  kRun,      // every run
};

// A nest as text, and the hash of that.
struct NestText {
  std::string text;
  Hash128 hash;
};

struct Group {
  std::vector<Value> outputs;        // buffers written, in the nest's buffer order (after the inputs)
  std::vector<Value> inputs;         // buffers read, in the nest's buffer order
  std::vector<NodeId> nodes;         // computed here, topological
  std::string kind;                  // "pointwise", "row", "columns", "dot", ...: structure, for printing
  Phase phase = Phase::kRun;
  std::shared_ptr<const LoopNest> nest;  // shared by groups alike; null: no scheduler takes the nodes
  std::vector<DimExpr> arguments;    // a0, a1, ... over the graph's symbols
  Hash128 hash;                      // structural: of the canonical nest text
  std::shared_ptr<const NestText> text;  // of a nest with that hash, shared by groups alike; else of no meaning
  DimExpr bytes_read, bytes_written, flops;
  DimExpr dot_flops;                 // the part of flops in contractions
  std::vector<NodeId> gather_sites;  // site i of the status word reports an index of this node
};

// Why two neighbours do not share a kernel.
struct Refusal {
  Value producer;
  NodeId consumer;
  std::string code;    // "SK101", stable
  std::string reason;  // ends the sentence "A and B do not share a kernel: "
};

struct PlanOptions {
  bool fuse = true;   // false: --no-fuse, one group per surviving source node
  Target target;
};

struct Plan {
  Graph graph;                   // settled: what the groups refer to
  std::vector<Group> groups;     // in execution order
  std::vector<Refusal> refusals;
  DimExpr fused_bytes;            // read and written per run by all groups
};

// Settles values (fusion/settle.h), groups and schedules. The same graph gives the same plan.
// Errors: Unimplemented naming a node that no scheduler takes.
absl::StatusOr<Plan> MakePlan(const Graph& graph, const PlanOptions& options);

// How far a plan is from the best that the same rules allow: kernels of connected nodes, of which the scheduler accepts
// every one.
struct TrafficGap {
  double bytes = 0;        // moved per run
  double least_bytes = 0;  // moved per run by the best plan, or, where that was not found, no more than that
  bool exact = false;      // the best plan was found
  double gap() const { return least_bytes > 0 ? bytes / least_bytes : 1; }
};
// Compares a fused plan with the best one for given sizes (symbols without one are 128). Takes longer than planning:
// it searches further, and counts bytes alone, where MakePlan counts launches too.
//   options: those that the plan was made with.
TrafficGap MeasureGap(const Plan& plan, const PlanOptions& options, const SymbolValues& sizes);

// The user's node names of a group, or of a node.
std::vector<std::string> Origins(const Plan& plan, const Group& group);
std::string OriginText(const Graph& graph, NodeId node);
// The whole sentence, with the user's nodes.
std::string SentenceOf(const Plan& plan, const Refusal& refusal);

// Answers `skein why A B`: one sentence on whether and why the user's nodes A and B share a kernel.
std::string Why(const Plan& plan, std::string_view a, std::string_view b);

}  // namespace skein

#endif  // SKEIN_FUSION_PLAN_H_
