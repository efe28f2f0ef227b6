// One group's launch: its tiles over the workers, or an interpreter.
#ifndef SKEIN_RUNTIME_LAUNCH_H_
#define SKEIN_RUNTIME_LAUNCH_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "base/status.h"
#include "ir/kernel_abi.h"
#include "runtime/binding.h"
#include "runtime/program.h"

namespace skein {

// Who runs the tasks of a launch.
struct Workers {
  const Executor& run;
  bool far = false;  // from the caller of the launch: ThreadPool::far
};

// The tasks of a launch, and what they read. Kept from run to run and written only where it has changed: what workers
// have read then stays in their caches, and a launch fetches one line from the caller's core in place of five.
class LaunchTasks {
 public:
  LaunchTasks() : body_([this](int task) { RunTask(task); }) {}
  LaunchTasks(const LaunchTasks&) = delete;
  LaunchTasks& operator=(const LaunchTasks&) = delete;

  // Runs a kernel's tiles, all of them here, or as several tasks of the executor.
  //   args: alive until this returns.   scratch: one slot of `slot_bytes` per task.
  void Run(KernelFunction kernel, const KernelArgs& args, const GroupSizes& sizes, std::byte* scratch,
           int64_t slot_bytes, const Workers& workers);

 private:
  struct alignas(64) Part {
    std::atomic<int64_t> next;
    int64_t end;
  };
  struct Work {
    KernelFunction kernel;
    void* const* buffers;  // of the kernel's arguments
    const int64_t* arguments;
    uint64_t* status;
    int64_t tiles, passes, chunks, first, tasks;
    std::byte* scratch;
    int64_t slot_bytes;

    bool operator==(const Work&) const = default;
  };

  void RunTask(int task);
  void RunChunk(int64_t chunk, int task) const;

  alignas(64) std::function<void(int)> body_;
  Work work_ = {};
  std::vector<Part> parts_;  // unused where each task has one range
};

// What the launches of a group have for themselves, away from lines that a run writes to.
struct GroupState {
  LaunchTasks tasks;
  alignas(64) absl::InlinedVector<void*, 15> buffers;
  alignas(64) uint64_t status = 0;
};

// What one run has for itself. Kept for later runs, so that they allocate nothing, and look for nothing where they have
// the types of the run before.
struct RunState {
  std::shared_ptr<Binding> binding;  // of the run before; null before the first
  AlignedBytes arena;
  AlignedBytes scratch;           // one slot per task
  std::vector<void*> pointers;    // per value of the variant
  std::vector<GroupState> groups;
};

// States of the runs of a program. Those that follow each other share one, which costs one atomic exchange a run; runs at
// the same time have others.
class RunStates {
 public:
  RunState* Take();
  void GiveBack(RunState* state);

 private:
  std::atomic<bool> first_taken_{false};
  RunState first_;
  std::mutex mutex_;  // of what follows
  std::vector<std::unique_ptr<RunState>> free_;
};

// Whether these inputs have the types at which the binding was made, so that it is theirs.
bool HasInputTypes(const Binding& binding, std::span<const TensorView> inputs);

// Whether a run of the graph may have these tensors. Errors: InvalidArgument naming the input or output that is missing, of
// another type than the binding says, or in another's memory.
absl::Status CheckBuffers(const Graph& graph, const Binding& binding, std::span<const TensorView> inputs,
                          std::span<const TensorView> outputs);

// Runs group `g` on the buffers of state->pointers and returns when it has ended.
//   workers: called with the group's number of tasks, if that is above 1.
// Errors: OutOfRange naming the node and the value for an index out of range; what the interpreters say.
absl::Status Launch(const Binding& binding, int g, const Workers& workers, RunState* state);

// The group's buffers as tensors.
LaunchView ViewLaunch(const Binding& binding, int g, std::span<void* const> pointers);

// The error for a kernel's status word: finds the index by computing it again from the group's inputs.
absl::Status IndexError(const Binding& binding, int g, uint64_t status, std::span<void* const> pointers);

}  // namespace skein

#endif  // SKEIN_RUNTIME_LAUNCH_H_
