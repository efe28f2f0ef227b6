// The LLVM back end's part of codegen.h in a library that is built without it.
#include "codegen/codegen.h"

#if !SKEIN_HAVE_LLVM

#include "absl/strings/str_format.h"

namespace skein {

bool HaveLlvm() { return false; }

absl::StatusOr<ObjectCode> GenerateLlvm(std::span<const NamedNest>, const Target&) {
  return Unimplemented("this library is built without LLVM");
}

absl::StatusOr<std::string> LlvmIrText(const NamedNest&, const Target&) {
  return Unimplemented("this library is built without LLVM");
}

absl::StatusOr<std::string> Disassemble(const ObjectCode& object, int entry) {
  if (entry < 0 || entry >= static_cast<int>(object.entries.size())) {
    return InvalidArgument("disassemble: entry ", entry, " of ", object.entries.size());
  }
  const ObjectCode::Entry& function = object.entries[entry];
  std::string text = absl::StrFormat("%s:", function.name);
  for (uint32_t i = 0; i < function.size; ++i) {
    if (i % 16 == 0) absl::StrAppendFormat(&text, "\n%6x:", i);
    absl::StrAppendFormat(&text, " %02x", object.code[function.offset + i]);
  }
  return text + "\n";
}

}  // namespace skein

#endif  // !SKEIN_HAVE_LLVM
