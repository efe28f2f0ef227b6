// Products of x with a gate of x that are one activation function: as that function they are accurate in
// their tail, where the factors by themselves have lost their digits.
#ifndef SKEIN_FUSION_GATES_H_
#define SKEIN_FUSION_GATES_H_

#include <optional>

#include "ir/graph.h"

namespace skein {

// x * gate = factor * op(x).
struct Gate {
  Op op;
  double factor;
};

// Whether a value of this op may be a gate.
inline bool IsGate(Op op) { return op == Op::sigmoid || op == Op::erfc || op == Op::tanh || op == Op::add; }

// sigmoid(x), erfc(-x/sqrt 2), 1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)) and tanh(softplus(x)), with
// constants right to the precision of the type.
std::optional<Gate> MatchGate(const Graph& graph, Value gate, Value x);

}  // namespace skein

#endif  // SKEIN_FUSION_GATES_H_
