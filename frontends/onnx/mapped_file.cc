#include "frontends/onnx/mapped_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/cleanup/cleanup.h"

namespace skein {

absl::StatusOr<std::shared_ptr<const MappedFile>> MappedFile::Open(const std::string& path) {
  // O_NONBLOCK: opening a pipe must not wait for its writer.
  int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) {
    if (errno == ENOENT || errno == ENOTDIR) {
      return absl::NotFoundError(absl::StrCat("'", path, "' does not exist"));
    }
    return InvalidArgument("cannot open '", path, "': ", strerror(errno));
  }
  absl::Cleanup close_file = [file] { close(file); };
  struct stat info;
  if (fstat(file, &info) != 0 || !S_ISREG(info.st_mode)) {
    return InvalidArgument("'", path, "' is not a regular file");
  }
  if (info.st_size == 0) return std::shared_ptr<const MappedFile>(new MappedFile(nullptr, 0));
  void* data = mmap(nullptr, info.st_size, PROT_READ, MAP_PRIVATE, file, 0);
  if (data == MAP_FAILED) return InvalidArgument("cannot map '", path, "': ", strerror(errno));
  return std::shared_ptr<const MappedFile>(
      new MappedFile(static_cast<const char*>(data), info.st_size));
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) munmap(const_cast<char*>(data_), size_);
}

namespace {

// Empty if `path` does not exist.
std::string RealPath(const std::string& path) {
  char* resolved = realpath(path.c_str(), nullptr);
  if (resolved == nullptr) return "";
  std::string result = resolved;
  free(resolved);
  return result;
}

bool HasParentComponent(std::string_view location) {
  while (!location.empty()) {
    size_t end = location.find('/');
    if (location.substr(0, end) == "..") return true;
    if (end == std::string_view::npos) break;
    location.remove_prefix(end + 1);
  }
  return false;
}

}  // namespace

absl::StatusOr<std::string> ResolveInside(const std::string& folder, const std::string& location) {
  if (location.empty()) return InvalidArgument("the location is empty");
  if (location.find('\0') != std::string::npos) {
    return InvalidArgument("the location holds a zero byte");
  }
  if (location[0] == '/' || HasParentComponent(location)) {
    return InvalidArgument("location '", location, "' leaves the model's folder");
  }
  std::string root = RealPath(folder);
  std::string path = RealPath(folder + "/" + location);
  if (root.empty() || path.empty()) {
    return absl::NotFoundError(absl::StrCat("'", folder, "/", location, "' does not exist"));
  }
  if (root != "/") root += '/';
  if (path.compare(0, root.size(), root) != 0) {
    return InvalidArgument("location '", location, "' leaves the model's folder through a link");
  }
  return path;
}

}  // namespace skein
