// The two files by which perf learns the names of code that no ELF file holds.
#ifndef SKEIN_CODEGEN_PERF_FILES_H_
#define SKEIN_CODEGEN_PERF_FILES_H_

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "base/status.h"
#include "codegen/object_code.h"

namespace skein {

// A file that is written at its end, without a buffer, so that nothing is lost or written twice
// whatever becomes of the process. Closed by the destructor.
class AppendedFile {
 public:
  // Errors: Internal if the file cannot be opened, is a link or belongs to another user (the folder
  // may be everybody's).
  static absl::StatusOr<AppendedFile> Open(const std::string& path);
  AppendedFile(AppendedFile&& other) noexcept;
  AppendedFile& operator=(AppendedFile&&) = delete;
  ~AppendedFile();

  absl::Status Write(const std::string& bytes) const;
  absl::Status Clear() const;
  int descriptor() const { return descriptor_; }

 private:
  AppendedFile(std::string path, int descriptor)
      : path_(std::move(path)), descriptor_(descriptor) {}
  absl::Status Failed(std::string_view what) const;
  std::string path_;
  int descriptor_;
};

// /tmp/perf-PID.map: a line a kernel. Read by `perf report`, when the process has ended; does not
// know that code was unloaded. Other compilers in this process may write to the same file. Source:
// tools/perf/Documentation/jit-interface.txt of Linux.
class PerfMap {
 public:
  static std::string PathOfThisProcess();
  // Keeps what this process wrote into the file, drops what one of the same number left.
  static absl::StatusOr<PerfMap> Open(const std::string& path);
  absl::Status Add(const LoadedFunction& function) const;

 private:
  explicit PerfMap(AppendedFile file) : file_(std::move(file)) {}
  AppendedFile file_;
};

// FOLDER/jit-PID.dump: names and code with the time of loading, for `perf inject --jit`.
// Source: tools/perf/Documentation/jitdump-specification.txt of Linux, version 1.
class JitDump {
 public:
  // Maps the file executable too: perf record sees that, and so finds the file.
  static absl::StatusOr<JitDump> Create(const std::string& folder);
  JitDump(JitDump&& other) noexcept;
  // Writes the closing record.
  ~JitDump();
  absl::Status Add(const LoadedFunction& function);

 private:
  JitDump(AppendedFile file, void* marker, pid_t process)
      : file_(std::move(file)), marker_(marker), process_(process) {}
  AppendedFile file_;
  void* marker_;
  pid_t process_;
  uint64_t functions_ = 0;
};

}  // namespace skein

#endif  // SKEIN_CODEGEN_PERF_FILES_H_
