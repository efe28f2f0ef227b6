// The public C++ API: Graph in, Program out, run it from any thread.
//   auto program = Program::Compile(graph, {});
//   std::vector<TensorView> in = ..., out = ...;
//   (*program)->Run(in, out);
#ifndef SKEIN_RUNTIME_PROGRAM_H_
#define SKEIN_RUNTIME_PROGRAM_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "fusion/plan.h"
#include "ir/graph.h"
#include "ir/target.h"

namespace skein {

// A dense row-major tensor in somebody's memory.
struct TensorView {
  ElementType element = ElementType::kF32;
  std::vector<int64_t> dims;
  void* data = nullptr;
};

// Runs body(0) .. body(count-1), in any order, on any threads, and returns when all have ended. A host
// may run them one after another.
using Executor = std::function<void(int count, const std::function<void(int)>& body)>;

// Which back end a kernel comes from; one that does not take or fails on a kernel leaves it to the other.
enum class Tier {
  kAuto,       // Xbyak's code at first; kernels that get hot are compiled by LLVM behind the runs
  kFast,       // Xbyak
  kOptimized,  // LLVM, before the first run
};

struct BackEnds;  // runtime/back_ends.h

// The best target of this machine, see HostTarget(); AVX2, for the interpreters, where it has none.
Target DefaultTarget();

struct CompileOptions {
  Target target = DefaultTarget();
  Tier tier = Tier::kAuto;       // bits are the same in all
  bool fuse = true;
  bool interpret = false;        // run every kernel in the LoopNest interpreter (tests)
  bool pack_first = false;       // packs all weights before the first run; large ones are packed behind the runs otherwise
  int threads = 1;
  Executor executor;             // instead of Skein's own pool
  // Builds the graph again with these symbols replaced, where sizes break a guard: the front end knows what it would
  // have done without the assumption. Null: ir/specialize.h, to which a broken assumption is an error.
  std::function<absl::StatusOr<Graph>(const SymbolMap& fixed)> rebuild;
  // Instead of MakePlan: tests, and tools that change plans.
  std::function<absl::StatusOr<Plan>(const Graph&, const PlanOptions&)> planner;
  std::shared_ptr<BackEnds> back_ends;  // null: this process's (tests)
};

struct CompileStats {
  double plan_ms = 0, compile_ms = 0;
  // Kernels that pack weights behind the runs, or read what is packed, are counted once they are made.
  int groups = 0, kernels_compiled = 0, cache_hits = 0, variants = 0;
  std::vector<std::string> failed_guards;    // each compiled a variant once
  std::vector<std::string> interpreted_ops;  // groups that no back end took, with the reason
  std::vector<std::string> back_end_failures;  // another back end or an interpreter runs these kernels
  // Distinct kernels, by the code that their next launch runs. Tier::kAuto moves them from fast to optimized.
  int fast_kernels = 0, optimized_kernels = 0;
  int hurried_kernels = 0;       // of the optimized ones: over LLVM's compile-time budget, compiled with less care
  double background_cpu_ms = 0;  // of compiling hot kernels, for all programs of the process
  // Weights that are packed behind the runs; how many are by now; launches that read one as it lies.
  int late_weights = 0, late_weights_packed = 0;
  int64_t unpacked_launches = 0;
  std::string packing_failure;  // why they never will be; runs go on with them as they lie
};

// What the groups of every run do at one binding.
struct WorkSummary {
  double bytes = 0, flops = 0, dot_flops = 0;
  double generated_bytes_share = 1, generated_flops_share = 1;  // of them, in generated code
  int64_t arena_bytes = 0;
};

// One launch, as seen by `after_group`: the group with the buffers it has just read and written.
struct LaunchView {
  int group_index;
  const Group* group;
  const Plan* plan;
  const SymbolValues* symbols;
  std::vector<TensorView> inputs, outputs;
};

struct RunOptions {
  // Called after each group on the calling thread (verify, trace, time); null costs nothing. Groups of
  // Phase::kProgram and kBinding come first, in every run, with the buffers that they left.
  std::function<absl::Status(const LaunchView&)> after_group;
  std::vector<double>* group_seconds = nullptr;  // += per group of the variant that ran; resized to them
};

class Program {
 public:
  static absl::StatusOr<std::unique_ptr<Program>> Compile(const Graph& graph,
                                                          const CompileOptions& options);
  virtual ~Program() = default;

  // Dims of the outputs for inputs of these dims. Errors: InvalidArgument naming the input, its dim and
  // the conflicting symbol values.
  virtual absl::StatusOr<std::vector<TensorView>> OutputTypes(std::span<const TensorView> inputs) = 0;

  // Re-entrant. Inputs and outputs in the graph's order; output memory is the caller's.
  // Errors: InvalidArgument for types and dims; OutOfRange naming node and value for an index.
  virtual absl::Status Run(std::span<const TensorView> inputs, std::span<const TensorView> outputs,
                           const RunOptions& options = {}) = 0;

  // Bytes and flops of a run with inputs of these dims (data is not read). Errors: as OutputTypes.
  virtual absl::StatusOr<WorkSummary> Work(std::span<const TensorView> inputs) = 0;

  virtual const Plan& plan() const = 0;           // of the main variant
  virtual CompileStats stats() const = 0;
  virtual int64_t peak_arena_bytes() const = 0;

  // Returns when every kernel that is hot by now has its optimized code (Tier::kAuto) and all weights are packed.
  // For tests and benchmarks: runs need not wait.
  virtual void WaitForBackgroundWork() = 0;
};

}  // namespace skein

#endif  // SKEIN_RUNTIME_PROGRAM_H_
