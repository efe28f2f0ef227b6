#include "runtime/tier_upgrader.h"

#include <time.h>

#include <algorithm>

#include "runtime/background_thread.h"

namespace skein {
namespace {

// Per module: LLVM takes some 1.5 ms to set up and finish one. With 4 to a module BERT base takes 5% less than
// with 1, with 8 a few percent less again, but Stop may have to wait twice as long.
constexpr size_t kKernelsPerModule = 4;

double ThreadCpuSeconds() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

}  // namespace

void TieredKernel::AddLaunch(int64_t nanoseconds) {
  const int64_t time = nanoseconds_.fetch_add(nanoseconds, std::memory_order_relaxed) + nanoseconds;
  const int64_t launches = launches_.fetch_add(1, std::memory_order_relaxed) + 1;
  if (launches < hot_launches_ || time < hot_nanoseconds_) return;
  State cold = State::kCold;
  if (state_.compare_exchange_strong(cold, State::kHot, std::memory_order_acq_rel)) {
    upgrader_->Enqueue(weak_from_this());
  }
}

TieredKernelRef TierUpgrader::Adopt(const KernelRef& fast, const KernelRequest& request,
                                    const std::shared_ptr<const KernelCache::Options>& optimizing) {
  std::lock_guard lock(mutex_);
  std::weak_ptr<TieredKernel>& known = adopted_[fast.get()];
  if (TieredKernelRef kernel = known.lock()) return kernel;
  auto kernel = std::make_shared<TieredKernel>();
  kernel->request_ = request;
  kernel->optimizing_ = optimizing;
  kernel->fast_ = fast;
  kernel->upgrader_ = this;
  kernel->hot_launches_ = rule_.launches;
  kernel->hot_nanoseconds_ = rule_.nanoseconds_per_kernel + rule_.nanoseconds_per_byte * fast->code_bytes;
  kernel->function_.store(fast->function, std::memory_order_release);
  known = kernel;
  // Here, and not with the first hot kernel: a run does not wait for a thread to start.
  if (!thread_.joinable() && !stop_) thread_ = std::thread([this] { Work(); });
  if (adopted_.size() >= prune_at_) {
    absl::erase_if(adopted_, [](const auto& entry) { return entry.second.expired(); });
    prune_at_ = 64 + 2 * adopted_.size();
  }
  return kernel;
}

void TierUpgrader::Enqueue(std::weak_ptr<TieredKernel> kernel) {
  std::lock_guard lock(mutex_);
  if (stop_) return;
  queue_.push_back(std::move(kernel));
  wake_.notify_one();
}

void TierUpgrader::Wait(std::span<const TieredKernelRef> kernels) {
  std::unique_lock lock(mutex_);
  done_.wait(lock, [&] {
    return stop_ || std::none_of(kernels.begin(), kernels.end(), [](const TieredKernelRef& kernel) {
             return kernel->state() == TieredKernel::State::kHot;
           });
  });
}

void TierUpgrader::Stop() {
  std::thread thread;
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
    thread.swap(thread_);
    wake_.notify_all();
    done_.notify_all();
  }
  if (thread.joinable()) thread.join();
}

double TierUpgrader::cpu_seconds() const {
  std::lock_guard lock(mutex_);
  return cpu_seconds_;
}

void TierUpgrader::Work() {
  LowerPriorityOfThisThread();
  for (;;) {
    const std::vector<TieredKernelRef> kernels = TakeModule();
    if (kernels.empty()) return;
    const double start = ThreadCpuSeconds();
    Compile(kernels);
    std::lock_guard lock(mutex_);
    cpu_seconds_ += ThreadCpuSeconds() - start;
    done_.notify_all();
  }
}

// The next kernels that can share a module, once there are any; none after Stop.
std::vector<TieredKernelRef> TierUpgrader::TakeModule() {
  std::vector<TieredKernelRef> kernels;
  std::unique_lock lock(mutex_);
  while (kernels.empty()) {
    wake_.wait(lock, [&] { return stop_ || !queue_.empty(); });
    if (stop_) return {};
    while (!queue_.empty()) {
      TieredKernelRef next = queue_.front().lock();
      if (next != nullptr) {
        const bool joins =
            kernels.empty() || (kernels.size() < kKernelsPerModule &&
                                kernels[0]->optimizing_->generator == next->optimizing_->generator);
        if (!joins) break;
        kernels.push_back(std::move(next));
      }
      queue_.pop_front();
    }
  }
  return kernels;
}

// What a program with Tier::kOptimized has or is compiling is shared through the cache.
void TierUpgrader::Compile(std::span<const TieredKernelRef> kernels) {
  std::vector<KernelRequest> requests;
  for (const TieredKernelRef& kernel : kernels) requests.push_back(kernel->request_);
  KernelCache::Result result = cache_.Get(requests, *kernels[0]->optimizing_);
  for (size_t i = 0; i < kernels.size(); ++i) {
    TieredKernel& kernel = *kernels[i];
    if (result.kernels[i].ok()) {
      kernel.optimized_ = *result.kernels[i];
      kernel.function_.store(kernel.optimized_->function, std::memory_order_release);
      kernel.state_.store(TieredKernel::State::kOptimized, std::memory_order_release);
    } else {
      kernel.failure_ = result.kernels[i].status();
      kernel.state_.store(TieredKernel::State::kFailed, std::memory_order_release);
    }
  }
}

}  // namespace skein
