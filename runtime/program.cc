#include "runtime/program.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <list>
#include <mutex>
#include <optional>

#include "absl/container/flat_hash_set.h"
#include "codegen/codegen.h"
#include "fusion/choose_locality.h"
#include "ir/specialize.h"
#include "runtime/back_ends.h"
#include "runtime/compile_kernels.h"
#include "runtime/late_packing.h"
#include "runtime/launch.h"
#include "runtime/symbol_binding.h"
#include "runtime/thread_pool.h"

namespace skein {
namespace {

using Clock = std::chrono::steady_clock;

// Bindings whose sizes and per-binding results are kept: a few shapes in turn, or the steps of a decoder.
constexpr size_t kKeptBindings = 16;

double Seconds(Clock::duration d) { return std::chrono::duration<double>(d).count(); }

class ProgramImpl final : public Program {
 public:
  ProgramImpl(const Graph& graph, const CompileOptions& options, SymbolBinder binder)
      : options_(options), binder_(std::move(binder)) {
    if (!options_.rebuild) graph_ = graph;
    options_.threads = std::max(1, options_.threads);
    if (options_.back_ends == nullptr) options_.back_ends = BackEnds::Process();
    executor_ = options_.executor;
    if (!executor_) {
      pool_ = ThreadPool::Shared(options_.threads);
      executor_ = [pool = pool_](int count, const std::function<void(int)>& body) { pool->Run(count, body); };
    }
  }

  ~ProgramImpl() override {
    for (const std::shared_ptr<LatePacking>& packing : LatePackings()) packing->Stop();  // it compiles for variants
  }

  absl::Status CompileMain(const Graph& graph) { return AddVariant(graph, {}, Clock::now()).status(); }

  absl::StatusOr<std::vector<TensorView>> OutputTypes(std::span<const TensorView> inputs) override {
    SKEIN_ASSIGN_OR_RETURN(std::shared_ptr<Binding> binding, FindBinding(inputs));
    std::vector<TensorView> types;
    for (int value : binding->variant->output_values) {
      types.push_back({binding->variant->values[value].element, binding->dims[value], nullptr});
    }
    return types;
  }

  absl::StatusOr<WorkSummary> Work(std::span<const TensorView> inputs) override;
  absl::Status Run(std::span<const TensorView> inputs, std::span<const TensorView> outputs,
                   const RunOptions& options) override;

  const Plan& plan() const override {
    std::lock_guard lock(mutex_);
    return variants_.front()->plan;
  }

  CompileStats stats() const override;

  int64_t peak_arena_bytes() const override {
    std::lock_guard lock(mutex_);
    return peak_arena_bytes_;
  }

  void WaitForBackgroundWork() override;

 private:
  absl::StatusOr<std::shared_ptr<Binding>> FindBinding(std::span<const TensorView> inputs);
  absl::StatusOr<Variant*> SelectVariant(const std::vector<int64_t>& symbols);
  absl::StatusOr<Variant*> AddVariant(const Graph& graph, SymbolValues fixed, Clock::time_point start);
  absl::StatusOr<Variant*> AddSpecialized(SymbolValues fixed);
  absl::StatusOr<Variant*> AddPlan(Plan plan, SymbolValues fixed, Clock::time_point start,
                                   std::vector<Locality> localities = {});
  absl::Status Complete(Variant* variant);
  absl::StatusOr<Variant*> ForLocality(Variant* variant, const std::vector<int64_t>& sizes);
  absl::Status CheckSameInterface(const Graph& other) const;
  absl::Status Fill(const Binding& binding, Phase phase, int64_t bytes, OnceMemory* memory,
                    const RunOptions& options, RunState* state);
  void PrepareLate(const Binding& binding, OnceMemory* memory);
  std::vector<std::shared_ptr<LatePacking>> LatePackings() const;
  absl::Status RunGroups(const Binding& binding, Phase phase, const RunOptions& options, RunState* state);
  absl::Status RunIn(std::span<const TensorView> inputs, std::span<const TensorView> outputs,
                     const RunOptions& options, RunState* state);

  std::optional<Graph> graph_;  // as given, to be specialized where a guard fails; none where it is built again
  CompileOptions options_;
  const SymbolBinder binder_;
  Executor executor_;
  std::shared_ptr<ThreadPool> pool_;  // behind executor_, unless that is the host's
  RunStates states_;

  std::mutex compiling_;       // held while a variant is selected or compiled
  std::list<std::unique_ptr<Variant>> variants_;  // the main one first; written under compiling_ and mutex_

  mutable std::mutex mutex_;   // of what follows; held for moments only
  CompileStats stats_;
  std::list<std::shared_ptr<Binding>> bindings_;  // the latest used first
  int64_t peak_arena_bytes_ = 0;
};

CompileStats ProgramImpl::stats() const {
  std::lock_guard lock(mutex_);
  CompileStats stats = stats_;
  stats.background_cpu_ms = 1e3 * options_.back_ends->upgrader.cpu_seconds();
  absl::flat_hash_set<const CompiledKernel*> seen;
  absl::flat_hash_set<const OnceMemory*> counted;  // variants may share theirs
  for (const std::unique_ptr<Variant>& variant : variants_) {
    for (size_t g = 0; g < variant->groups.size(); ++g) {
      const GroupProgram& group = variant->groups[g];
      if (!variant->IsReady(g) || group.kernel == nullptr || !seen.insert(group.kernel.get()).second) continue;
      using State = TieredKernel::State;
      const State state = group.tiered != nullptr ? group.tiered->state() : State::kCold;
      const bool swapped = state == State::kOptimized;
      ++(group.optimized || swapped ? stats.optimized_kernels : stats.fast_kernels);
      stats.hurried_kernels += swapped ? group.tiered->in_a_hurry() : group.kernel->in_a_hurry;
      if (state != State::kFailed) continue;
      const NodeId node = variant->plan.groups[g].outputs[0].node;
      stats.back_end_failures.push_back(absl::StrCat(OriginText(variant->plan.graph, node), ": in the background: ",
                                                     std::string(group.tiered->failure().message())));
    }
    const OnceMemory& memory = *variant->program_memory;
    if (!counted.insert(&memory).second) continue;
    stats.late_weights += static_cast<int>(variant->late.size());
    if (!memory.filled.load(std::memory_order_acquire) || memory.late == nullptr) continue;
    stats.late_weights_packed += memory.late->packed();
    stats.unpacked_launches += memory.late->unpacked_launches();
    if (!memory.late->failure().ok()) stats.packing_failure = std::string(memory.late->failure().message());
  }
  return stats;
}

std::vector<std::shared_ptr<LatePacking>> ProgramImpl::LatePackings() const {
  std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<LatePacking>> packings;
  for (const std::unique_ptr<Variant>& variant : variants_) {
    const OnceMemory& memory = *variant->program_memory;
    if (memory.filled.load(std::memory_order_acquire) && memory.late != nullptr) packings.push_back(memory.late);
  }
  return packings;
}

void ProgramImpl::WaitForBackgroundWork() {
  for (const std::shared_ptr<LatePacking>& packing : LatePackings()) {
    packing->Finish(executor_).IgnoreError();  // stats() has it
  }
  std::vector<TieredKernelRef> kernels;
  {
    std::lock_guard lock(mutex_);
    for (const std::unique_ptr<Variant>& variant : variants_) {
      for (size_t g = 0; g < variant->groups.size(); ++g) {
        if (variant->IsReady(g) && variant->groups[g].tiered != nullptr) kernels.push_back(variant->groups[g].tiered);
      }
    }
  }
  options_.back_ends->upgrader.Wait(kernels);
}

// A variant stands in for the graph: the same inputs and outputs, by order and type.
absl::Status ProgramImpl::CheckSameInterface(const Graph& other) const {
  const Graph& graph = variants_.front()->plan.graph;
  auto check = [&](const std::vector<Graph::Named>& mine, const std::vector<Graph::Named>& its) -> absl::Status {
    bool same = mine.size() == its.size();
    for (size_t i = 0; same && i < mine.size(); ++i) {
      const TensorType &a = graph.type(mine[i].value), &b = other.type(its[i].value);
      same = mine[i].name == its[i].name && a.element == b.element && a.rank() == b.rank();
    }
    return same ? absl::OkStatus() : InvalidArgument("the graph that was built again has other inputs or outputs");
  };
  SKEIN_RETURN_IF_ERROR(check(graph.inputs(), other.inputs()));
  return check(graph.outputs(), other.outputs());
}

absl::StatusOr<Variant*> ProgramImpl::AddVariant(const Graph& graph, SymbolValues fixed, Clock::time_point start) {
  const PlanOptions plan_options{.fuse = options_.fuse, .target = options_.target};
  SKEIN_ASSIGN_OR_RETURN(Plan plan, options_.planner ? options_.planner(graph, plan_options) : MakePlan(graph, plan_options));
  return AddPlan(std::move(plan), std::move(fixed), start);
}

absl::StatusOr<Variant*> ProgramImpl::AddSpecialized(SymbolValues fixed) {
  const auto start = Clock::now();
  SymbolMap constants;
  for (const auto& [name, value] : fixed) constants[name] = DimExpr(value);
  SKEIN_ASSIGN_OR_RETURN(const Graph specialized,
                         graph_ ? SpecializeSymbols(*graph_, constants) : options_.rebuild(constants));
  SKEIN_RETURN_IF_ERROR(CheckSameInterface(specialized));
  return AddVariant(specialized, std::move(fixed), start);
}

absl::StatusOr<Variant*> ProgramImpl::AddPlan(Plan plan, SymbolValues fixed, Clock::time_point start,
                                              std::vector<Locality> localities) {
  const auto planned = Clock::now();
  SKEIN_ASSIGN_OR_RETURN(std::unique_ptr<Variant> variant, LayOutPlan(std::move(plan), std::move(fixed), &binder_));
  // With localities it shares what is packed with a variant that is complete.
  CompileKernels(options_, /*may_wait=*/localities.empty(), variant.get());
  variant->localities = std::move(localities);
  std::lock_guard lock(mutex_);
  stats_.plan_ms += 1e3 * Seconds(planned - start);
  stats_.compile_ms += 1e3 * Seconds(Clock::now() - planned);
  stats_.kernels_compiled += variant->kernels_compiled;
  stats_.cache_hits += variant->cache_hits;
  stats_.interpreted_ops.insert(stats_.interpreted_ops.end(), variant->interpreted.begin(), variant->interpreted.end());
  stats_.back_end_failures.insert(stats_.back_end_failures.end(), variant->failures.begin(), variant->failures.end());
  if (variants_.empty()) stats_.groups = static_cast<int>(variant->groups.size());
  variants_.push_back(std::move(variant));
  stats_.variants = static_cast<int>(variants_.size());
  return variants_.back().get();
}

// Compiles what CompileKernels left out, unless somebody has.
absl::Status ProgramImpl::Complete(Variant* variant) {
  std::lock_guard completing(variant->completing);
  if (variant->complete.load(std::memory_order_relaxed)) return absl::OkStatus();
  const int compiled = variant->kernels_compiled, hits = variant->cache_hits;
  const size_t failures = variant->failures.size();
  const absl::Status status = CompileRest(options_, variant);
  if (status.ok()) variant->complete.store(true, std::memory_order_release);
  std::lock_guard lock(mutex_);
  stats_.kernels_compiled += variant->kernels_compiled - compiled;
  stats_.cache_hits += variant->cache_hits - hits;
  stats_.back_end_failures.insert(stats_.back_end_failures.end(), variant->failures.begin() + failures, variant->failures.end());
  return status;
}

// The variant whose kernels suit the memory that these sizes take, where outputs are too large for the caches: bits
// are the same, stores and prefetches differ.
// `variant` is one without localities.
absl::StatusOr<Variant*> ProgramImpl::ForLocality(Variant* variant, const std::vector<int64_t>& sizes) {
  std::vector<GroupBytes> bytes;
  absl::flat_hash_map<Value, int> written;
  for (const GroupProgram& group : variant->groups) {
    bytes.push_back({sizes[group.bytes_read], sizes[group.bytes_written]});
    for (size_t i = group.input_count; i < group.buffers.size(); ++i) {
      written[variant->values[group.buffers[i]].value] = group.buffers[i];
    }
  }
  std::vector<Locality> localities = ChooseLocalities(variant->plan, options_.target, bytes, [&](Value v) {
    const MaterializedValue& value = variant->values[written.at(v)];
    constexpr int64_t kMost = int64_t{1} << 50;  // elements; BindSizes refuses far fewer
    int64_t count = 1;
    for (int d : value.dims) {
      const int64_t extent = std::max<int64_t>(0, sizes[d]);
      count = extent > 0 && count > kMost / extent ? kMost : count * extent;
    }
    return BytesFor(value.element, count);
  });
  for (size_t g = 0; g < localities.size(); ++g) {  // constant sizes are settled already
    const Group& group = variant->plan.groups[g];
    if (group.bytes_read.IsConst() && group.bytes_written.IsConst()) localities[g] = Locality();
  }
  // Fetching ahead alone is not worth another compilation.
  if (std::all_of(localities.begin(), localities.end(), [](const Locality& l) { return l.streamed.empty(); })) {
    return variant;
  }
  for (const std::unique_ptr<Variant>& known : variants_) {
    if (known->fixed == variant->fixed && known->localities == localities) return known.get();
  }
  const auto start = Clock::now();
  Plan plan = variant->plan;
  SKEIN_RETURN_IF_ERROR(ScheduleForLocalities(options_.target, localities, &plan));
  SKEIN_ASSIGN_OR_RETURN(Variant * added, AddPlan(std::move(plan), variant->fixed, start, std::move(localities)));
  if (added->late == variant->late && Complete(variant).ok()) added->program_memory = variant->program_memory;  // what is computed once is the same
  return added;
}

// Follows failed guards: each adds its symbols to those that are replaced by constants. Ends because a guard
// without symbols that fails is an error.
absl::StatusOr<Variant*> ProgramImpl::SelectVariant(const std::vector<int64_t>& symbols) {
  std::lock_guard lock(compiling_);
  Variant* variant = variants_.front().get();
  for (;;) {
    const std::vector<int64_t> sizes = variant->expressions.Evaluate(symbols);
    auto failed = std::find_if(variant->guards.begin(), variant->guards.end(), [&](int g) { return sizes[g] == 0; });
    if (failed == variant->guards.end()) return ForLocality(variant, sizes);
    const Guard& guard = variant->plan.graph.guards()[failed - variant->guards.begin()];
    SymbolValues fixed = variant->fixed;
    std::string values;
    VisitLeaves(guard.condition, [&](DimExpr leaf) {
      if (leaf.kind() != DimKind::kSymbol) return;
      const int64_t value = symbols[binder_.Slot(leaf.symbol())];
      fixed[std::string(leaf.symbol())] = value;
      absl::StrAppend(&values, values.empty() ? "" : ", ", ForStrCat(leaf.symbol()), " = ", value);
    });
    const std::string report =
        absl::StrCat(guard.reason, " (", guard.condition.ToString(), ") does not hold", values.empty() ? "" : " at ", values);
    if (fixed.size() == variant->fixed.size()) return InvalidArgument(report);
    auto known = std::find_if(variants_.begin(), variants_.end(), [&](const auto& v) { return v->fixed == fixed && v->localities.empty(); });
    if (known != variants_.end()) {
      variant = known->get();
      continue;
    }
    absl::StatusOr<Variant*> added = AddSpecialized(std::move(fixed));
    if (!added.ok()) {
      // Where the guard is the user's graph's own, there is nothing else to be said.
      return added.status().message() == guard.reason ? InvalidArgument(report) : Annotate(added.status(), report);
    }
    variant = *added;
    std::lock_guard stats_lock(mutex_);
    stats_.failed_guards.push_back(report);
  }
}

absl::StatusOr<std::shared_ptr<Binding>> ProgramImpl::FindBinding(std::span<const TensorView> inputs) {
  SKEIN_ASSIGN_OR_RETURN(std::vector<int64_t> symbols, binder_.Bind(inputs));
  auto find = [&]() -> std::shared_ptr<Binding> {
    for (auto it = bindings_.begin(); it != bindings_.end(); ++it) {
      if ((*it)->symbols != symbols) continue;
      bindings_.splice(bindings_.begin(), bindings_, it);
      return bindings_.front();
    }
    return nullptr;
  };
  {
    std::lock_guard lock(mutex_);
    if (std::shared_ptr<Binding> found = find()) return found;
  }
  SKEIN_ASSIGN_OR_RETURN(Variant * variant, SelectVariant(symbols));
  SKEIN_ASSIGN_OR_RETURN(std::shared_ptr<Binding> binding, BindSizes(variant, binder_, symbols, options_.threads));
  std::lock_guard lock(mutex_);
  if (std::shared_ptr<Binding> found = find()) return found;  // another thread was faster
  bindings_.push_front(binding);
  if (bindings_.size() > kKeptBindings) bindings_.pop_back();
  peak_arena_bytes_ = std::max(peak_arena_bytes_, binding->arena_bytes);
  return binding;
}

absl::StatusOr<WorkSummary> ProgramImpl::Work(std::span<const TensorView> inputs) {
  SKEIN_ASSIGN_OR_RETURN(std::shared_ptr<Binding> binding, FindBinding(inputs));
  const Variant& variant = *binding->variant;
  WorkSummary work{.arena_bytes = binding->arena_bytes};
  double generated_bytes = 0, generated_flops = 0;
  for (size_t g = 0; g < variant.groups.size(); ++g) {
    const Group& group = variant.plan.groups[g];
    if (group.phase != Phase::kRun) continue;
    const double bytes = static_cast<double>(binding->groups[g].bytes);
    const double flops = static_cast<double>(binding->groups[g].flops);
    SKEIN_ASSIGN_OR_RETURN(int64_t dot_flops, Evaluate(group.dot_flops, binding->symbol_map));
    work.bytes += bytes;
    work.flops += flops;
    work.dot_flops += static_cast<double>(dot_flops);
    if (variant.groups[g].runner != Runner::kGeneratedCode) continue;
    generated_bytes += bytes;
    generated_flops += flops;
  }
  if (work.bytes > 0) work.generated_bytes_share = generated_bytes / work.bytes;
  if (work.flops > 0) work.generated_flops_share = generated_flops / work.flops;
  return work;
}

absl::Status ProgramImpl::RunGroups(const Binding& binding, Phase phase, const RunOptions& options,
                                    RunState* state) {
  const std::vector<Group>& groups = binding.variant->plan.groups;
  for (size_t g = 0; g < groups.size(); ++g) {
    if (groups[g].phase != phase || binding.variant->IsLate(g)) continue;
    const auto start = options.group_seconds != nullptr ? Clock::now() : Clock::time_point();
    SKEIN_RETURN_IF_ERROR(Launch(binding, static_cast<int>(g), {executor_, pool_ != nullptr && pool_->far()}, state));
    if (options.group_seconds != nullptr) (*options.group_seconds)[g] += Seconds(Clock::now() - start);
    if (options.after_group && phase == Phase::kRun) {
      SKEIN_RETURN_IF_ERROR(options.after_group(ViewLaunch(binding, static_cast<int>(g), state->pointers)));
    }
  }
  return absl::OkStatus();
}

void ProgramImpl::PrepareLate(const Binding& binding, OnceMemory* memory) {
  Variant* const variant = binding.variant;
  std::vector<LatePacking::Job> jobs;
  for (int g : variant->late) {
    const int weight = variant->groups[g].buffers[0], packed = variant->groups[g].buffers[1];
    jobs.push_back({variant->values[weight].literal, binding.offsets[packed], binding.groups[g]});
  }
  auto compile = [this, variant]() -> absl::StatusOr<std::vector<KernelRef>> {
    SKEIN_RETURN_IF_ERROR(Complete(variant));
    std::vector<KernelRef> kernels;
    for (int g : variant->late) {
      kernels.push_back(variant->groups[g].kernel);
      if (kernels.back() == nullptr) return Internal("no back end took a kernel that packs a weight");
    }
    return kernels;
  };
  memory->late = std::make_shared<LatePacking>(std::move(jobs), binding.late_bytes, std::move(compile));
}

// Points the values of the phase's place into `memory`, which its groups fill if nobody has yet.
absl::Status ProgramImpl::Fill(const Binding& binding, Phase phase, int64_t bytes, OnceMemory* memory,
                               const RunOptions& options, RunState* state) {
  const Variant& variant = *binding.variant;
  const Place place = phase == Phase::kProgram ? Place::kProgram : Place::kBinding;
  auto point = [&] {
    for (size_t i = 0; i < variant.values.size(); ++i) {
      const Place its = variant.values[i].place;
      if (its == place) state->pointers[i] = memory->memory.data() + binding.offsets[i];
      if (its == Place::kLate && memory->late != nullptr) state->pointers[i] = memory->late->memory() + binding.offsets[i];
    }
  };
  if (!memory->filled.load(std::memory_order_acquire)) {
    std::lock_guard lock(memory->mutex);
    if (!memory->filled.load(std::memory_order_relaxed)) {
      SKEIN_RETURN_IF_ERROR(memory->memory.Reserve(bytes));
      point();
      SKEIN_RETURN_IF_ERROR(RunGroups(binding, phase, options, state));
      if (phase == Phase::kProgram && !variant.late.empty()) PrepareLate(binding, memory);
      memory->filled.store(true, std::memory_order_release);
    }
  }
  point();
  if (options.after_group) {
    if (memory->late != nullptr) SKEIN_RETURN_IF_ERROR(memory->late->Finish(executor_));
    for (size_t g = 0; g < variant.groups.size(); ++g) {
      if (variant.plan.groups[g].phase != phase) continue;
      SKEIN_RETURN_IF_ERROR(options.after_group(ViewLaunch(binding, static_cast<int>(g), state->pointers)));
    }
  }
  return absl::OkStatus();
}

absl::Status ProgramImpl::RunIn(std::span<const TensorView> inputs, std::span<const TensorView> outputs,
                                const RunOptions& options, RunState* state) {
  if (state->binding == nullptr || !HasInputTypes(*state->binding, inputs)) {
    state->pointers.clear();
    SKEIN_ASSIGN_OR_RETURN(state->binding, FindBinding(inputs));
  }
  Binding& binding = *state->binding;
  Variant& variant = *binding.variant;
  SKEIN_RETURN_IF_ERROR(CheckBuffers(variant.plan.graph, binding, inputs, outputs));
  if (state->pointers.empty()) {
    SKEIN_RETURN_IF_ERROR(state->arena.Reserve(binding.arena_bytes));
    SKEIN_RETURN_IF_ERROR(state->scratch.Reserve(binding.scratch_bytes * options_.threads));
    if (state->groups.size() < variant.groups.size()) state->groups = std::vector<GroupState>(variant.groups.size());
    state->pointers.assign(variant.values.size(), nullptr);
  }
  for (size_t i = 0; i < variant.values.size(); ++i) {
    const MaterializedValue& value = variant.values[i];
    void*& pointer = state->pointers[i];
    if (value.place == Place::kInput) pointer = inputs[value.index].data;
    if (value.place == Place::kOutput) pointer = outputs[value.index].data;
    if (value.place == Place::kConstant) pointer = const_cast<void*>(value.literal->data);
    if (value.place == Place::kArena) pointer = state->arena.data() + binding.offsets[i];
  }
  if (options.group_seconds != nullptr) options.group_seconds->resize(variant.groups.size(), 0.0);
  SKEIN_RETURN_IF_ERROR(Fill(binding, Phase::kProgram, binding.program_bytes, variant.program_memory.get(), options, state));
  SKEIN_RETURN_IF_ERROR(Fill(binding, Phase::kBinding, binding.binding_bytes, &binding.binding_memory, options, state));
  SKEIN_RETURN_IF_ERROR(RunGroups(binding, Phase::kRun, options, state));
  for (size_t i = 0; i < outputs.size(); ++i) {
    const int value = variant.output_values[i];
    if (binding.bytes[value] > 0 && state->pointers[value] != outputs[i].data) {
      std::memcpy(outputs[i].data, state->pointers[value], binding.bytes[value]);
    }
  }
  // Exchanges wait for what the kernels have stored, so only the first runs make one.
  if (!variant.has_run.load(std::memory_order_relaxed) && !variant.has_run.exchange(true, std::memory_order_relaxed) &&
      options_.back_ends->packs_behind && variant.program_memory->late != nullptr) {
    variant.program_memory->late->Start();
  }
  return absl::OkStatus();
}

absl::Status ProgramImpl::Run(std::span<const TensorView> inputs, std::span<const TensorView> outputs,
                              const RunOptions& options) {
  RunState* const state = states_.Take();
  absl::Status status = RunIn(inputs, outputs, options, state);
  states_.GiveBack(state);
  return status;
}

}  // namespace

Target DefaultTarget() {
  static const absl::StatusOr<Target> host = HostTarget();
  return host.ok() ? *host : Target{.isa = Isa::kAvx2};
}

absl::StatusOr<std::unique_ptr<Program>> Program::Compile(const Graph& graph, const CompileOptions& options) {
  SKEIN_ASSIGN_OR_RETURN(SymbolBinder binder, SymbolBinder::Create(graph));
  auto program = std::make_unique<ProgramImpl>(graph, options, std::move(binder));
  SKEIN_RETURN_IF_ERROR(program->CompileMain(graph));
  return program;
}

}  // namespace skein
