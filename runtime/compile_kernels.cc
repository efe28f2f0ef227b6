#include "runtime/compile_kernels.h"

#include <algorithm>
#include <memory>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "fusion/unpacked.h"
#include "runtime/back_ends.h"
#include "runtime/thread_pool.h"

namespace skein {
namespace {

// LLVM takes some 0.9 ms to set up and finish a module, whatever is in it. With several threads there are to be
// modules for all of them.
constexpr int kLlvmBatch = 8, kLlvmBatchOnThreads = 2;
// Each object that Xbyak makes is written into code pages with four system calls, which take 5 us. With several threads
// every kernel is an object of its own: there may be few.
constexpr int kXbyakBatch = 16;

// Weights of as many times L2, 4 MiB, are packed in 0.4 ms, twice what it takes to make one more kernel for them.
constexpr int64_t kLeastCaches = 4;

std::string_view IsaName(Isa isa) { return isa == Isa::kAvx512 ? "avx512" : "avx2"; }

std::string KernelName(std::string_view kind, const Hash128& hash) {
  std::string name = absl::StrCat("skein_", ForStrCat(kind), "_", hash.Hex().substr(0, 12));
  for (char& c : name) {
    if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9')) c = '_';
  }
  return name;
}

class KernelCompiler {
 public:
  KernelCompiler(const CompileOptions& options, Variant* variant)
      : options_(options), back_ends_(*options.back_ends), variant_(*variant) {
    if (options_.executor) {
      parallel_ = options_.executor;
    } else if (options_.threads > 1) {
      parallel_ = [pool = ThreadPool::Shared(options_.threads)](int count, const std::function<void(int)>& body) {
        pool->Run(count, body);
      };
    }
    fast_ = MakeOptions("xbyak", back_ends_.fast, parallel_ ? 1 : kXbyakBatch);
    optimizing_ = MakeOptions("llvm", back_ends_.optimizing, kLlvmBatch);
  }

  void Run(bool may_wait) {
    const std::string why_not = options_.interpret ? "asked for" : WhyNotHere(options_.target);
    // A program that waits for LLVM does not start in a hurry.
    if (why_not.empty() && !options_.pack_first && options_.tier != Tier::kOptimized) CompileUnpacked();
    variant_.complete = !may_wait || variant_.late.empty();
    for (size_t g = 0; g < variant_.groups.size(); ++g) {
      const Group& group = variant_.plan.groups[g];
      if (!variant_.IsReady(g)) continue;
      if (group.nest == nullptr) {
        Interpret(static_cast<int>(g), Runner::kGraphInterpreter, "no scheduler takes it");
      } else if (!why_not.empty()) {
        Interpret(static_cast<int>(g), Runner::kLoopNestInterpreter, why_not);
      } else {
        Request(static_cast<int>(g));
      }
    }
    CompilePending();
    for (const Pending& p : pending_) {
      Interpret(p.group, Runner::kLoopNestInterpreter, p.reason.empty() ? "no back end is built in" : p.reason);
    }
  }

  // On the calling thread alone: the others may be at a run.
  absl::Status RunRest() {
    parallel_ = nullptr;
    for (size_t g = 0; g < variant_.groups.size(); ++g) {
      if (!variant_.IsReady(g)) Request(static_cast<int>(g));
    }
    CompilePending();
    if (pending_.empty()) return absl::OkStatus();
    return Internal(Report(pending_[0].group, pending_[0].reason));
  }

 private:
  using CacheOptions = std::shared_ptr<const KernelCache::Options>;
  struct Pending {
    int group;
    std::string reason;  // why the back ends so far did not take it
  };

  // What one back end does not take goes to the next.
  void CompilePending() {
    if (options_.tier == Tier::kAuto) TakeOptimizedCodeAtHand();
    if (options_.tier == Tier::kOptimized) Compile(optimizing_);
    Compile(fast_);
    if (options_.tier != Tier::kOptimized) Compile(optimizing_);
  }

  // Null without a generator.
  CacheOptions MakeOptions(std::string_view name, const BackEnds::Generator& generator, int batch) const {
    if (generator == nullptr) return nullptr;
    const Target& target = options_.target;
    KernelCache::Options cache;
    cache.generator = absl::StrCat(ForStrCat(name), " ", ForStrCat(IsaName(target.isa)), target.vnni ? " vnni" : "");
    cache.compile = [generator, target](std::span<const NamedNest> nests) { return generator(nests, target); };
    cache.batch = batch;
    return std::make_shared<const KernelCache::Options>(std::move(cache));
  }

  void Request(int g) {
    const Group& group = variant_.plan.groups[g];
    std::shared_ptr<const NestText> text = group.text;
    if (text == nullptr || text->hash != group.hash) {
      text = std::make_shared<NestText>(NestText{group.nest->ToString(), group.hash});
    }
    std::string& name = names_[text.get()];
    if (name.empty()) name = KernelName(group.kind, group.hash);
    requests_.push_back({group.nest, std::move(text), name});
    pending_.push_back({g, ""});
  }

  void Interpret(int g, Runner runner, std::string_view reason) {
    variant_.groups[g].runner = runner;
    variant_.interpreted.push_back(Report(g, reason));
  }

  std::string Report(int g, std::string_view message) const {
    const Plan& plan = variant_.plan;
    return absl::StrCat(OriginText(plan.graph, plan.groups[g].outputs[0].node), ": ", ForStrCat(message));
  }

  // Calls take(i) for each pending request and keeps those for which it returns false.
  template <typename Take>
  void TakePending(const Take& take) {
    size_t left = 0;
    for (size_t i = 0; i < pending_.size(); ++i) {
      if (take(i)) continue;
      if (left != i) {
        requests_[left] = std::move(requests_[i]);
        pending_[left] = std::move(pending_[i]);
      }
      ++left;
    }
    requests_.resize(left);
    pending_.resize(left);
  }

  // Kernels that other programs had optimized, or saw become hot.
  void TakeOptimizedCodeAtHand() {
    if (optimizing_ == nullptr) return;
    TakePending([&](size_t i) {
      KernelRef kernel = back_ends_.cache.Find(requests_[i], optimizing_->generator);
      if (kernel == nullptr) return false;
      ++variant_.cache_hits;
      variant_.groups[pending_[i].group].kernel = std::move(kernel);
      variant_.groups[pending_[i].group].optimized = true;
      return true;
    });
  }

  void Compile(const CacheOptions& back_end) {
    if (back_end == nullptr || pending_.empty()) return;
    KernelCache::Options here = *back_end;
    here.parallel = parallel_;
    if (parallel_ && back_end == optimizing_) here.batch = kLlvmBatchOnThreads;
    KernelCache::Result result = back_ends_.cache.Get(requests_, here);
    variant_.kernels_compiled += result.compiled;
    variant_.cache_hits += result.hits;
    absl::flat_hash_set<Hash128> reported;
    TakePending([&](size_t i) {
      absl::StatusOr<KernelRef>& kernel = result.kernels[i];
      Pending& pending = pending_[i];
      if (kernel.ok()) {
        GroupProgram& group = variant_.groups[pending.group];
        group.kernel = *std::move(kernel);
        group.optimized = back_end == optimizing_;
        if (options_.tier == Tier::kAuto && !group.optimized && optimizing_ != nullptr) {
          group.tiered = back_ends_.upgrader.Adopt(group.kernel, requests_[i], optimizing_);
        }
        return true;
      }
      const std::string message(kernel.status().message());
      absl::StrAppend(&pending.reason, pending.reason.empty() ? "" : "; ", message);
      // Not to have an operation is a back end's right.
      if (!absl::IsUnimplemented(kernel.status()) && reported.insert(requests_[i].text->hash).second) {
        variant_.failures.push_back(Report(pending.group, absl::StrCat(back_end->generator, ": ", message)));
      }
      return false;
    });
  }

  // Kernels for the runs until weights are packed. Where one cannot be made, all weights are packed before the first run.
  void CompileUnpacked() {
    if (fast_ == nullptr) return;
    const UnpackedKernels found = FindUnpackedKernels(variant_.plan, kLeastCaches * options_.target.l2_bytes);
    for (const PackedWeight& weight : found.weights) {
      if (!PacksAlone(weight.group)) return;
    }
    std::vector<KernelRequest> requests;
    for (const UnpackedKernel& kernel : found.kernels) {
      const Group& group = variant_.plan.groups[kernel.group];
      requests.push_back({kernel.nest, kernel.text, KernelName(group.kind, kernel.text->hash)});
    }
    KernelCache::Options here = *fast_;
    here.parallel = parallel_;
    const KernelCache::Result result = back_ends_.cache.Get(requests, here);
    for (const absl::StatusOr<KernelRef>& kernel : result.kernels) {
      if (!kernel.ok()) return;
    }
    for (const PackedWeight& weight : found.weights) {
      variant_.late.push_back(weight.group);
      variant_.values[variant_.groups[weight.group].buffers[1]].place = Place::kLate;
    }
    for (size_t i = 0; i < found.kernels.size(); ++i) {
      GroupProgram& group = variant_.groups[found.kernels[i].group];
      auto unpacked = std::make_shared<UnpackedProgram>(UnpackedProgram{*result.kernels[i], group.buffers, {}});
      for (const UnpackedKernel::Read& read : found.kernels[i].reads) {
        unpacked->buffers[read.input] = variant_.groups[found.weights[read.weight].group].buffers[0];
        unpacked->weights.push_back(read.weight);
      }
      group.unpacked = std::move(unpacked);
    }
  }

  // Whether a group needs nothing but its two buffers.
  bool PacksAlone(int g) const {
    const Group& group = variant_.plan.groups[g];
    return group.nest != nullptr && group.arguments.empty() &&
           std::none_of(group.nest->buffers.begin(), group.nest->buffers.end(),
                        [](const Buffer& buffer) { return buffer.kind == BufferKind::kScratch; });
  }

  const CompileOptions& options_;
  BackEnds& back_ends_;
  Variant& variant_;
  KernelCache::Parallel parallel_;
  CacheOptions fast_, optimizing_;
  absl::flat_hash_map<const NestText*, std::string> names_;  // of groups alike, which share their text
  std::vector<KernelRequest> requests_;                      // not yet taken
  std::vector<Pending> pending_;         // one per request
};

}  // namespace

std::string WhyNotHere(const Target& target) {
  static const absl::StatusOr<Target> host = HostTarget();
  if (!host.ok()) return std::string(host.status().message());
  if (host->isa < target.isa) return "this machine has no AVX-512";
  if (target.vnni && !host->vnni) return "this machine has no VNNI";
  return "";
}

void CompileKernels(const CompileOptions& options, bool may_wait, Variant* variant) {
  KernelCompiler(options, variant).Run(may_wait);
}

absl::Status CompileRest(const CompileOptions& options, Variant* variant) {
  return KernelCompiler(options, variant).RunRest();
}

}  // namespace skein
