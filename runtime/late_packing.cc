#include "runtime/late_packing.h"

#include <algorithm>
#include <array>
#include <system_error>

#include "runtime/background_thread.h"
#include "runtime/launch.h"

namespace skein {
namespace {

constexpr int kUnpackedLaunches = 2;
constexpr int64_t kSliceBytes = 1 << 20;  // between two looks at whether to stop: 0.1 ms, or 2 where memory is new

// Has the system map what holds a weight that is about to be read, in the tasks of a launch. Linux maps the aligned 64 KiB
// around a fault, in 1.6 us where pages are small. Asked for one after the other, 340 MB take 8 ms; rows that lie
// pages apart, each waiting for its fault, take 20, and MADV_POPULATE_READ, which looks at every page, takes 18.
void MapForReading(const Literal& weight, const Executor& executor) {
  constexpr int64_t kAtOnce = 64 << 10, kSlice = 16 * kAtOnce;
  const auto* const data = static_cast<const volatile std::byte*>(weight.data);
  const int64_t bytes = weight.bytes(), before = reinterpret_cast<uintptr_t>(weight.data) % kAtOnce;
  executor(static_cast<int>((before + bytes + kSlice - 1) / kSlice), [=](int task) {
    const int64_t begin = task * kSlice - before, end = std::min(begin + kSlice, bytes);
    for (int64_t at = begin; at < end; at += kAtOnce) static_cast<void>(data[std::max<int64_t>(at, 0)]);
  });
}

// A kernel's buffers and arguments.
struct PackingArgs {
  PackingArgs(const LatePacking::Job& job, std::byte* memory)
      : buffers{const_cast<void*>(job.weight->data), memory + job.offset}, args{buffers.data(), nullptr, &status} {}
  PackingArgs(const PackingArgs&) = delete;

  std::array<void*, 2> buffers;
  uint64_t status = 0;
  KernelArgs args;
};

}  // namespace

LatePacking::LatePacking(std::vector<Job> jobs, int64_t bytes, MakeKernels make_kernels)
    : jobs_(std::move(jobs)),
      progress_(jobs_.size()),
      make_kernels_(std::move(make_kernels)),
      failure_(memory_.Reserve(bytes)),
      failed_(!failure_.ok()),
      left_(size()) {}

void LatePacking::Stop() {
  stop_.store(true, std::memory_order_relaxed);
  if (thread_.joinable()) thread_.join();
}

void LatePacking::Start() {
  if (failed_ || started_.exchange(true)) return;
  try {
    thread_ = std::thread([this] { PackBehind(); });
  } catch (const std::system_error&) {  // the runs pack
  }
}

// Whether there are kernels, which are made now if nobody has tried.
bool LatePacking::GetKernels(std::unique_lock<std::mutex> making) {
  if (!making.owns_lock()) return false;
  if (failed_ || kernels_.size() == jobs_.size()) return !failed_;
  absl::StatusOr<std::vector<KernelRef>> kernels = make_kernels_();
  if (kernels.ok()) {
    kernels_ = *std::move(kernels);
  } else {
    failure_ = kernels.status();
    failed_ = true;
  }
  return !failed_;
}

bool LatePacking::PackedForLaunch(int job, const Executor& executor) {
  if (progress_[job].state.load(std::memory_order_acquire) == State::kPacked) return true;
  const int launches = progress_[job].launches.fetch_add(1, std::memory_order_relaxed);
  if (launches >= kUnpackedLaunches && !failed_ && GetKernels(std::unique_lock(making_, std::try_to_lock)) && Begin(job)) {
    Pack(job, executor);
    return true;
  }
  if (launches == 0) MapForReading(*jobs_[job].weight, executor);
  unpacked_launches_.fetch_add(1, std::memory_order_relaxed);
  return false;
}

absl::Status LatePacking::Finish(const Executor& executor) {
  if (!GetKernels(std::unique_lock(making_))) return failure();
  for (int job = 0; job < size(); ++job) {
    if (Begin(job)) Pack(job, executor);
  }
  for (Progress& progress : progress_) progress.state.wait(State::kBegun, std::memory_order_acquire);
  return absl::OkStatus();
}

bool LatePacking::Begin(int job) {
  State waiting = State::kWaiting;
  return progress_[job].state.compare_exchange_strong(waiting, State::kBegun, std::memory_order_relaxed);
}

void LatePacking::Pack(int job, const Executor& executor) {
  PackingArgs packing(jobs_[job], memory_.data());
  LaunchTasks tasks;
  tasks.Run(kernels_[job]->function, packing.args, jobs_[job].sizes, nullptr, 0, {executor});
  Publish(job);
}

void LatePacking::Publish(int job) {
  left_.fetch_sub(1, std::memory_order_release);  // before the state, which Finish waits for
  progress_[job].state.store(State::kPacked, std::memory_order_release);
  progress_[job].state.notify_all();
}

void LatePacking::PackBehind() {
  LowerPriorityOfThisThread();
  if (!GetKernels(std::unique_lock(making_))) return;
  for (int job = 0; job < size(); ++job) {
    if (!Begin(job)) continue;
    if (!PackInSlices(job)) return;
    Publish(job);
  }
}

bool LatePacking::PackInSlices(int job) {
  const Job& j = jobs_[job];
  PackingArgs packing(j, memory_.data());
  const int64_t slices = std::max<int64_t>(1, j.sizes.bytes / kSliceBytes);
  const int64_t step = (j.sizes.tiles + slices - 1) / slices;
  for (int64_t begin = 0; begin < j.sizes.tiles; begin += step) {
    if (stop_.load(std::memory_order_relaxed)) return false;
    kernels_[job]->function(&packing.args, begin, std::min(begin + step, j.sizes.tiles), nullptr);
  }
  return true;
}

}  // namespace skein
