// Scheduler: a group's outputs and boundary -> the loops of one kernel. Structure decides: a group with a
// contraction becomes a register-tiled GEMM, one with reductions over inner axes a row-phase kernel, over
// other axes a column kernel, one with running sums a scan kernel, anything else a pointwise kernel.
#ifndef SKEIN_FUSION_SCHEDULE_H_
#define SKEIN_FUSION_SCHEDULE_H_

#include <functional>
#include <vector>

#include "base/status.h"
#include "fusion/emitter.h"
#include "fusion/locality.h"
#include "fusion/plan.h"

namespace skein {

struct GroupSpec {
  std::vector<Value> outputs;              // materialized by the group
  std::function<bool(Value)> boundary;     // values that are read from memory
  Locality locality;
};

// Errors: FailedPrecondition with "SKnnn: sentence" where the group's structure does not fit one kernel
// (the planner turns it into a refusal); Unimplemented where no kernel can compute it at all.
absl::StatusOr<Group> Schedule(const Graph& graph, const GroupSpec& spec, const Target& target);

// The same in two steps, of which the first says whether a kernel takes the group: ScheduleLoops leaves the nest as it
// was emitted, FinishKernel cleans and names it, and counts what the kernel does.
struct UnfinishedKernel {
  Group group;  // without nest
  LoopNest nest;
};
absl::StatusOr<UnfinishedKernel> ScheduleLoops(const Graph& graph, const GroupSpec& spec, const Target& target);
Group FinishKernel(const Graph& graph, const Locality& locality, const Target& target, UnfinishedKernel kernel);

// --- shared by the schedulers ---

// What the nodes between the outputs and the boundary are.
struct GroupContent {
  std::vector<NodeId> nodes;   // ascending
  std::vector<NodeId> dots, inner_reductions, outer_reductions, scans, others;
};
absl::StatusOr<GroupContent> FindContent(const Graph& graph, const GroupSpec& spec);

// An output as the loops see it: the last value that is computed (`core`), followed by movement ops that
// only say where it is stored.
struct OutputPath {
  Value output, core;
  std::vector<NodeId> movement;  // from core to output
};
OutputPath FindOutputPath(const Graph& graph, Value output, const std::function<bool(Value)>& boundary);
// Coordinates of the output for coordinates of the core; FailedPrecondition if there is no inverse.
absl::StatusOr<Dims> StoreCoords(const Graph& graph, const OutputPath& path, Dims core_coords);

// Coordinates in analysis are Coord(kPlaceholder + i, extent).
inline constexpr int kPlaceholder = 1 << 20;

// Merges adjacent dims into one where every expression of `uses` stays affine. `dims` are the extents of
// placeholders base + i. Returns runs: [first, last] of dims that became one loop.
std::vector<std::pair<int, int>> CollapseDims(std::span<const DimExpr> dims,
                                              std::span<const DimExpr> uses, int base = kPlaceholder);

// Every distinct demand reachable from `roots` within the group, users before operands. `reduction_coords`
// gives the operand coordinates of a reduction demanded at given coordinates.
using ReductionCoords = std::function<absl::StatusOr<Dims>(const Demand&)>;
absl::StatusOr<std::vector<Demand>> ReachableDemands(const Emitter& emitter, std::vector<Demand> roots,
                                                     const ReductionCoords& reduction_coords);

// The index expressions by which leaves are read (linear address, known value's expression, conditions).
void AppendLeafUses(const Emitter& emitter, const Demand& demand, std::vector<DimExpr>* uses);

// Adds output buffers and stores: `value` has the emitter's lanes or 1.
absl::Status EmitStore(Emitter& emitter, const OutputPath& path, BufferId buffer, Dims core_coords);

// What a loop that was emitted repeats; `loop` is its number.
BlockId BodyOf(const LoopNest& nest, int loop);
// Puts fetches into cache `level` (0: L1, 1: L2) at the beginning of a loop's body: for each load of `lanes` elements
// side by side from an input that does not stay in L2, of as many elements at the address that `later` gives, unless that is
// the same one.
void FetchAhead(const Target& target, int level, BlockId body, int lanes, LoopNest* nest,
                const std::function<DimExpr(const Inst& load, int64_t element_bytes)>& later);

absl::Status SchedulePointwise(Emitter& emitter, const GroupSpec& spec, const Target& target);
absl::Status ScheduleRows(Emitter& emitter, const GroupSpec& spec, const GroupContent& content,
                          const Target& target);
// Rows shorter than a vector, many at a time. False, with nothing emitted, where the group's rows are not such.
absl::StatusOr<bool> ScheduleShortRows(Emitter& emitter, const GroupSpec& spec, const GroupContent& content,
                                       const Target& target);
absl::Status ScheduleColumns(Emitter& emitter, const GroupSpec& spec, const GroupContent& content,
                             const Target& target);
absl::Status ScheduleScan(Emitter& emitter, const GroupSpec& spec, const GroupContent& content,
                          const Target& target);
absl::Status ScheduleDot(Emitter& emitter, const GroupSpec& spec, const GroupContent& content,
                         const Target& target);

// Emits a scalar graph (Reducer::map, combine, finish) on vectors.
std::vector<ValueId> EmitScalarGraph(LoopBuilder& b, const Graph& graph, std::span<const ValueId> inputs);
// The opcode if the graph is one associative operation of its two inputs (so kReduce can do it).
std::optional<Opcode> SingleOpcode(const Graph& combine);

// Drops instructions without effect whose results are not used.
void RemoveDeadInstructions(LoopNest* nest);

// Subtractions of loop-invariant scalars from what is loaded, as additions, which can read memory themselves.
void FoldLoads(LoopNest* nest);

// Turns maxima and minima of f32 that short loops carry into integers, whose steps do not wait for each other long.
void SplitCarriedMaxima(const Target& target, LoopNest* nest);

// Reorders the nest's buffers: inputs, outputs, scratch, each in the order in which they were added.
void OrderBuffers(LoopNest* nest);

// Replaces the graph's symbols in a nest by arguments: each maximal expression of symbols that is
// provably >= 0 becomes one argument, numbered in order of appearance. Returns their expressions.
std::vector<DimExpr> NumberArguments(LoopNest* nest);

}  // namespace skein

#endif  // SKEIN_FUSION_SCHEDULE_H_
