// Weights that are packed behind the runs.
#ifndef SKEIN_RUNTIME_LATE_PACKING_H_
#define SKEIN_RUNTIME_LATE_PACKING_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/status.h"
#include "ir/graph.h"
#include "runtime/arena.h"
#include "runtime/binding.h"
#include "runtime/kernel_cache.h"
#include "runtime/program.h"

namespace skein {

// The packed forms of a program's weights while they come into being, one by one: by a thread of the lowest priority, or,
// where that gets no processor, by the runs. Until a weight is packed, runs have a kernel that reads it as it lies.
class LatePacking {
 public:
  struct Job {
    LiteralRef weight;
    int64_t offset = 0;  // of the packed form, in the memory of all
    GroupSizes sizes;
  };

  // Makes a kernel per job, weight to packed, without arguments or scratch; and whatever else the runs are to call once a
  // weight is packed.
  using MakeKernels = std::function<absl::StatusOr<std::vector<KernelRef>>()>;

  // Takes memory for all, of `bytes`, without touching it. Where there is none, or are no kernels (failure()), nothing is
  // ever packed.
  //   make_kernels: called once, before the first weight is packed, by whoever packs it.
  LatePacking(std::vector<Job> jobs, int64_t bytes, MakeKernels make_kernels);
  ~LatePacking() { Stop(); }
  LatePacking(const LatePacking&) = delete;
  LatePacking& operator=(const LatePacking&) = delete;

  // Starts the thread, once: not before the first output is there, which it would delay where all run on one core, by 2 to 3
  // ms a thread. Where the system has none, the runs pack.
  void Start();

  // Ends the thread, after the MiB that it is at. The runs may go on packing.
  void Stop();

  std::byte* memory() const { return memory_.data(); }
  bool AllPacked() const { return left_.load(std::memory_order_acquire) == 0; }

  // For a kernel that is about to be launched: whether weight `job` is packed. One that is not by its third launch
  // and that nobody is at, nor at making the kernels, is packed here: on a busy machine the thread may take seconds, and reading
  // weights as they lie costs BERT base 2% of a run, packing them a third of one, once.
  bool PackedForLaunch(int job, const Executor& executor);

  // Packs what is left and returns when all is done. Errors: failure().
  absl::Status Finish(const Executor& executor);

  absl::Status failure() const { return failed_ ? failure_ : absl::OkStatus(); }
  int packed() const { return static_cast<int>(jobs_.size()) - left_.load(std::memory_order_relaxed); }
  int size() const { return static_cast<int>(jobs_.size()); }
  int64_t unpacked_launches() const { return unpacked_launches_.load(std::memory_order_relaxed); }

 private:
  enum class State : uint8_t { kWaiting, kBegun, kPacked };
  struct Progress {
    std::atomic<State> state{State::kWaiting};
    std::atomic<int> launches{0};
  };

  bool GetKernels(std::unique_lock<std::mutex> making);
  bool Begin(int job);  // whether it is the caller's to pack
  void Pack(int job, const Executor& executor);
  void Publish(int job);
  void PackBehind();
  bool PackInSlices(int job);  // false: told to stop

  const std::vector<Job> jobs_;
  std::vector<Progress> progress_;
  AlignedBytes memory_;
  std::mutex making_;                    // held while kernels are made
  MakeKernels make_kernels_;
  std::vector<KernelRef> kernels_;       // per job
  absl::Status failure_;                 // not to be looked at before failed_
  std::atomic<bool> failed_;
  std::atomic<int> left_;
  std::atomic<int64_t> unpacked_launches_{0};
  std::atomic<bool> started_{false}, stop_{false};
  std::thread thread_;
};

}  // namespace skein

#endif  // SKEIN_RUNTIME_LATE_PACKING_H_
