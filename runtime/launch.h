// One group's launch: its tiles over the workers, or an interpreter.
#ifndef SKEIN_RUNTIME_LAUNCH_H_
#define SKEIN_RUNTIME_LAUNCH_H_

#include <cstdint>
#include <span>
#include <vector>

#include "base/status.h"
#include "ir/kernel_abi.h"
#include "runtime/binding.h"
#include "runtime/program.h"

namespace skein {

// What one run has for itself. Kept in a free list, so that a run allocates nothing.
struct RunState {
  AlignedBytes arena;
  AlignedBytes scratch;           // one slot per task
  std::vector<void*> pointers;    // per value of the variant
};

// Whether a run of the graph may have these tensors. Errors: InvalidArgument naming the input or output that is missing, of
// another type than the binding says, or in another's memory.
absl::Status CheckBuffers(const Graph& graph, const Binding& binding, std::span<const TensorView> inputs,
                          std::span<const TensorView> outputs);

// Runs a kernel's tiles, all of them here, or as several tasks of the executor.
//   scratch: one slot of `slot_bytes` per task.
void RunKernel(KernelFunction kernel, const KernelArgs& args, const GroupSizes& sizes, std::byte* scratch,
               int64_t slot_bytes, const Executor& executor);

// Runs group `g` on the buffers of state->pointers and returns when it has ended.
//   executor: called with the group's number of tasks, if that is above 1.
// Errors: OutOfRange naming the node and the value for an index out of range; what the interpreters say.
absl::Status Launch(const Binding& binding, int g, const Executor& executor, RunState* state);

// The group's buffers as tensors.
LaunchView ViewLaunch(const Binding& binding, int g, std::span<void* const> pointers);

// The error for a kernel's status word: finds the index by computing it again from the group's inputs.
absl::Status IndexError(const Binding& binding, int g, uint64_t status, std::span<void* const> pointers);

}  // namespace skein

#endif  // SKEIN_RUNTIME_LAUNCH_H_
