// Runs graphs on small random tensors and compares what comes out.
#ifndef SKEIN_TESTS_SUPPORT_RUN_GRAPH_H_
#define SKEIN_TESTS_SUPPORT_RUN_GRAPH_H_

#include <functional>
#include <string>
#include <vector>

#include "base/status.h"
#include "ir/graph.h"
#include "ir/graph_interpreter.h"
#include "runtime/program.h"

namespace skein {

// A tensor that owns its memory.
struct HostTensor {
  ElementType element = ElementType::kF32;
  std::vector<int64_t> dims;
  std::vector<uint8_t> bytes;

  HostTensor() = default;
  HostTensor(ElementType t, std::vector<int64_t> d);
  int64_t count() const;
  TensorView view() { return {element, dims, bytes.data()}; }
};
std::vector<TensorView> Views(std::vector<HostTensor>& tensors);

// Inputs of the graph at these sizes: floats standard normal, bools 0 or 1, integers in [0, limit(name)) (4
// where `limit` is not given). The same seed gives the same tensors.
absl::StatusOr<std::vector<HostTensor>> DrawInputs(const Graph& graph, const SymbolValues& sizes, uint64_t seed,
                                                   const std::function<int64_t(const std::string&)>& limit = {});

// Outputs of one run.
absl::StatusOr<std::vector<HostTensor>> RunProgram(Program& program, std::vector<HostTensor>& inputs,
                                            const RunOptions& options = {});
// Compiles and runs once.
absl::StatusOr<std::vector<HostTensor>> RunGraph(const Graph& graph, const CompileOptions& options,
                                                 std::vector<HostTensor>& inputs);

// Where two lists of tensors differ in a bit ("output 1, element 17: 0.5 and 0.25"), or "". NaNs are equal.
std::string FirstDifference(const std::vector<HostTensor>& a, const std::vector<HostTensor>& b);

// The graph's outputs by the f64 reference.
absl::StatusOr<std::vector<RefTensor>> Reference(const Graph& graph, const SymbolValues& sizes,
                                                 std::vector<HostTensor>& inputs);
// Where `got` is outside the reference's bounds, or "". Elements without a finite bound pass.
std::string OutsideBounds(const std::vector<RefTensor>& reference, const std::vector<HostTensor>& got);

// Every way to run a graph that must give the same bits: {fused, no-fuse} x {LoopNest interpreter, LLVM on
// every ISA of this machine, the Xbyak tier, two threads}.
struct NamedOptions {
  std::string name;
  CompileOptions options;
};
std::vector<NamedOptions> EveryWay();
std::vector<NamedOptions> WaysWithoutLlvm();  // microseconds a kernel instead of milliseconds

// Runs the graph on random inputs each of these ways: "" if all give the same bits and these lie within the bounds
// of the reference of the settled graph, else what went wrong and where.
std::string RunAllWays(const Graph& graph, const SymbolValues& sizes, uint64_t seed,
                       const std::vector<NamedOptions>& ways);

}  // namespace skein

#endif  // SKEIN_TESTS_SUPPORT_RUN_GRAPH_H_
