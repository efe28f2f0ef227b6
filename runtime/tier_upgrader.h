// Hot kernels are compiled again, by the optimizing back end, behind the runs.
#ifndef SKEIN_RUNTIME_TIER_UPGRADER_H_
#define SKEIN_RUNTIME_TIER_UPGRADER_H_

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "ir/loop_nest.h"
#include "runtime/kernel_cache.h"

namespace skein {

class TierUpgrader;

// A kernel that starts on fast code and may go on with optimized code, which gives the same bits. One for
// all programs that have the kernel. The fast code stays mapped as long as this lives: a launch may be in it.
class TieredKernel : public std::enable_shared_from_this<TieredKernel> {
 public:
  enum class State : uint8_t { kCold, kHot, kOptimized, kFailed };

  State state() const { return state_.load(std::memory_order_acquire); }
  // What the next launch calls.
  KernelFunction function() const { return function_.load(std::memory_order_acquire); }
  // Counts a launch; the one that makes a cold kernel hot asks for the other code, and does not wait for it.
  void AddLaunch(int64_t nanoseconds);
  // In state kOptimized: whether that code was over the compile-time budget.
  bool in_a_hurry() const { return optimized_->in_a_hurry; }
  // In state kFailed: why there is no optimized code.
  const absl::Status& failure() const { return failure_; }

 private:
  friend class TierUpgrader;

  KernelRequest request_;
  std::shared_ptr<const KernelCache::Options> optimizing_;
  KernelRef fast_, optimized_;
  absl::Status failure_;
  TierUpgrader* upgrader_ = nullptr;
  int64_t hot_launches_ = 0, hot_nanoseconds_ = 0;
  std::atomic<int64_t> launches_{0}, nanoseconds_{0};
  std::atomic<KernelFunction> function_{nullptr};
  std::atomic<State> state_{State::kCold};
};
using TieredKernelRef = std::shared_ptr<TieredKernel>;

// One thread, of the lowest priority, that compiles hot kernels, some to a module, and swaps them in.
class TierUpgrader {
 public:
  // A kernel is hot once it has been launched a few times and has run for as long as its compilation will
  // take: so all compilations together never cost more than the launches that asked for them, whatever is
  // run how often. The few launches keep out what runs once, at start, however long that takes.
  // LLVM 19 took 1 ms and 2.1 us a byte of Xbyak's code for AVX-512 (five transformers and skein-bench, 321 kernels
  // of 0.9 to 24 ms, each within a factor of 1.7; Zen 5).
  struct Rule {
    int64_t launches = 4;
    int64_t nanoseconds_per_kernel = 1'000'000;
    int64_t nanoseconds_per_byte = 2'100;
  };

  // The cache, and where code comes from, outlive the upgrader; the upgrader outlives every launch.
  TierUpgrader(KernelCache* cache, const Rule& rule) : cache_(*cache), rule_(rule) {}
  ~TierUpgrader() { Stop(); }
  TierUpgrader(const TierUpgrader&) = delete;
  TierUpgrader& operator=(const TierUpgrader&) = delete;

  // The tiered kernel of this fast code, new or as another program has it. `optimizing`: how to compile
  // request.nest again.
  TieredKernelRef Adopt(const KernelRef& fast, const KernelRequest& request,
                        const std::shared_ptr<const KernelCache::Options>& optimizing);

  // Returns when none of these is hot and without its optimized code any more, or after Stop.
  void Wait(std::span<const TieredKernelRef> kernels);

  // Ends the thread, after the module that it is compiling; kernels that are hot stay so.
  void Stop();

  // Processor time that compilations have taken.
  double cpu_seconds() const;

 private:
  friend class TieredKernel;

  void Enqueue(std::weak_ptr<TieredKernel> kernel);
  void Work();
  std::vector<TieredKernelRef> TakeModule();
  void Compile(std::span<const TieredKernelRef> kernels);

  KernelCache& cache_;
  const Rule rule_;
  mutable std::mutex mutex_;  // of what follows
  std::condition_variable wake_, done_;
  std::deque<std::weak_ptr<TieredKernel>> queue_;  // weak: what no program has any more is not compiled
  absl::flat_hash_map<const CompiledKernel*, std::weak_ptr<TieredKernel>> adopted_;
  size_t prune_at_ = 64;  // adopted_ loses the dead ones when it reaches this size
  double cpu_seconds_ = 0;
  bool stop_ = false;
  std::thread thread_;  // started with the first kernel
};

}  // namespace skein

#endif  // SKEIN_RUNTIME_TIER_UPGRADER_H_
