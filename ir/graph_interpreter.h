// The Graph interpreter: what is right. Floating point in f64 with a running error bound, integers
// exact. Written from the ops' `reference`, never from the code that kernels use.
#ifndef SKEIN_IR_GRAPH_INTERPRETER_H_
#define SKEIN_IR_GRAPH_INTERPRETER_H_

#include <span>
#include <vector>

#include "base/status.h"
#include "ir/graph.h"

namespace skein {

// A dense row-major tensor of the reference. Floats live in `value` with `error` >= |value - what
// correct code may produce|; integers and bools in `exact`, where an `error` above 0 says that
// rounding of floats before a comparison or a cast may have changed them.
struct RefTensor {
  ElementType element;
  std::vector<int64_t> dims;
  std::vector<double> value;   // floats
  std::vector<double> error;   // empty = all 0
  std::vector<int64_t> exact;  // integers and bools
  int64_t count() const;
};

// From and to raw memory as BytesFor lays it out (ToRaw rounds to the element type).
RefTensor FromRaw(ElementType t, std::vector<int64_t> dims, const void* data);
void ToRaw(const RefTensor& tensor, void* data);

struct InterpretOptions {
  int threads = 1;          // contractions are blocked and split over threads
  bool track_error = true;  // fill `error`
};

// Runs the whole graph. `inputs` in the graph's order. Values in `given` are not computed but taken
// (that is how `verify` checks one kernel on the very inputs it saw); `wanted` are the values
// returned. Errors: InvalidArgument for wrong inputs; OutOfRange naming the node for an index out
// of range; FailedPrecondition naming a guard that does not hold.
absl::StatusOr<std::vector<RefTensor>> Interpret(
    const Graph& graph, const SymbolValues& symbols,
    const std::vector<std::pair<Value, const RefTensor*>>& given, std::span<const Value> wanted,
    const InterpretOptions& options = {});

}  // namespace skein

#endif  // SKEIN_IR_GRAPH_INTERPRETER_H_
