// A graph as a benchmark: built in C++, compiled for this machine, run on one thread on buffers of its own.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "ir/graph.h"
#include "runtime/program.h"

namespace skein {

// Builds nodes and stops the program on a mistake: benchmarks are fixed programs, not user input.
class GraphMaker {
 public:
  Value Input(const char* name, Dims dims, ElementType t = ElementType::kF32);
  Value Op1(Op op, Value x, Attributes a = {}) { return Node(op, {x}, std::move(a)); }
  Value Op2(Op op, Value x, Value y) { return Node(op, {x, y}); }
  Value Scalar(double c, Value like);                        // a constant of the shape of `like`
  Value Row(Value x, Value like);                            // [n] repeated to the shape of `like`
  Value ReduceRows(ReducerRef reducer, Value x);             // over the last axis, kept as 1, repeated back
  Value Weight(int64_t rows, int64_t columns);               // a constant matrix of small numbers
  Value Node(Op op, std::vector<Value> x, Attributes a = {});
  Graph Output(Value v);

  // x - max, exp, / sum; and (x - mean) / sqrt(var + eps) * scale + bias, as exporters spell them.
  Value Softmax(Value x);
  Value LayerNorm(Value x, Value scale, Value bias);
  Value Gelu(Value x);

 private:
  Graph graph_;
};

// Compiles and returns a function that runs the graph once.
std::function<void()> MakeGraphKernel(const Graph& graph);

}  // namespace skein
