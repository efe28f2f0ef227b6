#include "runtime/launch.h"

#include <immintrin.h>

#include <algorithm>
#include <chrono>

#include "ir/graph_interpreter.h"
#include "runtime/late_packing.h"

namespace skein {
namespace {

// Round to nearest, no flush to zero, every exception masked: what kernels assume, whatever the host
// has set on this thread.
class DefaultFloatMode {
 public:
  DefaultFloatMode() : saved_(_mm_getcsr()) { _mm_setcsr(0x1F80); }
  ~DefaultFloatMode() { _mm_setcsr(saved_); }
  DefaultFloatMode(const DefaultFloatMode&) = delete;
  DefaultFloatMode& operator=(const DefaultFloatMode&) = delete;

 private:
  unsigned saved_;
};

// Cold kernels are timed: two readings of the clock, 50 ns. A program's first run is not: what runs once has no future, and
// compilation would delay the first output.
void RunTiered(TieredKernel& kernel, bool counts, const KernelArgs& args, const GroupSizes& sizes, std::byte* scratch,
               int64_t slot_bytes, const Workers& workers, LaunchTasks* tasks) {
  using Clock = std::chrono::steady_clock;
  const bool cold = counts && kernel.state() == TieredKernel::State::kCold;
  const Clock::time_point start = cold ? Clock::now() : Clock::time_point();
  tasks->Run(kernel.function(), args, sizes, scratch, slot_bytes, workers);
  if (cold) kernel.AddLaunch(std::chrono::nanoseconds(Clock::now() - start).count());
}

// What to launch in place of the group's kernel, since a weight that it reads is not packed; null where all are.
const UnpackedProgram* UnpackedInstead(const Variant& variant, const GroupProgram& program, const Executor& executor) {
  if (program.unpacked == nullptr) return nullptr;
  LatePacking& packing = *variant.program_memory->late;
  if (packing.AllPacked()) return nullptr;
  bool packed = true;
  for (int weight : program.unpacked->weights) packed = packing.PackedForLaunch(weight, executor) && packed;
  return packed ? nullptr : program.unpacked.get();
}

// A group without loops: the reference computes it, rounded once to each output's type.
absl::Status RunGraphInterpreter(const Binding& binding, int g, std::span<void* const> pointers) {
  const Variant& variant = *binding.variant;
  const Group& group = variant.plan.groups[g];
  const GroupProgram& program = variant.groups[g];
  std::vector<RefTensor> inputs;
  inputs.reserve(group.inputs.size());
  std::vector<std::pair<Value, const RefTensor*>> given;
  for (int i = 0; i < program.input_count; ++i) {
    const int value = program.buffers[i];
    inputs.push_back(FromRaw(variant.values[value].element, binding.dims[value], pointers[value]));
    given.emplace_back(group.inputs[i], &inputs.back());
  }
  SKEIN_ASSIGN_OR_RETURN(std::vector<RefTensor> outputs,
                         Interpret(variant.plan.graph, binding.symbol_map, given, group.outputs,
                                   {.threads = 1, .track_error = false}));
  for (size_t i = 0; i < outputs.size(); ++i) {
    ToRaw(outputs[i], pointers[program.buffers[program.input_count + i]]);
  }
  return absl::OkStatus();
}

}  // namespace

RunState* RunStates::Take() {
  if (!first_taken_.exchange(true, std::memory_order_acquire)) return &first_;
  std::lock_guard lock(mutex_);
  if (free_.empty()) return new RunState;
  RunState* const state = free_.back().release();
  free_.pop_back();
  return state;
}

void RunStates::GiveBack(RunState* state) {
  if (state == &first_) return first_taken_.store(false, std::memory_order_release);
  std::lock_guard lock(mutex_);
  free_.emplace_back(state);
}

void LaunchTasks::Run(KernelFunction kernel, const KernelArgs& args, const GroupSizes& sizes, std::byte* scratch,
                      int64_t slot_bytes, const Workers& workers) {
  if (sizes.tasks == 1) {
    DefaultFloatMode mode;
    kernel(&args, 0, sizes.tiles, scratch);
    return;
  }
  const int64_t first = workers.far ? sizes.first_far : sizes.first;
  const Work work = {kernel,       args.buffers, args.arguments, args.status, sizes.tiles,
                     sizes.passes, sizes.chunks, first,          sizes.tasks, scratch,     slot_bytes};
  if (work_ != work) work_ = work;
  if (sizes.chunks > sizes.tasks) {
    constexpr int kMostParts = 32;
    const size_t count = std::min(sizes.tasks, kMostParts);
    if (parts_.size() != count) parts_ = std::vector<Part>(count);
    for (size_t i = 0; i < count; ++i) {
      parts_[i].next.store(sizes.chunks * i / count, std::memory_order_relaxed);
      parts_[i].end = sizes.chunks * (i + 1) / count;
    }
  }
  workers.run(sizes.tasks, body_);
}

void LaunchTasks::RunChunk(int64_t chunk, int task) const {
  const int64_t tiles = work_.tiles / work_.passes;
  const int64_t others = work_.chunks - 1, quotient = (tiles - work_.first) / others, rest = (tiles - work_.first) % others;
  const auto begin_of = [&](int64_t c) { return c == 0 ? 0 : work_.first + (c - 1) * quotient + std::min(c - 1, rest); };
  const int64_t begin = begin_of(chunk), end = begin_of(chunk + 1);
  const KernelArgs args = {work_.buffers, work_.arguments, work_.status};
  for (int64_t first = 0; first < work_.tiles; first += tiles) {
    work_.kernel(&args, first + begin, first + end, work_.scratch + task * work_.slot_bytes);
  }
}

// A task takes ranges until none is left, so that an executor that runs tasks one after another finishes too; first
// those of its own part, which is the same in every launch, so that what lies in its core's cache is read there.
void LaunchTasks::RunTask(int task) {
  DefaultFloatMode mode;
  if (work_.chunks == work_.tasks) return RunChunk(task, task);
  for (size_t i = 0; i < parts_.size(); ++i) {
    Part& part = parts_[(task + i) % parts_.size()];
    for (int64_t c; (c = part.next.fetch_add(1, std::memory_order_relaxed)) < part.end;) RunChunk(c, task);
  }
}

absl::Status Launch(const Binding& binding, int g, const Workers& workers, RunState* state) {
  const Variant& variant = *binding.variant;
  const GroupProgram& program = variant.groups[g];
  const GroupSizes& sizes = binding.groups[g];
  if (sizes.tiles <= 0) return absl::OkStatus();
  if (program.runner == Runner::kGraphInterpreter) return RunGraphInterpreter(binding, g, state->pointers);

  const UnpackedProgram* const unpacked = UnpackedInstead(variant, program, workers.run);
  GroupState& own = state->groups[g];
  const std::vector<int>& values = unpacked != nullptr ? unpacked->buffers : program.buffers;
  if (own.buffers.size() != values.size()) own.buffers.resize(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    void* const pointer = state->pointers[values[i]];
    if (own.buffers[i] != pointer) own.buffers[i] = pointer;
  }
  if (own.status != 0) own.status = 0;
  const KernelArgs args{own.buffers.data(), binding.arguments.data() + sizes.first_argument, &own.status};
  if (unpacked != nullptr) {
    own.tasks.Run(unpacked->kernel->function, args, sizes, state->scratch.data(), binding.scratch_bytes, workers);
  } else if (program.runner == Runner::kLoopNestInterpreter) {
    DefaultFloatMode mode;
    SKEIN_RETURN_IF_ERROR(InterpretLoopNest(*variant.plan.groups[g].nest, args, 0, sizes.tiles, state->scratch.data()));
  } else if (program.tiered != nullptr) {
    const bool counts = variant.has_run.load(std::memory_order_relaxed);
    RunTiered(*program.tiered, counts, args, sizes, state->scratch.data(), binding.scratch_bytes, workers,
              &own.tasks);
  } else {
    own.tasks.Run(program.kernel->function, args, sizes, state->scratch.data(), binding.scratch_bytes, workers);
  }
  return own.status == 0 ? absl::OkStatus() : IndexError(binding, g, own.status, state->pointers);
}

LaunchView ViewLaunch(const Binding& binding, int g, std::span<void* const> pointers) {
  const Variant& variant = *binding.variant;
  const GroupProgram& program = variant.groups[g];
  LaunchView view{.group_index = g,
                  .group = &variant.plan.groups[g],
                  .plan = &variant.plan,
                  .symbols = &binding.symbol_map,
                  .inputs = {},
                  .outputs = {}};
  for (size_t i = 0; i < program.buffers.size(); ++i) {
    const int value = program.buffers[i];
    std::vector<TensorView>& list = static_cast<int>(i) < program.input_count ? view.inputs : view.outputs;
    list.push_back({variant.values[value].element, binding.dims[value], pointers[value]});
  }
  return view;
}

}  // namespace skein
