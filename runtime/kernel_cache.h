// Compiled kernels, shared by every program of the process (back_ends.h). In memory the code generators are
// this process's own, so their build is no part of the key.
#ifndef SKEIN_RUNTIME_KERNEL_CACHE_H_
#define SKEIN_RUNTIME_KERNEL_CACHE_H_

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "base/hash.h"
#include "base/status.h"
#include "codegen/codegen.h"
#include "codegen/object_code.h"
#include "fusion/plan.h"

namespace skein {

struct CompiledKernel {
  KernelFunction function = nullptr;
  std::shared_ptr<const LoadedCode> code;  // what function lies in
  int64_t code_bytes = 0;
  bool in_a_hurry = false;  // ObjectCode::Entry
};
using KernelRef = std::shared_ptr<const CompiledKernel>;

struct KernelRequest {
  std::shared_ptr<const LoopNest> nest;
  std::shared_ptr<const NestText> text;  // of the nest, canonical
  std::string name;                      // for perf and GDB; no part of the key
};

class KernelCache {
 public:
  using Compiler = std::function<absl::StatusOr<ObjectCode>(std::span<const NamedNest>)>;
  // Runs body(0) .. body(count-1), on any threads.
  using Parallel = std::function<void(int count, const std::function<void(int)>& body)>;
  struct Options {
    std::string generator;  // part of the key: the back end and the ISA, "llvm avx512"
    Compiler compile;       // several nests into one object; called on several threads at once
    int batch = 8;          // nests per object
    Parallel parallel;      // null: one batch after another
  };
  struct Result {
    std::vector<absl::StatusOr<KernelRef>> kernels;  // one per request
    int compiled = 0;                                // distinct kernels compiled by this call
    int hits = 0;                                    // requests that found theirs here, or in the making
  };

  // A hit needs equal generator and equal text, not only an equal hash. What is neither here nor in the
  // making is compiled by this call, each kernel once; what another thread is compiling is waited for.
  // A failure is returned and not remembered: it is tried again by the next call, or by one that waited.
  // If an object of several kernels fails, each is compiled by itself, so that each has its own status.
  Result Get(std::span<const KernelRequest> requests, const Options& options);

  // The kernel if it is here; null if it is not or is in the making.
  KernelRef Find(const KernelRequest& request, const std::string& generator) const;

  // Kernels held, not counting those in the making.
  int size() const;

 private:
  struct Entry {
    std::shared_ptr<const NestText> text;
    KernelRef kernel;
    absl::Status status;      // of the compilation, once it has ended
    bool in_the_making = true;
  };
  using EntryRef = std::shared_ptr<Entry>;
  struct Key {
    Hash128 hash;
    std::string generator;
    bool operator==(const Key&) const = default;
    template <typename H>
    friend H AbslHashValue(H h, const Key& k) {
      return H::combine(std::move(h), k.hash, k.generator);
    }
  };
  struct Job {
    const KernelRequest* request;
    EntryRef entry;
  };

  // Finds or makes the request's entry; true if it is new, and so the caller's to compile.
  bool Claim(const KernelRequest& request, const Options& options, EntryRef* entry);
  void CompileAll(std::span<const Job> jobs, const Options& options);
  void CompileBatch(std::span<const Job> jobs, const Options& options);
  void Finish(const Job& job, const Options& options, absl::StatusOr<KernelRef> kernel);
  void DropUnused();

  mutable std::mutex mutex_;
  std::condition_variable finished_;
  absl::flat_hash_map<Key, std::vector<EntryRef>> table_;
  int held_ = 0;
};

}  // namespace skein

#endif  // SKEIN_RUNTIME_KERNEL_CACHE_H_
