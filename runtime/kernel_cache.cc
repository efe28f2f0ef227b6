#include "runtime/kernel_cache.h"

#include <algorithm>

namespace skein {
namespace {

// A service that compiles graph after graph must not grow without bound: beyond this many kernels (some
// 100 MiB of code and text), those that no program uses are dropped.
constexpr int kMostKernels = 8192;

absl::StatusOr<std::vector<KernelRef>> CompileAndLoad(std::span<const NamedNest> nests,
                                                      const KernelCache::Compiler& compile) {
  SKEIN_ASSIGN_OR_RETURN(ObjectCode object, compile(nests));
  if (object.entries.size() != nests.size()) {
    return Internal("a code generator made ", object.entries.size(), " entries of ", nests.size(), " kernels");
  }
  SKEIN_ASSIGN_OR_RETURN(std::unique_ptr<LoadedCode> loaded, LoadedCode::Load(object));
  std::shared_ptr<const LoadedCode> code = std::move(loaded);
  std::vector<KernelRef> kernels;
  for (size_t i = 0; i < nests.size(); ++i) {
    kernels.push_back(std::make_shared<CompiledKernel>(
        CompiledKernel{code->entry(static_cast<int>(i)), code, object.entries[i].size, object.entries[i].in_a_hurry}));
  }
  return kernels;
}

}  // namespace

int KernelCache::size() const {
  std::lock_guard lock(mutex_);
  return held_;
}

KernelCache::Result KernelCache::Get(std::span<const KernelRequest> requests, const Options& options) {
  Result result;
  result.kernels.resize(requests.size(), Internal("not compiled"));
  std::vector<int> pending(requests.size());
  for (size_t i = 0; i < requests.size(); ++i) pending[i] = static_cast<int>(i);
  while (!pending.empty()) {
    std::vector<Job> mine;
    std::vector<EntryRef> entries;
    std::vector<bool> is_mine;
    {
      std::lock_guard lock(mutex_);
      for (int i : pending) {
        EntryRef entry;
        const bool created = Claim(requests[i], options, &entry);
        if (created) mine.push_back({&requests[i], entry});
        is_mine.push_back(created);
        entries.push_back(std::move(entry));
      }
    }
    // Before any waiting: two calls that wait for each other's kernels would never end otherwise.
    CompileAll(mine, options);

    std::vector<int> again;
    std::unique_lock lock(mutex_);
    for (size_t p = 0; p < pending.size(); ++p) {
      Entry& entry = *entries[p];
      finished_.wait(lock, [&] { return !entry.in_the_making; });
      const bool compiled_here =
          std::any_of(mine.begin(), mine.end(), [&](const Job& job) { return job.entry.get() == &entry; });
      if (entry.kernel != nullptr) {
        result.kernels[pending[p]] = entry.kernel;
        ++(is_mine[p] ? result.compiled : result.hits);
      } else if (compiled_here) {
        result.kernels[pending[p]] = entry.status;
      } else {
        again.push_back(pending[p]);  // another's failure is not this call's
      }
    }
    pending = std::move(again);
  }
  return result;
}

KernelRef KernelCache::Find(const KernelRequest& request, const std::string& generator) const {
  std::lock_guard lock(mutex_);
  const auto found = table_.find(Key{request.text->hash, generator});
  if (found == table_.end()) return nullptr;
  for (const EntryRef& entry : found->second) {
    if (entry->text == request.text || entry->text->text == request.text->text) return entry->kernel;
  }
  return nullptr;
}

bool KernelCache::Claim(const KernelRequest& request, const Options& options, EntryRef* entry) {
  std::vector<EntryRef>& bucket = table_[{request.text->hash, options.generator}];
  for (const EntryRef& existing : bucket) {
    if (existing->text == request.text || existing->text->text == request.text->text) {
      *entry = existing;
      return false;
    }
  }
  *entry = std::make_shared<Entry>();
  (*entry)->text = request.text;
  bucket.push_back(*entry);
  return true;
}

void KernelCache::CompileAll(std::span<const Job> jobs, const Options& options) {
  const size_t batch = static_cast<size_t>(std::max(1, options.batch));
  const int batches = static_cast<int>((jobs.size() + batch - 1) / batch);
  auto compile = [&](int b) {
    const size_t begin = static_cast<size_t>(b) * batch;
    CompileBatch(jobs.subspan(begin, std::min(batch, jobs.size() - begin)), options);
  };
  if (options.parallel && batches > 1) {
    options.parallel(batches, compile);
  } else {
    for (int b = 0; b < batches; ++b) compile(b);
  }
}

void KernelCache::CompileBatch(std::span<const Job> jobs, const Options& options) {
  std::vector<NamedNest> nests;
  for (const Job& job : jobs) nests.push_back({job.request->nest.get(), job.request->name});
  absl::StatusOr<std::vector<KernelRef>> kernels = CompileAndLoad(nests, options.compile);
  for (size_t i = 0; i < jobs.size(); ++i) {
    if (kernels.ok()) {
      Finish(jobs[i], options, (*kernels)[i]);
    } else if (jobs.size() == 1) {
      Finish(jobs[i], options, kernels.status());
    } else {
      CompileBatch(jobs.subspan(i, 1), options);
    }
  }
}

void KernelCache::Finish(const Job& job, const Options& options, absl::StatusOr<KernelRef> kernel) {
  std::lock_guard lock(mutex_);
  job.entry->in_the_making = false;
  if (kernel.ok()) {
    job.entry->kernel = *std::move(kernel);
    if (++held_ > kMostKernels) DropUnused();
  } else {
    job.entry->status = kernel.status();
    auto found = table_.find(Key{job.request->text->hash, options.generator});
    std::erase(found->second, job.entry);
    if (found->second.empty()) table_.erase(found);
  }
  finished_.notify_all();
}

void KernelCache::DropUnused() {
  for (auto it = table_.begin(); it != table_.end();) {
    held_ -= static_cast<int>(std::erase_if(it->second, [](const EntryRef& entry) {
      return entry.use_count() == 1 && entry->kernel != nullptr && entry->kernel.use_count() == 1;
    }));
    if (it->second.empty()) {
      table_.erase(it++);
    } else {
      ++it;
    }
  }
}

}  // namespace skein
