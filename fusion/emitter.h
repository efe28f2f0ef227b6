// Demand-driven emission: the element of any value at any coordinates, as LoopNest instructions.
//
// A scheduler decides loops and asks for output elements at the coordinates of those loops; whatever lies
// between an output and the group's inputs is emitted from there: movement ops turn into index maps,
// known values into index arithmetic, inputs into loads, reductions into values that an earlier
// phase left. So no scheduler knows an op, and one mechanism serves every kind of kernel.
#ifndef SKEIN_FUSION_EMITTER_H_
#define SKEIN_FUSION_EMITTER_H_

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/container/node_hash_map.h"
#include "base/status.h"
#include "ir/graph.h"
#include "ir/loop_nest.h"
#include "ir/op.h"

namespace skein {

// A place: an element (or 64 adjacent ones) of a value. `condition` (0/1) is false where the element is
// not needed; nothing is read there and the result is unspecified.
struct Demand {
  Value value;
  Dims coords;
  DimExpr condition = 1;
  bool operator==(const Demand&) const = default;
  template <typename H>
  friend H AbslHashValue(H h, const Demand& d) {
    return H::combine(std::move(h), d.value, d.coords, d.condition);
  }
};

class Emitter {
 public:
  // `boundary` says which values are read from memory. Buffers for them are added on first use.
  Emitter(const Graph& graph, LoopBuilder* builder, std::function<bool(Value)> boundary);

  // The coordinate that runs over lanes: the index of the vector loop (or a virtual one), with the
  // number of lanes that values depending on it have. Unset: every value is a scalar.
  struct Lane {
    int coord = -1;
    int lanes = 1;
    bool only_first = false;  // the loop has one element: lanes past the first are never active
  };
  void SetLane(Lane lane) { lane_ = lane; }
  Lane lane() const { return lane_; }

  // Emission scopes: what was emitted in an enclosing scope is reused. One per loop.
  void PushScope() { scopes_.emplace_back(); }
  void PopScope() { scopes_.pop_back(); }

  // The element(s). The result has lane().lanes lanes if it depends on the lane coordinate, else 1.
  absl::StatusOr<ValueId> Emit(const Demand& demand);

  // Emits, in the current scope, those parts of the demand that do not mention any coordinate for which
  // `inner` is true: what would be loop-invariant there. Never what is computed from `except`, a value that
  // changes although its coordinates may not (the total of a product with one column).
  absl::Status EmitInvariant(const Demand& demand, const std::function<bool(int)>& inner,
                             Value except = Value());

  // Declares what a value is at coordinates that match exactly: a reduction's result, a dot's total, a
  // value kept in scratch. `emit` is called at each use, in the scope of the use.
  using Provider = std::function<absl::StatusOr<ValueId>(const Demand&)>;
  void Provide(Value value, Provider provider) { providers_[value] = std::move(provider); }
  // Emits from the operands, whatever is provided for the value itself.
  absl::StatusOr<ValueId> EmitComputed(const Demand& demand);

  // Integer vector (i64) and boolean vector of an expression of coordinates.
  ValueId EmitIndex(DimExpr e);
  ValueId EmitCondition(DimExpr e);

  // Direct children of a demand: the demands that emitting it makes. Empty for a boundary, a known value or
  // a provided one. Gather's children are its indices first, then its data with Value atoms unresolved (-1-j).
  absl::StatusOr<std::vector<Demand>> Children(const Demand& demand) const;
  absl::StatusOr<std::vector<Demand>> ComputedChildren(const Demand& demand) const;  // even if provided
  bool IsLeaf(Value v) const;      // boundary, known, or scalar constant
  bool DependsOnLane(const Demand& demand) const;

  const std::vector<Value>& inputs() const { return inputs_; }  // in buffer order
  BufferId InputBuffer(Value v);
  const std::vector<NodeId>& gather_sites() const { return gather_sites_; }

  const Graph& graph() const { return graph_; }
  LoopBuilder& builder() { return *b_; }

 private:
  absl::StatusOr<ValueId> EmitUncached(const Demand& demand);
  const std::optional<std::vector<Piece>>& PiecesOf(NodeId id) const;  // MovementPieces, found once
  bool IsRead(Value v) const;  // from memory, through movement only
  absl::InlinedVector<Value, 3> OrderedOperands(const Node& node) const;
  absl::StatusOr<ValueId> EmitLoad(const Demand& demand);
  absl::StatusOr<ValueId> EmitPieces(const Demand& demand, const std::vector<Piece>& pieces);
  absl::StatusOr<ValueId> EmitGather(const Demand& demand);
  // The gather's indices, clamped, as expressions for its coordinates.
  absl::StatusOr<std::vector<DimExpr>> EmitGatherIndices(const Demand& demand);
  ValueId EmitIndexUncached(DimExpr e);
  ValueId EmitIndex32(ElementType element, DimExpr e);  // of a 32-bit integer type, wrapped
  bool LaneFree(DimExpr e) const;

  const Graph& graph_;
  LoopBuilder* b_;
  std::function<bool(Value)> boundary_;
  Lane lane_;
  std::vector<absl::flat_hash_map<Demand, ValueId>> scopes_;
  absl::flat_hash_map<Value, Provider> providers_;
  mutable absl::node_hash_map<NodeId, std::optional<std::vector<Piece>>> pieces_;
  absl::flat_hash_map<Value, BufferId> buffers_;
  std::vector<Value> inputs_;
  std::vector<NodeId> gather_sites_;
  absl::flat_hash_set<int> lane_values_;   // SSA values mentioned in DimExprs that have lanes
};

// True if a op b = b op a, bit for bit (NaN payloads aside).
bool IsCommutative(Op op);

// The pieces of a movement demand with coordinates substituted, dead ones dropped; the demand's own
// condition is and-ed in.
std::vector<Demand> PieceDemands(const Graph& graph, const Demand& demand,
                                 const std::vector<Piece>& pieces);

}  // namespace skein

#endif  // SKEIN_FUSION_EMITTER_H_
