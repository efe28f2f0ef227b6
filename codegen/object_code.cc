#include "codegen/object_code.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <limits>

namespace skein {
namespace {

size_t RoundUp(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

absl::Status CheckObject(const ObjectCode& object) {
  for (const ObjectCode::Entry& entry : object.entries) {
    if (entry.size == 0 || entry.offset > object.code.size() ||
        entry.size > object.code.size() - entry.offset) {
      return Internal("object: entry ", entry.name, " at ", entry.offset, ", ", entry.size,
                      " bytes, lies outside the code of ", object.code.size(), " bytes");
    }
  }
  for (const ObjectCode::Relocation& relocation : object.relocations) {
    if (object.code.size() < 4 || relocation.offset > object.code.size() - 4) {
      return Internal("object: relocation at ", relocation.offset, " lies outside the code of ",
                      object.code.size(), " bytes");
    }
    if (relocation.data_offset > object.data.size()) {
      return Internal("object: relocation to ", relocation.data_offset,
                      " lies outside the data of ", object.data.size(), " bytes");
    }
  }
  return absl::OkStatus();
}

absl::Status Relocate(const ObjectCode& object, uint8_t* code, const uint8_t* data) {
  for (const ObjectCode::Relocation& relocation : object.relocations) {
    const int64_t value =
        (data + relocation.data_offset) - (code + relocation.offset) + int64_t{relocation.addend};
    if (value < std::numeric_limits<int32_t>::min() ||
        value > std::numeric_limits<int32_t>::max()) {
      return Internal("object: relocation at ", relocation.offset, " does not fit in 32 bits");
    }
    const int32_t narrow = static_cast<int32_t>(value);
    std::memcpy(code + relocation.offset, &narrow, sizeof(narrow));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<LoadedCode>> LoadedCode::Load(const ObjectCode& object) {
  SKEIN_RETURN_IF_ERROR(CheckObject(object));
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t code_bytes = RoundUp(object.code.size(), page);
  const size_t bytes = code_bytes + RoundUp(object.data.size(), page);
  std::unique_ptr<LoadedCode> loaded(new LoadedCode());
  if (bytes == 0) return loaded;

  void* base = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (base == MAP_FAILED) {
    return absl::ResourceExhaustedError(
        absl::StrCat("cannot map ", bytes, " bytes for code: ", std::strerror(errno)));
  }
  loaded->base_ = base;
  loaded->bytes_ = bytes;
  uint8_t* code = static_cast<uint8_t*>(base);
  uint8_t* data = code + code_bytes;
  if (!object.code.empty()) std::memcpy(code, object.code.data(), object.code.size());
  if (!object.data.empty()) std::memcpy(data, object.data.data(), object.data.size());
  SKEIN_RETURN_IF_ERROR(Relocate(object, code, data));
  const bool protected_pages = mprotect(code, code_bytes, PROT_READ | PROT_EXEC) == 0 &&
                               mprotect(data, bytes - code_bytes, PROT_READ) == 0;
  if (!protected_pages) {
    return absl::ResourceExhaustedError(
        absl::StrCat("cannot make code executable: ", std::strerror(errno)));
  }
  for (const ObjectCode::Entry& entry : object.entries) {
    loaded->entries_.push_back(reinterpret_cast<KernelFunction>(code + entry.offset));
  }
  return loaded;
}

LoadedCode::~LoadedCode() {
  if (base_ != nullptr) munmap(base_, bytes_);
}

}  // namespace skein
