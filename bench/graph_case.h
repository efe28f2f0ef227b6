// A graph as a benchmark: built in C++, compiled for this machine, run on buffers of its own.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "bench/ceilings.h"
#include "ir/graph.h"
#include "runtime/program.h"

namespace skein {

// Builds nodes as the front ends do, and stops the program on a mistake: benchmarks are fixed
// programs, not user input.
class GraphMaker {
 public:
  Value Input(const char* name, Dims dims, ElementType t = ElementType::kF32);
  Value Node(Op op, std::vector<Value> x, Attributes a = {});
  Value Op1(Op op, Value x, Attributes a = {}) { return Node(op, {x}, std::move(a)); }
  Value Op2(Op op, Value x, Value y) { return Node(op, {x, y}); }
  Value Scalar(double c, Value like);  // a constant of the shape of `like`
  Value Plus(Value x, double c) { return Op2(Op::add, x, Scalar(c, x)); }
  Value Times(Value x, double c) { return Op2(Op::mul, x, Scalar(c, x)); }
  Value Cast(Value x, ElementType to) { return Op1(Op::cast, x, {{"to", to}}); }
  Value Repeat(Value x, Value like);            // `x`, some dims of it 1, broadcast
  Value Row(Value x, Value like);               // [n] repeated to the shape of `like`
  Value Weight(int64_t rows, int64_t columns);  // a constant matrix of small numbers
  // The graph with these outputs; ends the making.
  Graph Output(Value v) { return Outputs({v}); }
  Graph Outputs(const std::vector<Value>& values);

  // Reductions keep their axis with extent 1; of rows, the last one.
  Value Reduce(ReducerRef reducer, Value x, int axis);
  Value Mean(Value x, int axis);
  Value ArgMax(Value x, int axis);  // places, i64

  // As exporters spell them: x - max, exp, / sum; its logarithm; (x - mean) / sqrt(var + eps) *
  // scale + bias; x * (1 / sqrt(mean of squares + eps)) * scale; ...
  Value Softmax(Value x);
  Value LogSoftmax(Value x);
  Value LayerNorm(Value x, Value scale, Value bias);
  Value RmsNorm(Value x, Value scale);
  Value Gelu(Value x);
  Value GeluTanh(Value x);
  Value Elu(Value x);
  Value Silu(Value x) { return Op2(Op::mul, x, Op1(Op::sigmoid, x)); }
  Value Relu(Value x) { return Op2(Op::maximum, x, Scalar(0, x)); }
  // |min(relu((1.5 x + 0.25) x - 0.5), 3) 0.7 - x| x: nine ops, the peers' chain of eight.
  Value Chain8(Value x);
  Value GatherRows(Value table, Value indices);  // [n, c], [m] -> [m, c]

 private:
  int LastAxis(Value x) const { return graph_.type(x).rank() - 1; }

  Graph graph_;
};

// Bytes of the inputs and outputs, each a stream, and `flops`. What is under a 64th of the longest
// stays in the caches and is no stream.
Work WorkOf(const Graph& graph, double flops);

struct KernelOptions {
  int threads = 1;
  bool fuse = true;
  Tier tier = Tier::kOptimized;  // what long runs end up with
  SymbolValues symbols = {};     // sizes of the inputs
  // Fills an input in place of random numbers and returns true, or leaves it.
  std::function<bool(std::string_view name, const TensorView& view)> fill;
};

// The ISA for which this run of the program compiles: the best of the machine unless it was set before.
Isa& IsaOfThisRun();

// A compiled graph with its buffers.
struct GraphKernel {
  std::function<void()> run;  // once over the data; keeps everything below alive
  // The same on other buffers of the same types.
  std::function<void(const std::vector<TensorView>& inputs, const std::vector<TensorView>& outputs)> run_on;
  std::vector<TensorView> inputs, outputs;
  double compile_ms = 0;  // plan and code
  bool cached = false;    // the code was there from an earlier row
  int groups = 0;
  double bytes = 0;         // that the planned kernels read and write
  std::string interpreted;  // what no back end took, with the reason; empty if all is compiled
};

// Errors: whatever the planner or the back ends report.
absl::StatusOr<GraphKernel> MakeGraphKernel(const Graph& graph, const KernelOptions& options = {});

}  // namespace skein
