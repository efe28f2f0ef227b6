// A graph for fixed values of some of its symbols.
#ifndef SKEIN_IR_SPECIALIZE_H_
#define SKEIN_IR_SPECIALIZE_H_

#include "base/status.h"
#include "ir/graph.h"

namespace skein {

// The same graph with every symbol of `with` replaced, in the types of inputs, in attributes and in guards.
// All nodes are added anew, so types, known values and guards follow from the replaced dims.
// Errors: InvalidArgument with its reason for a guard that cannot hold any more, or naming a node whose
// operands no longer fit.
absl::StatusOr<Graph> SpecializeSymbols(const Graph& graph, const SymbolMap& with);

}  // namespace skein

#endif  // SKEIN_IR_SPECIALIZE_H_
