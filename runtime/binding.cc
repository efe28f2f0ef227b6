#include "runtime/binding.h"

#include <algorithm>

namespace skein {
namespace {

// Work that is worth a worker of its own, in bytes moved plus a quarter of the flops: from 0.4 microseconds in cache to
// 5 in memory. To hand a task over takes 0.1 to 0.5, as far as the cores are from each other.
constexpr int64_t kGrain = 96 << 10;
// How much more than others the caller of a launch does, who begin later and have to be heard of: 1% faster than even shares
// where cores share a die (sums of 1 MiB in L2). Where they do not, twice as much is 5% faster than as much; three times as
// much is no better, and makes tiles of 32 KiB 25% slower (sums over a middle axis).
constexpr int64_t kHandover = 32 << 10, kFarHandover = 64 << 10;
// Ranges per worker: one that was late or interrupted leaves some to the others. Each is worth this much: below, what a
// range costs, and fetching it from another core's caches, would be more than that gains.
constexpr int64_t kMostChunksPerTask = 8, kChunkGrain = 512 << 10;
// Between the scratch of two workers, so that what a core fetches ahead is not the other's.
constexpr int64_t kScratchGap = 4096;
// Far above any memory, far below what overflows when a few are added.
constexpr int64_t kMostBytes = int64_t{1} << 46;

absl::StatusOr<int64_t> BytesOf(const Variant& variant, int value, std::span<const int64_t> dims) {
  int64_t count = 1;
  bool empty = false;
  for (int64_t d : dims) {
    if (d < 0) return InvalidArgument(variant.Describe(value), ": a dim would be ", d);
    empty = empty || d == 0;
  }
  if (empty) return 0;
  for (int64_t d : dims) {
    if (d > kMostBytes / count) {
      return absl::ResourceExhaustedError(
          absl::StrCat(variant.Describe(value), " would have more than ", kMostBytes, " elements"));
    }
    count *= d;
  }
  return BytesFor(variant.values[value].element, count);
}

absl::Status SizeValues(const Variant& variant, std::span<const int64_t> sizes, Binding* binding) {
  for (size_t i = 0; i < variant.values.size(); ++i) {
    std::vector<int64_t> dims;
    for (int expression : variant.values[i].dims) dims.push_back(sizes[expression]);
    SKEIN_ASSIGN_OR_RETURN(int64_t bytes, BytesOf(variant, static_cast<int>(i), dims));
    binding->dims.push_back(std::move(dims));
    binding->bytes.push_back(bytes);
  }
  return absl::OkStatus();
}

absl::Status LayOutMemory(const Variant& variant, Binding* binding) {
  std::vector<Lifetime> lifetimes;
  std::vector<size_t> in_arena;
  binding->offsets.resize(variant.values.size(), 0);
  for (size_t i = 0; i < variant.values.size(); ++i) {
    const MaterializedValue& value = variant.values[i];
    int64_t* end = nullptr;
    if (value.place == Place::kProgram) end = &binding->program_bytes;
    if (value.place == Place::kLate) end = &binding->late_bytes;
    if (value.place == Place::kBinding) end = &binding->binding_bytes;
    if (end != nullptr) {
      binding->offsets[i] = *end;
      *end += PaddedBytes(binding->bytes[i]);
      if (*end > kMostBytes) return absl::ResourceExhaustedError("values that are kept would not fit in memory");
    }
    if (value.place == Place::kArena) {
      lifetimes.push_back({binding->bytes[i], value.first, value.last});
      in_arena.push_back(i);
    }
  }
  const ArenaPlan plan = PlanArena(lifetimes);
  for (size_t i = 0; i < in_arena.size(); ++i) binding->offsets[in_arena[i]] = plan.offsets[i];
  binding->arena_bytes = plan.bytes;
  return absl::OkStatus();
}

int64_t SaturatingAdd(int64_t a, int64_t b) {
  int64_t sum;
  return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

}  // namespace

void DivideTiles(int threads, GroupSizes* sizes) {
  const int64_t work = SaturatingAdd(sizes->bytes, sizes->flops / 4);
  const int64_t most = std::min<int64_t>({threads, sizes->tiles, work / kGrain});
  sizes->tasks = static_cast<int>(std::max<int64_t>(1, most));
  const int64_t per_task = std::clamp<int64_t>(work / sizes->tasks / kChunkGrain, 1, kMostChunksPerTask);
  sizes->chunks = sizes->tasks == 1 ? 1 : std::min(sizes->tiles, sizes->tasks * per_task);
  // What lies in cache suffers where two cores write to the same neighbourhood; memory does not.
  const bool near = sizes->tasks > 1 && sizes->chunks == sizes->tasks;
  if (!near || sizes->passes <= 0 || sizes->tiles / sizes->passes < 2 * sizes->tasks) sizes->passes = 1;
  const int64_t tiles = sizes->tiles / sizes->passes;
  const auto first = [&](int64_t handover) {
    const int64_t more = near ? std::max<int64_t>(1, tiles * handover / work) : 1;
    return (tiles + more * (sizes->chunks - 1)) / sizes->chunks;
  };
  sizes->first = first(kHandover);
  sizes->first_far = first(kFarHandover);
}

absl::StatusOr<std::unique_ptr<Binding>> BindSizes(Variant* variant, const SymbolBinder& binder,
                                                   std::vector<int64_t> symbols, int threads) {
  auto binding = std::make_unique<Binding>();
  binding->variant = variant;
  binding->symbols = std::move(symbols);
  binding->symbol_map = binder.ToMap(binding->symbols);
  const std::vector<int64_t> sizes = variant->expressions.Evaluate(binding->symbols);
  SKEIN_RETURN_IF_ERROR(SizeValues(*variant, sizes, binding.get()));
  for (const GroupProgram& program : variant->groups) {
    GroupSizes& group = binding->groups.emplace_back();
    group.first_argument = static_cast<int>(binding->arguments.size());
    for (int expression : program.arguments) binding->arguments.push_back(sizes[expression]);
    group.tiles = sizes[program.tiles];
    group.passes = sizes[program.passes];
    group.bytes = SaturatingAdd(sizes[program.bytes_read], sizes[program.bytes_written]);
    group.flops = sizes[program.flops];
    DivideTiles(threads, &group);
    const int64_t scratch = sizes[program.scratch_bytes];
    if (scratch > kMostBytes) {
      return absl::ResourceExhaustedError(absl::StrCat("a kernel would need ", scratch, " bytes of scratch"));
    }
    if (scratch > 0) binding->scratch_bytes = std::max(binding->scratch_bytes, PaddedBytes(scratch) + kScratchGap);
  }
  SKEIN_RETURN_IF_ERROR(LayOutMemory(*variant, binding.get()));
  return binding;
}

}  // namespace skein
