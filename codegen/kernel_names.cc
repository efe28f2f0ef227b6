#include "codegen/kernel_names.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace skein {
namespace {

constexpr char kVariable[] = "SKEIN_KERNEL_NAMES";

void Complain(const absl::Status& status) {
  std::fprintf(stderr, "skein: %s: %s\n", kVariable, std::string(status.message()).c_str());
}

// Writes to the file, if there is one; one that cannot be written is dropped.
template <typename File>
void Add(std::optional<File>* file, std::span<const LoadedFunction> functions) {
  for (const LoadedFunction& function : functions) {
    if (!file->has_value()) return;
    const absl::Status status = (*file)->Add(function);
    if (status.ok()) continue;
    Complain(status);
    file->reset();
  }
}

template <typename File>
void Open(absl::StatusOr<File> opened, std::optional<File>* file) {
  if (opened.ok()) {
    file->emplace(*std::move(opened));
  } else {
    Complain(opened.status());
  }
}

KernelNames* FromEnvironment() {
  const char* text = std::getenv(kVariable);
  if (text == nullptr || *text == '\0') return nullptr;
  absl::StatusOr<KernelNameOptions> options = ParseKernelNames(text);
  if (!options.ok()) {
    Complain(options.status());
    return nullptr;
  }
  return new KernelNames(*std::move(options));
}

}  // namespace

absl::StatusOr<KernelNameOptions> ParseKernelNames(std::string_view text) {
  constexpr std::string_view kJitDumpFolder = "jitdump=";
  KernelNameOptions options;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), word.size() + 1));
    if (word == "perf-map") {
      options.perf_map = true;
    } else if (word == "jitdump") {
      options.jitdump_folder.assign(1, '.');
    } else if (word.starts_with(kJitDumpFolder) && word.size() > kJitDumpFolder.size()) {
      options.jitdump_folder = std::string(word.substr(kJitDumpFolder.size()));
    } else if (word == "gdb") {
      options.gdb = true;
    } else {
      return InvalidArgument(
          "'", word, "' is none of perf-map, jitdump, jitdump=FOLDER, gdb; no names are given");
    }
  }
  return options;
}

KernelNames* KernelNames::Process() {
  static KernelNames* const names = [] {
    KernelNames* const made = FromEnvironment();
    if (made != nullptr) std::atexit([] { Process()->Close(); });
    return made;
  }();
  return names;
}

std::unique_ptr<GdbSymbols> KernelNames::Announce(std::span<const LoadedFunction> functions) {
  {
    std::lock_guard lock(mutex_);
    if (process_ != getpid()) OpenFiles();
    Add(&perf_map_, functions);
    Add(&jit_dump_, functions);
  }
  if (!options_.gdb || functions.empty()) return nullptr;
  return std::make_unique<GdbSymbols>(functions);
}

void KernelNames::Close() {
  std::lock_guard lock(mutex_);
  perf_map_.reset();
  jit_dump_.reset();
}

void KernelNames::OpenFiles() {
  perf_map_.reset();
  jit_dump_.reset();
  process_ = getpid();
  if (options_.perf_map) Open(PerfMap::Open(PerfMap::PathOfThisProcess()), &perf_map_);
  if (!options_.jitdump_folder.empty()) Open(JitDump::Create(options_.jitdump_folder), &jit_dump_);
}

}  // namespace skein
