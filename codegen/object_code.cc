#include "codegen/object_code.h"

#include <cstring>
#include <limits>

#include "codegen/gdb_symbols.h"
#include "codegen/kernel_names.h"

namespace skein {
namespace {

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

// The code as it is to lie at `space`.
absl::StatusOr<std::vector<uint8_t>> Relocated(const ObjectCode& object,
                                               const CodePool::Space& space) {
  std::vector<uint8_t> code = object.code;
  for (const ObjectCode::Relocation& relocation : object.relocations) {
    const int64_t value = (space.data + relocation.data_offset) - (space.code + relocation.offset) +
                          int64_t{relocation.addend};
    if (value < std::numeric_limits<int32_t>::min() ||
        value > std::numeric_limits<int32_t>::max()) {
      return Internal("object: relocation at ", relocation.offset, " does not fit in 32 bits");
    }
    const int32_t narrow = static_cast<int32_t>(value);
    std::memcpy(code.data() + relocation.offset, &narrow, sizeof(narrow));
  }
  return code;
}

std::vector<LoadedFunction> Functions(const ObjectCode& object, const uint8_t* code) {
  std::vector<LoadedFunction> functions;
  for (const ObjectCode::Entry& entry : object.entries) {
    functions.push_back({entry.name, code + entry.offset, entry.size});
    if (!object.tier.empty()) absl::StrAppend(&functions.back().name, "_", object.tier);
  }
  return functions;
}

}  // namespace

absl::StatusOr<std::unique_ptr<LoadedCode>> LoadedCode::Load(const ObjectCode& object) {
  SKEIN_RETURN_IF_ERROR(CheckObject(object));
  std::unique_ptr<LoadedCode> loaded;
  absl::Status written;
  for (const CodePool::Pages pages : {CodePool::Pages::kShared, CodePool::Pages::kOwn}) {
    loaded.reset(new LoadedCode());
    SKEIN_ASSIGN_OR_RETURN(
        loaded->space_, CodePool::Process().Reserve(object.code.size(), object.data.size(), pages));
    SKEIN_ASSIGN_OR_RETURN(const std::vector<uint8_t> code, Relocated(object, loaded->space_));
    written = CodePool::Process().Write(loaded->space_, code, object.data);
    if (written.ok()) break;
  }
  SKEIN_RETURN_IF_ERROR(written);
  for (const ObjectCode::Entry& entry : object.entries) {
    loaded->entries_.push_back(
        reinterpret_cast<KernelFunction>(loaded->space_.code + entry.offset));
  }
  if (KernelNames* const names = KernelNames::Process()) {
    loaded->gdb_symbols_ = names->Announce(Functions(object, loaded->space_.code));
  }
  return loaded;
}

LoadedCode::LoadedCode() = default;

LoadedCode::~LoadedCode() {
  gdb_symbols_.reset();
  CodePool::Process().Free(space_);
}

}  // namespace skein
