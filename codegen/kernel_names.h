// Tells perf and GDB the names of kernels, where the environment asks for it.
//
//   SKEIN_KERNEL_NAMES=perf-map,jitdump,gdb      any of them
//
// perf-map writes /tmp/perf-PID.map; jitdump writes jit-PID.dump into the current folder,
// jitdump=FOLDER into another; gdb speaks GDB's JIT interface. How to use them: docs/profiling.md.
#ifndef SKEIN_CODEGEN_KERNEL_NAMES_H_
#define SKEIN_CODEGEN_KERNEL_NAMES_H_

#include <sys/types.h>

#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/status.h"
#include "codegen/gdb_symbols.h"
#include "codegen/object_code.h"
#include "codegen/perf_files.h"

namespace skein {

struct KernelNameOptions {
  bool perf_map = false;
  std::string jitdump_folder;  // empty: none
  bool gdb = false;
};

// The value of SKEIN_KERNEL_NAMES. Errors: InvalidArgument names the word that is none of them.
absl::StatusOr<KernelNameOptions> ParseKernelNames(std::string_view text);

class KernelNames {
 public:
  explicit KernelNames(KernelNameOptions options) : options_(std::move(options)) {}

  // What the environment asks for, read once; null if nothing. Errors are told on stderr, once:
  // what does not work is left out, and kernels run all the same.
  static KernelNames* Process();

  // To be called before the functions run. The result, null without GDB, is to live as long as
  // their code.
  std::unique_ptr<GdbSymbols> Announce(std::span<const LoadedFunction> functions);
  // Ends the files.
  void Close();

 private:
  void OpenFiles();

  KernelNameOptions options_;
  std::mutex mutex_;
  std::optional<PerfMap> perf_map_;
  std::optional<JitDump> jit_dump_;
  pid_t process_ = 0;  // whose files these are: a forked child opens its own
};

}  // namespace skein

#endif  // SKEIN_CODEGEN_KERNEL_NAMES_H_
