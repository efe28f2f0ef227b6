// Weights that are packed behind the runs.
#ifndef SKEIN_RUNTIME_LATE_PACKING_H_
#define SKEIN_RUNTIME_LATE_PACKING_H_

#include <atomic>
#include <cstdint>
#include <memory>
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
    KernelRef kernel;  // weight to packed; without arguments or scratch
    LiteralRef weight;
    int64_t offset = 0;  // of the packed form, in the memory of all
    GroupSizes sizes;
  };

  // Takes memory for all, of `bytes`, without touching it. Where there is none (failure()), nothing is ever packed.
  LatePacking(std::vector<Job> jobs, int64_t bytes);
  ~LatePacking();  // waits for a MiB of packing at most
  LatePacking(const LatePacking&) = delete;
  LatePacking& operator=(const LatePacking&) = delete;

  // Starts the thread, once: not before the first output is there, which it would delay where all run on one core, by 2 to 3
  // ms a thread. Where the system has none, the runs pack.
  void Start();

  std::byte* memory() const { return memory_.data(); }
  bool AllPacked() const { return left_.load(std::memory_order_acquire) == 0; }

  // For a kernel that is about to be launched: whether weight `job` is packed. One that is not by its third launch
  // and that nobody is at is packed here: on a busy machine the thread may take seconds, and reading
  // weights as they lie costs BERT base 2% of a run, packing them a third of one, once.
  bool PackedForLaunch(int job, const Executor& executor);

  // Packs what is left and returns when all is done. Errors: failure().
  absl::Status Finish(const Executor& executor);

  absl::Status failure() const { return failure_; }
  int packed() const { return static_cast<int>(jobs_.size()) - left_.load(std::memory_order_relaxed); }
  int size() const { return static_cast<int>(jobs_.size()); }
  int64_t unpacked_launches() const { return unpacked_launches_.load(std::memory_order_relaxed); }

 private:
  enum class State : uint8_t { kWaiting, kBegun, kPacked };
  struct Progress {
    std::atomic<State> state{State::kWaiting};
    std::atomic<int> launches{0};
  };

  bool Begin(int job);  // whether it is the caller's to pack
  void Pack(int job, const Executor& executor);
  void Publish(int job);
  void PackBehind();
  bool PackInSlices(int job);  // false: told to stop

  const std::vector<Job> jobs_;
  std::vector<Progress> progress_;
  AlignedBytes memory_;
  absl::Status failure_;
  std::atomic<int> left_;
  std::atomic<int64_t> unpacked_launches_{0};
  std::atomic<bool> started_{false}, stop_{false};
  std::thread thread_;
};

}  // namespace skein

#endif  // SKEIN_RUNTIME_LATE_PACKING_H_
