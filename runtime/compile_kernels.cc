#include "runtime/compile_kernels.h"

#include <algorithm>

#include "codegen/codegen.h"
#include "runtime/thread_pool.h"

namespace skein {
namespace {

// LLVM takes some 2 ms to set up and finish a module, whatever is in it.
constexpr int kLlvmBatch = 8;

std::string_view IsaName(Isa isa) { return isa == Isa::kAvx512 ? "avx512" : "avx2"; }

std::string KernelName(const Group& group) {
  std::string name = absl::StrCat("skein_", group.kind, "_", group.hash.Hex().substr(0, 12));
  for (char& c : name) {
    if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9')) c = '_';
  }
  return name;
}

class KernelCompiler {
 public:
  KernelCompiler(const CompileOptions& options, Variant* variant) : options_(options), variant_(*variant) {}

  absl::Status Run() {
    const std::string why_not = options_.interpret ? "asked for" : WhyNotHere(options_.target);
    for (size_t g = 0; g < variant_.groups.size(); ++g) {
      const Group& group = variant_.plan.groups[g];
      if (!group.nest.root.valid()) {
        Interpret(static_cast<int>(g), Runner::kGraphInterpreter, "no scheduler takes it");
      } else if (!why_not.empty()) {
        Interpret(static_cast<int>(g), Runner::kLoopNestInterpreter, why_not);
      } else {
        Request(static_cast<int>(g));
      }
    }
    // Tier by tier, what one does not take goes to the next.
    for (const Tier tier : Tiers()) SKEIN_RETURN_IF_ERROR(Compile(tier));
    for (size_t i = 0; i < pending_.size(); ++i) {
      Interpret(pending_[i], Runner::kLoopNestInterpreter, reasons_.empty() ? "no back end is built in" : reasons_[i]);
    }
    return absl::OkStatus();
  }

 private:
  void Request(int g) {
    const Group& group = variant_.plan.groups[g];
    std::shared_ptr<const NestText> text = group.text;
    if (text == nullptr || text->hash != group.hash) {
      text = std::make_shared<NestText>(NestText{group.nest.ToString(), group.hash});
    }
    requests_.push_back({&group.nest, std::move(text), KernelName(group)});
    pending_.push_back(g);
  }

  void Interpret(int g, Runner runner, std::string_view reason) {
    variant_.groups[g].runner = runner;
    const Plan& plan = variant_.plan;
    variant_.interpreted.push_back(
        absl::StrCat(OriginText(plan.graph, plan.groups[g].outputs[0].node), ": ", std::string(reason)));
  }

  std::vector<Tier> Tiers() const {
    std::vector<Tier> tiers;
    if (HaveXbyak() && (options_.tier == Tier::kFast || !HaveLlvm())) tiers.push_back(Tier::kFast);
    if (HaveLlvm()) tiers.push_back(Tier::kOptimized);
    return tiers;
  }

  absl::Status Compile(Tier tier) {
    const bool fast = tier == Tier::kFast;
    const Target& target = options_.target;
    KernelCache::Options cache;
    cache.generator = absl::StrCat(fast ? "xbyak " : "llvm ", ForStrCat(IsaName(target.isa)), target.vnni ? " vnni" : "");
    cache.compile = [&](std::span<const NamedNest> nests) {
      return fast ? GenerateXbyak(nests, target) : GenerateLlvm(nests, target);
    };
    cache.batch = fast ? 1 : kLlvmBatch;
    std::shared_ptr<ThreadPool> pool;
    if (options_.executor) {
      cache.parallel = options_.executor;
    } else if (options_.threads > 1) {
      pool = ThreadPool::Shared(options_.threads);
      cache.parallel = [&](int count, const std::function<void(int)>& body) { pool->Run(count, body); };
    }
    KernelCache::Result result = KernelCache::Process().Get(requests_, cache);
    variant_.kernels_compiled += result.compiled;
    variant_.cache_hits += result.hits;

    std::vector<KernelRequest> left;
    std::vector<int> left_groups;
    std::vector<std::string> reasons;
    for (size_t i = 0; i < requests_.size(); ++i) {
      const absl::StatusOr<KernelRef>& kernel = result.kernels[i];
      if (kernel.ok()) {
        variant_.groups[pending_[i]].kernel = *kernel;
        continue;
      }
      if (!absl::IsUnimplemented(kernel.status())) {
        const NodeId node = variant_.plan.groups[pending_[i]].outputs[0].node;
        return Annotate(kernel.status(), OriginText(variant_.plan.graph, node));
      }
      left.push_back(std::move(requests_[i]));
      left_groups.push_back(pending_[i]);
      reasons.emplace_back(kernel.status().message());
    }
    requests_ = std::move(left);
    pending_ = std::move(left_groups);
    reasons_ = std::move(reasons);
    return absl::OkStatus();
  }

  const CompileOptions& options_;
  Variant& variant_;
  std::vector<KernelRequest> requests_;   // not yet taken
  std::vector<int> pending_;              // their groups
  std::vector<std::string> reasons_;      // why the last tier did not take them
};

}  // namespace

std::string WhyNotHere(const Target& target) {
  static const absl::StatusOr<Target> host = HostTarget();
  if (!host.ok()) return std::string(host.status().message());
  if (host->isa < target.isa) return "this machine has no AVX-512";
  if (target.vnni && !host->vnni) return "this machine has no VNNI";
  return "";
}

absl::Status CompileKernels(const CompileOptions& options, Variant* variant) {
  return KernelCompiler(options, variant).Run();
}

}  // namespace skein
