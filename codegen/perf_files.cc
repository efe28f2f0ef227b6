#include "codegen/perf_files.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <fstream>
#include <sstream>
#include <utility>

#include "absl/strings/str_format.h"

namespace skein {
namespace {

struct DumpHeader {
  uint32_t magic = 0x4a695444;  // "JiTD"
  uint32_t version = 1;
  uint32_t total_size = sizeof(DumpHeader);
  uint32_t machine = EM_X86_64;
  uint32_t padding = 0;
  uint32_t process;
  uint64_t timestamp;
  uint64_t flags = 0;
};
static_assert(sizeof(DumpHeader) == 40);

enum RecordKind : uint32_t { kCodeLoad = 0, kCodeClose = 3 };

struct RecordHeader {
  uint32_t kind;
  uint32_t total_size;
  uint64_t timestamp;
};
struct CodeLoad {
  RecordHeader header;
  uint32_t process, thread;
  uint64_t address, code_address, code_size, index;
  // The name with its zero and the code follow.
};
static_assert(sizeof(RecordHeader) == 16 && sizeof(CodeLoad) == 56);

double Seconds(const timespec& time) { return double(time.tv_sec) + 1e-9 * double(time.tv_nsec); }

double SecondsOn(clockid_t clock) {
  timespec now;
  clock_gettime(clock, &now);
  return Seconds(now);
}

// perf record -k CLOCK_MONOTONIC.
uint64_t Timestamp() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return uint64_t(now.tv_sec) * 1'000'000'000 + uint64_t(now.tv_nsec);
}

// Since when this process runs, in seconds; 0 if that cannot be told.
double AgeOfThisProcess() {
  std::ifstream file("/proc/self/stat");
  std::string line;
  std::getline(file, line);
  // Fields from the third on: the second, the program's name, may have spaces and parentheses.
  std::istringstream fields(line.substr(line.rfind(')') + 1));
  std::string skipped;
  for (int field = 3; field < 22; ++field) fields >> skipped;
  double start = 0;  // since the machine started, in ticks
  if (!(fields >> start)) return 0;
  return SecondsOn(CLOCK_BOOTTIME) - start / static_cast<double>(sysconf(_SC_CLK_TCK));
}

template <typename T>
std::string BytesOf(const T& value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof(value));
}

}  // namespace

// --- AppendedFile ---

absl::StatusOr<AppendedFile> AppendedFile::Open(const std::string& path) {
  AppendedFile file(path,
                    open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (file.descriptor_ < 0) return file.Failed("cannot open it");
  struct stat status;
  if (fstat(file.descriptor_, &status) != 0) return file.Failed("cannot look at it");
  if (!S_ISREG(status.st_mode) || status.st_uid != geteuid()) {
    return Internal(path, ": not a file of this user");
  }
  return file;
}

AppendedFile::AppendedFile(AppendedFile&& other) noexcept
    : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}

AppendedFile::~AppendedFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

absl::Status AppendedFile::Failed(std::string_view what) const {
  return Internal(path_, ": ", what, ": ", std::strerror(errno));
}

absl::Status AppendedFile::Write(const std::string& bytes) const {
  for (size_t at = 0; at < bytes.size();) {
    const ssize_t written = write(descriptor_, bytes.data() + at, bytes.size() - at);
    if (written < 0 && errno != EINTR) return Failed("cannot write");
    if (written > 0) at += static_cast<size_t>(written);
  }
  return absl::OkStatus();
}

absl::Status AppendedFile::Clear() const {
  return ftruncate(descriptor_, 0) == 0 ? absl::OkStatus() : Failed("cannot empty it");
}

// --- PerfMap ---

std::string PerfMap::PathOfThisProcess() { return absl::StrFormat("/tmp/perf-%d.map", getpid()); }

absl::StatusOr<PerfMap> PerfMap::Open(const std::string& path) {
  SKEIN_ASSIGN_OR_RETURN(AppendedFile file, AppendedFile::Open(path));
  struct stat status;
  fstat(file.descriptor(), &status);
  const double age = SecondsOn(CLOCK_REALTIME) - Seconds(status.st_mtim);
  if (age > AgeOfThisProcess() + 1) SKEIN_RETURN_IF_ERROR(file.Clear());
  return PerfMap(std::move(file));
}

absl::Status PerfMap::Add(const LoadedFunction& function) const {
  return file_.Write(absl::StrFormat("%x %x %s\n", reinterpret_cast<uintptr_t>(function.code),
                                     function.bytes, function.name));
}

// --- JitDump ---

absl::StatusOr<JitDump> JitDump::Create(const std::string& folder) {
  const pid_t process = getpid();
  const std::string path = absl::StrFormat("%s/jit-%d.dump", folder, process);
  SKEIN_ASSIGN_OR_RETURN(AppendedFile file, AppendedFile::Open(path));
  SKEIN_RETURN_IF_ERROR(file.Clear());
  SKEIN_RETURN_IF_ERROR(file.Write(
      BytesOf(DumpHeader{.process = static_cast<uint32_t>(process), .timestamp = Timestamp()})));
  void* marker = mmap(nullptr, static_cast<size_t>(sysconf(_SC_PAGESIZE)), PROT_READ | PROT_EXEC,
                      MAP_PRIVATE, file.descriptor(), 0);
  if (marker == MAP_FAILED) {
    return Internal(
        path, ": cannot map it executable (is the file system noexec?): ", std::strerror(errno));
  }
  return JitDump(std::move(file), marker, process);
}

JitDump::JitDump(JitDump&& other) noexcept
    : file_(std::move(other.file_)),
      marker_(std::exchange(other.marker_, nullptr)),
      process_(other.process_),
      functions_(other.functions_) {}

JitDump::~JitDump() {
  if (marker_ == nullptr) return;
  // A forked child has its parent's file here.
  if (process_ == getpid()) {
    file_.Write(BytesOf(RecordHeader{kCodeClose, sizeof(RecordHeader), Timestamp()})).IgnoreError();
  }
  munmap(marker_, static_cast<size_t>(sysconf(_SC_PAGESIZE)));
}

absl::Status JitDump::Add(const LoadedFunction& function) {
  const auto address = reinterpret_cast<uintptr_t>(function.code);
  const size_t bytes = sizeof(CodeLoad) + function.name.size() + 1 + function.bytes;
  const CodeLoad record = {
      .header = {kCodeLoad, static_cast<uint32_t>(bytes), Timestamp()},
      .process = static_cast<uint32_t>(process_),
      .thread = static_cast<uint32_t>(syscall(SYS_gettid)),
      .address = address,
      .code_address = address,
      .code_size = function.bytes,
      .index = functions_++,
  };
  std::string text = BytesOf(record);
  text.append(function.name.c_str(), function.name.size() + 1);
  text.append(reinterpret_cast<const char*>(function.code), function.bytes);
  return file_.Write(text);
}

}  // namespace skein
