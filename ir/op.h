// OpDef: everything Skein knows of one op, in one place. ir/ops.def lists the names; ir/ops/<op>.h
// defines `inline const OpDef k_<op>`. Adding an op that fits an existing class is one such file
// and one line in ops.def: text form, verifier, interpreters, both back ends and the conformance
// tests follow from the fields below.
#ifndef SKEIN_IR_OP_H_
#define SKEIN_IR_OP_H_

#include <span>
#include <string_view>
#include <vector>

#include "ir/graph.h"
#include "ir/loop_nest.h"

namespace skein {

enum class OpClass : uint8_t {
  kSource,     // input, constant, index
  kPointwise,  // element i of the result from element i of every operand
  kMovement,   // each result element is one element of one operand, at a place that sizes determine
  kGather,     // the same, at a place that data determine
  kReduce,
  kScan,
  kContraction,
};

// A value of the f64 reference with a bound on |true value - what generated code may produce|.
struct Bounded {
  double value = 0;
  double error = 0;
};

// One alternative of a movement op: where `condition` (0/1 over result coordinates) holds, the
// result element is operand `operand` at coordinates `map` (over result coordinates). Pieces are
// tried in order; the last one's condition is 1.
struct Piece {
  DimExpr condition = 1;
  int operand = 0;
  Dims map;
};

struct OpDef {
  std::string_view name;
  OpClass op_class = OpClass::kPointwise;
  int min_operands = 1, max_operands = 1;  // max -1: any number
  std::string_view summary;                // one line for `skein ops` and the docs

  // Result types; also where attributes and operand types are checked. Shapes of pointwise operands
  // were already found equal.
  absl::Status (*infer)(const Graph& graph, const Node& node,
                        ResultTypes* results) = nullptr;

  // Known value of the result from known operands (by the identity of DimExpr arithmetic), if any.
  std::optional<DimExpr> (*fold)(const Graph& graph, const Node& node) = nullptr;

  // --- kPointwise ---
  // Exact in f64 with an error bound; bools as 0, 1. `type` is the result's. Never calls `lower`.
  Bounded (*reference)(const Node& node, ElementType type, std::span<const Bounded> x) = nullptr;
  // Emits vector operations; operands are vectors of equal lanes.
  ValueId (*lower)(LoopBuilder& b, const Node& node, std::span<const ValueId> x) = nullptr;
  int flops = 1;     // per element: 1, or 20 for a transcendental
  double ulp = 0.5;  // stated bound of the f32 result
  // The same where all operands and the result are integers or bools: exact, in 64-bit two's
  // complement (the caller wraps the result to its type). `type` is that of the last operand.
  int64_t (*int_reference)(const Node& node, ElementType type,
                           std::span<const int64_t> x) = nullptr;

  // --- kMovement ---
  std::vector<Piece> (*pieces)(const Graph& graph, const Node& node) = nullptr;
  // Inverse of a one-piece movement that is a bijection: the result's coordinates, given the
  // operand's (`coords` has one DimExpr per operand dim). Null or empty where there is none.
  std::optional<Dims> (*forward)(const Graph& graph, const Node& node,
                                 std::span<const DimExpr> coords) = nullptr;
};

const OpDef& Def(Op op);
inline std::string_view Name(Op op) { return Def(op).name; }
std::optional<Op> ParseOp(std::string_view name);
int OpCount();

// Coord(0, dims[0]), Coord(1, dims[1]), ...: the coordinates of a tensor.
Dims CoordsOf(std::span<const DimExpr> dims);
// Row-major linear index of coordinates, and its inverse (last dim fastest).
DimExpr Linearize(std::span<const DimExpr> coords, std::span<const DimExpr> dims);
Dims Delinearize(DimExpr linear, std::span<const DimExpr> dims);
// The result coordinates of a bijective movement given operand coordinates, see OpDef::forward.
std::optional<Dims> ForwardMap(const Graph& graph, NodeId node, std::span<const DimExpr> coords);
// Pieces of a kMovement node, or of a kGather node whose indices are all known.
std::optional<std::vector<Piece>> MovementPieces(const Graph& graph, NodeId node);

// Helpers for infer functions.
absl::Status ExpectFloat(const Node& node, const TensorType& t);
absl::Status SameAsFirst(const Graph& graph, const Node& node, ResultTypes* results);
absl::Status FloatSameAsFirst(const Graph& graph, const Node& node,
                              ResultTypes* results);
absl::Status BoolLikeFirst(const Graph& graph, const Node& node, ResultTypes* results);
// Half an ulp of |y| in `type` (0 for integers): what one rounding may add.
double HalfUlp(ElementType type, double y);

}  // namespace skein

#endif  // SKEIN_IR_OP_H_
