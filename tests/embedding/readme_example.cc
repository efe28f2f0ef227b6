#include <cstdio>
#include <vector>

#include "runtime/program.h"

int main() {
  using namespace skein;
  Graph graph;  // y = tanh(x * w) + x, for vectors of any length n
  const TensorType type{ElementType::kF32, {DimExpr::Symbol("n")}};
  const Value x = graph.AddInput("x", type), w = graph.AddInput("w", type);
  const Value product = *graph.Add(Op::mul, {x, w});
  graph.AddOutput("y", *graph.Add(Op::add, {*graph.Add(Op::tanh, {product}), x}));

  auto program = Program::Compile(graph, {.threads = 2});  // here: one fused kernel
  if (!program.ok()) return std::puts(program.status().ToString().c_str()), 1;
  std::vector<float> a = {0, 0.5, 1, 2}, b = {1, 2, 3, -4}, c(4);
  const std::vector<TensorView> inputs = {{ElementType::kF32, {4}, a.data()}, {ElementType::kF32, {4}, b.data()}};
  const std::vector<TensorView> outputs = {{ElementType::kF32, {4}, c.data()}};
  const absl::Status status = (*program)->Run(inputs, outputs);  // from any thread, at any n
  if (!status.ok()) return std::puts(status.ToString().c_str()), 1;
  for (float y : c) std::printf("%.6f\n", y);
}
