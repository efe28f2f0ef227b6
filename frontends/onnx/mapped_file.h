// Files mapped read-only, and names of files that must stay inside a folder.
#ifndef SKEIN_FRONTENDS_ONNX_MAPPED_FILE_H_
#define SKEIN_FRONTENDS_ONNX_MAPPED_FILE_H_

#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"

namespace skein {

class MappedFile {
 public:
  // Errors: NotFound if there is no such file; InvalidArgument if it cannot be read or is not a
  // regular file (a pipe would hang, a device would not end).
  static absl::StatusOr<std::shared_ptr<const MappedFile>> Open(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const char* data() const { return data_; }
  int64_t size() const { return size_; }
  std::string_view bytes() const { return {data_, static_cast<size_t>(size_)}; }

 private:
  MappedFile(const char* data, int64_t size) : data_(data), size_(size) {}
  const char* data_;
  int64_t size_;
};

// The path of `location` inside `folder`, links resolved.
// Errors: InvalidArgument if `location` is empty, absolute, has a `..`, or leads out of the folder
// through a link; NotFound if there is no such file.
absl::StatusOr<std::string> ResolveInside(const std::string& folder, const std::string& location);

}  // namespace skein

#endif  // SKEIN_FRONTENDS_ONNX_MAPPED_FILE_H_
