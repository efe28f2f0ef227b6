// The maximum of a softmax, in one operation a step.
//
// A maximum that keeps NaN and orders zeros takes three operations, and softmax takes one of every element, half of what
// its first phase does. But softmax loses nothing without either:
//   e = exp(x - max(x)),  s = sum(e),  y = e / s
//   - If an element of a row is NaN, so is its e, so is s, and so is every y of the row, whatever the maximum was.
//   - If none is, the maximum is right but for the sign of a zero; that only shows in x - max(x) where this is a zero
//     too, and exp of both zeros is 1.
// So where a maximum has no other use, it gets the attribute "loose", and its step is a > b ? a : b, one instruction on
// any processor (ReducerOf, reduction_state.h).
#ifndef SKEIN_FUSION_SOFTMAX_MAXIMA_H_
#define SKEIN_FUSION_SOFTMAX_MAXIMA_H_

#include "absl/container/flat_hash_set.h"
#include "ir/graph.h"

namespace skein {

// Whether `bound` is the largest element of x along some axes, copied back along them: at every place at least
// the element of x there, unless one of the row is NaN.
bool IsMaximumOf(const Graph& graph, Value bound, Value x);

// The maxima in `graph` whose NaN and zeros do not matter, as above.
absl::flat_hash_set<const Node*> SoftmaxMaxima(const Graph& graph);

}  // namespace skein

#endif  // SKEIN_FUSION_SOFTMAX_MAXIMA_H_
